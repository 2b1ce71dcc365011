// Wirecheck runs a command, captures what passes a network device meanwhile,
// and reports what DTLS over SCTP (RFC 6083) looked like on the wire.
//
//	wirecheck [-keylog FILE] [-pcap FILE] DEVICE COMMAND [ARG...]
//
// FILE is the one that the command appends its secrets to (SSLKEYLOGFILE).
// Exit status: that of the command if it is not 0, else 1 if the wire shows a
// defect. See package wire for what is checked and for how the device has to be
// set up.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"time"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
)

// patience is how long the association may need to end after the command has.
const patience = 10 * time.Second

func main() {
	keyLog := flag.String("keylog", "", "read the secrets of the connections from `FILE`")
	pcap := flag.String("pcap", "", "write the packets to `FILE`")
	flag.Parse()
	if flag.NArg() < 2 {
		fmt.Fprintln(os.Stderr, "usage: wirecheck [-keylog FILE] [-pcap FILE] DEVICE COMMAND [ARG...]")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), flag.Args()[1:], *keyLog, *pcap); err != nil {
		fmt.Fprintln(os.Stderr, "wirecheck:", err)
		var status *exec.ExitError
		if errors.As(err, &status) {
			os.Exit(status.ExitCode())
		}
		os.Exit(1)
	}
}

func run(device string, command []string, keyLog, pcap string) error {
	capture, err := wire.StartCapture(device)
	if err != nil {
		return err
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	failed := cmd.Run()

	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := capture.Await(ctx, wire.EndsAssociation); err != nil && failed == nil {
		failed = fmt.Errorf("no association has ended: %w", err)
	}
	frames, err := capture.Stop()
	if err != nil {
		return err
	}
	if pcap != "" {
		if err := write(pcap, frames); err != nil {
			return err
		}
	}
	if failed != nil {
		return failed
	}
	var options wire.Options
	if keyLog != "" {
		if options.KeyLog, err = os.ReadFile(keyLog); err != nil {
			return err
		}
	}
	return check(frames, options)
}

func write(name string, frames []wire.Frame) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	return errors.Join(wire.WritePcap(f, frames), f.Close())
}

func check(frames []wire.Frame, options wire.Options) error {
	associations, err := wire.Check(frames, options)
	if err != nil {
		return err
	}
	defects := 0
	for _, a := range associations {
		fmt.Printf("on the wire: %v to %v, %d packets, %d user messages\n",
			a.Addr[wire.Initiator], a.Addr[wire.Responder], len(a.Packets), len(a.Messages))
		chunks := make(map[int]int) // DATA chunks of each key identifier
		for under, n := range a.DataChunks() {
			chunks[under.KeyID] += n
		}
		for _, key := range slices.Sorted(maps.Keys(chunks)) {
			fmt.Printf("  DATA chunks authenticated under key %d: %d\n", key, chunks[key])
		}
		for _, d := range a.Defects {
			fmt.Printf("  DEFECT: %v\n", d)
		}
		defects += len(a.Defects)
	}
	if defects > 0 {
		return fmt.Errorf("the wire shows defects: %d", defects)
	}
	return nil
}

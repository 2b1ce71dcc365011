// Sctp-tunnel carries the SCTP associations of a daemon that has no security over DTLS/SCTP (RFC
// 6083), without a change to the daemon: one on each side of a network, or one beside a peer that
// speaks DTLS/SCTP itself.
//
//	sctp-tunnel server -listen 192.0.2.1:5868 -target 127.0.0.1:3868 -cert server.pem -ca ca.pem
//	sctp-tunnel client -listen 127.0.0.1:3868 -target 192.0.2.1:5868 -cert client.pem -ca ca.pem
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/urfave/cli/v3"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first signal asks for a graceful end; the second one must not wait for it.
	context.AfterFunc(ctx, stop)
	os.Exit((&program{stdout: os.Stdout, stderr: os.Stderr}).run(ctx, os.Args))
}

// A program is what the commands share: everything outside of them.
type program struct{ stdout, stderr io.Writer }

// run executes one command line and returns the exit status.
func (p *program) run(ctx context.Context, args []string) int {
	if err := p.command().Run(ctx, args); err != nil {
		fmt.Fprintf(p.stderr, "sctp-tunnel: %v\n", err)
		return 1
	}
	return 0
}

func (p *program) command() *cli.Command {
	return &cli.Command{
		Name:           "sctp-tunnel",
		Usage:          "DTLS over SCTP (RFC 6083) for daemons that have no security",
		Version:        version(),
		Suggest:        true,
		Writer:         p.stdout,
		ErrWriter:      p.stderr,
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // run prints errors
		Commands:       []*cli.Command{p.serverCommand(), p.clientCommand()},
	}
}

// version returns the version of the module, which go install and go build record.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(unknown)"
}

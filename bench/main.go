// Command bench measures. “make bench” calls it: see the script run.
//
//	bench core FILE                 what needs no SCTP
//	bench association FILE          over associations of the kernel, as root of one that has SCTP
//	bench scale FILE                the same: what many associations and streams cost
//	bench peer OPTION...            one end of an association; the above call it
//	bench report FOLDER DOCUMENT FILE...
//	                                puts results together: JSON and charts in FOLDER, tables in DOCUMENT
//	bench load FOLDER DOCUMENT CHART
//	                                puts what the tests of load left in FOLDER into DOCUMENT, and draws the soak
//	bench baseline BASELINE FILE... keeps the ratios of results
//	bench check BASELINE FILE...    fails if results are worse than that
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/bench/association"
	"github.com/seed-41f70523/dtls-sctp/bench/core"
	"github.com/seed-41f70523/dtls-sctp/bench/measure"
	"github.com/seed-41f70523/dtls-sctp/bench/peer"
	"github.com/seed-41f70523/dtls-sctp/bench/report"
	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("usage: bench core|association|scale|peer|report|load|baseline|check, and what each wants"))
	}
	commands := map[string]func([]string) error{
		"core": runCore, "association": runAssociation, "scale": runScale, "peer": runPeer,
		"report": runReport, "load": runLoad, "baseline": runBaseline, "check": runCheck,
	}
	command, ok := commands[os.Args[1]]
	if !ok {
		fail(fmt.Errorf("no such command: %s", os.Args[1]))
	}
	if err := command(os.Args[2:]); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

func runCore(args []string) error {
	flags := flag.NewFlagSet("core", flag.ExitOnError)
	rounds := flags.Int("rounds", 31, "how often each has its turn")
	turn := flags.Duration("turn", 20*time.Millisecond, "time of a turn")
	flags.Parse(args)
	contests, err := core.Contests()
	if err != nil {
		return err
	}
	r := measure.Report{About: map[string]string{"Go": runtime.Version(), "processor": processor()}}
	err = r.Run(os.Stderr, contests, *rounds, *turn)
	return errors.Join(err, r.Write(flags.Arg(0)))
}

// processor returns the name of this machine's processor.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// kernel returns the version of the running kernel, and which kind of machine it says it has.
func kernel() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", err
	}
	return fmt.Sprintf("Linux %s, processor: %s", unix.ByteSliceToString(u.Release[:]), processor()), nil
}

// perCall returns what f takes, which is some microseconds: the least of several turns.
func perCall(f func()) string {
	const turns, times = 50, 100
	least := time.Hour
	for range turns {
		begin := time.Now()
		for range times {
			f()
		}
		least = min(least, time.Since(begin))
	}
	return fmt.Sprintf("%.1f µs", least.Seconds()*1e6/times)
}

func runAssociation(args []string) error {
	flags := flag.NewFlagSet("association", flag.ExitOnError)
	rounds := flags.Int("rounds", 9, "how often each has its turn, at most")
	turn := flags.Duration("turn", 200*time.Millisecond, "time of a turn")
	cpeer := flags.String("cpeer", "", "the peer in C")
	parts := flags.String("parts", strings.Join(association.Parts(), ","), "what to measure: ASSOCIATIONSxSTREAMS, or handshakes")
	flags.Parse(args)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	n, err := association.NewNetwork([]string{self, "peer"}, *cpeer, os.Stderr)
	if err != nil {
		return err
	}
	defer n.Close()
	k, err := kernel()
	if err != nil {
		return err
	}
	r := measure.Report{About: map[string]string{
		"kernel":              k,
		"a system call there": perCall(func() { unix.RawSyscall(unix.SYS_GETPID, 0, 0, 0) }),
		"time.Now there":      perCall(func() { _ = time.Now() }),
	}}
	return association.Run(&r, n, strings.Split(*parts, ","), *turn, *rounds, func() error { return r.Write(flags.Arg(0)) })
}

func runScale(args []string) error {
	flags := flag.NewFlagSet("scale", flag.ExitOnError)
	most := flags.Int("associations", 10000, "at most")
	turn := flags.Duration("turn", 200*time.Millisecond, "time of a turn")
	flags.Parse(args)
	self, err := os.Executable()
	if err != nil {
		return err
	}
	n, err := association.NewNetwork([]string{self, "peer"}, "", os.Stderr)
	if err != nil {
		return err
	}
	defer n.Close()
	var r measure.Report
	err = association.Scale(&r, n, *most, *turn)
	return errors.Join(err, r.Write(flags.Arg(0)))
}

func runPeer(args []string) error {
	var o peer.Options
	flags := flag.NewFlagSet("peer", flag.ExitOnError)
	role := flags.String("role", "", "server or client")
	address := flags.String("address", "", "of the server")
	version := flags.String("dtls", "", "version of DTLS")
	flags.StringVar(&o.Kind, "kind", "", "dtls, auth or plain")
	flags.StringVar(&o.Folder, "certificates", "", "their folder")
	flags.IntVar(&o.Associations, "associations", 1, "that a client makes")
	flags.IntVar(&o.Streams, "streams", 1, "of each")
	flags.IntVar(&o.Buffer, "buffer", 0, "of each socket")
	flags.IntVar(&o.HMAC, "hmac", 0, "1 SHA-1, 3 SHA-256")
	flags.IntVar(&o.Batch, "batch", 1, "messages that are sent together")
	flags.BoolVar(&o.Hold, "hold", false, "a server does not read")
	flags.BoolVar(&o.Resume, "resume", false, "sessions")
	flags.IntVar(&o.SACKDelay, "sack-delay", -1, "in milliseconds")
	flags.Parse(args)
	var err error
	if o.Address, err = netip.ParseAddrPort(*address); err != nil {
		return err
	}
	o.Version = map[string]uint16{"1.2": dtlscore.VersionDTLS12, "1.3": dtlscore.VersionDTLS13}[strings.TrimSpace(*version)]
	if *role == "server" {
		return peer.Serve(&o, os.Stdin, os.Stdout)
	}
	return peer.Client(&o, os.Stdin, os.Stdout)
}

// read puts the results of files together.
func read(files []string) (*measure.Report, error) {
	r := new(measure.Report)
	for _, file := range files {
		if err := r.Read(file); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func runReport(args []string) error {
	if len(args) < 3 {
		return errors.New("usage: bench report FOLDER DOCUMENT FILE, at least one")
	}
	folder, document := args[0], args[1]
	r, err := read(args[2:])
	if err != nil {
		return err
	}
	tables := report.Tables(r)
	fmt.Println(tables["targets"])
	return errors.Join(
		r.Write(filepath.Join(folder, "results.json")),
		report.Charts(folder, r),
		report.Fill(document, tables),
	)
}

func runLoad(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: bench load FOLDER DOCUMENT CHART")
	}
	return report.Load(args[0], args[1], args[2])
}

func runBaseline(args []string) error {
	r, err := read(args[1:])
	if err != nil {
		return err
	}
	return report.NewBaseline(r).Write(args[0])
}

func runCheck(args []string) error {
	b, err := report.ReadBaseline(args[0])
	if err != nil {
		return err
	}
	r, err := read(args[1:])
	if err != nil {
		return err
	}
	if worse := b.Check(os.Stdout, r); worse > 0 {
		return fmt.Errorf("%d ratios are worse than the baseline's", worse)
	}
	return nil
}

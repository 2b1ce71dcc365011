// Command bench runs the measurements. "make bench" calls it through the script run.
//
//	bench core FILE                 what needs no SCTP
//	bench association FILE          associations of the kernel; requires root and SCTP
//	bench idle FILE                 the same: the cost of idle associations
//	bench tunnel FILE               the same: the cost of two sctp-tunnels
//	bench profile FILE              the same: the work that package profile counts
//	bench peer OPTION...            one end of an association; used by the above
//	bench report DOCS FILE...       writes results to the charts and tables of DOCS; what was not
//	                                measured stays as it is
//	bench draw DOCS PROFILE         writes drawings and tables of a profile
//	bench load FOLDER DOCUMENT CHART
//	                                inserts the results of load tests in FOLDER into DOCUMENT, and
//	                                draws the soak
//	bench baseline BASELINE FILE... stores the ratios of runs
//	bench check BASELINE FILE...    fails if a ratio is worse than the baseline in each of the runs
//
// If the environment variable COUNTING is set, the machine's clock counts instructions, one per
// nanosecond.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/bench/association"
	"github.com/seed-41f70523/dtls-sctp/bench/core"
	"github.com/seed-41f70523/dtls-sctp/bench/measure"
	"github.com/seed-41f70523/dtls-sctp/bench/peer"
	"github.com/seed-41f70523/dtls-sctp/bench/profile"
	"github.com/seed-41f70523/dtls-sctp/bench/report"
	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("usage: bench COMMAND, and what it wants: see the package's documentation"))
	}
	commands := map[string]func([]string) error{
		"core": runCore, "association": runAssociation, "idle": runIdle,
		"tunnel": runTunnel, "profile": runProfile, "peer": runPeer,
		"report": runReport, "draw": runDraw, "load": runLoad, "baseline": runBaseline, "check": runCheck,
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
	r := measure.Report{About: map[string]string{"processor": processor()}}
	err = r.Run(os.Stderr, contests, *rounds, *turn)
	return errors.Join(err, r.Write(flags.Arg(0)))
}

// counting is set where the clock counts instructions: see netns-tests/run.
var counting = os.Getenv("COUNTING") != ""

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

// kernel returns the version of the running kernel and the type of machine that it reports.
func kernel() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", err
	}
	return fmt.Sprintf("Linux %s, processor: %s", unix.ByteSliceToString(u.Release[:]), processor()),
		nil
}

// commit is the commit that this program was built from, set by the script run.
var commit string

// hashes returns how the kernel computes SHA-1 and SHA-256, if it reports that.
func hashes() string {
	text, _ := os.ReadFile("/proc/crypto")
	best := map[string]int{}
	drivers := map[string]string{}
	for entry := range strings.SplitSeq(string(text), "\n\n") {
		fields := map[string]string{}
		for line := range strings.Lines(entry) {
			name, value, _ := strings.Cut(line, ":")
			fields[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
		name := fields["name"]
		if priority, _ := strconv.Atoi(fields["priority"]); name != "" && priority >= best[name] {
			best[name], drivers[name] = priority, fields["driver"]
		}
	}
	return strings.Trim(drivers["sha1"]+", "+drivers["sha256"], ", ")
}

// newNetwork returns a network whose peers are this program, and cpeer if that is not empty.
func newNetwork(cpeer string) (*association.Network, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return association.NewNetwork([]string{self, "peer"}, cpeer, os.Stderr)
}

func runAssociation(args []string) error {
	flags := flag.NewFlagSet("association", flag.ExitOnError)
	rounds := flags.Int("rounds", 9, "how often each has its turn, at most")
	turn := flags.Duration("turn", 200*time.Millisecond, "time of a turn")
	cpeer := flags.String("cpeer", "", "the peer in C")
	parts := flags.String("parts", strings.Join(association.Parts(), ","),
		"what to measure; besides, records, where instructions are counted")
	programs := flags.String("programs", "", "which of them, if not all")
	flags.Parse(args)
	n, err := newNetwork(*cpeer)
	if err != nil {
		return err
	}
	defer n.Close()
	k, err := kernel()
	if err != nil {
		return err
	}
	r := measure.Report{About: map[string]string{
		"kernel": k, "hashes": hashes(), "Go": runtime.Version(), "commit": commit, "unit": "µs",
	}}
	if counting {
		r.About["unit"] = "1,000 instructions"
		if strings.Contains(r.About["hashes"], "generic") {
			return errors.New("this kernel computes HMACs in plain C, other than machines: " +
				r.About["hashes"])
		}
	}
	if counting && slices.Contains(strings.Split(*parts, ","), "records") {
		contests, err := core.Counted()
		if err == nil {
			err = r.Run(os.Stderr, contests, *rounds, *turn/8)
		}
		if err != nil {
			return err
		}
	}
	wanted := func(program string) bool {
		return *programs == "" || slices.Contains(strings.Split(*programs, ","), program)
	}
	return association.Run(&r, n, strings.Split(*parts, ","), wanted, *turn, *rounds,
		func() error { return r.Write(flags.Arg(0)) })
}

func runIdle(args []string) error {
	flags := flag.NewFlagSet("idle", flag.ExitOnError)
	most := flags.Int("most", 1000, "associations")
	program := flags.String("program", "dtls1.2", "whose they are")
	flags.Parse(args)
	n, err := newNetwork("")
	if err != nil {
		return err
	}
	defer n.Close()
	r := measure.Report{About: map[string]string{"commit": commit}}
	err = association.Idle(&r, n, *program, *most, counting)
	return errors.Join(err, r.Write(flags.Arg(0)))
}

func runTunnel(args []string) error {
	flags := flag.NewFlagSet("tunnel", flag.ExitOnError)
	program := flags.String("program", "", "sctp-tunnel")
	rounds := flags.Int("rounds", 1, "how often each has its turn")
	turn := flags.Duration("turn", 200*time.Millisecond, "time of a turn")
	settle := flags.Duration("settle", 0, "wait so long before the first turn")
	load := flags.Int("load", 0, "messages a second of 64 associations in six steps, in place of that")
	step := flags.Duration("step", 10*time.Second, "time of a step")
	flags.Parse(args)
	n, err := newNetwork("")
	if err != nil {
		return err
	}
	defer n.Close()
	var r measure.Report
	if *load > 0 {
		err = association.TunnelLoad(&r, n, *program, 64, *load, *step)
	} else {
		err = association.Tunnel(&r, n, *program, *settle, *turn, *rounds)
	}
	return errors.Join(err, r.Write(flags.Arg(0)))
}

func runProfile(args []string) error {
	n, err := newNetwork("")
	if err != nil {
		return err
	}
	defer n.Close()
	f, err := os.Create(args[0])
	if err != nil {
		return err
	}
	return errors.Join(association.Profile(n, f), f.Close())
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
	flags.BoolVar(&o.Hold, "hold", false, "a server does not read")
	flags.BoolVar(&o.Resume, "resume", false, "sessions")
	flags.IntVar(&o.SACKDelay, "sack-delay", -1, "in milliseconds")
	flags.Parse(args)
	var err error
	if o.Address, err = netip.ParseAddrPort(*address); err != nil {
		return err
	}
	o.Version = map[string]uint16{"1.2": dtlscore.VersionDTLS12,
		"1.3": dtlscore.VersionDTLS13}[strings.TrimSpace(*version)]
	if *role == "server" {
		return peer.Serve(&o, os.Stdin, os.Stdout)
	}
	return peer.Client(&o, os.Stdin, os.Stdout)
}

// read reads the results in files.
func read(files []string) ([]*measure.Report, error) {
	var runs []*measure.Report
	for _, file := range files {
		r, err := measure.Read(file)
		if err != nil {
			return nil, err
		}
		runs = append(runs, r)
	}
	return runs, nil
}

// drawings returns the folder of the drawings in the folder of the documents.
func drawings(docs string) string { return filepath.Join(docs, "bench") }
func documents(docs string) []string {
	return []string{filepath.Join(docs, "performance.md"), filepath.Join(docs, "bench", "tables.md")}
}

func runReport(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: bench report DOCS FILE, at least one")
	}
	runs, err := read(args[1:])
	if err != nil {
		return err
	}
	all := new(measure.Report)
	for _, r := range runs {
		all.Add(r)
	}
	return errors.Join(report.Charts(drawings(args[0]), all),
		report.Fill(documents(args[0]), report.Tables(all)))
}

func runDraw(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: bench draw DOCS PROFILE")
	}
	all, err := profile.Read(args[1])
	if err != nil {
		return err
	}
	var heads []string
	for i, p := range all {
		words := association.ProfileWords(p.Name)
		heads = append(heads, words)
		if strings.HasSuffix(p.Name, "auth") {
			continue // for comparison only
		}
		file := filepath.Join(drawings(args[0]), p.Name+".svg")
		if err := os.WriteFile(file, all[i].Draw(words), 0o644); err != nil {
			return err
		}
	}
	return report.Fill(documents(args[0]), map[string]string{
		"profile": profile.Table(all, heads, false), "parts": profile.Table(all, heads, true),
	})
}

func runLoad(args []string) error {
	if len(args) != 3 {
		return errors.New("usage: bench load FOLDER DOCUMENT CHART")
	}
	return report.Load(args[0], args[1], args[2])
}

func runBaseline(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: bench baseline BASELINE FILE, at least one")
	}
	runs, err := read(args[1:])
	if err != nil {
		return err
	}
	b, err := report.NewBaseline(runs)
	if err != nil {
		return err
	}
	return b.Write(args[0])
}

func runCheck(args []string) error {
	if len(args) < 2 {
		return errors.New("usage: bench check BASELINE FILE, at least one")
	}
	b, err := report.ReadBaseline(args[0])
	if err != nil {
		return err
	}
	runs, err := read(args[1:])
	if err != nil {
		return err
	}
	return b.Check(os.Stdout, runs)
}

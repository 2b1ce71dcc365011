package association

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// idling are the programs of Idle. Resumed handshakes are short: they reach numbers of associations
// for which full ones would take half an hour on an emulated machine.
var idling = []Program{authGo, dtls, dtls13, dtls.resumed()}

// IdleFigures are the figures of Idle; the last one exists only where instructions are counted.
var IdleFigures = []string{"associations/s", "KiB of the process each",
	"KiB of the kernel for both ends each", "instructions a second each"}

// Idle measures the cost of idle associations of a program: of 10, 100 and so on, up to most. Each
// number has a contest of that name with one turn.
func Idle(r *measure.Report, n *Network, program string, most int, counting bool) error {
	at := slices.IndexFunc(idling, func(p Program) bool { return p.Name == program })
	if at < 0 {
		return fmt.Errorf("idle associations of %q are not measured", program)
	}
	// Each association needs a file descriptor.
	limit := unix.Rlimit{Cur: 1 << 16, Max: 1 << 16}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("setrlimit: %w", err)
	}
	if err := idle(r, n, idling[at], most, counting); err != nil {
		return fmt.Errorf("idle, %s: %w", program, err)
	}
	return nil
}

func idle(r *measure.Report, n *Network, p Program, most int, counting bool) error {
	n.port++
	// The default sizes of buffers.
	server, err := start("server", append(n.command(p, "server", n.port, 0, 10, 0), "-hold"))
	if err != nil {
		return err
	}
	defer server.end()
	client, err := start("client", n.command(p, "client", n.port, 0, 10, 0))
	if err != nil {
		return err
	}
	defer client.end()
	ask := func(who *process, what string) (v float64) {
		if err == nil {
			v, err = who.ask(what)
		}
		return v
	}
	// Exclude what only the first associations allocate.
	const first = 2
	ask(client, fmt.Sprintf("grow %d", first))
	// The memory of the process and of the kernel, and instructions per second.
	measured := func() (now [3]float64) {
		now[0] = ask(server, "memory")
		ask(client, "memory")
		now[1] = kernelMemory()
		if counting && err == nil {
			now[2], err = busy(watched)
		}
		return now
	}
	before := measured()
	const few = 10 // too few for a measurement
	for count := few; count <= most && err == nil; count *= 10 {
		fmt.Fprintf(n.progress, "idle, %s: %d associations\n", p.Name, count)
		contest := fmt.Sprintf("idle/%d associations", count)
		r.AddValue(contest, p.Name, IdleFigures[0], ask(client, fmt.Sprintf("grow %d", count)))
		if count == few {
			continue
		}
		now := measured()
		for i, unit := range []float64{1024, 1024, 1} {
			if i == 2 && !counting {
				break
			}
			r.AddValue(contest, p.Name, IdleFigures[1+i], (now[i]-before[i])/unit/float64(count-first))
		}
	}
	return err
}

// kernelMemory returns the number of bytes that the kernel itself uses.
func kernelMemory() float64 {
	kib := make(map[string]float64)
	readLines("/proc/meminfo", func(line string) {
		name, value, _ := strings.Cut(line, ":")
		var v float64
		fmt.Sscan(value, &v)
		kib[name] = v
	})
	return 1024 * (kib["MemTotal"] - kib["MemFree"] - kib["AnonPages"] - kib["Cached"] -
		kib["Buffers"] - kib["PageTables"])
}

// watched is how long idle associations are measured. In that time both ends of each send about
// eight heartbeats, and Go's runtime collects garbage twice, as it does without allocations.
const watched = 4 * time.Minute

// busy returns for how many nanoseconds per second the processor is busy, measured for d. Where
// instructions are counted, that is their number.
func busy(d time.Duration) (float64, error) {
	time.Sleep(d / 4) // wait for acknowledgements and other effects
	begin, err := idleNanoseconds()
	if err != nil {
		return 0, err
	}
	start := time.Now()
	time.Sleep(d)
	took := time.Since(start)
	end, err := idleNanoseconds()
	return (float64(took.Nanoseconds()) - (end - begin)) / took.Seconds(), err
}

// idleNanoseconds returns how long the first processor has been idle.
func idleNanoseconds() (ns float64, err error) {
	err = errors.New("/proc/timer_list does not tell how long processors are idle")
	readLines("/proc/timer_list", func(line string) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), ".idle_sleeptime"); ok && err != nil {
			_, err = fmt.Sscanf(strings.TrimSpace(rest), ": %f", &ns)
		}
	})
	return ns, err
}

// readLines calls f with each line of a file, if it exists.
func readLines(file string, f func(line string)) {
	r, err := os.Open(file)
	if err != nil {
		return
	}
	defer r.Close()
	for s := bufio.NewScanner(r); s.Scan(); {
		f(s.Text())
	}
}

package association

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// Scale measures what a server's associations cost when there are 1, 10, ... up to most of
// them that nobody uses, and how fast messages are when an association has up to 1,024 streams.
// There is one turn of each; the contests are named after the numbers.
func Scale(r *measure.Report, n *Network, most int, d time.Duration) error {
	// Each association is a descriptor.
	limit := unix.Rlimit{Cur: 1 << 16, Max: 1 << 16}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("setrlimit: %w", err)
	}
	var failed []error
	for _, p := range []Program{dtls, authGo} {
		failed = append(failed, scaleAssociations(r, n, p, most))
	}
	return errors.Join(append(failed, scaleStreams(r, n, d))...)
}

func scaleAssociations(r *measure.Report, n *Network, p Program, most int) error {
	n.port++
	// Buffers as they are by default.
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
	ask(client, "grow 1") // what the first one needs is no part of what one needs
	memory, free := ask(server, "memory"), available()
	clientMemory := ask(client, "memory")
	for count := 10; count <= most && err == nil; count *= 10 {
		fmt.Fprintf(n.progress, "scale, %s: %d associations\n", p.Name, count)
		contest := fmt.Sprintf("scale/%d associations", count)
		r.AddValue(contest, p.Name, "associations/s", ask(client, fmt.Sprintf("grow %d", count)))
		idle := ask(server, "cpu")
		begin := time.Now()
		time.Sleep(time.Second)
		idle = (ask(server, "cpu") - idle) / time.Since(begin).Seconds()
		grown := float64(count - 1)
		own := ask(server, "memory") - memory
		both := own + ask(client, "memory") - clientMemory
		r.AddValue(contest, p.Name, "KiB of the process each", own/grown/1024)
		kernel := free - available() - both
		r.AddValue(contest, p.Name, "KiB of the kernel for both ends each", kernel/grown/1024)
		r.AddValue(contest, p.Name, "idle µs of processor a second each", idle*1e6/float64(count))
	}
	if err != nil {
		return fmt.Errorf("scale, %s: %w", p.Name, err)
	}
	return nil
}

// available returns how many bytes of memory the machine has left.
func available() float64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib float64
		if rest, ok := strings.CutPrefix(lines.Text(), "MemAvailable:"); ok {
			fmt.Sscan(rest, &kib)
			return kib * 1024
		}
	}
	return 0
}

func scaleStreams(r *measure.Report, n *Network, d time.Duration) error {
	for streams := 1; streams <= 1024; streams *= 4 {
		contest := measure.Contest{Name: fmt.Sprintf("scale/%d streams", streams)}
		for _, p := range []Program{dtls, authGo} {
			c, err := n.client(p, 1, streams)
			if err != nil {
				return err
			}
			defer c.end()
			contest.Contestants = append(contest.Contestants,
				measure.Contestant{Name: p.Name, Run: func(d time.Duration) (measure.Sample, error) {
					rate, err := c.ask(fmt.Sprintf("discard 1024 %d", d.Milliseconds()))
					return measure.Sample{"messages/s": rate}, err
				}})
		}
		if err := r.Run(n.progress, []measure.Contest{contest}, 3, d); err != nil {
			return err
		}
	}
	return nil
}

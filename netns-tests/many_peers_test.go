//go:build kernel

package netns

import (
	"bufio"
	"fmt"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"golang.org/x/sys/unix"
)

const dialers = 32 // number of concurrent calls of Dial

// runPeers is the main function of the peers' process in TestAttackE12ManyAssociations. Each line
// that it reads makes it continue; it reports when all associations are set up, when they have
// echoed again, and when they are closed.
func runPeers(total int, server, certs string) error {
	limitGarbage()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, fileLimit(2*total+1000)); err != nil {
		return err
	}
	config, err := endConfig(certs, "client")
	if err != nil {
		return err
	}
	conns := make([]*sctpdtls.Conn, total)
	var took durations
	var done atomic.Int64
	var failed atomic.Pointer[error]
	all := func(what string, workers int, f func(i int) error) {
		done.Store(0)
		atOnce(total, workers, func(i int) {
			if failed.Load() != nil {
				return
			}
			if err := f(i); err != nil {
				err = fmt.Errorf("association %d: %w", i, err)
				failed.Store(&err)
			}
			if n := done.Add(1); n%peersTell == 0 {
				fmt.Printf("%s: %d\n", what, n)
			}
		})
	}
	nothing := func() string { return "" }
	input := bufio.NewScanner(os.Stdin)
	patience := Patience + time.Duration(total)*20*time.Millisecond
	for _, step := range []struct {
		what    string
		workers int
		do      func(i int) error
		more    func() string
	}{
		{"made", dialers, func(i int) (err error) {
			begin := time.Now()
			if conns[i], err = sctpdtls.Dial("sctp4", server, config); err == nil {
				err = echo(conns[i], i, patience)
			}
			took.add(time.Since(begin))
			return err
		}, func() string { return ": " + took.String() }},
		{"echoed again", total, func(i int) error { return echo(conns[i], i, patience) }, nothing},
		{"closed", 64, func(i int) error { return conns[i].Close() }, nothing},
	} {
		start := time.Now()
		all(step.what, step.workers, step.do)
		if err := failed.Load(); err != nil {
			return *err
		}
		fmt.Printf("%s: all, %d in %.1f s%s\n", step.what, total, time.Since(start).Seconds(),
			step.more())
		input.Scan()
	}
	return nil
}

// peersTell is the number of associations after which the peers report their progress.
const peersTell = 10

// limitGarbage reduces the memory of the processes with very many associations: User Mode Linux can
// give a process at most as many pages as its host permits memory mappings (vm.max_map_count,
// 65,530 by default), which is 256 MiB.
func limitGarbage() { debug.SetGCPercent(30) }

func fileLimit(n int) *unix.Rlimit { return &unix.Rlimit{Cur: uint64(n), Max: uint64(n)} }

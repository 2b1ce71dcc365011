//go:build !race

package sctpdtls

import (
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// idleLimit is what an idle connection may take of the process, in bytes: of the Go heap, and for
// the stack of its goroutine, which has minStack at least. The ciphers of DTLS 1.3 alone are 3 KiB.
// What the runtime notes of a goroutine, and keeps for the next one, is not in it.
const (
	idleLimit = 8 << 10
	minStack  = 2 << 10
)

// BenchmarkIdle is the memory of a connection that does nothing, after its handshake; half of them
// are clients. The association in memory is not part of it; TestKernelIdle has the kernel's.
func BenchmarkIdle(b *testing.B) {
	for _, version := range versions {
		b.Run(VersionName(version), func(b *testing.B) {
			for b.Loop() {
				m := idleInMemory(b, version, 500)
				b.ReportMetric(m.heap, "heap-B/conn")
				b.ReportMetric(m.stack, "stack-B/conn")
				b.ReportMetric(m.goroutines, "goroutines/conn")
			}
		})
	}
}

// A process may hold many idle connections.
func TestIdleMemory(t *testing.T) {
	for _, version := range versions {
		t.Run(VersionName(version), func(t *testing.T) {
			idleInMemory(t, version, 100).check(t, idleLimit)
		})
	}
}

// idleMemory is what each of many idle connections takes.
type idleMemory struct {
	heap, stack float64 // bytes for each connection; minStack if stacks that were there are used
	goroutines  float64 // likewise
}

func (m idleMemory) String() string {
	return fmt.Sprintf(
		"an idle connection takes %.0f bytes of heap and %.0f of stack, and has %.2f goroutines", m.heap,
		m.stack, m.goroutines)
}

func (m idleMemory) check(t *testing.T, limit float64) {
	t.Helper()
	t.Log(m)
	if m.heap+m.stack > limit {
		t.Errorf("that is more than %v", limit)
	}
	if m.goroutines > 1 {
		t.Error("it needs one")
	}
}

// idleInMemory measures connections whose associations are in memory, and not counted.
func idleInMemory(t testing.TB, version uint16, pairs int) idleMemory {
	client, server := clientConfig(), serverConfig()
	client.MinVersion, client.MaxVersion = version, version
	of := server.core() // of all connections, as that of a Listener
	var all []*Conn
	silence := make(chan struct{})
	defer func() {
		close(silence)
		for _, c := range all {
			c.owner.lock() // its goroutine has ended
		}
	}()
	return measureIdle(pairs, func() (a, b any) {
		once := &cleaner{TB: t} // what t keeps for its end is not of the connection
		defer once.clean()
		p := newTestPair(once, assoctest.Options{}, client, server)
		core, err := dtlscore.Server(of)
		if err != nil {
			t.Fatal(err)
		}
		p.server.core = core
		if cerr, serr := p.handshake(); cerr != nil || serr != nil {
			t.Fatalf("handshake: client %v, server %v", cerr, serr)
		}
		for _, c := range []*Conn{p.client, p.server} {
			c.keys.stop() // a timer may use it
			defer c.stop()()
		}
		p.clientSCTP.EndNetwork()
		for _, c := range []*Conn{p.client, p.server} {
			c.assoc.(*memAssociation).Assoc = nil
			c.assoc = idleAssociation{nil, silence}
			c.owner.messages = stream.NewReader(c.assoc)
			none := func(time.Time) error { return nil }
			c.alarm.set, c.writeDeadline.set = none, none
			all = append(all, c)
		}
		return p.client, p.server
	})
}

// A cleaner is a TB whose Cleanup waits for clean, not for the end of the test.
type cleaner struct {
	testing.TB
	functions []func()
}

func (c *cleaner) Cleanup(f func()) { c.functions = append(c.functions, f) }

func (c *cleaner) clean() {
	for _, f := range slices.Backward(c.functions) {
		f()
	}
}

// An idleAssociation receives nothing until silence is closed, and then its end.
type idleAssociation struct {
	association
	silence chan struct{}
}

func (a idleAssociation) Recv(_ stream.Buffer, wait bool) (stream.Part, error) {
	if !wait {
		return stream.Part{}, stream.ErrWouldBlock
	}
	<-a.silence
	return stream.Part{}, net.ErrClosed
}

func (idleAssociation) Abort() error { return nil }

// measureIdle measures what connect makes, two at a time.
func measureIdle(pairs int, connect func() (a, b any)) idleMemory {
	start := runtime.NumGoroutine()
	const first = 50 // make what all share, and the stacks of goroutines that come and go
	all := make([]any, 0, 2*(first+pairs))
	atOnce(4 * cap(all))
	connectAll := func(n int) runtime.MemStats {
		for range n {
			a, b := connect()
			all = append(all, a, b)
		}
		return settledMemory(start + len(all))
	}
	before, goroutines := connectAll(first), runtime.NumGoroutine()
	after := connectAll(pairs)
	m := idleMemory{
		heap:       (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / float64(2*pairs),
		stack:      (float64(after.StackInuse) - float64(before.StackInuse)) / float64(2*pairs),
		goroutines: float64(runtime.NumGoroutine()-goroutines) / float64(2*pairs),
	}
	m.stack = max(m.stack, minStack)
	runtime.KeepAlive(all)
	return m
}

// atOnce starts n goroutines that run at the same time, so that the runtime need not make a
// descriptor for those that come later: it never gives one up.
func atOnce(n int) {
	var all sync.WaitGroup
	end := make(chan struct{})
	for range n {
		all.Go(func() { <-end })
	}
	close(end)
	all.Wait()
}

// settledMemory reads the statistics after what is not in use has gone: goroutines but so many,
// which are ending, and what pools give up in the second collection.
func settledMemory(goroutines int) runtime.MemStats {
	var m runtime.MemStats
	for range 1 << 20 {
		if runtime.NumGoroutine() <= goroutines {
			break
		}
		runtime.Gosched()
	}
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m
}

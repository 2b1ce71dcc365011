//go:build kernel

package netns

import (
	"context"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"golang.org/x/sys/unix"
)

var associations = flag.Int("associations", 400, "how many associations TestAttackE12ManyAssociations has")

// Many associations to one listener, all at the same time, and each echoes. A tenth as many peers
// stall in the handshake, half of them before they have said a word, the others after their
// ClientHello: they delay nobody. Attack E12.
func TestAttackE12ManyAssociations(t *testing.T) {
	total, stalling := *associations, *associations/10
	raiseFileLimit(t, 3*total+1000)
	p := newOpenSSLPair(t) // hosts and certificates; there is no OpenSSL here
	var failed atomic.Int32
	config := p.config(t, "server", nil)
	config.HandshakeTimeout = time.Hour // the test ends it
	config.MaxHandshakes, config.MaxHandshakesPerHost = 2*stalling, 2*stalling
	config.Trace = &sctpdtls.Trace{HandshakeDone: func(peer net.Addr, _ sctpdtls.ConnectionState, err error) {
		if err != nil {
			failed.Add(1)
		}
	}}
	ln := p.listen(t, config)
	go serveEcho(t.Context(), ln)
	stallers := p.stall(t, stalling)

	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	conns := make([]*sctpdtls.Conn, total)
	var took durations
	start := time.Now()
	config = p.config(t, "client", nil)
	atOnce(total, 32, func(i int) {
		begin := time.Now()
		conn, err := p.dial(t, config)
		if err == nil {
			err = echo(conn, i)
		}
		if err != nil {
			t.Errorf("association %d: %v", i, err)
			return
		}
		took.add(time.Since(begin))
		conns[i] = conn
	})
	if t.Failed() {
		return
	}
	t.Logf("%d associations made, each with an echo, in %v: %v; %d peers stall meanwhile", total, time.Since(start).Round(time.Millisecond), &took, len(stallers))
	if n := failed.Load(); n > 0 {
		t.Errorf("%d handshakes failed: those that stall were to be there all the time", n)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("%.0f bytes of heap and %.0f of stack for each end, with the goroutine of the server's echo",
		float64(after.HeapAlloc-before.HeapAlloc)/float64(2*total), float64(after.StackInuse-before.StackInuse)/float64(2*total))

	start = time.Now()
	atOnce(total, total, func(i int) {
		if err := echo(conns[i], i); err != nil {
			t.Errorf("association %d: %v", i, err)
		}
	})
	t.Logf("all echo again, at once, in %v", time.Since(start).Round(time.Millisecond))
	atOnce(total, 64, func(i int) {
		if err := conns[i].Close(); err != nil {
			t.Errorf("association %d: Close: %v", i, err)
		}
	})
}

// raiseFileLimit lets this process have n descriptors.
func raiseFileLimit(t *testing.T, n int) {
	t.Helper()
	limit := unix.Rlimit{Cur: uint64(n), Max: uint64(n)}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatalf("%d descriptors: %v", n, err)
	}
}

// atOnce calls f(0) to f(n-1), so many at the same time.
func atOnce(n, workers int, f func(i int)) {
	var next atomic.Int64
	var work sync.WaitGroup
	for range min(n, workers) {
		work.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				f(i)
			}
		})
	}
	work.Wait()
}

// serveEcho echoes on all connections until ctx is done.
func serveEcho(ctx context.Context, ln *sctpdtls.Listener) {
	for {
		conn, err := ln.AcceptConn(ctx)
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			buf := make([]byte, 256)
			for {
				n, info, err := conn.ReadMessage(buf)
				if err != nil || conn.WriteMessage(buf[:n], info) != nil {
					return
				}
			}
		}()
	}
}

// echo sends a message and expects it back.
func echo(conn *sctpdtls.Conn, i int) error {
	conn.SetDeadline(time.Now().Add(Patience))
	msg := fmt.Sprintf("message of association %d", i)
	if err := conn.WriteMessage([]byte(msg), sctpdtls.MessageInfo{Stream: 1}); err != nil {
		return err
	}
	buf := make([]byte, 256)
	n, _, err := conn.ReadMessage(buf)
	if err == nil && string(buf[:n]) != msg {
		err = fmt.Errorf("echo is %q", buf[:n])
	}
	return err
}

// stall makes associations from the client's host that say nothing more, until the test ends.
func (p *opensslPair) stall(t *testing.T, n int) []*sctpsock.Socket {
	t.Helper()
	server := netip.AddrPortFrom(p.server.Addrs[0], 4433)
	config := &dtlscore.Config{ServerName: server.Addr().String()}
	all := make([]*sctpsock.Socket, n)
	for i := range all {
		p.client.Do(t, func() {
			var err error
			all[i], err = sctpsock.Dial(t.Context(), nil, []netip.AddrPort{server}, &sctpsock.Options{AuthChunks: []byte{0, 0xc0}})
			if err != nil {
				t.Fatal(err)
			}
		})
		t.Cleanup(func() { all[i].Abort() })
		if i%2 == 0 {
			continue
		}
		core, err := dtlscore.Client(config)
		if err == nil {
			err = core.Start()
		}
		if err == nil {
			err = all[i].Send(core.NextEvent().Data, sctpsock.SendInfo{})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

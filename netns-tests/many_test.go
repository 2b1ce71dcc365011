//go:build kernel

package netns

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

var associations = flag.Int("associations", 100,
	"how many associations TestAttackE12ManyAssociations has")

// TestAttackE12ManyAssociations sets up many associations to one listener, all at the same time in
// one process, and each echoes twice. A tenth as many peers stall in the handshake, half of them
// before they have sent a message, the others after their ClientHello. It checks that they delay no
// other peer. Attack E12. "make load" uses 10,000.
func TestAttackE12ManyAssociations(t *testing.T) {
	total, stalling := *associations, *associations/10
	raiseFileLimit(t, 2*total+1000)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	limitGarbage()
	p := newOpenSSLPair(t) // hosts and certificates, without OpenSSL
	config := p.config(t, "server", nil)
	config.HandshakeTimeout = time.Hour // the test ends it
	config.MaxHandshakes, config.MaxHandshakesPerHost = 2*stalling+dialers, 2*stalling+dialers
	ln := p.listen(t, config)
	go serveEcho(t.Context(), ln)
	stallers := p.stall(t, stalling)

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	before := takeSample()
	peers := p.client.Start(t, self, "-peers", fmt.Sprint(total), "-target", p.address(),
		"-certificates", p.certs)
	var told []string
	step := func(what string) {
		for n := peersTell; n <= total; n += peersTell {
			peers.WaitFor(fmt.Sprintf(`%s: %d\n`, what, n))
		}
		told = append(told, peers.WaitFor(what + `: all, (.*)\n`)[1])
	}
	step("made")
	after := takeSample()
	peers.Type("\n")
	step("echoed again")
	peers.Type("\n")
	step("closed")
	peers.Type("\n")
	if err := peers.Wait(); err != nil {
		t.Error(err)
	}
	for i, s := range stallers {
		if _, err := s.Stats(); err != nil {
			t.Errorf("the association %d that stalls was to be there all the time: %v", i, err)
		}
	}
	each := func(value func(sample) uint64) float64 {
		return float64(value(after)-value(before)) / float64(total) / 1024
	}
	leave(t, "many.md", fmt.Sprintf(`| associations at the same time | %d |
|---|---|
| other associations that stay in the handshake all the time | %d |
| handshake and echo, %d at a time | %s |
| an echo on each, all at once | %s |
| close_notify in both directions | %s |
| heap for each in the server, with the goroutine of its echo | %.1f KiB |
| resident memory for each | %.1f KiB |
| kernel memory for each, both ends | %.1f KiB |
| file descriptors of the server | %d |
`, total, len(stallers), dialers, told[0], told[1], told[2],
		each(func(s sample) uint64 { return s.heap }), each(func(s sample) uint64 { return s.resident }),
		each(func(s sample) uint64 { return s.kernel }), after.descriptors))
}

// raiseFileLimit permits this process n descriptors.
func raiseFileLimit(t *testing.T, n int) {
	t.Helper()
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, fileLimit(n)); err != nil {
		t.Fatalf("%d descriptors: %v", n, err)
	}
}

// atOnce calls f(0) to f(n-1), in this number of goroutines.
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

// echo sends a message and waits for its echo, for the given time.
func echo(conn *sctpdtls.Conn, i int, patience time.Duration) error {
	conn.SetDeadline(time.Now().Add(patience))
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

// stall sets up associations from the client's host on which nothing more is sent until the test
// ends.
func (p *opensslPair) stall(t *testing.T, n int) []*sctpsock.Socket {
	t.Helper()
	server := netip.AddrPortFrom(p.server.Addrs[0], 4433)
	config := &dtlscore.Config{ServerName: server.Addr().String()}
	all := make([]*sctpsock.Socket, n)
	p.client.Do(t, func() {
		for i := range all {
			var err error
			all[i], err = sctpsock.Dial(t.Context(), nil, []netip.AddrPort{server},
				&sctpsock.Options{AuthChunks: []byte{0, 0xc0}})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { all[i].Abort() })
			if i%2 == 0 {
				continue
			}
			core, err := dtlscore.Client(config)
			if err == nil {
				err = core.Start()
			}
			if err == nil {
				err = all[i].Send(core.NextEvent().Data, stream.Info{})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	})
	return all
}

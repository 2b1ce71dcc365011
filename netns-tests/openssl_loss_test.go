//go:build kernel

package netns

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// lossyHandshakes is the number of handshakes with OpenSSL in each role; "make storm" uses 500.
var lossyHandshakes = flag.Int("handshakes", 24,
	"handshakes of TestOpenSSLHandshakesUnderLoss in each role")

// TestOpenSSLHandshakesUnderLoss checks that with 5 % loss in each direction every handshake with
// OpenSSL completes, in both roles, and that data passes in both directions afterwards. OpenSSL's
// client sends Finished under the old key. With OpenSSL's server it stalls when the acknowledgement
// of that is lost; with this library it does not, because the server keeps the old key for a time.
// RFC 6083, Section 4.8.
func TestOpenSSLHandshakesUnderLoss(t *testing.T) {
	const workers = 6
	for _, ours := range []string{"client", "server"} {
		t.Run("we are the "+ours, func(t *testing.T) {
			p := newOpenSSLPair(t)
			p.lose(t, "delay 1ms loss 5%")
			var next atomic.Int64
			var took durations
			var work sync.WaitGroup
			start := time.Now()
			for w := range workers {
				work.Go(func() {
					connect := p.lossyServer
					if ours == "server" {
						connect = p.lossyClients
					}
					once := connect(t, w)
					for !t.Failed() {
						n := int(next.Add(1))
						if n > *lossyHandshakes {
							return
						}
						begin := time.Now()
						if err := once(n); err != nil {
							t.Errorf("handshake %d: %v after %v", n, err, time.Since(begin).Round(time.Millisecond))
							return
						}
						took.add(time.Since(begin))
					}
				})
			}
			work.Wait()
			t.Logf("%d handshakes, each with a message both ways and its close, in %v: %v", *lossyHandshakes,
				time.Since(start).Round(time.Millisecond), &took)
		})
	}
}

// lose sets what happens to the packets of both hosts, as [Host.Netem] does. Where an accepted
// association does not answer a repeated COOKIE ECHO, the server's COOKIE ACKs are spared.
func (p *opensslPair) lose(t *testing.T, how string) {
	t.Helper()
	for _, h := range []*Host{p.client, p.server} {
		h.Netem(t, 0, how)
	}
	if repeatsCookieACK(t) {
		return
	}
	for _, args := range []string{
		"qdisc replace dev eth0 root handle 1: prio bands 2 priomap 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
		"qdisc add dev eth0 parent 1:2 netem " + how,
		// The type of the first chunk, after 20 bytes of IP and 12 bytes of SCTP headers, is 11.
		"filter add dev eth0 parent 1: protocol ip u32 match u8 0x0b 0xff at 32 flowid 1:1",
	} {
		p.server.Run(t, "tc", strings.Fields(args)...)
	}
}

// repeatsCookieACK reports whether an accepted association answers a repeated COOKIE ECHO. Those of
// Linux 6.18 and later do not have the listener's cookie keys any more; a client whose COOKIE ACK
// was lost is refused after a minute, and no server can prevent it: TestLostCookieACK.
func repeatsCookieACK(t *testing.T) bool {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Fatal(err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(release), "%d.%d", &major, &minor); err != nil {
		t.Fatalf("%s: %v", release, err)
	}
	return major < 6 || major == 6 && minor < 18
}

// lossyPort is the port of the first worker.
const lossyPort = 5000

// lossyServer starts an s_server, which serves one client after another, and returns a function
// that makes the n-th connection with it.
func (p *opensslPair) lossyServer(t *testing.T, worker int) func(n int) error {
	address := fmt.Sprintf("%v:%d", p.server.Addrs[0], lossyPort+worker)
	server := p.openssl(t, "server", "-accept", fmt.Sprint(lossyPort+worker))
	server.WaitFor("ACCEPT")
	config := p.config(t, "client", nil)
	return func(n int) error {
		var conn *sctpdtls.Conn
		var err error
		p.client.Do(t, func() { conn, err = sctpdtls.Dial("sctp4", address, config) })
		if err != nil {
			return err
		}
		defer conn.Abort()
		if err := lossyTalk(conn, server, n); err != nil {
			return err
		}
		return conn.Close()
	}
}

// lossyClients listens for s_clients, and returns a function that makes the n-th connection with
// one.
func (p *opensslPair) lossyClients(t *testing.T, worker int) func(n int) error {
	address := fmt.Sprintf("%v:%d", p.server.Addrs[0], lossyPort+worker)
	config := p.config(t, "server", nil)
	var failed atomic.Value // the last error of a handshake
	config.Trace = &sctpdtls.Trace{HandshakeDone: func(_ net.Addr, _ sctpdtls.ConnectionState,
		err error) {
		if err != nil {
			failed.Store(err)
		}
	}}
	var ln *sctpdtls.Listener
	p.server.Do(t, func() {
		var err error
		if ln, err = sctpdtls.Listen("sctp4", address, config); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { ln.Close() })
	return func(n int) error {
		client := p.openssl(t, "client", "-connect", address)
		ctx, cancel := context.WithTimeout(t.Context(), Patience)
		defer cancel()
		conn, err := ln.AcceptConn(ctx)
		if err != nil {
			return fmt.Errorf("%w; the last handshake that failed: %v", err, failed.Load())
		}
		defer conn.Abort()
		if err := lossyTalk(conn, client, n); err != nil {
			return err
		}
		client.Type("Q\n")
		if _, _, err := conn.ReadMessage(nil); err != io.EOF {
			return fmt.Errorf("after OpenSSL's close_notify: %w", err)
		}
		return conn.Close()
	}
}

// lossyTalk sends one line in each direction.
func lossyTalk(conn *sctpdtls.Conn, openssl *Process, n int) error {
	if err := conn.WriteMessage(fmt.Appendf(nil, "from us %d\n", n),
		sctpdtls.MessageInfo{Stream: 2}); err != nil {
		return err
	}
	openssl.WaitFor(fmt.Sprintf("(?m)^from us %d$", n))
	openssl.Type(fmt.Sprintf("from OpenSSL %d\n", n))
	buf := make([]byte, sctpdtls.MaxMessageSize)
	conn.SetReadDeadline(time.Now().Add(Patience))
	size, _, err := conn.ReadMessage(buf)
	if err == nil && string(buf[:size]) != fmt.Sprintf("from OpenSSL %d\n", n) {
		err = fmt.Errorf("it sent %q", buf[:size])
	}
	return err
}

// durations collects durations.
type durations struct {
	mu  sync.Mutex // guards the following fields
	all []time.Duration
}

func (d *durations) add(t time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, t)
}

// percent returns the n-th percentile.
func (d *durations) percent(n int) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.all) == 0 {
		return 0
	}
	slices.Sort(d.all)
	return d.all[(len(d.all)-1)*n/100].Round(time.Millisecond)
}

func (d *durations) String() string {
	return fmt.Sprintf("median %v, 90th percentile %v, maximum %v", d.percent(50),
		d.percent(90), d.percent(100))
}

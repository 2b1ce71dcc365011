//go:build kernel

package netns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// One host begins handshakes as fast as it can and ends none of them. What it has more than its part
// is refused, and another host is served meanwhile. Attack E12.
//
//	client eth0 10.0.0.1 ──── 10.0.0.2 eth0 server eth1 10.0.1.1 ──── 10.0.1.2 eth1 other
func TestAttackE12Flood(t *testing.T) {
	const served = 10
	raiseFileLimit(t, 10_000)
	p := newOpenSSLPair(t) // hosts and certificates; there is no OpenSSL here
	other := NewHost(t, "other")
	Join(t, p.server, other)
	var failed atomic.Int64
	config := p.config(t, "server", nil)
	config.MaxHandshakes = 64
	config.Trace = &sctpdtls.Trace{HandshakeDone: func(_ net.Addr, s sctpdtls.ConnectionState, err error) {
		if err != nil {
			failed.Add(1)
		}
	}}
	ln := p.listen(t, config)
	go serveEcho(t.Context(), ln)

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var flooders sync.WaitGroup
	var begun atomic.Int64
	start := time.Now()
	for range 4 {
		flooders.Go(func() { p.flood(t, ctx, &begun) })
	}
	for failed.Load() == 0 && !t.Failed() { // until the server has as many as it wants
		time.Sleep(time.Millisecond)
	}
	address := fmt.Sprintf("%v:4433", p.server.Addrs[1])
	config = p.config(t, "client", nil)
	config.ServerName = p.server.Addrs[0].String()
	var took durations
	for i := range served {
		begin := time.Now()
		var conn *sctpdtls.Conn
		var err error
		other.Do(t, func() { conn, err = sctpdtls.Dial("sctp4", address, config) })
		if err != nil {
			t.Fatalf("another host is not served: %v", err)
		}
		if err := echo(conn, i); err != nil {
			t.Errorf("another host: %v", err)
		}
		conn.Abort()
		took.add(time.Since(begin))
	}
	stop()
	flooders.Wait()
	rate := float64(begun.Load()) / time.Since(start).Seconds()
	t.Logf("%.0f associations a second from one host, %d of %d were refused or gave up; meanwhile %d handshakes with another: %v",
		rate, failed.Load(), begun.Load(), served, &took)
}

// flood makes associations that say nothing and stay, until ctx is done.
func (p *opensslPair) flood(t *testing.T, ctx context.Context, begun *atomic.Int64) {
	server := []netip.AddrPort{netip.AddrPortFrom(p.server.Addrs[0], 4433)}
	var all []*sctpsock.Socket
	defer func() {
		for _, s := range all {
			s.Abort()
		}
	}()
	p.client.Do(t, func() {
		for ctx.Err() == nil && len(all) < 2000 {
			s, err := sctpsock.Dial(ctx, nil, server, &sctpsock.Options{AuthChunks: []byte{0, 0xc0}})
			if err != nil {
				continue // aborted before it was there
			}
			begun.Add(1)
			all = append(all, s)
		}
	})
}

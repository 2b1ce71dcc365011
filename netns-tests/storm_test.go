//go:build kernel

package netns

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// stormTime is how long each storm lasts; kernel-test forwards flags to the tests. "make storm"
// sets a full minute.
var stormTime = flag.Duration("storm", 8*time.Second, "how long TestStorm sends, for each version")

// TestStorm sends over 16 streams in both directions, one of them unordered, as fast as possible,
// while the network loses 2 % of the packets in each direction and reorders some, the primary path
// fails for a time, and the keys change every second: by a renegotiation of DTLS 1.2 or a KeyUpdate
// of DTLS 1.3, started by the client, by the server, and by both at the same time, in turn. It
// checks that no message is lost, duplicated, or out of order within its stream: RFC 6083, Sections
// 4.7 and 4.8; RFC 9147, Section 8; attacks H9, D11.
//
//	       ┌ eth0 10.0.0.1 ──── 10.0.0.2 eth0 ┐
//	client ┤                                  ├ server
//	       └ eth1 10.0.1.1 ──── 10.0.1.2 eth1 ┘
func TestStorm(t *testing.T) {
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		t.Run(versionName(version), func(t *testing.T) {
			p := newStormPair(t)
			client, server := p.bothEnds(t, func(role string) *sctpdtls.Config {
				return p.stormConfig(t, role, version)
			})

			f := startTraffic(t, stormStreams, client, server)
			keys := startRekeys(t, client, server)
			memory := startMemory(*stormTime/24, f.delivered)
			rest := time.Now().Add(*stormTime)
			time.Sleep(*stormTime / 3)
			before := f.delivered()
			p.server.SetLink(t, 0, "down")
			time.Sleep(min(*stormTime/3, 10*time.Second))
			during := f.delivered() - before
			p.server.SetLink(t, 0, "up")
			time.Sleep(time.Until(rest))
			rekeys := keys.finish()
			memory.finish()
			if !f.finish() {
				return
			}
			if st, err := client.Stats(); err != nil || st.Retransmitted == 0 {
				t.Errorf("at 2 %% loss, %d chunks were sent again (%v)", st.Retransmitted, err)
			}
			closeBoth(t, client, server)
			t.Logf("%v; %d of them with a link down; %v", f, during, rekeys)
			memory.check(t)
			if during == 0 {
				t.Error("nothing came while one of two paths was down")
			}
		})
	}
}

const stormStreams = 16

// newStormPair returns two hosts and certificates, without OpenSSL.
func newStormPair(t *testing.T) *opensslPair {
	p := newOpenSSLPair(t)
	Join(t, p.client, p.server)
	for _, h := range []*Host{p.client, p.server} {
		for link := range 2 {
			h.Netem(t, link, "delay 1ms loss 2% reorder 98% 25%")
		}
	}
	return p
}

func (p *opensslPair) stormConfig(t *testing.T, role string, version uint16) *sctpdtls.Config {
	c := p.config(t, role, nil)
	c.MinVersion, c.MaxVersion = version, version
	c.Renegotiation = sctpdtls.RenegotiateFreely
	c.SCTP = sctpdtls.SCTPOptions{
		OutStreams: stormStreams,
		RTOInitial: time.Second,
		// Otherwise the retransmission of the last packet of a flush would take a second.
		RTOMin:         50 * time.Millisecond,
		PathMaxRetrans: 2,
		Heartbeat:      time.Second,
	}
	return c
}

func versionName(version uint16) string {
	if version == sctpdtls.VersionDTLS12 {
		return "DTLS 1.2"
	}
	return "DTLS 1.3"
}

// bothEnds sets up a connection between the hosts over all their links.
func (p *opensslPair) bothEnds(t *testing.T, config func(role string) *sctpdtls.Config) (client,
	server *sctpdtls.Conn) {
	t.Helper()
	address := address("4433", p.server.Addrs...)
	var ln *sctpdtls.Listener
	var err error
	p.server.Do(t, func() { ln, err = sctpdtls.Listen("sctp4", address, config("server")) })
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	p.client.Do(t, func() { client, err = sctpdtls.Dial("sctp4", address, config("client")) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Abort() })
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	if server, err = ln.AcceptConn(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Abort() })
	return client, server
}

func closeBoth(t testing.TB, conns ...*sctpdtls.Conn) {
	t.Helper()
	var ends sync.WaitGroup
	for _, c := range conns {
		ends.Go(func() {
			if err := c.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	ends.Wait()
}

// rekeys changes the keys every second, started by one endpoint, by the other, and by both at the
// same time.
type rekeys struct {
	t     testing.TB
	ends  [2]*sctpdtls.Conn
	quit  chan struct{}
	done  chan struct{}
	begun [3]int        // by the first endpoint, by the second, by both
	most  time.Duration // the longest duration of one
}

func startRekeys(t testing.TB, a, b *sctpdtls.Conn) *rekeys {
	r := &rekeys{t: t, ends: [2]*sctpdtls.Conn{a, b}, quit: make(chan struct{}),
		done: make(chan struct{})}
	go r.run()
	return r
}

func (r *rekeys) finish() *rekeys {
	close(r.quit)
	<-r.done
	return r
}

func (r *rekeys) times() int { return r.begun[0] + r.begun[1] + r.begun[2] }

func (r *rekeys) String() string {
	return fmt.Sprintf(
		"new keys %d times (begun by the client %d, the server %d, both %d), the slowest in %v",
		r.times(), r.begun[0], r.begun[1], r.begun[2], r.most.Round(time.Millisecond))
}

func (r *rekeys) run() {
	defer close(r.done)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for who := 0; ; who = (who + 1) % 3 {
		select {
		case <-tick.C:
		case <-r.quit:
			return
		}
		start := time.Now()
		var both sync.WaitGroup
		for i, c := range r.ends {
			if who == i || who == 2 {
				both.Go(func() { r.rekey(c) })
			}
		}
		both.Wait()
		r.begun[who]++
		r.most = max(r.most, time.Since(start))
	}
}

func (r *rekeys) rekey(c *sctpdtls.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	var err error
	if c.ConnectionState().Version == sctpdtls.VersionDTLS12 {
		err = c.Renegotiate(ctx)
	} else {
		err = c.KeyUpdate(ctx, sctpdtls.UpdateRequested)
	}
	if err != nil {
		r.t.Errorf("new keys: %v", err)
	}
}

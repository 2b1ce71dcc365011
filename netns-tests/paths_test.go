//go:build kernel

package netns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"golang.org/x/sys/unix"
)

// newTwoLinks creates two hosts with certificates, connected by two links:
//
//	client eth0 10.0.0.1, fd00::1 ────────── 10.0.0.2, fd00::2 eth0 server
//	       eth1 10.0.1.1, fd00:0:0:1::1 ──── 10.0.1.2, fd00:0:0:1::2 eth1
func newTwoLinks(t *testing.T) *opensslPair {
	t.Helper()
	p := &opensslPair{certs: t.TempDir()}
	p.client, p.server = NewPair(t)
	Join(t, p.client, p.server)
	for _, h := range []*Host{p.client, p.server} {
		// A link that is down keeps its IPv4 and IPv6 addresses.
		h.Sysctl(t, "net.ipv6.conf.eth0.keep_addr_on_down", "1")
	}
	p.server.Run(t, "sctp-echo", "certs", "-host", p.server.Addrs[0].String(), p.certs)
	return p
}

// address returns "a/b:port".
func address(port string, addrs ...netip.Addr) string {
	var list []string
	for _, a := range addrs {
		if a.Is6() {
			list = append(list, "["+a.String()+"]")
		} else {
			list = append(list, a.String())
		}
	}
	return strings.Join(list, "/") + ":" + port
}

func resolve(t *testing.T, address string) *sctpdtls.Addr {
	t.Helper()
	a, err := sctpdtls.ResolveAddr(context.Background(), "sctp", address)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// A route is a connection between the two hosts over addresses that the test chooses.
type route struct {
	client, server             *sctpdtls.Conn
	clientEvents, serverEvents chan sctpdtls.Event
}

// connect dials from and to all of the given addresses.
func (p *opensslPair) connect(t *testing.T, from, to string,
	change func(role string, c *sctpdtls.Config)) *route {
	t.Helper()
	config := func(role string, events chan sctpdtls.Event) *sctpdtls.Config {
		c := p.config(t, role, nil)
		c.ServerName = p.server.Addrs[0].String()
		c.Trace = &sctpdtls.Trace{Event: func(_ *sctpdtls.Conn, ev sctpdtls.Event) {
			select {
			case events <- ev:
			default: // the test does not read events
			}
		}}
		change(role, c)
		return c
	}
	r := &route{clientEvents: make(chan sctpdtls.Event, 1000),
		serverEvents: make(chan sctpdtls.Event, 1000)}
	var ln *sctpdtls.Listener
	p.server.Do(t, func() {
		var err error
		if ln, err = sctpdtls.Listen("sctp", to, config("server", r.serverEvents)); err != nil {
			t.Fatal(err)
		}
	})
	defer ln.Close()
	p.client.Do(t, func() {
		local := resolve(t, from) // a zone is one of this host
		dialer := sctpdtls.Dialer{Config: config("client", r.clientEvents), LocalAddr: local}
		var err error
		if r.client, err = dialer.DialConn(t.Context(), "sctp", ln.Addr().String()); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { r.client.Abort() })
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	var err error
	if r.server, err = ln.AcceptConn(ctx); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.server.Abort() })
	return r
}

// traffic sends messages on four streams, a few at a time, and reads their echoes until stop is
// called. stop checks that no message was lost or out of order, and closes the connection. more
// waits for n more echoes.
func (r *route) traffic(t *testing.T) (more func(n int), stop func()) {
	t.Helper()
	const streams, window = 4, 5
	var all sync.WaitGroup
	all.Go(func() {
		buf := make([]byte, sctpdtls.MaxMessageSize)
		for {
			n, info, err := r.server.ReadMessage(buf)
			if err == nil {
				err = r.server.WriteMessage(buf[:n], info)
			}
			if err != nil {
				r.server.Close()
				return
			}
		}
	})
	var stopped atomic.Bool
	given := make(chan struct{}) // closed when the test fails
	var written [streams]atomic.Uint32
	var room [streams]chan struct{}
	var writers sync.WaitGroup
	for stream := range room {
		room[stream] = make(chan struct{}, window)
		writers.Go(func() {
			msg := make([]byte, 500)
			for !stopped.Load() {
				select {
				case room[stream] <- struct{}{}:
				case <-given:
					return
				}
				binary.BigEndian.PutUint32(msg, written[stream].Load())
				written[stream].Add(1) // before the write, because the echo can be fast
				if err := r.client.WriteMessage(msg, sctpdtls.MessageInfo{Stream: uint16(stream)}); err != nil {
					t.Errorf("stream %d: %v", stream, err)
					return
				}
			}
		})
	}
	echoed := make(chan struct{}, 1<<20)
	var read [streams]uint32 // written by the reader, and read after it has returned
	all.Go(func() {
		buf := make([]byte, sctpdtls.MaxMessageSize)
		for {
			_, info, err := r.client.ReadMessage(buf)
			if err != nil {
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("client: %v", err)
				}
				return
			}
			if got := binary.BigEndian.Uint32(buf); got != read[info.Stream] {
				t.Errorf("stream %d: message %d, want %d", info.Stream, got, read[info.Stream])
			}
			read[info.Stream]++
			<-room[info.Stream]
			echoed <- struct{}{}
		}
	})
	t.Cleanup(func() { // stops everything after a test that has failed
		close(given)
		r.client.Abort()
		r.server.Abort()
		writers.Wait()
		all.Wait()
	})
	await := func(n int) bool {
		timeout := time.After(Patience)
		for range n {
			select {
			case <-echoed:
			case <-timeout:
				return false
			}
		}
		return true
	}
	more = func(n int) {
		t.Helper()
		for len(echoed) > 0 {
			<-echoed
		}
		if !await(n) {
			t.Fatal("messages do not come back any more")
		}
	}
	stop = func() {
		t.Helper()
		stopped.Store(true)
		writers.Wait()
		for stream := range room { // filled again only when all echoes have arrived
			for range window {
				select {
				case room[stream] <- struct{}{}:
				case <-time.After(Patience):
					t.Fatalf("stream %d: messages were lost", stream)
				}
			}
		}
		if err := r.client.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		all.Wait()
		total := uint32(0)
		for stream := range read {
			if sent := written[stream].Load(); sent != read[stream] {
				t.Errorf("stream %d: %d messages came back of %d", stream, read[stream], sent)
			}
			total += read[stream]
		}
		t.Logf("%d messages came back in their order", total)
	}
	return more, stop
}

// wantPathChange waits for a change of the path to an address.
func wantPathChange(t *testing.T, events chan sctpdtls.Event, addr netip.Addr,
	change sctpdtls.AddrChange) {
	t.Helper()
	timeout := time.After(Patience)
	for {
		select {
		case ev := <-events:
			if ev == (sctpdtls.PeerAddrChange{Addr: addr, Change: change}) {
				return
			}
		case <-timeout:
			t.Fatalf("%v is not %v", addr, change)
		}
	}
}

// wantPath checks the path to an address.
func wantPath(t *testing.T, c *sctpdtls.Conn, addr netip.Addr, state sctpdtls.PathState,
	primary bool) {
	t.Helper()
	paths, err := c.Paths()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		if p.Addr == addr {
			if p.State != state || p.Primary != primary {
				t.Errorf("path %+v, want it to be %v, primary %t", p, state, primary)
			}
			return
		}
	}
	t.Errorf("no path to %v in %+v", addr, paths)
}

// quick makes a path fail and recover quickly.
func quick(_ string, c *sctpdtls.Config) {
	c.SCTP.RTOInitial, c.SCTP.RTOMin, c.SCTP.RTOMax = 200*time.Millisecond, 100*time.Millisecond,
		400*time.Millisecond
	c.SCTP.PathMaxRetrans, c.SCTP.Heartbeat = 1, 200*time.Millisecond
	c.RekeyAfter = sctpdtls.RekeyPolicy{Records: 200} // keys change independently of paths
}

// TestFailover sets the primary link down and up again during traffic. It checks that no message is
// lost or out of order, that keys continue to change, and that both endpoints report the changes:
// RFC 6083, Section 6, attack H10.
func TestFailover(t *testing.T) {
	p := newTwoLinks(t)
	for _, tt := range []struct {
		name     string
		from, to []netip.Addr
	}{
		{"IPv4", p.client.Addrs, p.server.Addrs},
		{"IPv6", p.client.Addrs6, p.server.Addrs6},
		{"mixed", []netip.Addr{p.client.Addrs[0], p.client.Addrs6[1]},
			[]netip.Addr{p.server.Addrs[0], p.server.Addrs6[1]}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := p.connect(t, address("0", tt.from...), address("5868", tt.to...), quick)
			if got, want := r.client.RemoteAddr().String(), address("5868", tt.to...); got != want {
				t.Errorf("the peer is %s, want %s", got, want)
			}
			first, second := tt.to[0], tt.to[1]
			more, stop := r.traffic(t)
			more(200)
			// The client has listed its own address.
			wantPathChange(t, r.serverEvents, tt.from[1], sctpdtls.AddrConfirmed)
			wantPath(t, r.client, first, sctpdtls.PathActive, true)
			wantPath(t, r.client, second, sctpdtls.PathActive, false)

			p.client.SetLink(t, 0, "down")
			wantPathChange(t, r.clientEvents, first, sctpdtls.AddrUnreachable)
			wantPathChange(t, r.serverEvents, tt.from[0], sctpdtls.AddrUnreachable)
			wantPath(t, r.client, first, sctpdtls.PathInactive, true)
			more(500)

			p.client.SetLink(t, 0, "up")
			wantPathChange(t, r.clientEvents, first, sctpdtls.AddrAvailable)
			if err := r.client.SetPrimary(second); err != nil {
				t.Error(err)
			}
			wantPath(t, r.client, second, sctpdtls.PathActive, true)
			more(200)
			st, err := r.client.Stats()
			if err != nil || st.Retransmitted == 0 || st.Primary.Addr != second || st.Primary.RTO <= 0 {
				t.Errorf("counted %+v, %v", st, err)
			}
			if st.Epoch < 5 { // the first is 3, and there were at least five updates
				t.Errorf("epoch %d: keys did not change", st.Epoch)
			}
			stop()
		})
	}
}

// TestDialPastUnreachableAddress checks that an address that ICMP reports as unreachable before the
// association is set up does not prevent Dial from trying the other addresses.
func TestDialPastUnreachableAddress(t *testing.T) {
	p := newTwoLinks(t)
	// The kernel gives up resolving the address long before it sends INIT again, to the next one.
	p.client.Sysctl(t, "net.ipv4.neigh.eth0.mcast_solicit", "1")
	p.client.Sysctl(t, "net.ipv4.neigh.eth0.retrans_time_ms", "50")
	ln := p.listen(t, p.config(t, "server", nil))
	go serveEcho(t.Context(), ln)
	nobody := netip.MustParseAddr("10.0.0.77")
	config := p.config(t, "client", nil)
	config.ServerName = p.server.Addrs[0].String()
	config.SCTP.RTOInitial = time.Second
	var conn *sctpdtls.Conn
	var err error
	p.client.Do(t, func() {
		conn, err = sctpdtls.Dial("sctp4",
			address("4433", nobody, p.server.Addrs[1]), config)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Abort()
	if err := echo(conn, 1, Patience); err != nil {
		t.Error(err)
	}
}

// TestChangeOfAddresses moves a connection from one link to the other by ASCONF during traffic: RFC
// 6083, Section 6; RFC 5061, attack H10.
func TestChangeOfAddresses(t *testing.T) {
	p := newTwoLinks(t)
	r := p.connect(t, address("0", p.client.Addrs[0]), address("5868", p.server.Addrs...),
		func(role string, c *sctpdtls.Config) {
			quick(role, c)
			c.SCTP.AddressChanges = true
		})
	before := r.client.ConnectionState()
	more, stop := r.traffic(t)
	more(100)
	if err := r.client.BindAdd(p.client.Addrs[1]); err != nil {
		t.Fatal(err)
	}
	wantPathChange(t, r.serverEvents, p.client.Addrs[1], sctpdtls.AddrAdded)
	wantPathChange(t, r.serverEvents, p.client.Addrs[1], sctpdtls.AddrConfirmed)
	if err := r.client.SetPrimary(p.server.Addrs[1]); err != nil {
		t.Fatal(err)
	}
	if err := r.server.SetPrimary(p.client.Addrs[1]); err != nil {
		t.Fatal(err)
	}
	more(100)
	if err := r.client.BindRemove(p.client.Addrs[0]); err != nil {
		t.Fatal(err)
	}
	wantPathChange(t, r.serverEvents, p.client.Addrs[0], sctpdtls.AddrRemoved)
	p.client.SetLink(t, 0, "down")
	more(300)
	if got, want := r.server.RemoteAddr().(*sctpdtls.Addr).IPAddrs,
		p.client.Addrs[1].String(); len(got) != 1 || got[0].String() != want {
		t.Errorf("the client is at %v, want %v", got, want)
	}
	after := r.client.ConnectionState()
	if after.Handshakes != before.Handshakes || after.AuthKeyID != before.AuthKeyID {
		t.Errorf("the state went from %+v to %+v", before, after)
	}
	stop()
}

// TestZones dials a link-local address. It checks that such an address is shown with its zone, and
// other IPv6 addresses without one.
func TestZones(t *testing.T) {
	p := newTwoLinks(t)
	for i, h := range []*Host{p.client, p.server} {
		ip(t, fmt.Sprintf("-n %s addr add fe80::%d/64 dev eth1 nodad", h.Name, i+1))
	}
	for _, tt := range []struct{ from, to string }{
		{"[fe80::1%eth1]:7000", "[fe80::2%eth1]:5868"},
		{"[fd00:0:0:1::1]:7000", "[fd00:0:0:1::2]:5868"},
	} {
		r := p.connect(t, tt.from, tt.to, func(string, *sctpdtls.Config) {})
		p.client.Do(t, func() { // where the zone exists
			if from, to := r.client.LocalAddr().String(),
				r.client.RemoteAddr().String(); from != tt.from || to != tt.to {
				t.Errorf("the ends are shown as %s and %s, want %s and %s", from, to, tt.from, tt.to)
			}
		})
		more, stop := r.traffic(t)
		more(10)
		stop()
	}
}

// TestUDPEncapsulation checks that all packets of a connection are encapsulated in UDP: RFC 6951.
func TestUDPEncapsulation(t *testing.T) {
	const port = "9899"
	p := newTwoLinks(t)
	for _, h := range []*Host{p.client, p.server} {
		h.Sysctl(t, "net.sctp.udp_port", port)
	}
	for _, tt := range []struct {
		name     string
		from, to []netip.Addr
		plain    bool // without encapsulation: shows that the test would detect it
	}{
		{"none", p.client.Addrs, p.server.Addrs, true},
		{"IPv4", p.client.Addrs, p.server.Addrs, false},
		{"IPv6", p.client.Addrs6, p.server.Addrs6, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			raw := rawSCTP(t, p.server, tt.from[0].Is6())
			r := p.connect(t, address("0", tt.from...), address("5868", tt.to...),
				func(role string, c *sctpdtls.Config) {
					if role == "client" && !tt.plain {
						c.SCTP.UDPEncapPort = 9899
					}
				})
			more, stop := r.traffic(t)
			more(200)
			stop()
			n, err := unix.Read(raw, make([]byte, 1500))
			if seen := err == nil; seen != tt.plain {
				t.Errorf("plain SCTP was seen: %t (%d bytes, %v), want %t", seen, n, err, tt.plain)
			}
		})
	}
}

// rawSCTP returns a socket that receives SCTP packets without encapsulation.
func rawSCTP(t *testing.T, h *Host, v6 bool) (fd int) {
	t.Helper()
	family := unix.AF_INET
	if v6 {
		family = unix.AF_INET6
	}
	h.Do(t, func() {
		var err error
		if fd, err = unix.Socket(family, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK,
			unix.IPPROTO_SCTP); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { unix.Close(fd) })
	return fd
}

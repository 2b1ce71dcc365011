package sctpudp

import (
	"context"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/simnet"
	"github.com/seed-41f70523/dtls-sctp/sctpcore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A simulated is a pair of hosts with two addresses each, on networks of their own, and a socket
// for each address.
type simulated struct {
	network        *simnet.Network
	near, far      *simnet.Host
	client, server *Assoc
}

func addrs(host byte) []netip.Addr {
	return []netip.Addr{
		netip.AddrFrom4([4]byte{10, 0, 0, host}),
		netip.AddrFrom4([4]byte{10, 0, 1, host}),
	}
}

func simulate(t *testing.T, link simnet.Link) *simulated {
	t.Helper()
	s := &simulated{network: simnet.New(1)}
	t.Cleanup(s.network.Close)
	s.network.SetLink(link)
	s.near, s.far = s.network.Host(addrs(1)...), s.network.Host(addrs(2)...)
	open := func(h *simnet.Host) *Socket {
		var conns []Conn
		for _, addr := range h.Addrs() {
			c, err := h.ListenUDP("udp", netip.AddrPortFrom(addr, Port))
			if err != nil {
				t.Fatal(err)
			}
			conns = append(conns, c)
		}
		socket, err := New(false, conns...)
		if err != nil {
			t.Fatal(err)
		}
		return socket
	}
	config := func(h *simnet.Host) *sctpcore.Config {
		return &sctpcore.Config{Auth: true, Addresses: h.Addrs(), HeartbeatInterval: time.Second}
	}
	to := open(s.far)
	l, err := to.Listen(5000, config(s.far))
	if err != nil {
		t.Fatal(err)
	}
	from := open(s.near)
	s.client, err = from.Dial(context.Background(), config(s.near), 0, 5000,
		netip.AddrPortFrom(s.far.Addrs()[0], Port))
	if err != nil {
		t.Fatal(err)
	}
	if s.server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return s
}

func paths(t *testing.T, a *Assoc) []stream.Path {
	t.Helper()
	p, err := a.Paths()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestSeveralSockets: with a socket for each address, packets for a path leave from the address on
// its network, and when the path that is used dies, messages go over the other, there and back.
func TestSeveralSockets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := simulate(t, simnet.Link{Delay: 5 * time.Millisecond})
		s.network.Tap(func(from, to netip.AddrPort, packet []byte) []byte {
			if from.Addr().As4()[2] != to.Addr().As4()[2] {
				t.Errorf("a packet from %v to %v", from, to)
			}
			return packet
		})
		go echo(s.server)
		time.Sleep(3 * time.Second)
		for _, a := range []*Assoc{s.client, s.server} {
			if p := paths(t, a); len(p) != 2 || p[0].State != stream.PathActive || p[1].State != p[0].State {
				t.Fatalf("%+v", p)
			}
			if local := a.LocalAddr().(*Addr); len(local.Addrs) != 2 || local.UDPPort != Port {
				t.Errorf("%+v", local)
			}
		}
		for _, dead := range []int{-1, 0, 1} {
			for i := range 2 {
				s.far.SetDown(s.far.Addrs()[i], i == dead)
			}
			for range 10 {
				if err := exchange(s.client, 20); err != nil {
					t.Fatalf("path %d is dead: %v", dead, err)
				}
				time.Sleep(time.Second)
			}
			for i, p := range paths(t, s.client) {
				if ok := p.State == stream.PathActive; ok == (i == dead) {
					t.Errorf("path %d is dead, path %d is %v", dead, i, p.State)
				}
			}
		}
		s.client.Close()
		time.Sleep(time.Minute)
	})
}

// TestLinkMTU: the size of packets is found on the links that there are, and is that of IP packets
// for users. What a link lets through less of from some time on arrives all the same.
func TestLinkMTU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := simnet.Link{Delay: 5 * time.Millisecond, MTU: 1400}
		s := simulate(t, link)
		go echo(s.server)
		for _, mtu := range []int{1400, 1300, 0} {
			link.MTU = mtu
			s.network.SetLink(link)
			if mtu == 0 {
				mtu = 1500
				time.Sleep(11 * time.Minute)
			}
			for range 40 {
				if err := exchange(s.client, 20); err != nil {
					t.Fatalf("MTU %d: %v", mtu, err)
				}
				time.Sleep(time.Second)
			}
			for _, a := range []*Assoc{s.client, s.server} {
				if got := paths(t, a)[0].MTU; got > mtu || got <= mtu-16 {
					t.Errorf("packets of %d bytes, the link takes %d", got, mtu)
				}
			}
		}
		s.client.Close()
		time.Sleep(time.Minute)
	})
}

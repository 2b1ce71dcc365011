//go:build kernel && linux

package sctpsock

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

var loopbacks = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0"),
	netip.MustParseAddrPort("127.0.0.2:0")}

// homes returns the two ends of an association, each with two addresses, after their Up events.
func homes(t *testing.T, o *Options) (c, s *Socket) {
	t.Helper()
	l, err := Listen(loopbacks, o)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	l.SetDeadline(time.Now().Add(patience))
	c, err = Dial(t.Context(), loopbacks, l.Addrs(), o)
	must(t, err)
	t.Cleanup(func() { c.Abort() })
	c.SetReadDeadline(time.Now().Add(patience))
	s = accept(t, l)
	wantState(t, c, stream.AssocUp)
	wantState(t, s, stream.AssocUp)
	return c, s
}

func TestPaths(t *testing.T) {
	c, s := homes(t, withAuth())
	for range 20 {
		send(t, c, "there", stream.Info{})
		wantMessage(t, s, "there")
	}
	paths, err := c.Paths()
	must(t, err)
	if len(paths) != 2 || paths[0].Primary == paths[1].Primary {
		t.Fatalf("paths %+v, want two, one of them the primary", paths)
	}
	for _, p := range paths {
		if !slices.ContainsFunc(s.LocalAddrs(),
			func(
				a netip.AddrPort) bool {
				return a.Addr() == p.Addr
			}) || p.MTU < 1500 || p.RTO <= 0 || p.Window <= 0 {
			t.Errorf("path %+v", p)
		}
		must(t, c.SetPrimary(p.Addr))
		st, err := c.Stats()
		must(t, err)
		if st.Primary.Addr != p.Addr || !st.Primary.Primary {
			t.Errorf("primary path %+v, want %v", st.Primary, p.Addr)
		}
	}
	if err := c.SetPrimary(netip.MustParseAddr("127.0.0.77")); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a primary path that does not exist: %v", err)
	}
	st, err := c.Stats()
	must(t, err)
	if st.ChunksSent != 20 || st.ChunksReceived != 0 || st.PacketsSent < 20 ||
		st.PacketsReceived == 0 || st.PeerWindow <= 0 {
		t.Errorf("counted %+v", st)
	}
	c.Abort()
	if _, err := s.Recv(buffer(make([]byte, 100)), true); err == nil { // Down
		_, err = s.Recv(buffer(make([]byte, 100)), true)
		if err == nil {
			t.Error("no end")
		}
	}
	for _, err := range []error{second(s.Paths()), second(s.Stats()), s.SetPrimary(loopback[0].Addr()),
		s.BindAdd(loopback[0].Addr())} {
		if _, ok := errtype.As[*stream.EndError](err); !ok {
			t.Errorf("after the end: %v", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// A listener on all addresses says so; its associations have addresses of their own.
func TestWildcard(t *testing.T) {
	l, err := Listen([]netip.AddrPort{netip.MustParseAddrPort("[::]:0")}, nil)
	must(t, err)
	t.Cleanup(func() { l.Close() })
	l.SetDeadline(time.Now().Add(patience))
	addrs := l.Addrs()
	if len(addrs) != 1 || addrs[0].Addr() != netip.IPv6Unspecified() || addrs[0].Port() == 0 {
		t.Fatalf("it listens on %v", addrs)
	}
	c, err := Dial(t.Context(), nil, []netip.AddrPort{netip.AddrPortFrom(loopback[0].Addr(),
		addrs[0].Port())}, nil)
	must(t, err)
	t.Cleanup(func() { c.Abort() })
	for _, a := range accept(t, l).LocalAddrs() {
		if a.Addr().IsUnspecified() || a.Port() != addrs[0].Port() {
			t.Errorf("the association is at %v", a)
		}
	}
}

func TestAddressChanges(t *testing.T) { // RFC 5061
	o := withAuth()
	o.AddressChanges = true
	o.Events = []EventType{EventPeerAddrChange}
	c, s := homes(t, o)
	local, err := c.LocalAuthChunks()
	must(t, err)
	for _, kind := range []byte{chunkASCONF, chunkASCONFAck} {
		if !slices.Contains(local, kind) {
			t.Errorf("chunk %#x need not be authenticated: %x", kind, local)
		}
	}
	third := netip.MustParseAddr("127.0.0.3")
	must(t, c.BindAdd(third))
	wantChange(t, s, third, stream.AddrAdded)
	wantChange(t, s, third, stream.AddrConfirmed)
	send(t, s, "to whichever", stream.Info{})
	nextMessage(t, c, "to whichever")

	must(t, c.BindRemove(third))
	wantChange(t, s, third, stream.AddrRemoved)
	send(t, s, "to the others", stream.Info{})
	nextMessage(t, c, "to the others")
	if addrs := c.LocalAddrs(); len(addrs) != 2 {
		t.Errorf("local addresses %v", addrs)
	}
	if err := c.BindAdd(loopbacks[0].Addr()); !errors.Is(err, syscall.EINVAL) &&
		!errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("adding what is there: %v", err)
	}

	fixed, _ := homes(t, withAuth())
	if err := fixed.BindAdd(third); err != stream.ErrNoAddressChanges {
		t.Errorf("adding where it was not agreed on: %v", err)
	}
}

// wantChange reads until the path to addr has changed so.
func wantChange(t *testing.T, s *Socket, addr netip.Addr, want stream.AddrChange) {
	t.Helper()
	for {
		p, b := recv(t, s)
		if p.Event == nil {
			t.Fatalf("received %q, want an event", b)
		}
		if e, ok := p.Event.(stream.PeerAddrChange); ok && e.Addr == addr && e.Change == want {
			return
		}
	}
}

// nextMessage is wantMessage that passes over events.
func nextMessage(t *testing.T, s *Socket, want string) {
	t.Helper()
	for {
		if p, b := recv(t, s); p.Event == nil {
			if string(b) != want {
				t.Fatalf("received %q, want %q", b, want)
			}
			return
		}
	}
}

// TestAttackH10ForgedAddress adds an address by an ASCONF chunk with everything right but
// its authentication.
func TestAttackH10ForgedAddress(t *testing.T) { // RFC 5061
	const sysctl = "/proc/sys/net/sctp/addip_noauth_enable"
	for _, plain := range []bool{true, false} {
		o := withAuth()
		if plain { // shows that the forgery is a good one
			before, err := os.ReadFile(sysctl)
			must(t, err, os.WriteFile(sysctl, []byte("1"), 0))
			defer os.WriteFile(sysctl, before, 0)
			o.AuthChunks = nil
		}
		o.AddressChanges = true
		o.Events = []EventType{EventPeerAddrChange}
		c, s := pair(t, o, o)
		m := newImpostor(t, c, s)
		send(t, c, "overheard", stream.Info{})
		wantMessage(t, s, "overheard")
		serial := m.overhear() // with which the first of each direction begins
		address := func(last byte) []byte { return []byte{0, 5, 0, 8, 127, 0, 0, last} }
		v := binary.BigEndian.AppendUint32(nil, serial)
		v = append(v, address(1)...)
		v = append(v, 0xc0, 0x01, 0, 16, 0, 0, 0, 1) // add
		v = append(v, address(9)...)
		m.send(chunk(nil, chunkASCONF, 0, v))
		if plain {
			wantChange(t, s, netip.MustParseAddr("127.0.0.9"), stream.AddrAdded)
			must(t, os.WriteFile(sysctl, []byte("0"), 0))
			continue
		}
		send(t, c, "after", stream.Info{}) // the loopback keeps the order
		wantMessage(t, s, "after")
		if paths, err := s.Paths(); err != nil || len(paths) != 1 {
			t.Errorf("paths %+v, %v", paths, err)
		}
	}
}

// More addresses than fit into one page of the kernel's answer are all known: 257 of IPv4 were not.
func TestManyAddresses(t *testing.T) {
	l := listenLoopback(t, withAuth())
	var local []netip.AddrPort
	for i := range 300 {
		local = append(local, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 1, byte(i >> 8), byte(i)}),
			0))
	}
	port := freePort(t)
	for i := range local {
		local[i] = netip.AddrPortFrom(local[i].Addr(), port)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := Dial(ctx, local, l.Addrs(), withAuth())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Abort()
	s := accept(t, l)
	wantSameAddrs(t, "the client's addresses at the server", s.RemoteAddrs(), local)
	wantSameAddrs(t, "the client's own addresses", c.LocalAddrs(), local)
}

// freePort returns a port that nobody has at the moment.
func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := Listen(loopback, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addrs()[0].Port()
}

package sctpudp

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
)

// TestSources: a listener for all of this host answers each peer from the address that it asked,
// not from the one that the system would choose, whether packets go one by one, in batches of the
// kernel or of this package; and it says which address that is.
func TestSources(t *testing.T) {
	for _, network := range []string{"udp", "udp4", "udp6"} {
		for _, single := range []bool{false, true} {
			to, err := Open(network, freePort(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { to.Close() })
			if len(to.links) != 1 || to.links[0].sources == nil {
				t.Fatalf("%s: no choice of source addresses", network)
			}
			to.links[0].conn.(*offloadConn).single.Store(single || kernelHasSCTP())
			l := listen(t, to, nil)
			asked := []string{"127.0.0.1", "127.0.0.2", "127.1.2.3", "::1"}
			switch network {
			case "udp4":
				asked = asked[:3]
			case "udp6":
				asked = asked[3:]
			}
			for _, s := range asked {
				addr := netip.MustParseAddr(s)
				from, err := Open("udp", 0, netip.MustParseAddr(map[bool]string{true: "127.0.0.1",
					false: "::1"}[addr.Is4()]))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { from.Close() })
				client, err := from.Dial(t.Context(), nil, 0, l.Port(),
					netip.AddrPortFrom(addr, to.LocalAddr().Port()))
				if err != nil {
					t.Fatal(err)
				}
				server := accept(t, l)
				go echo(server)
				if err := exchange(client, 50); err != nil {
					t.Errorf("%s, %v: %v", network, addr, err)
				}
				if got := server.LocalAddr().(*Addr).Addrs; !slices.Equal(got, []netip.Addr{addr}) {
					t.Errorf("%s: the server of %v says that it is at %v", network, addr, got)
				}
				client.Abort()
			}
		}
	}
}

func freePort(t *testing.T) uint16 {
	t.Helper()
	c, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

// TestSourceMayFragment: so does a packet that the network may fragment.
func TestSourceMayFragment(t *testing.T) {
	s, err := Open("udp4", freePort(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	from := netip.MustParseAddr("127.4.5.6")
	for _, may := range []bool{false, true} {
		s.links[0].write(sctpcore.Packet{Data: []byte("x"), From: from, MayFragment: may,
			To: c.LocalAddr().(*net.UDPAddr).AddrPort()})
		_, got, err := c.ReadFromUDPAddrPort(make([]byte, 10))
		if err != nil || got.Addr() != from {
			t.Errorf("from %v, %v; want %v", got, err, from)
		}
	}
}

// TestSourceIsGone: when this host has lost the address to which a peer sends, packets leave from
// another. Batches of other associations stay batches.
func TestSourceIsGone(t *testing.T) {
	for _, network := range []string{"udp", "udp4", "udp6"} {
		s, err := Open(network, freePort(t))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		here, gone := "127.0.0.1", netip.MustParseAddr("192.0.2.1")
		if network == "udp6" {
			here, gone = "::1", netip.MustParseAddr("2001:db8::1")
		}
		c, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(here)})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetReadDeadline(time.Now().Add(patience))
		to := c.LocalAddr().(*net.UDPAddr).AddrPort()
		link := s.links[0]
		offload := link.conn.(*offloadConn)
		offload.single.Store(false)
		link.write(sctpcore.Packet{Data: []byte("1"), From: gone, To: to})
		link.write(sctpcore.Packet{Data: []byte("2"), From: gone, To: to, MayFragment: true})
		link.batch.writeBatch([]byte("345"), 1, to, gone, make([]byte, batchRoom))
		for i := range 5 {
			var b [10]byte
			n, from, err := c.ReadFromUDPAddrPort(b[:])
			if err != nil {
				t.Fatalf("%s: packet %d: %v", network, i+1, err)
			}
			if string(b[:n]) != fmt.Sprint(i+1) || from.Addr() != netip.MustParseAddr(here) {
				t.Errorf("%s: %q from %v", network, b[:n], from)
			}
		}
		if offload.single.Load() {
			t.Errorf("%s: no more batches", network)
		}
	}
}

// TestControl: messages beside a datagram that say where it came to. What came to several hosts is
// refused.
func TestControl(t *testing.T) {
	info4 := func(local, to [4]byte) []byte {
		b := make([]byte, 12)
		copy(b[4:], local[:])
		copy(b[8:], to[:])
		return appendControl(nil, unix.IPPROTO_IP, unix.IP_PKTINFO, b)
	}
	info6 := func(s string) []byte {
		return appendSource(nil, unix.AF_INET6, netip.MustParseAddr(s))
	}
	size := appendControl(nil, unix.IPPROTO_UDP, unix.UDP_GRO, []byte{0, 2, 0, 0})
	if got, _, ok := parseControl(size); got != 512 && got != 2<<16 || !ok {
		t.Errorf("size %d, %v", got, ok)
	}
	for _, tt := range []struct {
		control []byte
		local   string // empty is not known; "-" is refused
	}{
		{nil, ""},
		{size, ""},
		{info4([4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 1}), "10.0.0.1"},
		{info4([4]byte{10, 0, 0, 1}, [4]byte{10, 0, 0, 255}), "-"},
		{info4([4]byte{10, 0, 0, 1}, [4]byte{224, 0, 0, 1}), "-"},
		{append(size, info6("2001:db8::1")...), "2001:db8::1"},
		{info6("::ffff:10.0.0.1"), "10.0.0.1"},
		{info6("ff02::1"), "-"},
		{info6("fe80::1"), ""},
		{info6("2001:db8::1")[:20], ""},
	} {
		_, local, ok := parseControl(tt.control)
		got := ""
		if !ok {
			got = "-"
		} else if local.IsValid() {
			got = local.String()
		}
		if got != tt.local {
			t.Errorf("% x: %q, want %q", tt.control, got, tt.local)
		}
	}
}

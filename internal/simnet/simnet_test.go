package simnet_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/leaktest"
	"github.com/seed-41f70523/dtls-sctp/internal/simnet"
)

func TestMain(m *testing.M) { os.Exit(leaktest.Run(m)) }

var (
	addrA = netip.MustParseAddr("10.0.0.1")
	addrB = netip.MustParseAddr("10.0.0.2")
)

func open(t *testing.T, h *simnet.Host, at string) *simnet.Conn {
	t.Helper()
	c, err := h.ListenUDP("udp", netip.MustParseAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// receive returns all packets until the network is closed.
func receive(c *simnet.Conn) (all []string) {
	b := make([]byte, 100)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return all
		}
		all = append(all, fmt.Sprintf("%s from %v", b[:n], from))
	}
}

// TestFate checks that what happens to the packets of a flow depends neither on other flows nor on
// the time of sending.
func TestFate(t *testing.T) {
	arrivals := func(seed uint64, others bool, pause time.Duration) (all []string) {
		synctest.Test(t, func(t *testing.T) {
			n := simnet.New(seed)
			n.SetLink(simnet.Link{Delay: time.Millisecond, Loss: 0.3, Duplication: 0.2, Corruption: 0.1})
			a, b := n.Host(addrA), n.Host(addrB)
			from, other := open(t, a, "10.0.0.1:1"), open(t, a, "10.0.0.1:2")
			to := open(t, b, "10.0.0.2:1")
			time.AfterFunc(time.Hour, n.Close)
			go func() {
				dst := netip.AddrPortFrom(addrB, 1)
				for i := range 100 {
					from.WriteToUDPAddrPort(fmt.Appendf(nil, "flow %d", i), dst)
					if others {
						other.WriteToUDPAddrPort([]byte("other"), dst)
					}
					time.Sleep(pause)
				}
			}()
			all = slices.DeleteFunc(receive(to), func(s string) bool { return s[len(s)-1] == '2' })
		})
		return all
	}
	first := arrivals(1, false, 0)
	if len(first) < 50 || len(first) > 120 {
		t.Errorf("%d packets of 100 came", len(first))
	}
	if !slices.Equal(first, arrivals(1, true, 0)) {
		t.Error("another fate with other packets")
	}
	if !slices.Equal(first, arrivals(1, false, time.Second)) {
		t.Error("another fate at other times")
	}
	if slices.Equal(first, arrivals(2, false, 0)) {
		t.Error("the same fate with another seed")
	}
}

// TestFateIsOfTheSeed checks that nothing but the seed determines which packets arrive, on any
// machine. It lists those of the first 64 that do.
func TestFateIsOfTheSeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := simnet.New(1)
		n.SetLink(simnet.Link{Loss: 0.5})
		from, to := open(t, n.Host(addrA), "10.0.0.1:1"), open(t, n.Host(addrB), "10.0.0.2:1")
		for i := range 64 {
			from.WriteToUDPAddrPort([]byte{byte(i)}, netip.AddrPortFrom(addrB, 1))
		}
		time.AfterFunc(time.Hour, n.Close)
		var arrived uint64
		b := make([]byte, 1)
		for {
			if _, _, err := to.ReadFromUDPAddrPort(b); err != nil {
				break
			}
			arrived |= 1 << b[0]
		}
		if want := uint64(0xde9189de812d92d7); arrived != want {
			t.Errorf("%#x arrived, want %#x", arrived, want)
		}
	})
}

// TestMTU checks that a packet larger than the MTU of the link is lost unless it may be fragmented.
// The MTU is the size of the IP packet.
func TestMTU(t *testing.T) {
	for _, hosts := range [][2]string{{"10.0.0.1", "10.0.0.2"}, {"fd00::1", "fd00::2"}} {
		synctest.Test(t, func(t *testing.T) {
			n := simnet.New(1)
			n.SetLink(simnet.Link{MTU: 1400})
			addrs := [2]netip.Addr{netip.MustParseAddr(hosts[0]), netip.MustParseAddr(hosts[1])}
			dst := netip.AddrPortFrom(addrs[1], 1)
			from := open(t, n.Host(addrs[0]), netip.AddrPortFrom(addrs[0], 1).String())
			to := open(t, n.Host(addrs[1]), dst.String())
			time.AfterFunc(time.Hour, n.Close)
			most := 1400 - 28
			if addrs[0].Is6() {
				most -= 20
			}
			from.WriteToUDPAddrPort(make([]byte, most+1), dst)
			from.WriteToUDPAddrPort(make([]byte, most), dst)
			from.WriteMayFragment(make([]byte, most+2), dst)
			b := make([]byte, 2000)
			for _, want := range []int{most, most + 2} {
				if got, _, err := to.ReadFromUDPAddrPort(b); got != want || err != nil {
					t.Errorf("%v: %d bytes, %v; want %d", dst, got, err, want)
				}
			}
			n.Close()
		})
	}
}

// TestOrder checks that packets arrive in order without jitter, and that packets to or from an
// address that is down are lost.
func TestOrder(t *testing.T) {
	for _, link := range []simnet.Link{{}, {Delay: time.Second}, {Jitter: time.Second}} {
		synctest.Test(t, func(t *testing.T) {
			n := simnet.New(1)
			n.SetLink(link)
			a, b := n.Host(addrA), n.Host(addrB)
			from, to := open(t, a, "0.0.0.0:1"), open(t, b, "0.0.0.0:1")
			var want []string
			for i := range 20 {
				a.SetDown(addrA, i == 5)
				from.WriteToUDPAddrPort(fmt.Append(nil, i), netip.AddrPortFrom(addrB, 1))
				if i != 5 {
					want = append(want, fmt.Sprintf("%d from 10.0.0.1:1", i))
				}
			}
			b.SetDown(addrB, false)
			time.AfterFunc(time.Hour, n.Close)
			got := receive(to)
			if slices.Equal(got, want) != (link.Jitter == 0) {
				t.Errorf("%+v: %v", link, got)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("%+v: %v, want %v in any order", link, got, want)
			}
		})
	}
}

// TestSockets checks that sockets behave like those of an operating system.
func TestSockets(t *testing.T) {
	n := simnet.New(1)
	defer n.Close()
	h := n.Host(addrA, netip.MustParseAddr("10.0.1.1"), netip.MustParseAddr("2001:db8::1"))
	peer := n.Host(netip.MustParseAddr("10.0.1.2"), netip.MustParseAddr("2001:db8::2"))
	to := open(t, peer, "[::]:9")
	all := open(t, h, "[::]:0")
	if port := all.LocalAddr().(*net.UDPAddr).Port; port < 49152 {
		t.Errorf("port %d was chosen", port)
	}
	open(t, h, "10.0.0.1:7")
	for at, want := range map[string]error{
		"10.0.0.1:7": syscall.EADDRINUSE,
		"0.0.0.0:7":  syscall.EADDRINUSE,
		"10.0.9.9:7": syscall.EADDRNOTAVAIL,
		"10.0.1.1:7": nil,
	} {
		if _, err := h.ListenUDP("udp", netip.MustParseAddrPort(at)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", at, err, want)
		}
	}
	b := make([]byte, 2)
	for dst, src := range map[string]string{"10.0.1.2": "10.0.1.1", "2001:db8::2": "2001:db8::1"} {
		all.WriteToUDPAddrPort([]byte("xyz"), netip.AddrPortFrom(netip.MustParseAddr(dst), 9))
		size, from, err := to.ReadFromUDPAddrPort(b)
		if size != 2 || from.Addr() != netip.MustParseAddr(src) || err != nil {
			t.Errorf("to %s: %d bytes from %v, %v, want 2 from %s", dst, size, from, err, src)
		}
	}
	only4 := n.Host(addrB)
	dst := netip.MustParseAddrPort("[2001:db8::2]:9")
	_, err := open(t, only4, "0.0.0.0:0").WriteToUDPAddrPort(b, dst)
	if !errors.Is(err, syscall.ENETUNREACH) {
		t.Errorf("from IPv4 to IPv6: %v", err)
	}
	h.Reset()
	if _, _, err := all.ReadFromUDPAddrPort(b); err != net.ErrClosed {
		t.Errorf("after Reset: %v", err)
	}
	if c := open(t, h, "10.0.0.1:7"); c.Close() != nil || c.Close() != net.ErrClosed {
		t.Error("a socket of the same port, after Reset, and Close")
	}
}

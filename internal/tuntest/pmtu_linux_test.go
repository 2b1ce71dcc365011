package tuntest_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/tuntest"
	"golang.org/x/sys/unix"
)

// TestLinkShrinks checks that data continues to arrive after a link accepts only smaller packets
// than its devices do, without ICMP messages; with IPv4, packets are fragmented at first. RFC 8899,
// Section 4.3.
func TestLinkShrinks(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			n := newNetwork(t, 1)
			client, server := connect(t, n, network)
			go echo(server)
			until(t, client, 1497, 1500)
			n.SetLink(0, tuntest.Link{MTU: 1400})
			n.Count(0)
			until(t, client, 1252, 1400) // the base of 1,232 bytes of SCTP, or what was discovered then
			if c := n.Count(0); c.TooBig == 0 || network[4] == '4' && c.Fragmented == 0 {
				t.Errorf("%+v", c)
			}
		})
	}
}

// TestForgedTooBig checks that forged ICMP messages about the MTU have no effect.
func TestForgedTooBig(t *testing.T) {
	n := newNetwork(t, 1)
	client, server := connect(t, n, "sctp4+udp")
	go echo(server)
	port := make(chan uint16, 1)
	n.Tap(func(packet []byte) { // from the client, whose UDP port is not known otherwise
		if netip.AddrFrom4([4]byte(packet[12:])) == n.Hosts[0].Addrs[0] {
			select {
			case port <- binary.BigEndian.Uint16(packet[20:]):
			default:
			}
		}
	})
	until(t, client, 1500, 1500)
	peer := netip.AddrPortFrom(n.Hosts[0].Addrs[0], <-port)
	local := netip.AddrPortFrom(n.Hosts[1].Addrs[0], 9899)
	for range 5 {
		icmp := tuntest.TooBig(n.Hosts[1], 0, 600, n.Hosts[0].Addrs[0], local, peer)
		if err := n.Inject(n.Hosts[1], 0, icmp); err != nil {
			t.Fatal(err)
		}
		n.Count(0)
		if err := exchange(client); err != nil {
			t.Fatal(err)
		}
		// Only the server's packets are as large as that. The kernel would fragment them if it had
		// accepted the message.
		if c := n.Count(0); c.Largest != 1500 || c.Fragments != 0 {
			t.Errorf("%+v", c)
		}
	}
	// The forgery is a good one: it takes effect on a socket that accepts such messages.
	err := n.Hosts[1].Do(func() error {
		c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(peer))
		if err != nil {
			return err
		}
		defer c.Close()
		raw, err := c.SyscallConn()
		if err != nil {
			return err
		}
		mtu := 0
		raw.Control(func(fd uintptr) {
			mtu, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_MTU)
		})
		if mtu != 600 {
			t.Errorf("the kernel's MTU is %d, %v", mtu, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// TestJumboFrames checks that where devices accept more than 1,500 bytes, packets become as large
// as that, or as the rest of the path permits.
func TestJumboFrames(t *testing.T) {
	for _, network := range networks {
		for _, mtu := range []int{0, 1500} {
			t.Run(fmt.Sprintf("%s, link of %d", network, mtu), func(t *testing.T) {
				t.Parallel()
				n := newNetwork(t, 1)
				n.SetLink(0, tuntest.Link{MTU: mtu})
				for _, h := range n.Hosts {
					err := h.Do(func() error {
						return exec.Command("ip", "link", "set", "tun0", "mtu", "9000").Run()
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				client, server := connect(t, n, network)
				go echo(server)
				if mtu == 0 {
					until(t, client, 8990, 9000)
				} else {
					until(t, client, 1490, 1500)
				}
			})
		}
	}
}

package tuntest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A Link describes what the network does to packets on a link, in both directions.
type Link struct {
	Delay, Jitter time.Duration // Jitter is the maximum of a random additional delay
	Loss          float64       // probability that a packet is lost, from 0 to 1
	// MTU is the size of the largest packet; 0 means 1,500. A larger one is lost without an ICMP
	// message, except that an IPv4 packet that may be fragmented arrives as if it had been.
	MTU  int
	Down bool // all packets are lost
}

// A Count counts packets.
type Count struct {
	Delivered, Lost    int
	TooBig, Fragmented int // larger than Link.MTU
	Fragments          int // IPv4 fragments that a host sent
	Largest            int // size of the largest packet delivered
}

// A Network consists of two hosts and the links between them:
//
//	Hosts[0] 10.0.N.1 fd00:0:0:N::1 ---- 10.0.N.2 fd00:0:0:N::2 Hosts[1]
//
// for link N, which is device tunN on both.
type Network struct {
	Hosts [2]*Host

	mu     sync.Mutex // guards the following fields
	links  []Link
	counts []Count
	tap    func(packet []byte)
}

// A Host is a network namespace.
type Host struct {
	Addrs, Addrs6 []netip.Addr // one for each link

	namespace *os.File
	devices   []*os.File
}

// New creates two hosts with this number of links. Without the privileges for that, the error
// matches os.ErrPermission.
func New(links int) (*Network, error) {
	n := &Network{links: make([]Link, links), counts: make([]Count, links)}
	for i := range n.Hosts {
		h, err := newHost(i+1, links)
		n.Hosts[i] = h
		if err != nil {
			n.Close()
			return nil, err
		}
	}
	for i := range n.links {
		go n.carry(i, n.Hosts[0], n.Hosts[1])
		go n.carry(i, n.Hosts[1], n.Hosts[0])
	}
	return n, nil
}

// newHost creates a host. Its addresses end in number.
func newHost(number, links int) (*Host, error) {
	h := &Host{}
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("a new network namespace: %w", err)
		}
		if h.namespace, err = os.Open("/proc/thread-self/ns/net"); err != nil {
			return err
		}
		commands := []string{"link set lo up"}
		for i := range links {
			name := fmt.Sprintf("tun%d", i)
			device, err := openTUN(name)
			if err != nil {
				return err
			}
			h.devices = append(h.devices, device)
			addr := netip.AddrFrom4([4]byte{10, 0, byte(i), byte(number)})
			addr6 := netip.MustParseAddr(fmt.Sprintf("fd00:0:0:%x::%d", i, number))
			h.Addrs, h.Addrs6 = append(h.Addrs, addr), append(h.Addrs6, addr6)
			commands = append(commands, fmt.Sprintf("addr add %v/24 dev %s", addr, name),
				fmt.Sprintf("addr add %v/64 dev %s nodad", addr6, name), "link set "+name+" up")
		}
		return ip(commands)
	})
	return h, err
}

// openTUN creates a TUN device in the network namespace of the current thread.
func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("a TUN device: %w", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// ip runs commands of ip(8) in the network namespace of the current thread.
func ip(commands []string) error {
	cmd := exec.Command("ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("ip: %w: %s", err, out)
	}
	return nil
}

// onThread calls f on a new thread, which ends when f returns.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked, so that the thread ends
		done <- f()
	}()
	return <-done
}

// Do calls f on a thread in the host's network namespace, in which f can open sockets and start
// processes. f must not do that in other goroutines.
func (h *Host) Do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(h.namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
}

// SetLink sets link i for packets that are sent from now on.
func (n *Network) SetLink(i int, l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.links[i] = l
}

// Count returns the counts of packets on link i since the last call.
func (n *Network) Count(i int) (c Count) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c, n.counts[i] = n.counts[i], Count{}
	return c
}

// Tap makes the network call f for each packet that a host sends, before it loses or delays the
// packet. f must not retain the packet.
func (n *Network) Tap(f func(packet []byte)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tap = f
}

// Inject makes a packet arrive at a host as if over link i.
func (n *Network) Inject(to *Host, i int, packet []byte) error {
	_, err := to.devices[i].Write(packet)
	return err
}

// Close removes the links. Sockets on the hosts remain, without a network.
func (n *Network) Close() {
	for _, h := range n.Hosts {
		if h == nil {
			continue
		}
		for _, d := range h.devices {
			d.Close()
		}
		if h.namespace != nil {
			h.namespace.Close()
		}
	}
}

// carry forwards packets from one host to another until the network is closed.
func (n *Network) carry(link int, from, to *Host) {
	b := make([]byte, 1<<16)
	for {
		size, err := from.devices[link].Read(b)
		if errors.Is(err, unix.EIO) { // the device is down
			time.Sleep(time.Millisecond)
			continue
		}
		if err != nil {
			return
		}
		if delay, ok := n.fate(link, b[:size]); !ok {
			continue
		} else if packet := slices.Clone(b[:size]); delay > 0 {
			time.AfterFunc(delay, func() { to.devices[link].Write(packet) })
		} else {
			to.devices[link].Write(packet)
		}
	}
}

// fate decides whether a packet is delivered, and after what delay.
func (n *Network) fate(link int, packet []byte) (delay time.Duration, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.tap != nil {
		n.tap(packet)
	}
	l, c := n.links[link], &n.counts[link]
	if l.Down || rand.Float64() < l.Loss {
		c.Lost++
		return 0, false
	}
	if isFragment(packet) {
		c.Fragments++
	}
	if l.MTU != 0 && len(packet) > l.MTU {
		if !mayFragment(packet) {
			c.TooBig++
			return 0, false
		}
		c.Fragmented++
	} else {
		c.Largest = max(c.Largest, len(packet))
	}
	c.Delivered++
	return l.Delay + time.Duration(rand.Float64()*float64(l.Jitter)), true
}

// mayFragment reports whether a packet is an IPv4 packet without the Don't Fragment bit (RFC 791,
// Section 3.1).
func mayFragment(packet []byte) bool {
	return len(packet) >= 20 && packet[0]>>4 == 4 && packet[6]&0x40 == 0
}

// isFragment reports whether an IPv4 packet is a fragment.
func isFragment(packet []byte) bool {
	return len(packet) >= 20 && packet[0]>>4 == 4 && (packet[6]&0x3f|packet[7]) != 0
}

// TooBig returns a forged ICMP message to a host, Fragmentation Needed and DF Set. It says that a
// router on link i does not forward UDP packets of the host that are larger than mtu bytes. RFC
// 792; RFC 1191, Section 4.
func TooBig(to *Host, i, mtu int, from netip.Addr, local, peer netip.AddrPort) []byte {
	inner := append(ipv4Header(17, 1400, local.Addr(), peer.Addr()),
		byte(local.Port()>>8), byte(local.Port()), byte(peer.Port()>>8), byte(peer.Port()),
		1400>>8, 1400&0xff, 0, 0)
	icmp := append([]byte{3, 4, 0, 0, 0, 0, byte(mtu >> 8), byte(mtu)}, inner...)
	sum := checksum(icmp)
	icmp[2], icmp[3] = byte(sum>>8), byte(sum)
	return append(ipv4Header(1, len(icmp), from, to.Addrs[i]), icmp...)
}

func ipv4Header(protocol byte, size int, from, to netip.Addr) []byte {
	size += 20
	b := []byte{0x45, 0, byte(size >> 8), byte(size), 0, 1, 0x40, 0, 64, protocol, 0, 0}
	f, t := from.As4(), to.As4()
	b = append(append(b, f[:]...), t[:]...)
	sum := checksum(b)
	b[10], b[11] = byte(sum>>8), byte(sum)
	return b
}

// checksum returns the Internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		sum += uint32(b[i]) << 8
		if i+1 < len(b) {
			sum += uint32(b[i+1])
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

package simnet

import (
	"container/heap"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/srcaddr"
)

// A Host has one or more addresses. It chooses the source address of a packet by its destination,
// as if each address were in a network of its own: the address with the longest prefix in common
// with the destination.
type Host struct {
	network *Network
	addrs   []netip.Addr
	down    map[netip.Addr]bool // guarded by Network.mu, as are the following fields
	conns   map[uint16][]*Conn  // by port
	next    uint16              // the next port to try for a socket with port 0
	opened  uint64              // number of sockets opened so far
}

// Host adds a host to the network. It panics if an address is unspecified or belongs to another
// host.
func (n *Network) Host(addrs ...netip.Addr) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(addrs) == 0 {
		panic("simnet: a host needs an address")
	}
	h := &Host{
		network: n,
		addrs:   slices.Clone(addrs),
		down:    map[netip.Addr]bool{},
		conns:   map[uint16][]*Conn{},
		next:    firstPort,
	}
	for _, a := range addrs {
		if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() || a.Is4In6() || a.Zone() != "" ||
			n.owners[a] != nil {
			panic(fmt.Sprintf("simnet: %v is no address for a host, or has one already", a))
		}
		n.owners[a] = h
	}
	n.hosts = append(n.hosts, h)
	return h
}

// firstPort is the first dynamic port (RFC 6335, Section 6). Sockets with port 0 get their ports
// from there on.
const firstPort = 49152

// Addrs returns the addresses of the host. The caller must not modify the slice.
func (h *Host) Addrs() []netip.Addr { return h.addrs }

// SetDown removes an address of the host from the network, or restores it. While an address is
// down, packets to and from it are lost, including packets that are already in transit.
func (h *Host) SetDown(addr netip.Addr, down bool) {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	h.down[addr] = down
}

func (h *Host) isDown(addr netip.Addr) bool { return h == nil || h.down[addr] }

// Reset closes all sockets of the host, as a power failure does: unread packets are lost, and peers
// are not notified.
func (h *Host) Reset() {
	h.network.mu.Lock()
	defer h.network.mu.Unlock()
	h.closeAll()
}

// closeAll closes all sockets of the host. Network.mu must be held.
func (h *Host) closeAll() {
	for _, list := range h.conns {
		for _, c := range list {
			c.close()
		}
	}
	clear(h.conns)
}

// socket returns the socket that receives packets to an address and port. Network.mu must be held.
func (h *Host) socket(to netip.AddrPort) *Conn {
	for _, c := range h.conns[to.Port()] {
		if c.local.Addr() == to.Addr() || c.local.Addr().IsUnspecified() {
			return c
		}
	}
	return nil
}

// source returns the address from which the host sends packets to another one. Network.mu must be
// held.
func (h *Host) source(to netip.Addr) (source netip.Addr) {
	longest := -1
	for _, a := range h.addrs {
		if a.Is4() != to.Is4() {
			continue
		}
		if n := srcaddr.CommonPrefixLen(a, to); n > longest {
			source, longest = a, n
		}
	}
	return source
}

// A Conn is a socket of a host. It has the methods of *net.UDPConn that package internal/sctpudp
// needs.
type Conn struct {
	host  *Host
	local netip.AddrPort
	rand  *lockedRand

	ready  sync.Cond // a packet is due, or the socket is closed
	queue  packets   // guarded by Network.mu, as are the following fields
	timer  *time.Timer
	closed bool
}

// ListenUDP opens a socket, like [net.ListenUDP]. An unspecified address means all addresses of the
// host, and port 0 means any port. The network is "udp", "udp4" or "udp6".
func (h *Host) ListenUDP(network string, local netip.AddrPort) (*Conn, error) {
	fail := func(err error) (*Conn, error) {
		addr := net.UDPAddrFromAddrPort(local)
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addr, Err: err}
	}
	addr := local.Addr().Unmap()
	if !addr.IsValid() || addr.IsUnspecified() {
		addr = netip.IPv6Unspecified()
		if !slices.ContainsFunc(h.addrs, netip.Addr.Is6) || network == "udp4" {
			addr = netip.IPv4Unspecified()
		}
	}
	n := h.network
	n.mu.Lock()
	defer n.mu.Unlock()
	port := local.Port()
	switch {
	case !strings.HasPrefix(network, "udp"):
		return fail(net.UnknownNetworkError(network))
	case n.closed:
		return fail(net.ErrClosed)
	case !addr.IsUnspecified() && !slices.Contains(h.addrs, addr):
		return fail(syscall.EADDRNOTAVAIL)
	case port == 0:
		port = h.next
		for tries := 0; h.taken(addr, port); tries++ {
			if port = max(port+1, firstPort); tries > 1<<16 {
				return fail(syscall.EADDRINUSE)
			}
		}
		h.next = max(port+1, firstPort)
	case h.taken(addr, port):
		return fail(syscall.EADDRINUSE)
	}
	h.opened++
	c := &Conn{host: h, local: netip.AddrPortFrom(addr, port), rand: n.newRand(h.addrs[0], h.opened)}
	c.ready.L = &n.mu
	h.conns[port] = append(h.conns[port], c)
	return c, nil
}

func (h *Host) taken(addr netip.Addr, port uint16) bool {
	return slices.ContainsFunc(h.conns[port], func(c *Conn) bool {
		return c.local.Addr() == addr || c.local.Addr().IsUnspecified() || addr.IsUnspecified()
	})
}

// LocalAddr returns the address and port of the socket as a *net.UDPAddr.
func (c *Conn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.local) }

// Rand returns a source of random numbers for the SCTP implementation that uses this socket. The
// seed of the network determines them; they differ after a [Host.Reset].
func (c *Conn) Rand() io.Reader { return c.rand }

type lockedRand struct {
	mu   sync.Mutex
	rand *rand.ChaCha8
}

func (n *Network) newRand(host netip.Addr, socket uint64) *lockedRand {
	var key [32]byte
	binary.BigEndian.PutUint64(key[:], n.seed)
	binary.BigEndian.PutUint64(key[8:], socket)
	a := host.As16()
	copy(key[16:], a[:])
	return &lockedRand{rand: rand.NewChaCha8(key)}
}

func (r *lockedRand) Read(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rand.Read(b)
}

// wake makes ReadFromUDPAddrPort return when the first packet is due. Network.mu must be held.
func (c *Conn) wake() {
	if len(c.queue) == 0 {
		return
	}
	wait := time.Until(c.queue[0].due)
	switch {
	case wait <= 0:
		c.ready.Signal()
	case c.timer == nil:
		c.timer = time.AfterFunc(wait, func() {
			c.host.network.mu.Lock()
			defer c.host.network.mu.Unlock()
			c.ready.Signal()
		})
	default:
		c.timer.Reset(wait)
	}
}

// ReadFromUDPAddrPort waits for the next packet. A packet longer than b is truncated.
func (c *Conn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	c.host.network.mu.Lock()
	defer c.host.network.mu.Unlock()
	for {
		switch {
		case c.closed:
			return 0, netip.AddrPort{}, net.ErrClosed
		case len(c.queue) > 0 && time.Until(c.queue[0].due) <= 0:
			p := heap.Pop(&c.queue).(packet)
			if !c.host.isDown(p.to) {
				return copy(b, p.data), p.from, nil
			}
			continue
		}
		c.wake()
		c.ready.Wait()
	}
}

// WriteToUDPAddrPort sends a packet that the network does not fragment. It does not wait for the
// packet to arrive.
func (c *Conn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return c.write(b, to, false)
}

// WriteMayFragment sends a packet that the network may fragment, so that Link.MTU does not apply to
// it.
func (c *Conn) WriteMayFragment(b []byte, to netip.AddrPort) (int, error) {
	return c.write(b, to, true)
}

func (c *Conn) write(b []byte, to netip.AddrPort, mayFragment bool) (int, error) {
	n := c.host.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	from := c.local.Addr()
	if from.IsUnspecified() {
		from = c.host.source(to.Addr())
	}
	if !from.IsValid() || from.Is4() != to.Addr().Is4() {
		return 0, syscall.ENETUNREACH
	}
	n.send(netip.AddrPortFrom(from, c.local.Port()), to, b, mayFragment)
	return len(b), nil
}

// Close closes the socket.
func (c *Conn) Close() error {
	n := c.host.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.close()
	port := c.local.Port()
	c.host.conns[port] = slices.DeleteFunc(c.host.conns[port], func(x *Conn) bool { return x == c })
	return nil
}

// close closes the socket. Network.mu must be held.
func (c *Conn) close() {
	c.closed, c.queue = true, nil
	if c.timer != nil {
		c.timer.Stop()
	}
	c.ready.Broadcast()
}

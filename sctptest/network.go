package sctptest

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpudp"
	"github.com/seed-41f70523/dtls-sctp/internal/simnet"
)

// A Link is what a [Network] does to packets. The zero value delivers each at once, and in order.
type Link struct {
	// Delay is how long a packet is under way. Jitter is at most so much more, drawn for each packet,
	// so that packets overtake each other.
	Delay, Jitter time.Duration

	// MTU is the size of the largest IP packet that arrives, with headers of IP and UDP; 0 is any. As
	// on a path whose routers say nothing, nobody is told of one that does not, unless it may be
	// fragmented. SCTP finds out what fits (RFC 8899).
	MTU int

	// Loss, Duplication and Corruption are probabilities, from 0 to 1: that a packet does not arrive,
	// that it arrives twice, and that a bit of it is changed, which SCTP's checksum finds.
	Loss, Duplication, Corruption float64
}

// A Network joins hosts. All methods may be called by any goroutine at any time.
type Network struct {
	sim *simnet.Network

	mu    sync.Mutex // guards the following
	pairs uint32     // that Pair has made
}

// NewNetwork returns a network without hosts, whose [Link] is the zero value. The seed decides what
// happens by chance. [Network.Close] must be called in the end.
func NewNetwork(seed uint64) *Network { return &Network{sim: simnet.New(seed)} }

// SetLink has the network do this to packets that are sent from now on, between all hosts.
func (n *Network) SetLink(l Link) { n.sim.SetLink(simnet.Link(l)) }

// Close ends the network, and with it all listeners and associations, whose calls fail with an
// error. Their goroutines end.
func (n *Network) Close() { n.sim.Close() }

// Host adds a host that has these addresses, such as “192.0.2.1” or “2001:db8::1”. Of
// several, each is thought of as on a network of its own: the host sends to an address of another
// from the one of its own that has most bits at the beginning in common with it.
//
// Host panics if it is given no address, what is none, or one that another host has.
func (n *Network) Host(addrs ...string) *Host {
	list := make([]netip.Addr, len(addrs))
	for i, a := range addrs {
		addr, err := netip.ParseAddr(a)
		if err != nil {
			panic(fmt.Sprintf("sctptest: %q is no IP address", a))
		}
		list[i] = addr.Unmap()
	}
	return &Host{sim: n.sim.Host(list...)}
}

// A Host is a machine of a [Network]. All methods may be called by any goroutine at any time.
type Host struct {
	sim *simnet.Host

	mu     sync.Mutex      // guards the following
	socket *sctpudp.Socket // the SCTP of this host; nil until it is needed
}

// sctp returns the SCTP of the host.
func (h *Host) sctp() (*sctpudp.Socket, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.socket == nil {
		conn, err := h.sim.ListenUDP("udp", netip.AddrPortFrom(netip.Addr{}, sctpudp.Port))
		if err != nil {
			return nil, err
		}
		if h.socket, err = sctpudp.New(false, conn); err != nil {
			return nil, err
		}
	}
	return h.socket, nil
}

// Reboot is what a loss of power does: the host forgets its listeners and associations, whose calls
// fail, and tells nobody. It can be used again at once.
//
// A peer finds out when it sends, or from its heartbeats: what the host knows nothing of it answers
// with ABORT (RFC 9260, Section 8.4), if [Host.Listen] or [Host.Dial] was called since. If the host
// dials from the same port as before, the peer sees a restart (Section 5.2).
func (h *Host) Reboot() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sim.Reset()
	h.socket = nil
}

// Unplug takes addresses of the host from the network, all of them if none is named: no packet
// comes or goes there, nor do those under way arrive. Paths fail by it that way. Plug gives them
// back.
func (h *Host) Unplug(addrs ...string) { h.plug(addrs, true) }

// Plug ends [Host.Unplug] for these addresses, or all.
func (h *Host) Plug(addrs ...string) { h.plug(addrs, false) }

func (h *Host) plug(addrs []string, down bool) {
	if len(addrs) == 0 {
		for _, a := range h.sim.Addrs() {
			h.sim.SetDown(a, down)
		}
	}
	for _, a := range addrs {
		addr, err := netip.ParseAddr(a)
		if err != nil || !h.has(addr.Unmap()) {
			panic(fmt.Sprintf("sctptest: %q is no address of this host", a))
		}
		h.sim.SetDown(addr.Unmap(), down)
	}
}

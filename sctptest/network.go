package sctptest

import (
	"fmt"
	"net/netip"
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpudp"
	"github.com/seed-41f70523/dtls-sctp/internal/simnet"
)

// A Link describes what a [Network] does to packets. The zero value delivers each packet
// immediately and in order.
type Link struct {
	// Delay is the time that a packet is in transit. Jitter is the maximum of an additional random
	// time for each packet, so that packets can overtake each other.
	Delay, Jitter time.Duration

	// MTU is the size of the largest IP packet that arrives, including the IP and UDP headers; 0
	// means any. A larger packet is lost without an ICMP message, unless it may be fragmented. SCTP
	// discovers the MTU (RFC 8899).
	MTU int

	// Loss, Duplication and Corruption are probabilities from 0 to 1: that a packet does not
	// arrive, that it arrives twice, and that one of its bits is changed, which SCTP's checksum
	// detects.
	Loss, Duplication, Corruption float64
}

// A Network connects hosts. Its methods may be called concurrently.
type Network struct {
	sim *simnet.Network

	mu    sync.Mutex // guards the following
	pairs uint32     // created by Pair
}

// NewNetwork returns a network without hosts, whose [Link] is the zero value. seed determines
// everything that is random. [Network.Close] must be called at the end.
func NewNetwork(seed uint64) *Network { return &Network{sim: simnet.New(seed)} }

// SetLink sets what the network does to packets that are sent from now on, between all hosts.
func (n *Network) SetLink(l Link) { n.sim.SetLink(simnet.Link(l)) }

// Close ends the network, and with it all listeners and associations. Their calls fail, and their
// goroutines end.
func (n *Network) Close() { n.sim.Close() }

// Host adds a host with these addresses, such as "192.0.2.1" or "2001:db8::1". Each of several
// addresses is assumed to be on a network of its own: the host sends from the address that has the
// longest prefix in common with the destination.
//
// Host panics if it is called without an address, with an invalid one, or with one that another
// host has.
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

// A Host is a machine on a [Network]. Its methods may be called concurrently.
type Host struct {
	sim *simnet.Host

	mu     sync.Mutex      // guards the following
	socket *sctpudp.Socket // the SCTP of this host; nil until it is needed
}

// sctp returns the SCTP implementation of the host.
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

// Reboot has the effect of a power loss: the host loses its listeners and associations, without
// informing their peers. Their calls fail. The host can be used again immediately.
//
// A peer notices when it sends data or a heartbeat: the host answers with ABORT (RFC 9260, Section
// 8.4), if [Host.Listen] or [Host.Dial] has been called since. If the host dials from the same port
// as before, the peer sees a restart (Section 5.2).
func (h *Host) Reboot() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sim.Reset()
	h.socket = nil
}

// Unplug disconnects addresses of the host from the network, or all of them if addrs is empty:
// packets to and from them are lost, including those in transit. That makes paths fail. Plug
// reconnects them.
func (h *Host) Unplug(addrs ...string) { h.plug(addrs, true) }

// Plug ends the effect of [Host.Unplug] for these addresses, or for all.
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

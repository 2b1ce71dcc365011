package sctpudp

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// An Addr is one end of an association: addresses, an SCTP port and a UDP port.
type Addr struct {
	Addrs   []netip.Addr
	Port    uint16
	UDPPort uint16
}

// Network returns “sctp+udp”.
func (*Addr) Network() string { return "sctp+udp" }

// String returns the addresses and the SCTP port.
func (a *Addr) String() string {
	var hosts []string
	for _, ip := range a.Addrs {
		h := ip.String()
		if ip.Is6() {
			h = "[" + h + "]"
		}
		hosts = append(hosts, h)
	}
	return fmt.Sprintf("%s:%d", strings.Join(hosts, "/"), a.Port)
}

// LocalAddr implements stream.Association. The addresses are those that were sent to the peer in
// INIT or INIT ACK. If there were none, and the socket has all addresses of this host, it is the
// source address of packets on the primary path: the one to which the peer's packets were sent, or
// the one that the system chooses.
func (a *Assoc) LocalAddr() net.Addr {
	a.mu.Lock()
	defer a.mu.Unlock()
	port, _ := a.core.Ports()
	if told := a.core.Config().Addresses; len(told) > 0 {
		return &Addr{told, port, a.socket.LocalAddr().Port()}
	}
	at := a.socket.LocalAddr().Addr()
	if at.IsUnspecified() {
		for _, p := range a.core.Paths(nil) {
			if p.Primary && p.Local.IsValid() {
				at = p.Local
			} else if p.Primary {
				at = sourceTo(p.Peer, at)
			}
		}
	}
	return &Addr{[]netip.Addr{at}, port, a.socket.LocalAddr().Port()}
}

// sourceTo returns the address of this host from which packets to peer are sent, or otherwise if
// there is none. It sends nothing.
func sourceTo(peer netip.AddrPort, otherwise netip.Addr) netip.Addr {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(peer))
	if err != nil {
		return otherwise
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
}

// RemoteAddr implements stream.Association. The primary path comes first.
func (a *Assoc) RemoteAddr() net.Addr {
	a.mu.Lock()
	defer a.mu.Unlock()
	addr := new(Addr)
	_, addr.Port = a.core.Ports()
	paths := a.core.Paths(nil)
	slices.SortStableFunc(paths, func(x, y sctpcore.PathInfo) int { return primary(y) - primary(x) })
	for _, p := range paths {
		addr.Addrs = append(addr.Addrs, p.Peer.Addr())
	}
	if len(paths) > 0 {
		addr.UDPPort = paths[0].Peer.Port()
	}
	return addr
}

func primary(p sctpcore.PathInfo) int {
	if p.Primary {
		return 1
	}
	return 0
}

// Streams implements stream.Association.
func (a *Assoc) Streams() (out, in uint16) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.core.Streams()
}

// MaxMessage implements stream.MessageLimiter.
func (a *Assoc) MaxMessage() (int, error) { return a.core.MaxMessage(), nil } // which never changes

// Unread returns the bytes of messages that have arrived and not been read.
func (a *Assoc) Unread() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.core.Unread()
}

// Over reports whether the association has ended and will send nothing more.
func (a *Assoc) Over() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.released
}

// Outstanding returns the number of DATA chunks that the peer has not acknowledged.
func (a *Assoc) Outstanding() (chunks int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	chunks, _ = a.core.Outstanding()
	return chunks
}

// AuthFailures returns the number of packets that failed verification, because their key was not
// known or their HMAC was wrong.
func (a *Assoc) AuthFailures() uint64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.core.Stats().AuthFailures
}

// Paths implements stream.Multihomed.
func (a *Assoc) Paths() (paths []stream.Path, err error) {
	err = a.do(func() error {
		paths = a.paths()
		return nil
	})
	return paths, err
}

// paths is called with mu held.
func (a *Assoc) paths() (paths []stream.Path) {
	for _, p := range a.core.Paths(nil) {
		paths = append(paths, stream.Path{
			Addr: p.Peer.Addr(), State: pathState(p.State), Primary: p.Primary,
			RTT: p.SRTT, RTO: p.RTO, Window: p.Window, MTU: p.MTU + a.socket.overhead(p.Peer.Addr().Is6()),
		})
	}
	return paths
}

func pathState(s sctpcore.PathState) stream.PathState {
	switch s {
	case sctpcore.PathActive:
		return stream.PathActive
	case sctpcore.PathPotentiallyFailed:
		return stream.PathPotentiallyFailed
	case sctpcore.PathUnconfirmed:
		return stream.PathUnconfirmed
	}
	return stream.PathInactive
}

// SetPrimary implements stream.Multihomed.
func (a *Assoc) SetPrimary(peer netip.Addr) error {
	return a.do(func() error { return a.core.SetPrimary(peer) })
}

// BindAdd implements stream.Multihomed: the addresses of this end are those of its UDP socket.
func (*Assoc) BindAdd(netip.Addr) error { return stream.ErrNoAddressChanges }

// BindRemove implements stream.Multihomed.
func (*Assoc) BindRemove(netip.Addr) error { return stream.ErrNoAddressChanges }

// Stats implements stream.StatsReporter.
func (a *Assoc) Stats() (s stream.Stats, err error) {
	err = a.do(func() error {
		c := a.core.Stats()
		s = stream.Stats{
			PacketsSent: c.PacketsSent, PacketsReceived: c.PacketsReceived,
			ChunksSent: c.ChunksSent, ChunksReceived: c.ChunksReceived,
			Retransmitted: c.Retransmissions, Duplicates: c.Duplicates,
			Pending: a.core.Missing(),
		}
		s.Unacked, s.PeerWindow = a.core.Outstanding()
		for _, p := range a.paths() {
			if p.Primary {
				s.Primary = p
			}
		}
		return nil
	})
	return s, err
}

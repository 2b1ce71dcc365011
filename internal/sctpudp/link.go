package sctpudp

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/srcaddr"
	"github.com/seed-41f70523/dtls-sctp/sctpcore"
)

// Conn is what a Socket needs of a *net.UDPConn. One that has a method Rand() io.Reader, as in
// package internal/simnet, is simulated, and has the random numbers of SCTP come from there.
type Conn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	LocalAddr() net.Addr
	Close() error
}

// A wholeConn is a Conn whose packets the network does not fragment, except those of
// WriteMayFragment, so that probes can find the path MTU (RFC 8899).
type wholeConn interface {
	WriteMayFragment(b []byte, to netip.AddrPort) (int, error)
}

// A sourceConn is a Conn that has all addresses of this host, tells to which of them a packet came,
// and sends from the one that it is told: ip(7), IP_PKTINFO. Without that the system chooses the
// one that it would use for a new destination, and a peer that has asked another does not know it.
type sourceConn interface {
	// hasSources reports whether it does.
	hasSources() bool
	// writeFrom sends p from the address p.From of this host.
	writeFrom(p sctpcore.Packet)
}

// A link is one Conn of a Socket, with its optional interfaces.
type link struct {
	conn    Conn
	batch   batchConn  // conn, or nil
	whole   wholeConn  // conn, or nil
	sources sourceConn // conn, or nil
	local   netip.AddrPort
}

func newLink(c Conn) *link {
	at := c.LocalAddr().(*net.UDPAddr).AddrPort()
	l := &link{conn: c, local: netip.AddrPortFrom(at.Addr().Unmap(), at.Port())}
	l.batch, _ = c.(batchConn)
	l.whole, _ = c.(wholeConn)
	if s, ok := c.(sourceConn); ok && s.hasSources() {
		l.sources = s
	}
	return l
}

// newReceiver returns a receiver of up to count batches at once, or of single packets if the Conn
// has no batches.
func (l *link) newReceiver(count int) receiver {
	if l.batch != nil {
		return l.batch.newReceiver(count)
	}
	return &singleReceiver{l.conn, make([]byte, maxPacket)}
}

// at returns the address of the link, which is not valid if it has all addresses of the host.
func (l *link) at() netip.Addr {
	if l.local.Addr().IsUnspecified() {
		return netip.Addr{}
	}
	return l.local.Addr()
}

// reaches reports whether l can send packets to an address.
func (l *link) reaches(to netip.Addr) bool {
	at := l.local.Addr()
	return at.Is4() == to.Is4() || at == netip.IPv6Unspecified() // which may stand for both
}

// source returns the source address to set for a packet that the core sends from an address. It is
// not valid if the link has only one address, or cannot choose.
func (l *link) source(from netip.Addr) netip.Addr {
	if l.sources == nil {
		return netip.Addr{}
	}
	return from
}

// write sends a packet. A packet that cannot be sent counts as lost.
func (l *link) write(p sctpcore.Packet) {
	if l.source(p.From).IsValid() {
		l.sources.writeFrom(p)
		return
	}
	if p.MayFragment && l.whole != nil {
		l.whole.WriteMayFragment(p.Data, p.To)
		return
	}
	l.conn.WriteToUDPAddrPort(p.Data, p.To)
}

// linkTo chooses the link for a packet: the one to whose address the peer's packets are sent, or
// else the one whose address the system would send from.
func (s *Socket) linkTo(p sctpcore.Packet) *link {
	if len(s.links) == 1 {
		return s.links[0]
	}
	if p.From.IsValid() {
		for _, l := range s.links {
			if l.local.Addr() == p.From || l.sources != nil && l.reaches(p.From) {
				return l
			}
		}
	}
	return s.routes.get(s, p.To)
}

// routes caches which link the system would choose.
type routes struct {
	mu    sync.Mutex // guards the following
	links map[netip.Addr]*link
	until time.Duration
}

// routeLife is how long an answer of the system is cached; maxRoutes is the size of the cache.
const (
	routeLife = 5 * time.Second
	maxRoutes = 1024
)

func (r *routes) get(s *Socket, to netip.AddrPort) *link {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := s.now(); now >= r.until || len(r.links) >= maxRoutes {
		r.links, r.until = map[netip.Addr]*link{}, now+routeLife
	}
	l := r.links[to.Addr()]
	if l == nil {
		l = s.route(to)
		r.links[to.Addr()] = l
	}
	return l
}

// route asks the system. If the system would send from an address that the socket does not have, it
// is the one with the longest common prefix with the destination. RFC 6724, Section 5, rule 8.
func (s *Socket) route(to netip.AddrPort) *link {
	source := sourceTo(to, netip.Addr{})
	best, longest := s.links[0], -1
	for _, l := range s.links {
		if l.local.Addr() == source {
			return l
		}
		if n := srcaddr.CommonPrefixLen(l.local.Addr(), to.Addr()); l.reaches(to.Addr()) && n > longest {
			best, longest = l, n
		}
	}
	return best
}

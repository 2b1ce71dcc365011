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

// A wholeConn is a Conn whose packets the network does not fragment, so that probes can find out
// what fits (RFC 8899), but for those of WriteMayFragment.
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

// A link is one Conn of a Socket, and what it can do.
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

// newReceiver returns what receives up to count batches at once, if batches there are.
func (l *link) newReceiver(count int) receiver {
	if l.batch != nil {
		return l.batch.newReceiver(count)
	}
	return &singleReceiver{l.conn, make([]byte, maxPacket)}
}

// at is the address to which packets come here, not valid if that is any of the host.
func (l *link) at() netip.Addr {
	if l.local.Addr().IsUnspecified() {
		return netip.Addr{}
	}
	return l.local.Addr()
}

// reaches reports whether packets can go from here to an address.
func (l *link) reaches(to netip.Addr) bool {
	at := l.local.Addr()
	return at.Is4() == to.Is4() || at == netip.IPv6Unspecified() // which may stand for both
}

// source returns from where a packet is to leave that the core wants to leave from an address: not
// valid if the link has but one, or cannot choose.
func (l *link) source(from netip.Addr) netip.Addr {
	if l.sources == nil {
		return netip.Addr{}
	}
	return from
}

// write sends a packet. One that cannot be sent is one that is lost.
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

// linkTo chooses by which link a packet leaves: that of the address to which the peer's packets
// come, else that of the address from which the system sends there.
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

// routes keeps for a while which link the system would choose.
type routes struct {
	mu    sync.Mutex // guards the following
	links map[netip.Addr]*link
	until time.Duration
}

// routeLife is how long an answer of the system is kept; maxRoutes is how many.
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

// route asks the system. If what it would send from is none of ours, it is the address that has
// most in common with the destination. RFC 6724, Section 5, rule 8.
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

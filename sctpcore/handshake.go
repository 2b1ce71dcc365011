package sctpcore

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"
)

// handshake is the state that only establishing an association needs. See RFC 9260, Section 5.1.
type handshake struct {
	timer        time.Duration // T1-init or T1-cookie
	retrans      int
	send         bool // INIT or COOKIE ECHO, depending on the state, must be sent
	to           *path
	sentAt       time.Duration
	tsn          uint32 // our Initial TSN
	cookie       []byte
	preservative time.Duration
	unrecognized []byte // parameters of INIT ACK to report with COOKIE ECHO
}

// connect sends INIT. See RFC 9260, Section 5.1, step A.
func (a *Assoc) connect(now time.Duration, peers []netip.AddrPort) error {
	for _, p := range peers {
		p = netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
		if a.pathOf(p.Addr()) == nil {
			a.addPath(p, PathActive) // RFC 9260, Section 5.4, rule 1: our user gave the address
		}
	}
	a.main = a.paths[0]
	var err error
	if a.shake.tsn, err = random32(a.rand); err != nil {
		return err
	}
	if err := fill(a.rand, a.random[:]); err != nil {
		return err
	}
	a.state = StateCookieWait
	a.startT1(now, a.main)
	return nil
}

// startT1 schedules INIT or COOKIE ECHO and starts its retransmission timer.
func (a *Assoc) startT1(now time.Duration, to *path) {
	a.shake.send, a.shake.to, a.shake.sentAt = true, to, now
	a.shake.timer = now + to.rto
}

// initTimeout retransmits INIT, to the next address, or COOKIE ECHO. See RFC 9260, Section 5.1.6.
func (a *Assoc) initTimeout(now time.Duration) {
	if a.shake.retrans++; a.shake.retrans > a.config.MaxInitRetrans {
		a.end(ErrTimeout)
		return
	}
	to := a.shake.to
	to.backOff(a.config)
	if a.state == StateCookieWait {
		to = a.paths[(slices.Index(a.paths, to)+1)%len(a.paths)]
	}
	a.startT1(now, to)
}

// initPacket builds the packet with INIT, its only chunk. The verification tag is 0.
func (a *Assoc) initPacket(b []byte) []byte {
	a.shake.send = false
	b = header{a.localPort, a.peerPort, 0}.append(b)
	offer := a.config.offer(a.localTag, a.shake.tsn, a.random[:])
	offer.preservative = a.shake.preservative
	return finishInit(b, len(b), chunkInit, &offer, nil)
}

// finishInit appends an INIT or INIT ACK chunk, and completes the packet that begins at offset at.
func finishInit(b []byte, at int, typ byte, c *initChunk, unrecognized []byte) []byte {
	b = append(b, typ, 0, 0, 0)
	b = c.appendTo(b)
	for len(unrecognized) > 0 { // RFC 9260, Section 3.3.3.1
		p, rest, ok := nextParam(unrecognized)
		if !ok {
			break
		}
		b = appendParam(b, paramUnrecognized, p.whole)
		unrecognized = rest
	}
	binary.BigEndian.PutUint16(b[at+2:], uint16(len(b)-at))
	putChecksum(b[at-headerLen:])
	return b
}

// receiveInitAck implements RFC 9260, Section 5.1, step C.
func (a *Assoc) receiveInitAck(now time.Duration, p *path, local netip.Addr, value []byte) {
	if a.state != StateCookieWait || p == nil { // RFC 9260, Section 5.2.3
		return
	}
	peer, f := parseInit(value)
	if peer.tag == 0 {
		return
	}
	if f == nil && peer.cookie == nil {
		f = newFault(CauseMissingParameter, []byte{0, 0, 0, 1, 0, paramStateCookie},
			"an INIT ACK without a state cookie")
	}
	if f == nil && peer.rwnd < minRwnd {
		f = violation("an INIT ACK with a window of %d bytes", peer.rwnd)
	}
	if f != nil {
		a.peerTag = peer.tag
		a.fail(f.abort())
		return
	}
	a.agree(a.shake.tsn, &peer)
	if a.shake.retrans == 0 {
		p.measure(now-a.shake.sentAt, a.config)
	}
	a.main = p
	a.addPaths(p.peer, local, peer.addrs)
	a.state = StateCookieEchoed
	a.shake.cookie = slices.Clone(peer.cookie)
	a.shake.unrecognized = slices.Clone(peer.unrecognized)
	a.shake.retrans = 0
	a.startT1(now, p)
}

// receiveCookieAck implements RFC 9260, Section 5.1, step E.
func (a *Assoc) receiveCookieAck(now time.Duration) {
	if a.state != StateCookieEchoed { // RFC 9260, Section 5.2.5
		return
	}
	if a.shake.retrans == 0 {
		a.shake.to.measure(now-a.shake.sentAt, a.config)
	}
	a.up(now)
}

// receiveStaleCookie begins again, and asks for a longer life of the cookie. See RFC 9260, Section
// 5.2.6.
func (a *Assoc) receiveStaleCookie(now time.Duration, info []byte) {
	if a.state != StateCookieEchoed || len(info) < 4 {
		return
	}
	if a.shake.retrans++; a.shake.retrans > a.config.MaxInitRetrans {
		a.end(ErrTimeout)
		return
	}
	late := time.Duration(binary.BigEndian.Uint32(info)) * time.Microsecond
	a.shake.preservative = min(max(2*late, time.Millisecond), a.config.CookieLife)
	a.state, a.peerTag = StateCookieWait, 0
	a.startT1(now, a.shake.to)
}

// An answer builds the INIT ACK, or the ABORT in its place, that answers an INIT.
type answer struct {
	config   *Config
	key      *cookieKeys
	localTag uint32
	localTSN uint32
	tie      tieTags
	random   [32]byte
}

// toInit returns the packet that answers INIT, or nil if there is no answer. It stores nothing: all
// state is in the cookie. See RFC 9260, Section 5.1, step B.
func (s *answer) toInit(now time.Duration, h header, from netip.AddrPort, value []byte) []byte {
	peer, f := parseInit(value)
	if peer.tag == 0 { // RFC 9260, Section 3.3.2
		return nil
	}
	if f == nil && peer.rwnd < minRwnd {
		f = violation("an INIT with a window of %d bytes", peer.rwnd)
	}
	b := header{h.dst, h.src, peer.tag}.append(make([]byte, 0, 1024))
	if f != nil {
		b = appendAbort(b, f.abort())
		putChecksum(b)
		return b
	}
	cookie := stateCookie{
		created:  now,
		life:     s.config.CookieLife + min(peer.preservative, s.config.CookieLife),
		localTag: s.localTag, localTSN: s.localTSN,
		tie:       s.tie,
		localPort: h.dst, peerPort: h.src,
		from:   from,
		random: s.random,
		peer:   peer,
	}
	offer := s.config.offer(s.localTag, s.localTSN, s.random[:])
	// What the peer does not support would only lengthen the answer, which may go to a host that has
	// not sent INIT.
	offer.hasAuth = offer.hasAuth && peer.hasAuth
	offer.forwardTSN = offer.forwardTSN && peer.forwardTSN
	cookie.peer.unrecognized, cookie.peer.preservative = nil, 0
	offer.cookie = s.key.seal(&cookie)
	return finishInit(b, len(b), chunkInitAck, &offer, peer.unrecognized)
}

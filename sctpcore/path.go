package sctpcore

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"
)

// A PathState is the state of one of the peer's addresses. See RFC 9260, Sections 5.4 and 8.2, and
// RFC 7829, Section 3.
type PathState uint8

const (
	// PathUnconfirmed: the peer listed the address, but has not yet answered from it.
	PathUnconfirmed PathState = iota + 1
	PathActive
	// PathPotentiallyFailed: the last transmission was not answered, and other paths are preferred.
	PathPotentiallyFailed
	PathInactive
)

func (s PathState) String() string {
	switch s {
	case PathUnconfirmed:
		return "unconfirmed"
	case PathActive:
		return "active"
	case PathPotentiallyFailed:
		return "potentially failed"
	case PathInactive:
		return "inactive"
	}
	return "unknown"
}

// A path is the state of one of the peer's addresses.
type path struct {
	peer  netip.AddrPort // the port is the UDP port, 0 without UDP; RFC 6951
	local netip.Addr     // the address that the peer sends to; may be invalid
	state PathState

	congestion
	rtt
	plpmtu
	t3     time.Duration // T3-rtx. RFC 9260, Section 6.3.2
	errors int           // consecutive transmissions without an answer; RFC 9260, Section 8.2

	heartbeatAt    time.Duration // when the next heartbeat is due, or the last one times out
	heartbeatNonce uint64        // of the heartbeat without an answer; 0 if there is none
	heartbeatSent  time.Duration
	sendHeartbeat  bool
	answer         []byte // the information of a HEARTBEAT to acknowledge, or nil
	used           bool   // DATA was sent since the last heartbeat was due
}

// A PathInfo describes one of the peer's addresses. See [Assoc.Paths].
type PathInfo struct {
	Peer      netip.AddrPort // its port is the UDP port
	Local     netip.Addr     // destination of the peer's last packet; not valid if unknown
	State     PathState
	Primary   bool
	SRTT, RTO time.Duration
	Window    int // congestion window in bytes
	InFlight  int // bytes in flight
	Errors    int // consecutive transmissions without an answer
	MTU       int // size of the largest packet in bytes, including the common header
}

// Paths appends the state of the peer's addresses to dst.
func (a *Assoc) Paths(dst []PathInfo) []PathInfo {
	for _, p := range a.paths {
		dst = append(dst, PathInfo{p.peer, p.local, p.state, p == a.main, p.srtt, p.rto, p.cwnd, p.flight,
			p.errors, p.mtu})
	}
	return dst
}

// SetPrimary makes an address of the peer the primary path, to which messages are sent as long as
// it answers. It fails with [ErrAddress] if the peer does not have the address or it is not
// confirmed yet. See RFC 9260, Section 10.1.
func (a *Assoc) SetPrimary(addr netip.Addr) error {
	p := a.pathOf(addr)
	if p == nil || p.state == PathUnconfirmed {
		return ErrAddress
	}
	a.main = p
	a.round++
	return nil
}

func (a *Assoc) addPath(peer netip.AddrPort, state PathState) *path {
	p := &path{peer: peer, state: state, t3: never, heartbeatAt: never}
	p.mtu, p.probeAt = a.config.MTU, never
	p.congestion.begin(a.pmdcs(p.mtu))
	p.rtt.begin(a.config)
	a.paths = append(a.paths, p)
	a.resize()
	return p
}

// pmdcs returns the PMDCS, the size of the largest DATA chunk in a packet of mtu bytes. See RFC
// 9260, Section 1.4.
func (a *Assoc) pmdcs(mtu int) int {
	n := mtu - headerLen
	if a.peerDemands(chunkData) {
		n -= a.authLen()
	}
	return n &^ 3
}

// setPath changes the state of a path.
func (a *Assoc) setPath(p *path, s PathState) {
	if p.state != s {
		p.state = s
		a.resize()
		a.search(p)
		a.event(Event{Kind: EventPath, Path: p.peer, PathState: s})
	}
}

// judge updates the state of a path after another transmission without an answer. See RFC 9260,
// Section 8.2, and RFC 7829, Section 3, with PotentiallyFailed.Max.Retrans 0.
func (a *Assoc) judge(p *path) {
	switch {
	case p.errors > a.config.PathMaxRetrans && p.state != PathUnconfirmed:
		a.setPath(p, PathInactive)
	case p.state == PathActive && len(a.paths) > 1:
		a.setPath(p, PathPotentiallyFailed)
		a.askHeartbeat(p)
	}
}

// revive records an answer from a path. See RFC 9260, Sections 8.1 and 8.2.
func (a *Assoc) revive(p *path) {
	a.errors, p.errors = 0, 0
	if p.state != PathActive && p.state != PathUnconfirmed {
		a.setPath(p, PathActive)
	}
}

// sendPath chooses the path to send on: the primary path while it answers, otherwise the best of
// the others. See RFC 9260, Section 6.4.
func (a *Assoc) sendPath() *path {
	best := a.main
	for _, p := range a.paths {
		if better(p, best) {
			best = p
		}
	}
	return best
}

// better reports whether p is better than to. Active paths are best; among failing ones, the one
// with fewer errors.
func better(p, to *path) bool {
	rank := func(p *path) int {
		switch p.state {
		case PathActive:
			return 0
		case PathPotentiallyFailed:
			return 1 + p.errors
		case PathInactive:
			return 1000 + p.errors
		}
		return 1 << 30 // only heartbeats are sent to an unconfirmed address: RFC 9260, Section 5.4
	}
	return rank(p) < rank(to)
}

// scheduleHeartbeat schedules the next heartbeat after the interval and the RTO, half of which is
// random. See RFC 9260, Section 8.3. A heartbeat to an unconfirmed address is due immediately.
func (a *Assoc) scheduleHeartbeat(p *path, now time.Duration) {
	p.used = false
	switch {
	case p.state == PathUnconfirmed && p.errors <= a.config.PathMaxRetrans:
		p.heartbeatAt = now
	case a.config.HeartbeatInterval < 0:
		p.heartbeatAt = never
	default:
		var b [4]byte
		io.ReadFull(a.rand, b[:]) // on failure there is no jitter, which does no harm
		jitter := time.Duration(float64(p.rto) * (float64(binary.BigEndian.Uint32(b[:]))/(1<<32) - 0.5))
		p.heartbeatAt = now + a.config.HeartbeatInterval + p.rto + jitter
	}
}

// stopHeartbeats is called when SHUTDOWN or SHUTDOWN ACK is sent. HEARTBEATs are then discontinued,
// as DATA is. See RFC 9260, Section 8.3.
func (a *Assoc) stopHeartbeats() {
	for _, p := range a.paths {
		p.sendHeartbeat, p.heartbeatNonce, p.heartbeatAt = false, 0, never
		p.stopSearch()
	}
}

// askHeartbeat schedules a heartbeat now.
func (a *Assoc) askHeartbeat(p *path) {
	if p.heartbeatNonce == 0 && a.mayData() {
		p.sendHeartbeat, p.heartbeatAt = true, never
	}
}

// heartbeatTimeout is called when a heartbeat is due, or was not answered within an RTO.
func (a *Assoc) heartbeatTimeout(p *path, now time.Duration) {
	p.heartbeatAt = never
	if !a.mayData() {
		return
	}
	if p.heartbeatNonce == 0 {
		switch {
		case p.used && p.state == PathActive: // not idle
			a.scheduleHeartbeat(p, now)
		case p.state == PathUnconfirmed:
			a.verifyPath(p, now)
		default:
			p.sendHeartbeat = true
		}
		return
	}
	p.heartbeatNonce = 0
	p.backOff(a.config)
	if !a.strike(p) {
		return
	}
	switch {
	case p.state == PathPotentiallyFailed:
		p.sendHeartbeat = true // RFC 7829, Section 3.2: one in each RTO
	case p.state == PathUnconfirmed && p.errors <= a.config.PathMaxRetrans:
		a.verifyPath(p, now)
	default:
		a.scheduleHeartbeat(p, now)
	}
}

// verifyPath sends a HEARTBEAT to an unconfirmed address, or schedules it: HB.Max.Burst is 1, so
// one such address gets one in each RTO, first those that have got fewer. A peer may list addresses
// of other hosts. See RFC 9260, Section 5.4, and RFC 5062, Section 6.
func (a *Assoc) verifyPath(p *path, now time.Duration) {
	if now < a.verifyAt {
		p.heartbeatAt = a.verifyAt
		return
	}
	for _, q := range a.paths {
		if q.state == PathUnconfirmed && q.heartbeatAt <= now && q.errors < p.errors {
			p.heartbeatAt = now + a.main.rto
			return
		}
	}
	p.sendHeartbeat, a.verifyAt = true, now+a.main.rto
}

// appendHeartbeat appends a HEARTBEAT whose information is a nonce, so that only a receiver of it
// can answer. See RFC 9260, Sections 3.3.5 and 5.4.
func (a *Assoc) appendHeartbeat(b []byte, p *path, now time.Duration) []byte {
	p.sendHeartbeat = false
	p.heartbeatNonce, p.heartbeatSent = a.nonce(), now
	p.heartbeatAt = now + p.rto
	return appendHeartbeatNonce(b, p.heartbeatNonce)
}

// nonce returns a random number that is not 0. If there are no random numbers the nonce can be
// guessed, which only allows a peer to falsify the state of its own path.
func (a *Assoc) nonce() uint64 {
	var b [8]byte
	io.ReadFull(a.rand, b[:])
	return binary.BigEndian.Uint64(b[:]) | 1
}

// receiveHeartbeat stores the answer to a HEARTBEAT, for the address that it came from. A path
// stores only one answer at a time, so heartbeats cannot use up memory. See RFC 9260, Section 8.3.
func (a *Assoc) receiveHeartbeat(p *path, c chunk) {
	info, _, ok := nextParam(c.value)
	if !ok || info.typ != paramHeartbeatInfo || len(info.whole) > a.config.MTU/2 {
		return
	}
	p.answer = append(p.answer[:0], info.whole...)
}

func (a *Assoc) appendHeartbeatAck(b []byte, p *path) []byte {
	b = appendChunkHeader(b, chunkHeartbeatAck, 0, len(p.answer))
	b = appendPadding(append(b, p.answer...), len(p.answer))
	p.answer = nil
	return b
}

// receiveHeartbeatAck confirms the path whose nonce was returned. See RFC 9260, Sections 5.4 and
// 8.3.
func (a *Assoc) receiveHeartbeatAck(c chunk, now time.Duration) {
	info, _, ok := nextParam(c.value)
	if !ok || info.typ != paramHeartbeatInfo || len(info.value) != 8 {
		return
	}
	nonce := binary.BigEndian.Uint64(info.value)
	for _, p := range a.paths {
		if p.probed != 0 && p.probeNonce == nonce {
			a.probeAnswered(p) // and nothing else: a peer that answers probes but not DATA has failed
		}
		if nonce == 0 || p.heartbeatNonce != nonce {
			continue
		}
		p.heartbeatNonce = 0
		p.measure(now-p.heartbeatSent, a.config)
		a.revive(p)
		if p.state == PathUnconfirmed {
			a.setPath(p, PathActive)
		}
		a.scheduleHeartbeat(p, now)
	}
}

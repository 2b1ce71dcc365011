package sctpcore

import (
	"encoding/binary"
	"io"
	"net/netip"
	"time"
)

// A PathState is the state of one of the peer's addresses. RFC 9260, Sections 5.4 and 8.2; RFC
// 7829, Section 3.
type PathState uint8

const (
	// PathUnconfirmed: the peer lists the address, and nothing shows yet that it is its own.
	PathUnconfirmed PathState = iota + 1
	PathActive
	// PathPotentiallyFailed: the last transmission was not answered; others are preferred.
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

// A path is what is known of one of the peer's addresses.
type path struct {
	peer  netip.AddrPort // the port is that of UDP, 0 without it. RFC 6951
	local netip.Addr     // where the peer's packets come in; may be invalid
	state PathState

	congestion
	rtt
	plpmtu
	t3     time.Duration // T3-rtx. RFC 9260, Section 6.3.2
	errors int           // RFC 9260, Section 8.2

	heartbeatAt    time.Duration // when the next one is due, or the last one is overdue
	heartbeatNonce uint64        // of the one without an answer; 0 if there is none
	heartbeatSent  time.Duration
	sendHeartbeat  bool
	answer         []byte // the information of a HEARTBEAT to acknowledge, nil if none
	used           bool   // DATA went here since the last heartbeat was due
}

// A PathInfo is the state of one of the peer's addresses, as [Assoc.Paths] returns it.
type PathInfo struct {
	Peer      netip.AddrPort // its port is that of UDP
	State     PathState
	Primary   bool
	SRTT, RTO time.Duration
	Window    int // congestion window in bytes
	InFlight  int // bytes on their way
	Errors    int // transmissions in a row without an answer
	MTU       int // bytes that a packet may have, from the common header on
}

// Paths appends the peer's addresses to dst.
func (a *Assoc) Paths(dst []PathInfo) []PathInfo {
	for _, p := range a.paths {
		dst = append(dst, PathInfo{p.peer, p.state, p == a.main, p.srtt, p.rto, p.cwnd, p.flight,
			p.errors, p.mtu})
	}
	return dst
}

// SetPrimary makes an address of the peer the one that messages go to as long as it answers. The
// error is [ErrAddress] if it is not one, or not confirmed yet. RFC 9260, Section 10.1.
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

// pmdcs is PMDCS, the largest DATA chunk that fits into a packet of mtu bytes. RFC 9260, Section
// 1.4.
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

// judge looks at a path that has not answered once more. RFC 9260, Section 8.2; RFC 7829,
// Section 3, with a PotentiallyFailed.Max.Retrans of 0.
func (a *Assoc) judge(p *path) {
	switch {
	case p.errors > a.config.PathMaxRetrans && p.state != PathUnconfirmed:
		a.setPath(p, PathInactive)
	case p.state == PathActive && len(a.paths) > 1:
		a.setPath(p, PathPotentiallyFailed)
		a.askHeartbeat(p)
	}
}

// revive notes an answer from a path. RFC 9260, Sections 8.1 and 8.2.
func (a *Assoc) revive(p *path) {
	a.errors, p.errors = 0, 0
	if p.state != PathActive && p.state != PathUnconfirmed {
		a.setPath(p, PathActive)
	}
}

// sendPath chooses where to send: the primary path while it answers, else the best of the others.
// RFC 9260, Section 6.4.
func (a *Assoc) sendPath() *path {
	best := a.main
	for _, p := range a.paths {
		if better(p, best) {
			best = p
		}
	}
	return best
}

// better reports whether to prefer p. PathActive is best; of those that fail, the one that failed
// less often.
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
		return 1 << 30 // an unconfirmed address gets nothing but heartbeats. RFC 9260, Section 5.4
	}
	return rank(p) < rank(to)
}

// scheduleHeartbeat starts the time to the next heartbeat: the interval and the RTO, of which half
// is random. RFC 9260, Section 8.3. An unconfirmed address is asked at once.
func (a *Assoc) scheduleHeartbeat(p *path, now time.Duration) {
	p.used = false
	switch {
	case p.state == PathUnconfirmed && p.errors <= a.config.PathMaxRetrans:
		p.heartbeatAt = now
	case a.config.HeartbeatInterval < 0:
		p.heartbeatAt = never
	default:
		var b [4]byte
		io.ReadFull(a.rand, b[:]) // without random numbers there is no jitter, and no harm
		jitter := time.Duration(float64(p.rto) * (float64(binary.BigEndian.Uint32(b[:]))/(1<<32) - 0.5))
		p.heartbeatAt = now + a.config.HeartbeatInterval + p.rto + jitter
	}
}

// askHeartbeat has a heartbeat sent now.
func (a *Assoc) askHeartbeat(p *path) {
	if p.heartbeatNonce == 0 {
		p.sendHeartbeat, p.heartbeatAt = true, never
	}
}

// heartbeatTimeout is called when a heartbeat is due, or has had no answer within an RTO.
func (a *Assoc) heartbeatTimeout(p *path, now time.Duration) {
	p.heartbeatAt = never
	if a.state < StateEstablished || a.state == StateShutdownAckSent {
		return
	}
	if p.heartbeatNonce == 0 {
		if p.used && p.state == PathActive { // not idle
			a.scheduleHeartbeat(p, now)
			return
		}
		p.sendHeartbeat = true
		return
	}
	p.heartbeatNonce = 0
	p.backOff(a.config)
	if !a.strike(p) {
		return
	}
	if p.state == PathPotentiallyFailed || p.state == PathUnconfirmed &&
		p.errors <= a.config.PathMaxRetrans {
		p.sendHeartbeat = true // RFC 7829, Section 3.2: once an RTO
	} else {
		a.scheduleHeartbeat(p, now)
	}
}

// appendHeartbeat appends a HEARTBEAT whose information is a nonce: who has not seen it cannot
// answer. RFC 9260, Sections 3.3.5 and 5.4.
func (a *Assoc) appendHeartbeat(b []byte, p *path, now time.Duration) []byte {
	p.sendHeartbeat = false
	p.heartbeatNonce, p.heartbeatSent = a.nonce(), now
	p.heartbeatAt = now + p.rto
	return appendHeartbeatNonce(b, p.heartbeatNonce)
}

// nonce returns a random number that is not 0. Without random numbers a guess is possible, and only
// moves what is known of our own path.
func (a *Assoc) nonce() uint64 {
	var b [8]byte
	io.ReadFull(a.rand, b[:])
	return binary.BigEndian.Uint64(b[:]) | 1
}

// receiveHeartbeat notes what to answer, to where it came from. A path answers one at a time, so
// that heartbeats cost no memory. RFC 9260, Section 8.3.
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

// receiveHeartbeatAck confirms the path whose nonce comes back. RFC 9260, Sections 5.4 and 8.3.
func (a *Assoc) receiveHeartbeatAck(c chunk, now time.Duration) {
	info, _, ok := nextParam(c.value)
	if !ok || info.typ != paramHeartbeatInfo || len(info.value) != 8 {
		return
	}
	nonce := binary.BigEndian.Uint64(info.value)
	for _, p := range a.paths {
		if p.probed != 0 && p.probeNonce == nonce {
			a.probeAnswered(p) // and no more: a peer that answers these and no DATA is lost
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

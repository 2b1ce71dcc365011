package sctpcore

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net/netip"
	"time"
)

// A State is the state of an association. See RFC 9260, Section 4.
type State uint8

const (
	StateClosed State = iota
	StateCookieWait
	StateCookieEchoed
	StateEstablished
	StateShutdownPending
	StateShutdownSent
	StateShutdownReceived
	StateShutdownAckSent
)

// String returns the state's name as in the RFC.
func (s State) String() string {
	names := [...]string{"CLOSED", "COOKIE-WAIT", "COOKIE-ECHOED", "ESTABLISHED", "SHUTDOWN-PENDING",
		"SHUTDOWN-SENT", "SHUTDOWN-RECEIVED", "SHUTDOWN-ACK-SENT"}
	if int(s) < len(names) {
		return names[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// never is the expiry time of a timer that is not running.
const never = time.Duration(math.MaxInt64)

// An Assoc is an SCTP association, as a state machine without I/O. The driver passes packets that
// arrive to [Assoc.Receive] and messages to [Assoc.Send]. After each call it sends the packets from
// [Assoc.NextPacket], and reads [Assoc.NextEvent] and [Assoc.Read]. It calls [Assoc.Timeout] at the
// time that [Assoc.NextTimeout] returns.
//
// An Assoc must not be used concurrently.
type Assoc struct {
	config *Config
	rand   io.Reader
	key    *cookieKeys

	state State
	err   error // the error that ended the association
	now   time.Duration

	localPort, peerPort uint16
	localTag, peerTag   uint32
	tieTags             tieTags
	outStreams          uint16
	inStreams           uint16
	random              [32]byte // the value of our RANDOM parameter
	partial             bool     // both sides support partial reliability
	restarted           bool     // by the peer, after the association was established

	shake  handshake
	paths  []*path
	main   *path // the primary path
	cut    int   // the size of the largest DATA chunk to create
	in     inbound
	out    outbound
	auth   authState
	events []Event

	control  control
	shutdown shutdownState
	errors   int           // consecutive transmissions without an answer; RFC 9260, Section 8.1
	verifyAt time.Duration // when the next unconfirmed address may get a HEARTBEAT
	round    uint32
	stats    Stats
}

// Stats are statistics of an association since it began.
type Stats struct {
	PacketsSent, PacketsReceived   uint64
	MessagesSent, MessagesReceived uint64
	BytesSent, BytesReceived       uint64 // in user messages
	ChunksSent, ChunksReceived     uint64 // DATA chunks, without retransmissions and duplicates
	Retransmissions                uint64 // DATA chunks that were retransmitted
	FastRetransmissions            uint64 // of which by fast retransmit; RFC 9260, Section 7.2.4
	Timeouts                       uint64 // of the T3-rtx timer
	Duplicates                     uint64 // DATA chunks that arrived again
	Dropped                        uint64 // chunks dropped because a buffer was full
	AuthFailures                   uint64 // packets whose AUTH chunk could not be verified
	Unauthenticated                uint64 // chunks dropped because they were not authenticated
}

func newAssoc(config *Config, rand io.Reader, key *cookieKeys) *Assoc {
	a := &Assoc{config: config, rand: rand, key: key}
	a.shake.timer, a.shutdown.timer, a.shutdown.guard = never, never, never
	a.in.sackTimer, a.out.windowProbeAt = never, never
	a.auth.keys = map[uint16]*sharedKey{}
	if config.Auth { // RFC 4895, Section 5: the endpoint pair shared key 0 is empty
		a.auth.active = &sharedKey{}
		a.auth.keys[0] = a.auth.active
	}
	return a
}

// random32 returns a random number that is not 0, as verification tags must be. See RFC 9260,
// Section 5.3.1.
func random32(r io.Reader) (uint32, error) {
	for {
		var b [4]byte
		if _, err := io.ReadFull(r, b[:]); err != nil {
			return 0, fmt.Errorf("sctp: no random numbers: %w", err)
		}
		if n := binary.BigEndian.Uint32(b[:]); n != 0 {
			return n, nil
		}
	}
}

// agree initializes what INIT and INIT ACK determine; localTSN is our Initial TSN. A restart calls
// it again. See RFC 9260, Section 5.1.
func (a *Assoc) agree(localTSN uint32, peer *initChunk) {
	a.peerTag = peer.tag
	a.outStreams = min(a.config.OutStreams, peer.in)
	a.inStreams = min(a.config.MaxInStreams, peer.out)
	a.partial = a.config.PartialReliability && peer.forwardTSN
	a.in.begin(peer.tsn - 1)
	a.out.begin(localTSN, peer.rwnd)
	a.agreeAuth(peer)
}

// addPaths adds the peer's addresses. from is the address from which the peer answered, which
// confirms it. Addresses that the peer lists must be verified first. See RFC 9260, Sections 5.1.2
// and 5.4.
func (a *Assoc) addPaths(from netip.AddrPort, local netip.Addr, listed []netip.Addr) {
	p := a.pathOf(from.Addr())
	if p == nil {
		p = a.addPath(from, PathActive)
	}
	p.local = local
	if a.main == nil {
		a.main = p
	}
	for _, addr := range listed {
		addr = inZone(addr, from.Addr())
		if a.pathOf(addr) == nil && len(a.paths) < maxAddresses && inScope(addr, from.Addr()) {
			a.addPath(netip.AddrPortFrom(addr, from.Port()), PathUnconfirmed)
		}
	}
}

// inZone returns an address that a peer with the address "from" lists, in the zone of from if it is
// a link-local one of IPv6: parameters carry no zone. See RFC 4007, Section 6.
func inZone(addr, from netip.Addr) netip.Addr {
	if addr.Is6() && addr.IsLinkLocalUnicast() {
		return addr.WithZone(from.Zone())
	}
	return addr
}

// inScope reports whether addr, which a peer with the address "from" lists, can be an address of
// the peer. A loopback or link-local address would be one of this host or of a neighbor, and
// HEARTBEATs would be sent there, to a UDP port that the peer chooses.
func inScope(addr, from netip.Addr) bool {
	return (!addr.IsLoopback() || from.IsLoopback()) &&
		(!addr.IsLinkLocalUnicast() || from.IsLinkLocalUnicast() || from.IsLoopback())
}

// up changes the state to ESTABLISHED.
func (a *Assoc) up(now time.Duration) {
	a.state = StateEstablished
	a.shake = handshake{timer: never}
	a.errors = 0
	a.startPaths(now)
	a.event(Event{Kind: EventUp})
	if a.config.Auth && !a.auth.agreed {
		a.event(Event{Kind: EventNoAuth})
	}
}

// startPaths starts the timers of all paths once the association is established.
func (a *Assoc) startPaths(now time.Duration) {
	a.resize()
	for _, p := range a.paths {
		p.congestion.begin(a.pmdcs(p.mtu))
		p.errors = 0
		a.scheduleHeartbeat(p, now)
		a.scheduleSearch(p)
	}
}

// end ends the association. It is the only place that does.
func (a *Assoc) end(err error) {
	if a.state == StateClosed && a.err != nil {
		return
	}
	a.state, a.err = StateClosed, err
	a.shake = handshake{timer: never}
	a.shutdown.timer, a.shutdown.guard, a.in.sackTimer = never, never, never
	for _, p := range a.paths {
		p.t3, p.heartbeatAt = never, never
		p.stopSearch()
	}
	a.control = control{complete: a.control.complete, completeTo: a.control.completeTo,
		replies: a.control.replies}
	a.releaseAll()
	a.in.forget(a)
	a.event(Event{Kind: EventDown, Err: err})
}

// fail ends the association, and sends an ABORT that gives the reason. See RFC 9260, Section 9.1.
func (a *Assoc) fail(abort *AbortError) {
	if a.state == StateClosed {
		return
	}
	if a.peerTag != 0 {
		b := (header{a.localPort, a.peerPort, a.peerTag}).append(nil)
		at := len(b)
		if m := a.signer(a.auth.active); m != nil && a.peerDemands(chunkAbort) {
			b = m.AppendHeader(b, a.auth.active.id)
			b = appendAbort(b, abort)
			m.Sign(b[at:])
		} else {
			b = appendAbort(b, abort)
		}
		putChecksum(b)
		a.end(abort)
		a.reply(a.sendPath(), b)
		return
	}
	a.end(abort)
}

// Abort ends the association immediately, and sends reason to the peer, of which only the first 128
// bytes are used. See RFC 9260, Section 10.1, ABORT.
func (a *Assoc) Abort(reason string) {
	a.round++
	a.fail(&AbortError{Local: true, Cause: CauseUserInitiated,
		Info: []byte(reason)[:min(len(reason), 128)]})
}

// appendAbort appends an ABORT chunk. See RFC 9260, Section 3.3.7.
func appendAbort(b []byte, e *AbortError) []byte {
	n := 0
	if e.Cause != 0 {
		n = paramHeaderLen + padded(len(e.Info))
	}
	b = appendChunkHeader(b, chunkAbort, 0, n)
	if e.Cause != 0 {
		b = appendParam(b, uint16(e.Cause), e.Info)
	}
	return b
}

// State returns the state of the association. See RFC 9260, Section 4.
func (a *Assoc) State() State { return a.state }

// Err returns the error that ended the association, or nil.
func (a *Assoc) Err() error { return a.err }

// Streams returns the negotiated numbers of outgoing and incoming streams.
func (a *Assoc) Streams() (out, in uint16) { return a.outStreams, a.inStreams }

// PartialReliability reports whether both sides support it. See RFC 3758, Section 3.3.
func (a *Assoc) PartialReliability() bool { return a.partial }

// Ports returns the SCTP ports of both sides.
func (a *Assoc) Ports() (local, peer uint16) { return a.localPort, a.peerPort }

// Stats returns the statistics so far.
func (a *Assoc) Stats() Stats { return a.stats }

// Missing returns the number of TSNs below the highest received one that have not arrived. Linux
// calls it sstat_penddata. If it is not 0 after the peer has had everything acknowledged, an
// attacker has acknowledged chunks that never arrived.
func (a *Assoc) Missing() int { return a.in.missing() }

// Unacknowledged returns the number of bytes of user messages that were passed to Send and are not
// acknowledged.
func (a *Assoc) Unacknowledged() int { return a.out.buffered }

// pathOf returns the path to an address of the peer, or nil if the peer does not have the address.
func (a *Assoc) pathOf(addr netip.Addr) *path {
	for _, p := range a.paths {
		if p.peer.Addr() == addr {
			return p
		}
	}
	return nil
}

// NextTimeout returns the time at which [Assoc.Timeout] must be called, or math.MaxInt64 if no
// timer is running.
func (a *Assoc) NextTimeout() time.Duration {
	at := min(a.shake.timer, a.shutdown.timer, a.shutdown.guard, a.in.sackTimer, a.out.windowProbeAt)
	for _, p := range a.paths {
		at = min(at, p.t3, p.heartbeatAt, p.probeAt)
	}
	return at
}

// Timeout handles the timers that have expired. It may be called at any time.
func (a *Assoc) Timeout(now time.Duration) {
	a.now = now
	a.round++
	due := func(at time.Duration) bool { return at != never && now >= at }
	if due(a.shake.timer) {
		a.initTimeout(now)
	}
	if due(a.in.sackTimer) {
		a.in.sackTimer, a.in.sackNow = never, true
	}
	if due(a.out.windowProbeAt) {
		a.out.windowProbe, a.out.windowProbeAt = true, never
	}
	for _, p := range a.paths {
		if due(p.t3) {
			a.t3Timeout(p, now)
		}
		if due(p.heartbeatAt) {
			a.heartbeatTimeout(p, now)
		}
		if due(p.probeAt) {
			a.probeTimeout(p)
		}
	}
	if due(a.shutdown.timer) {
		a.shutdownTimeout(now)
	}
	if due(a.shutdown.guard) {
		a.fail(&AbortError{Local: true, Cause: CauseUserInitiated, Err: ErrTimeout})
	}
}

// strike counts a transmission to p without an answer. It ends the association, and returns false,
// after too many consecutive ones on all paths together. See RFC 9260, Sections 8.1 and 8.2.
func (a *Assoc) strike(p *path) (alive bool) {
	if p.state != PathUnconfirmed { // an unconfirmed address may not belong to the peer
		a.errors++
	}
	p.errors++
	if a.errors > a.config.AssociationMaxRetrans {
		a.fail(&AbortError{Local: true, Cause: CauseUserInitiated, Err: ErrTimeout})
		return false
	}
	a.judge(p)
	return true
}

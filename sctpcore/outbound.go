package sctpcore

import (
	"encoding/binary"
	"time"
)

// An outChunk is a DATA chunk that was sent but not acknowledged, or has yet to be sent.
type outChunk struct {
	next *outChunk // in the queue of unsent chunks

	flags       byte
	stream, ssn uint16
	tsn         uint32
	ppid        uint32
	data        []byte

	message uint64 // identifies the message that it is a fragment of
	key     *sharedKey
	path    *path // where it was last sent

	packet    uint32 // the packet that it was last sent in: congestion.packets then
	sent      int    // number of transmissions
	inFlight  bool   // counted in path.flight
	acked     bool   // by a Gap Ack Block, which the peer can revoke
	again     bool   // to be retransmitted
	fast      bool   // was retransmitted by fast retransmit
	abandoned bool   // RFC 3758
	misses    uint8

	expires time.Duration // when to abandon it, or never; RFC 3758
	limit   int           // transmissions after which to abandon it; 0: no limit; RFC 7496
}

var outChunks pool[outChunk]

// size returns the size of the whole DATA chunk, which congestion control counts: RFC 9260, Section
// 1.4. Receive windows count bytes of user messages instead.
func (c *outChunk) size() int { return dataHeaderLen + padded(len(c.data)) }

// outbound is the state of the direction to the peer. See RFC 9260, Section 6.1.
type outbound struct {
	// Unsent chunks. They get a TSN and an SSN when they are sent.
	queue, queueEnd *outChunk
	queued          int // chunks

	outstanding ring[outChunk] // sent and not cumulatively acknowledged
	acked       uint32         // Cumulative TSN Ack
	next        uint32         // the next TSN
	ssns        []uint16       // the next SSN of each stream that was used

	buffered int // bytes in queue and outstanding
	inFlight int // bytes of user messages in flight
	rwnd     int // the rest of the peer's window; RFC 9260, Section 6.2.1
	messages uint64

	windowProbe   bool          // a window that is closed may be probed now
	windowProbeAt time.Duration // when it may, or never
	windowProbes  int           // how often it was probed since it closed

	zeroWindow bool // the last SACK advertised a window of 0

	agains  int    // chunks to be retransmitted
	gaps    int    // chunks acknowledged by Gap Ack Blocks
	highest uint32 // the highest TSN of these
	// one packet may be sent regardless of the congestion window; RFC 9260, Section 7.2.4
	fastNow  bool
	recovery bool   // in Fast Recovery
	exit     uint32 // its exit point

	advanced    uint32 // Advanced.Peer.Ack.Point. RFC 3758, Section 3.5
	sendForward bool

	dryAsked bool
}

func (o *outbound) begin(tsn, rwnd uint32) {
	o.acked, o.next, o.advanced, o.highest = tsn-1, tsn, tsn-1, tsn-1
	o.rwnd = int(min(rwnd, 1<<30))
	o.windowProbeAt = never
}

// releaseAll drops all messages, because the association has ended or restarted.
func (a *Assoc) releaseAll() {
	o := &a.out
	release := func(c *outChunk) {
		a.unrefKey(c.key)
		c.key, c.path = nil, nil
		outChunks.put(c, cap(c.data))
	}
	for tsn := o.outstanding.low; o.outstanding.count > 0; tsn++ {
		if c := o.outstanding.get(tsn); c != nil {
			o.outstanding.remove(tsn)
			release(c)
		}
	}
	for o.queue != nil {
		release(o.pop())
	}
	for _, p := range a.paths {
		p.flight = 0
	}
	*o = outbound{windowProbeAt: never}
}

// MaxMessage returns the size of the largest message in bytes, which is Config.SendBuffer.
func (a *Assoc) MaxMessage() int { return a.config.SendBuffer }

// CanSend reports whether [Assoc.Send] would accept a message.
func (a *Assoc) CanSend() bool {
	return a.state == StateEstablished && a.out.buffered < a.config.SendBuffer
}

// Buffered returns the number of bytes of unacknowledged messages in the send buffer.
func (a *Assoc) Buffered() int { return a.out.buffered }

// Send queues a message for sending. The message is bound to the key that is active now, also when
// it is sent later or retransmitted. Send accepts the whole message if the send buffer has any
// space left; otherwise it fails with [ErrBufferFull].
//
// Send does not retain b.
func (a *Assoc) Send(now time.Duration, b []byte, info Info) error {
	o := &a.out
	switch {
	case a.state == StateClosed && a.err != nil:
		return a.err
	case a.state != StateEstablished:
		return ErrNotEstablished
	case len(b) == 0:
		return ErrEmptyMessage
	case len(b) > a.config.SendBuffer:
		return ErrMessageTooBig
	case info.Stream >= a.outStreams:
		return ErrStream
	case o.buffered >= a.config.SendBuffer:
		return ErrBufferFull
	}
	a.now = now
	a.round++
	o.messages++
	proto := outChunk{
		flags:  flagBegin,
		stream: info.Stream, ppid: info.PPID,
		message: o.messages,
		expires: never,
	}
	if info.Unordered {
		proto.flags |= flagUnordered
	}
	if a.partial {
		switch {
		case info.Lifetime > 0:
			proto.expires = now + info.Lifetime
		case info.Retransmissions != 0:
			proto.limit = max(info.Retransmissions, 0) + 1
		}
	}
	if a.peerDemands(chunkData) {
		proto.key = a.auth.active
	}
	// RFC 9260, Section 6.9: each fragment must fit into a packet of its own.
	size := a.cut - dataHeaderLen
	for rest := b; len(rest) > 0; {
		n := min(size, len(rest))
		c := outChunks.get(n, func(storage []byte) *outChunk { return &outChunk{data: storage} })
		storage := c.data[:0]
		*c = proto
		c.data = append(storage, rest[:n]...)
		rest = rest[n:]
		if len(rest) == 0 {
			c.flags |= flagEnd
			if info.SackImmediately {
				c.flags |= flagImmediate
			}
		}
		if c.key != nil {
			c.key.refs++
		}
		o.push(c)
		proto.flags &^= flagBegin
	}
	o.buffered += len(b)
	a.stats.MessagesSent++
	a.stats.BytesSent += uint64(len(b))
	return nil
}

func (o *outbound) push(c *outChunk) {
	if o.queue == nil {
		o.queue = c
	} else {
		o.queueEnd.next = c
	}
	o.queueEnd = c
	o.queued++
}

func (o *outbound) pop() *outChunk {
	c := o.queue
	if o.queue = c.next; o.queue == nil {
		o.queueEnd = nil
	}
	c.next = nil
	o.queued--
	return c
}

// AskDry requests an [EventDry] for everything that was sent before. See RFC 6458, Section 6.1.9.
func (a *Assoc) AskDry() {
	a.out.dryAsked = true
	a.checkDry()
}

func (o *outbound) empty() bool { return o.queue == nil && o.outstanding.count == 0 }

func (a *Assoc) checkDry() {
	if a.out.dryAsked && a.out.empty() && a.state >= StateEstablished {
		a.out.dryAsked = false
		a.event(Event{Kind: EventDry})
	}
}

// ssn returns the SSN of a chunk; the first chunk of a message begins a new SSN. See RFC 9260,
// Section 6.6.
func (o *outbound) ssn(stream uint16, begins bool) uint16 {
	for int(stream) >= len(o.ssns) {
		o.ssns = append(o.ssns, 0)
	}
	if begins {
		o.ssns[stream]++
	}
	return o.ssns[stream] - 1
}

// mayTransmit reports whether an unsent chunk may be sent on p now. See RFC 9260, Section 6.1,
// rules A, B and D.
func (a *Assoc) mayTransmit(p *path) bool {
	o := &a.out
	if o.queue == nil || o.agains > 0 || !a.mayData() {
		return false
	}
	if len(o.queue.data) > o.rwnd && !a.mayProbeWindow(p) {
		return false
	}
	p.idle(a.now, p.rto)
	if !p.open() || p.spent(a.round, a.config.MaxBurst) {
		p.deferred = true
		return false
	}
	p.deferred = p.deferred && a.defers(p)
	return !p.deferred && !a.waitsToFill(p)
}

// mayProbeWindow reports whether a chunk may be sent although the peer has no window for it:
// nothing is in flight, and no SACK has opened the window for an RTO, perhaps because it was lost.
// See RFC 9260, Section 6.1, rule A.
func (a *Assoc) mayProbeWindow(p *path) bool {
	o := &a.out
	if o.outstanding.count > 0 {
		return false
	}
	if !o.windowProbe && o.windowProbeAt == never {
		o.windowProbeAt = a.now + a.probeInterval(p)
	}
	return o.windowProbe
}

// probeInterval returns the time between a probe of a closed window and the next one: an RTO before
// the first, and twice as long before each following one. See RFC 9260, Section 6.1, rule A.
func (a *Assoc) probeInterval(p *path) time.Duration {
	return min(p.rto<<min(a.out.windowProbes, 16), a.config.RTOMax)
}

// probeAcknowledged handles a SACK that advertises a window of rwnd bytes while the window is
// probed. A probe that the peer has not accepted is retransmitted, after the interval or when there
// is room for it.
func (a *Assoc) probeAcknowledged(rwnd int64) {
	o := &a.out
	c := o.outstanding.get(o.acked + 1)
	if o.windowProbes == 0 || c == nil || !c.inFlight {
		return
	}
	if rwnd >= int64(a.config.MTU) {
		o.windowProbes, c.path.t3 = 0, never
		a.sendAgain(c)
		return
	}
	c.path.t3 = max(c.path.t3, c.path.lastSent+a.probeInterval(c.path))
}

// So many packets in flight are many, or manyLarge of them with as many bytes as manyBytes packets
// of Ethernet: even if one is lost, the peer acknowledges the others at once.
const (
	manyPackets = 16
	manyLarge   = 4
	manyBytes   = 8
)

// waitsToFill reports whether the queued messages should wait for others, because they do not fill
// a packet and many packets are in flight, some of which the peer acknowledges very soon. Otherwise
// a fast writer of small messages would send a packet for each, of which the peer's socket can
// store far fewer bytes than its window has. The last fragment of a message does not wait: the
// packets before it are full, and may all have been sent just now. Before a shutdown no message
// waits, because no other will follow.
func (a *Assoc) waitsToFill(p *path) bool {
	o := &a.out
	packets := p.packets - p.answered
	many := packets >= manyPackets ||
		packets >= manyLarge && p.flight >= manyBytes*p.ethernetMTU()
	queued := o.buffered - o.inFlight + o.queued*dataHeaderLen
	return many && p.flight > 0 && a.state == StateEstablished &&
		o.queue.flags&flagBegin != 0 && queued < min(p.pmdcs, p.limit(o.queue))
}

// limit returns the size of a packet whose first unsent chunk is c. Small messages do not fill a
// packet larger than those of Ethernet before the next one could be sent, and drivers send several
// packets of one size at once.
func (p *path) limit(c *outChunk) int {
	if len(c.data) < p.ethernetMTU()/2 {
		return min(p.mtu, p.ethernetMTU())
	}
	return p.mtu
}

// maxBurst is the default of Max.Burst. See RFC 9260, Section 16.
const maxBurst = 4

// defers reports whether chunks that may be sent on p now should wait, so that more can be sent
// together in one batch. It requires that more chunks are queued than may be sent, and that enough
// are in flight for an acknowledgement to follow in any case.
func (a *Assoc) defers(p *path) bool {
	o := &a.out
	room := min(p.cwnd-p.flight, o.rwnd)
	return o.buffered-o.inFlight > room && p.flight > p.cwnd/2 && p.flight > 4*p.pmdcs &&
		room < min(p.cwnd/3, (a.config.MaxBurst-maxBurst)*p.pmdcs/2)
}

// mayRetransmit reports whether a chunk may be retransmitted on p now. See RFC 9260, Section 6.1,
// rule C, and Section 7.2.4.
func (a *Assoc) mayRetransmit(p *path) bool {
	return a.out.agains > 0 && a.mayData() && (p.open() || a.out.fastNow)
}

// mayData reports whether the state allows DATA to be sent. See RFC 9260, Sections 6 and 9.2.
func (a *Assoc) mayData() bool {
	switch a.state {
	case StateEstablished, StateShutdownPending, StateShutdownReceived:
		return true
	}
	return false
}

// appendAgain appends DATA chunks to be retransmitted, in the order of their TSNs. See RFC 9260,
// Section 6.1, rule C.
func (a *Assoc) appendAgain(pk *packet, p *path) {
	o := &a.out
	for tsn := o.acked + 1; a.mayRetransmit(p) && before(tsn, o.next); tsn++ {
		c := o.outstanding.get(tsn)
		if c == nil || !c.again || a.giveUpLate(c) {
			continue
		}
		if !pk.fits(a, chunkData, c.key, c.size()) {
			break
		}
		c.again = false
		o.agains--
		p.repeated(c.tsn)
		a.stats.Retransmissions++
		a.transmit(pk, p, c)
		pk.hasOld = true
	}
	if pk.hasOld {
		o.fastNow = false
	}
}

// appendNew appends unsent DATA chunks.
func (a *Assoc) appendNew(pk *packet, p *path) {
	o := &a.out
	for a.mayTransmit(p) || pk.hasNew && a.mayContinue(p) {
		c := o.queue
		if a.giveUpUnsent(c) {
			continue
		}
		if !pk.fits(a, chunkData, c.key, c.size()) {
			break
		}
		o.pop()
		c.tsn = o.next
		o.next++
		if c.flags&flagUnordered == 0 {
			c.ssn = o.ssn(c.stream, c.flags&flagBegin != 0)
		}
		if o.queue == nil && a.state == StateShutdownPending {
			c.flags |= flagImmediate // RFC 9260, Section 9.2
		}
		o.outstanding.put(c.tsn, c)
		p.begun(c.tsn, a.now)
		if o.windowProbes++; len(c.data) <= o.rwnd {
			o.windowProbes = 0
		}
		o.rwnd = max(o.rwnd-len(c.data), 0)
		a.stats.ChunksSent++
		if !pk.hasNew {
			pk.hasNew = true
			o.windowProbe, o.windowProbeAt = false, never
			p.spend(a.round)
			p.packets++
		}
		a.transmit(pk, p, c)
	}
}

// mayContinue is like mayTransmit, for a packet that has already been counted.
func (a *Assoc) mayContinue(p *path) bool {
	o := &a.out
	return o.queue != nil && p.open() && len(o.queue.data) <= o.rwnd && a.mayData()
}

// transmit appends a DATA chunk. See RFC 9260, Section 3.3.1, and Section 6.3.2, rule R1.
func (a *Assoc) transmit(pk *packet, p *path, c *outChunk) {
	b := appendChunkHeader(pk.b, chunkData, c.flags, dataHeaderLen-chunkHeaderLen+len(c.data))
	b = binary.BigEndian.AppendUint32(b, c.tsn)
	b = binary.BigEndian.AppendUint16(b, c.stream)
	b = binary.BigEndian.AppendUint16(b, c.ssn)
	b = binary.BigEndian.AppendUint32(b, c.ppid)
	b = append(b, c.data...)
	pk.b = appendPadding(b, len(c.data))

	c.sent++
	c.path, c.packet, c.inFlight = p, p.packets, true
	p.flight += c.size()
	a.out.inFlight += len(c.data)
	p.lastSent, p.used = a.now, true
	if p.t3 == never || c.fast && c.tsn == a.out.acked+1 { // RFC 9260, Section 7.2.4, step 4
		p.t3 = a.now + p.rto
	}
}

// ground removes a chunk from the count of what is in flight.
func (a *Assoc) ground(c *outChunk) {
	if c.inFlight {
		c.inFlight = false
		c.path.flight -= c.size()
		a.out.inFlight -= len(c.data)
	}
}

// sendAgain marks a chunk for retransmission.
func (a *Assoc) sendAgain(c *outChunk) {
	if !c.again && !c.abandoned {
		a.ground(c)
		c.again = true
		a.out.agains++
	}
}

// t3Timeout implements RFC 9260, Section 6.3.3. It marks everything that was sent to the address
// and is not acknowledged for retransmission, to another address if there is one. Only one packet
// is sent immediately.
func (a *Assoc) t3Timeout(p *path, now time.Duration) {
	o := &a.out
	p.t3 = never
	a.stats.Timeouts++
	p.timing = false
	// A probe of a zero window that the peer has answered but not accepted was not lost, and affects
	// neither cwnd nor the RTO. RFC 9260, Section 6.1, rule A.
	if o.zeroWindow && o.outstanding.count == 1 {
		o.windowProbes++
	} else {
		p.backOff(a.config)
		a.suspect(p)
		p.timedOut()
	}
	for tsn := o.acked + 1; before(tsn, o.next); tsn++ {
		if c := o.outstanding.get(tsn); c != nil && c.path == p && !c.acked && c.inFlight {
			if a.sendAgain(c); a.giveUpLate(c) {
				continue
			}
			c.misses, c.fast = 0, false
		}
	}
	o.recovery = false
	a.advance()
	if o.acked != o.advanced {
		o.sendForward = true // RFC 3758, Section 3.5, rule A5
	}
	// A peer that answers probes of its zero window is alive. RFC 9260, Section 6.1, rule A.
	if o.zeroWindow {
		o.zeroWindow = false
		return
	}
	a.strike(p)
}

package sctpcore

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// A Packet is a packet to send. Data starts with the SCTP common header. From is the local address
// that the peer last sent to; if it is invalid, the driver may use any address. The network must
// not fragment the packet unless MayFragment is set, because the packet is larger than what is
// known to fit on the path.
type Packet struct {
	Data        []byte
	To          netip.AddrPort // its port is the UDP port
	From        netip.Addr
	MayFragment bool
}

// control is the chunks to be sent other than DATA, INIT and COOKIE ECHO.
type control struct {
	cookieAck bool
	cookieTo  *path

	shutdown    bool
	shutdownAck bool

	complete   bool // SHUTDOWN COMPLETE, in a packet of its own
	completeTo *path

	causes  []byte // of an ERROR chunk
	replies []Packet
}

// reportError schedules an ERROR chunk. It has at most as many causes as fit into half a packet, so
// that a peer cannot make this side send more than it sent. See RFC 9260, Section 3.3.10.
func (a *Assoc) reportError(c Cause, info []byte) {
	info = info[:min(len(info), 128)]
	if len(a.control.causes)+paramHeaderLen+padded(len(info)) <= a.config.MTU/2 && a.peerTag != 0 {
		a.control.causes = appendParam(a.control.causes, uint16(c), info)
	}
}

// reply schedules a complete packet.
func (a *Assoc) reply(p *path, b []byte) {
	if len(a.control.replies) < 8 {
		a.control.replies = append(a.control.replies, Packet{Data: b, To: p.peer, From: p.local})
	}
}

// A packet is a packet under construction: chunks that need no authentication, then an AUTH chunk
// and the chunks that it authenticates. A peer that lacks the key still processes the former. See
// RFC 4895, Section 6.2.
type packet struct {
	b      []byte
	limit  int
	authAt int        // offset of the AUTH chunk; 0 if there is none
	key    *sharedKey // of the AUTH chunk
	hasNew bool       // it has DATA that was not sent before
	hasOld bool       // it has retransmitted DATA
}

// fits reports whether a chunk of n bytes may be appended. If the peer requires the chunk type to
// be authenticated, fits also appends the AUTH chunk for key. A packet never contains chunks of
// different keys. The first chunk always fits, because it may have been created when packets were
// larger.
func (pk *packet) fits(a *Assoc, typ byte, key *sharedKey, n int) bool {
	if !a.peerDemands(typ) {
		return len(pk.b)+n <= pk.limit || len(pk.b) == headerLen
	}
	if pk.authAt != 0 {
		return pk.key == key && len(pk.b)+n <= pk.limit
	}
	if len(pk.b)+a.authLen()+n > pk.limit && len(pk.b) > headerLen {
		return false
	}
	pk.authAt, pk.key = len(pk.b), key
	pk.b = a.signer(key).AppendHeader(pk.b, key.id)
	return true
}

// Ready reports whether [Assoc.NextPacket] may return a packet, at the time of the last call. It is
// faster than a call of NextPacket that returns none.
func (a *Assoc) Ready() bool {
	c := &a.control
	return len(c.replies) > 0 || c.complete || a.state != StateClosed && a.nextPath() != nil
}

// NextPacket builds the next packet to send in b, which it overwrites and whose capacity should be
// Config.MaxMTU. ok is false if there is none. The driver must call NextPacket after every other
// call, until there are no more packets.
func (a *Assoc) NextPacket(now time.Duration, b []byte) (out Packet, ok bool) {
	a.now = now
	b = b[:0]
	if c := &a.control; len(c.replies) > 0 {
		out = c.replies[0]
		if c.replies = c.replies[1:]; len(c.replies) == 0 {
			c.replies = nil
		}
		a.stats.PacketsSent++
		return out, true
	}
	if p := a.control.completeTo; a.control.complete {
		a.control.complete = false
		b = append(b, shutdownCompletePacket(header{a.peerPort, a.localPort, 0}, a.peerTag, 0)...)
		return a.packet(p, b)
	}
	if a.state == StateClosed {
		return Packet{}, false
	}
	if a.shake.send && a.state == StateCookieWait {
		return a.packet(a.shake.to, a.initPacket(b))
	}
	for p := a.nextPath(); p != nil; p = a.nextPath() {
		isProbe := p.sendProbe
		if b, ok := a.build(b, p); ok {
			out, _ = a.packet(p, b)
			out.MayFragment = len(b) > p.mtu && !isProbe
			return out, true
		}
		if !a.out.sendForward { // the chunks to be sent have not been abandoned
			break
		}
	}
	return Packet{}, false
}

// build builds a packet for p with everything that is due on p and fits.
func (a *Assoc) build(b []byte, p *path) ([]byte, bool) {
	pk := packet{b: header{a.localPort, a.peerPort, a.peerTag}.append(b), limit: p.mtu}
	if c := a.out.queue; c != nil && a.out.agains == 0 {
		pk.limit = p.limit(c)
	}
	if p.sendProbe {
		a.appendProbe(&pk, p)
		return a.finish(&pk), true
	}
	a.appendControl(&pk, p, false)
	a.appendControl(&pk, p, true)
	if p == a.sendPath() {
		a.appendAgain(&pk, p)
		a.appendNew(&pk, p)
	}
	if len(pk.b) == headerLen {
		return nil, false
	}
	return a.finish(&pk), true
}

// finish computes the MAC and the checksum of a packet.
func (a *Assoc) finish(pk *packet) []byte {
	if pk.authAt != 0 {
		a.signer(pk.key).Sign(pk.b[pk.authAt:])
	}
	putChecksum(pk.b)
	return pk.b
}

func (a *Assoc) packet(p *path, b []byte) (Packet, bool) {
	a.stats.PacketsSent++
	return Packet{Data: b, To: p.peer, From: p.local}, true
}

// nextPath returns a path on which something is to be sent, or nil.
func (a *Assoc) nextPath() *path {
	c := &a.control
	if a.shake.send {
		return a.shake.to
	}
	if c.cookieAck {
		return c.cookieTo
	}
	for _, p := range a.paths {
		if p.answer != nil || p.sendHeartbeat || p.sendProbe {
			return p
		}
	}
	if a.state < StateEstablished {
		return nil
	}
	p := a.sendPath()
	switch {
	case a.in.sackNow && a.in.sackTo != nil:
		return a.in.sackTo
	case c.shutdown || c.shutdownAck || c.causes != nil || a.out.sendForward:
		return p
	case a.mayRetransmit(p) || a.mayTransmit(p):
		return p
	}
	return nil
}

// appendControl appends the control chunks for p: those that the peer requires to be authenticated,
// or the others.
func (a *Assoc) appendControl(pk *packet, p *path, authenticated bool) {
	c := &a.control
	fits := func(typ byte, n int) bool {
		return a.peerDemands(typ) == authenticated &&
			pk.fits(a, typ, a.auth.active, chunkHeaderLen+padded(n))
	}
	if a.shake.send && a.state == StateCookieEchoed &&
		fits(chunkCookieEcho, len(a.shake.cookie)) {
		a.shake.send = false
		pk.b = appendChunkHeader(pk.b, chunkCookieEcho, 0, len(a.shake.cookie))
		pk.b = appendPadding(append(pk.b, a.shake.cookie...), len(a.shake.cookie))
		if a.shake.unrecognized != nil {
			a.reportError(CauseUnrecognizedParam, a.shake.unrecognized)
			a.shake.unrecognized = nil
		}
	}
	if c.cookieAck && p == c.cookieTo && fits(chunkCookieAck, 0) {
		c.cookieAck = false
		pk.b = appendChunkHeader(pk.b, chunkCookieAck, 0, 0)
	}
	if p.answer != nil && fits(chunkHeartbeatAck, len(p.answer)) {
		pk.b = a.appendHeartbeatAck(pk.b, p)
	}
	if p.sendHeartbeat && fits(chunkHeartbeat, 12) {
		pk.b = a.appendHeartbeat(pk.b, p, a.now)
	}
	if c.causes != nil && p == a.sendPath() && fits(chunkError, len(c.causes)) {
		pk.b = append(appendChunkHeader(pk.b, chunkError, 0, len(c.causes)), c.causes...)
		c.causes = nil
	}
	if a.state < StateEstablished {
		return
	}
	// A delayed SACK is sent together with any other chunk. RFC 9260, Section 6.2.
	if in := &a.in; (in.sackNow || in.sackTimer != never) && in.sackTo == p &&
		fits(chunkSack, sackFixedLen) {
		pk.b = a.appendSack(pk.b, pk.limit-len(pk.b))
	}
	if a.out.sendForward && p == a.sendPath() && fits(chunkForwardTSN, 8) {
		pk.b = a.appendForwardTSN(pk.b, pk.limit-len(pk.b), p)
	}
	if c.shutdown && p == a.sendPath() && fits(chunkShutdown, 4) {
		c.shutdown = false
		pk.b = binary.BigEndian.AppendUint32(appendChunkHeader(pk.b, chunkShutdown, 0, 4), a.in.cum)
	}
	if c.shutdownAck && p == a.sendPath() && fits(chunkShutdownAck, 0) {
		c.shutdownAck = false
		pk.b = appendChunkHeader(pk.b, chunkShutdownAck, 0, 0)
	}
}

package sctpcore

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// A Packet is what the driver sends: from the common header of SCTP on, to an address of the peer.
// From is the address that the peer used for this side last; it may be invalid, and then any will
// do. The network must not fragment it, unless MayFragment says that it may: then it is larger than
// what is known to fit on the path.
type Packet struct {
	Data        []byte
	To          netip.AddrPort // its port is that of UDP
	From        netip.Addr
	MayFragment bool
}

// control is what is to be sent beside DATA, INIT and COOKIE ECHO.
type control struct {
	cookieAck bool
	cookieTo  *path

	shutdown    bool
	shutdownAck bool

	complete   bool // SHUTDOWN COMPLETE, alone
	completeTo *path

	causes  []byte // of an ERROR chunk
	replies []Packet
}

// reportError has an ERROR chunk sent, with as many causes as fit into half a packet: a peer must
// not make us send more than it did. RFC 9260, Section 3.3.10.
func (a *Assoc) reportError(c Cause, info []byte) {
	info = info[:min(len(info), 128)]
	if len(a.control.causes)+paramHeaderLen+padded(len(info)) <= a.config.MTU/2 && a.peerTag != 0 {
		a.control.causes = appendParam(a.control.causes, uint16(c), info)
	}
}

// reply has a packet sent that stands for itself.
func (a *Assoc) reply(p *path, b []byte) {
	if len(a.control.replies) < 8 {
		a.control.replies = append(a.control.replies, Packet{Data: b, To: p.peer, From: p.local})
	}
}

// A packet is one that is being built: what need not be authenticated, then an AUTH chunk and what
// it protects. A peer that lacks the key still reads what is before it. RFC 4895, Section 6.2.
type packet struct {
	b      []byte
	limit  int
	authAt int        // where the AUTH chunk begins; 0 if there is none
	key    *sharedKey // of it
	hasNew bool       // it has DATA that was not sent before
	hasOld bool       // it has DATA that was
}

// fits reports whether a chunk of n bytes may follow, which is to go under key if the peer wants it
// authenticated; if so, the AUTH chunk is there. Chunks of different keys are never in one packet.
// The first chunk always fits: it may have been made for larger packets.
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

// Ready reports whether [Assoc.NextPacket] may have a packet, and is quicker where it has none. It
// takes the time to be that of the last call.
func (a *Assoc) Ready() bool {
	c := &a.control
	return len(c.replies) > 0 || c.complete || a.state != StateClosed && a.nextPath() != nil
}

// NextPacket builds the next packet to send in b, which it overwrites and whose capacity should be
// Config.MaxMTU; ok if there is one. It is to be called after every other call, until there is
// none.
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
		if !a.out.sendForward { // what there was to send has not been given up
			break
		}
	}
	return Packet{}, false
}

// build puts everything into a packet for p that is to go there, and fits.
func (a *Assoc) build(b []byte, p *path) ([]byte, bool) {
	pk := packet{b: header{a.localPort, a.peerPort, a.peerTag}.append(b), limit: p.mtu}
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

// finish authenticates a packet and puts its checksum in.
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

// nextPath returns where something is to be sent, nil if nothing is.
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

// appendControl appends the chunks for p that the peer wants authenticated, or those that it does
// not.
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
	// A SACK that is only delayed goes along with whatever is sent. RFC 9260, Section 6.2.
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

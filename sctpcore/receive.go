package sctpcore

import (
	"net/netip"
	"time"
)

// Receive processes a packet for this association, which starts with the SCTP common header. from
// is the peer's address with its UDP port, and local the address that the packet was sent to, if it
// is known. Receive does not retain packet.
func (a *Assoc) Receive(now time.Duration, from netip.AddrPort, local netip.Addr, packet []byte) {
	h, chunks, ok := parsePacket(packet)
	if !ok || a.state == StateClosed || h.dst != a.localPort || h.src != a.peerPort {
		return
	}
	from = unmap(from)
	p := a.pathOf(from.Addr())
	first, rest, ok := nextChunk(chunks)
	if p == nil || !ok {
		return
	}
	a.now = now
	a.round++
	switch {
	case first.typ == chunkInit: // RFC 9260, Section 8.5.1, A: it is the only chunk, and the tag is 0
		if h.tag == 0 && len(rest) == 0 {
			a.receiveInit(now, h, from, first.value)
		}
		return
	case first.typ == chunkCookieEcho:
		if a.demands(chunkCookieEcho) || !a.receiveCookieEcho(now, h, from, local, first.value) {
			return
		}
		chunks = rest
		if p = a.pathOf(from.Addr()); p == nil {
			return
		}
	case first.typ == chunkAuth && isCookieEcho(rest):
		if a.receiveAuthCookie(now, h, from, local, chunks) {
			p = a.pathOf(from.Addr())
		}
	case h.tag == a.localTag:
	default:
		a.receiveReflected(h, p, first)
		return
	}
	if p == nil || h.tag != a.localTag {
		return
	}
	a.stats.PacketsReceived++
	authenticated := a.receiveChunks(now, p, local, chunks)
	// The UDP port of a peer behind a NAT may change: RFC 6951, Section 5.4. If anything is
	// authenticated, only an authenticated packet proves that it is from the peer.
	if a.state != StateClosed && (authenticated || !a.auth.agreed) {
		p.local = local
		if p.peer != from {
			p.peer = from
			a.event(Event{Kind: EventPath, Path: p.peer, PathState: p.state})
		}
	}
	a.acknowledge(now)
}

func isCookieEcho(chunks []byte) bool { return len(chunks) > 0 && chunks[0] == chunkCookieEcho }

// receiveAuthCookie handles a COOKIE ECHO after an AUTH chunk. A restart brings new SCTP-AUTH
// parameters, so the key may depend on the cookie itself. See RFC 4895, Section 6.3.
func (a *Assoc) receiveAuthCookie(now time.Duration, h header, from netip.AddrPort,
	local netip.Addr, chunks []byte) bool {
	_, rest, _ := nextChunk(chunks)
	cookie, _, ok := nextChunk(rest)
	if !ok {
		return false
	}
	c, v := a.key.check(now, h, cookie.value)
	if v != cookieGood {
		return false
	}
	trial := newAssoc(a.config, a.rand, a.key)
	trial.random = c.random
	trial.auth.keys, trial.auth.active = cloneKeys(a.auth.keys), a.auth.active
	trial.agreeAuth(&c.peer)
	if trial.verify(chunks) == nil {
		a.stats.AuthFailures++
		return false
	}
	return a.receiveCookieEcho(now, h, from, local, cookie.value)
}

// receiveReflected handles packets without our verification tag. A peer that does not know the
// association sends ABORT and SHUTDOWN COMPLETE with its own tag, which it copies from our packet,
// and the T bit. See RFC 9260, Section 8.5.1, B, C and E.
func (a *Assoc) receiveReflected(h header, p *path, first chunk) {
	switch {
	case first.typ == chunkShutdownAck && (a.state == StateCookieWait || a.state == StateCookieEchoed):
		a.reply(p, shutdownCompletePacket(h, h.tag, flagT)) // of an earlier association
	case a.peerTag == 0 || h.tag != a.peerTag || first.flags&flagT == 0:
	case a.demands(first.typ):
	// A peer that has forgotten the association in this state had sent SHUTDOWN COMPLETE, which was
	// lost, and answers another packet that came late. RFC 9260, Section 8.4, rule 8.
	case first.typ == chunkAbort && a.state == StateShutdownAckSent:
		a.end(ErrClosed)
	case first.typ == chunkAbort:
		a.receiveAbort(first)
	case first.typ == chunkShutdownComplete && a.state == StateShutdownAckSent:
		a.end(ErrClosed)
	}
}

// receiveChunks processes the chunks of a packet with the right tag. It reports whether any was
// authenticated.
func (a *Assoc) receiveChunks(now time.Duration, p *path, local netip.Addr,
	chunks []byte) (authenticated bool) {
	var key *sharedKey
	for len(chunks) > 0 && a.state != StateClosed {
		c, rest, ok := nextChunk(chunks)
		if !ok {
			return authenticated
		}
		if c.typ == chunkAuth {
			if authenticated { // RFC 4895, Section 4.1: at most one in a packet
				return authenticated
			}
			if key = a.verify(chunks); key == nil {
				return authenticated
			}
			authenticated = true
			chunks = rest
			continue
		}
		if authenticated && !a.taken(key, c) {
			return authenticated
		}
		chunks = rest
		if !authenticated && a.demands(c.typ) {
			a.stats.Unauthenticated++
			continue
		}
		goesOn, f := a.receiveChunk(now, p, local, c)
		if f != nil {
			a.fail(f.abort())
		}
		if !goesOn {
			return authenticated
		}
	}
	return authenticated
}

// receiveChunk processes one chunk. It ignores chunks that the state does not expect. See RFC 9260,
// Sections 5 to 9.
func (a *Assoc) receiveChunk(now time.Duration, p *path, local netip.Addr, c chunk) (goesOn bool,
	f *fault) {
	up := a.state >= StateEstablished
	switch c.typ {
	case chunkData:
		switch a.state {
		case StateEstablished, StateShutdownPending, StateShutdownSent:
			f = a.receiveData(p, c)
			if a.state == StateShutdownSent {
				a.shutdownData(now)
			}
		}
	case chunkSack:
		if up {
			f = a.receiveSack(now, c.value)
		}
	case chunkInit: // never after another chunk
		return false, nil
	case chunkInitAck:
		a.receiveInitAck(now, p, local, c.value)
		return false, nil
	case chunkCookieEcho: // already processed, or not the first chunk
	case chunkCookieAck:
		a.receiveCookieAck(now)
	case chunkHeartbeat:
		if a.state >= StateCookieEchoed { // RFC 9260, Section 8.3
			a.receiveHeartbeat(p, c)
		}
	case chunkHeartbeatAck:
		a.receiveHeartbeatAck(c, now)
	case chunkAbort:
		if c.flags&flagT == 0 {
			a.receiveAbort(c)
		}
		return false, nil
	case chunkError:
		a.receiveError(now, c)
	case chunkShutdown:
		f = a.receiveShutdown(now, c)
	case chunkShutdownAck:
		a.receiveShutdownAck(p)
	case chunkShutdownComplete:
		if a.state == StateShutdownAckSent && c.flags&flagT == 0 {
			a.end(ErrClosed)
		}
		return false, nil
	case chunkForwardTSN:
		if a.partial {
			if up {
				f = a.receiveForwardTSN(c)
			}
			break
		}
		fallthrough
	default:
		return a.unrecognized(c), nil
	}
	return true, f
}

// unrecognized handles an unknown chunk type as its two highest bits say. See RFC 9260, Section
// 3.2.
func (a *Assoc) unrecognized(c chunk) (goesOn bool) {
	if c.typ&0x40 != 0 {
		a.reportError(CauseUnrecognizedChunk, c.whole)
	}
	return c.typ&0x80 != 0
}

// receiveAbort ends the association. See RFC 9260, Section 9.1.
func (a *Assoc) receiveAbort(c chunk) {
	e := &AbortError{}
	if cause, _, ok := nextParam(c.value); ok {
		e.Cause, e.Info = Cause(cause.typ), quote(cause.value)
	}
	a.end(e)
}

// quote copies the first bytes of untrusted text.
func quote(b []byte) []byte { return append([]byte(nil), b[:min(len(b), 128)]...) }

// receiveError processes the causes in an ERROR chunk. See RFC 9260, Section 3.3.10.
func (a *Assoc) receiveError(now time.Duration, c chunk) {
	for rest := c.value; len(rest) > 0; {
		cause, next, ok := nextParam(rest)
		if !ok {
			return
		}
		rest = next
		if Cause(cause.typ) == CauseStaleCookie {
			a.receiveStaleCookie(now, cause.value)
			continue
		}
		a.event(Event{Kind: EventRemoteError, Cause: Cause(cause.typ), Info: quote(cause.value)})
	}
}

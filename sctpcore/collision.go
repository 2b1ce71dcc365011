package sctpcore

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// This file handles INIT and COOKIE ECHO chunks that arrive on an existing association: duplicates,
// collisions and restarts. See RFC 9260, Section 5.2.

// receiveInit answers an INIT for this association. See RFC 9260, Sections 5.2.1 and 5.2.2.
func (a *Assoc) receiveInit(now time.Duration, h header, from netip.AddrPort, value []byte) {
	p := a.pathOf(from.Addr())
	if p == nil || len(value) < initFixedLen {
		return
	}
	if a.state == StateShutdownAckSent { // RFC 9260, Section 9.2
		a.control.shutdownAck = true
		return
	}
	if a.state > StateCookieEchoed && a.config.RefuseRestart {
		return
	}
	if a.state != StateCookieWait {
		if peer, f := parseInit(value); f == nil {
			for _, addr := range peer.addrs {
				if a.pathOf(inZone(addr, from.Addr())) == nil {
					a.refuseAddress(p, peer.tag, addr)
					return
				}
			}
		}
	}
	s := answer{config: a.config, key: a.key, localTag: a.localTag, localTSN: a.shake.tsn,
		random: a.random}
	var err error
	switch a.state {
	case StateCookieWait:
	case StateCookieEchoed:
		s.tie = a.tie()
	default:
		s.tie = a.tie()
		if s.localTag, err = random32(a.rand); err == nil {
			s.localTSN, err = random32(a.rand)
		}
		if err != nil || fill(a.rand, s.random[:]) != nil {
			return
		}
	}
	if b := s.toInit(now, h, from, value); b != nil {
		a.reply(p, b)
	}
}

// refuseAddress rejects an INIT that adds an address to an existing association, because it may
// come from an attacker. See RFC 9260, Section 5.2.2.
func (a *Assoc) refuseAddress(p *path, tag uint32, addr netip.Addr) {
	if tag == 0 {
		return
	}
	typ := uint16(paramIPv6)
	if addr.Is4() {
		typ = paramIPv4
	}
	b := header{a.localPort, a.peerPort, tag}.append(nil)
	b = appendAbort(b, &AbortError{Cause: CauseRestartNewAddresses,
		Info: appendParam(nil, typ, addr.AsSlice())})
	putChecksum(b)
	a.reply(p, b)
}

// A verdict is the result of checking a state cookie.
type verdict uint8

const (
	cookieBad verdict = iota
	cookieStale
	cookieGood
)

// check checks the cookie in a COOKIE ECHO chunk. See RFC 9260, Section 5.1.5, steps 1 to 5.
func (k *cookieKeys) check(now time.Duration, h header, value []byte) (stateCookie, verdict) {
	c, ok := k.open(value)
	switch {
	case !ok || h.tag != c.localTag || h.dst != c.localPort || h.src != c.peerPort:
		return c, cookieBad
	case now-c.created > c.life:
		return c, cookieStale
	}
	return c, cookieGood
}

// staleError builds the packet that reports a stale cookie, with its staleness in microseconds. See
// RFC 9260, Section 3.3.10.3.
func staleError(now time.Duration, c *stateCookie) []byte {
	late := min((now - c.created - c.life).Microseconds(), 1<<32-1)
	b := header{c.localPort, c.peerPort, c.peer.tag}.append(nil)
	b = appendChunkHeader(b, chunkError, 0, paramHeaderLen+4)
	b = appendParam(b, uint16(CauseStaleCookie), binary.BigEndian.AppendUint32(nil, uint32(late)))
	putChecksum(b)
	return b
}

// receiveCookieEcho implements the table of RFC 9260, Section 5.2.4. It returns true if the chunks
// after COOKIE ECHO belong to the association.
func (a *Assoc) receiveCookieEcho(now time.Duration, h header, from netip.AddrPort,
	local netip.Addr, value []byte) (goesOn bool) {
	c, v := a.key.check(now, h, value)
	p := a.pathOf(from.Addr())
	if v == cookieBad || p == nil {
		return false
	}
	isLocal, isPeer := c.localTag == a.localTag, c.peer.tag == a.peerTag
	isTie := c.tie == a.tieTags && c.tie != tieTags{}
	if v == cookieStale && !(isLocal && isPeer) {
		a.reply(p, staleError(now, &c))
		return false
	}
	switch {
	case isLocal && isPeer: // D: our COOKIE ACK was lost, or both sides called connect
		if a.state == StateCookieEchoed {
			a.up(now)
		}
	// B: both sides called connect
	case isLocal && (a.state == StateCookieWait || a.state == StateCookieEchoed):
		a.agree(a.shake.tsn, &c.peer)
		a.main = p
		a.addPaths(c.origin(from), local, c.peer.addrs)
		a.up(now)
	case !isLocal && !isPeer && isTie && a.state > StateCookieEchoed: // A: the peer restarted
		if a.auth.agreed && !c.peer.hasAuth {
			return false // an authenticated association is not replaced by an unauthenticated one
		}
		if a.state == StateShutdownAckSent {
			a.control.shutdownAck = true
			a.reportError(CauseCookieInShutdown, nil)
			return false
		}
		a.restart(now, from, local, &c)
	default: // C: a cookie of an earlier handshake
		return false
	}
	if a.state >= StateEstablished {
		if p = a.pathOf(from.Addr()); p == nil { // a restart may have omitted the address
			p = a.main
		}
		a.control.cookieAck, a.control.cookieTo = true, p
	}
	return a.state >= StateEstablished
}

// restart starts the association again. Messages that were not acknowledged are lost; messages that
// have arrived can still be read. See RFC 9260, Section 5.2.4, action A.
func (a *Assoc) restart(now time.Duration, from netip.AddrPort, local netip.Addr, c *stateCookie) {
	a.releaseAll()
	a.in.forget(a)
	a.localTag, a.random, a.tieTags = c.localTag, c.random, tieTags{}
	a.paths, a.main = nil, nil
	a.control, a.shutdown = control{}, shutdownState{timer: never, guard: never,
		asked: a.shutdown.asked}
	a.agree(c.localTSN, &c.peer)
	a.addPaths(c.origin(from), local, c.peer.addrs)
	a.restarted = true
	a.event(Event{Kind: EventRestart})
	a.state, a.errors = StateEstablished, 0
	a.startPaths(now)
	if a.shutdown.asked {
		a.state = StateShutdownPending
		a.shutdownProgress(now)
	}
}

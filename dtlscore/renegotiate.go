package dtlscore

import (
	"slices"
	"time"
)

// A RenegotiationSupport says who may begin further handshakes on a connection of
// DTLS 1.2, for new keys or new certificates. They are always bound
// to the one before (RFC 5746), and have the extended master secret. With a client
// that does not have RFC 5746 there are none, as in crypto/tls; a server must have it.
type RenegotiationSupport uint8

const (
	// RenegotiateNever answers the peer's wish with no_renegotiation.
	RenegotiateNever RenegotiationSupport = iota

	// RenegotiateWhenCalled allows this side to begin, by [Conn.Renegotiate],
	// and refuses the peer's wish.
	RenegotiateWhenCalled

	// RenegotiateFreely allows both sides to begin, the peer not too often.
	RenegotiateFreely
)

// A peer may begin so many handshakes at once, and one more each time that the
// interval has passed. A handshake costs it less than us. Attack E5.
const (
	renegotiationBurst    = 16
	renegotiationInterval = time.Second

	// We begin fewer at once, for what we begin may reach the peer faster than we began it.
	ownRenegotiations = renegotiationBurst - 4
)

// A rateLimit counts what the peer may make us do, or we it.
type rateLimit struct {
	used float64
	last int64 // in milliseconds of Unix time
}

func (l *rateLimit) allow(now time.Time, burst int, interval time.Duration) bool {
	last := now.UnixMilli()
	if passed := last - l.last; passed > 0 {
		l.used = max(0, l.used-float64(passed)/float64(interval.Milliseconds()))
	}
	l.last = last
	if l.used+1 > float64(burst) {
		return false
	}
	l.used++
	return true
}

// Renegotiate begins another handshake. The peer's application data goes on meanwhile, in the old
// keys; ours waits from the first [EventAwaitDry] on. The end is another [EventHandshakeComplete],
// or [EventRenegotiationRefused] if the peer does not want to. A server can only ask the client to
// begin.
//
// It fails with [ErrNotOpen] before the first handshake is complete and after
// close_notify of either side; with [ErrMisuse] if the version is not 1.2 or
// Config.Renegotiation does not allow it; with [ErrPeerIncompatible] if the
// client does not have RFC 5746; and with [ErrKeysUsedUp] after 65535
// handshakes. It fails with ErrMisuse too after 12 at once and one a second, because the peer
// would take more for an attack. Such errors do not end the connection.
// If a handshake is going on there is nothing to do. A peer that has refused is not asked again
// before application data has been sent: it would count that as a warning without progress.
func (c *Conn) Renegotiate() error {
	switch {
	case c.err != nil:
		return c.err
	case !c.agreed.HandshakeComplete || c.closing || c.peerClosed:
		return ErrNotOpen
	case c.agreed.Version != VersionDTLS12:
		return misuse("Renegotiate on a connection of another version than 1.2")
	case c.config.Renegotiation == RenegotiateNever:
		return misuse("Renegotiate, which Config.Renegotiation does not allow")
	case c.unbound:
		return incompatible(AlertHandshakeFailure,
			"client has no secure renegotiation: it has to connect again for new keys")
	case c.epochsUsedUp():
		return ErrKeysUsedUp
	case c.handshaking || c.helloRequest:
		return nil
	case c.refused.stands(c.written):
		c.push(EventRenegotiationRefused)
		return nil
	case !c.begun.allow(c.config.time(), ownRenegotiations, renegotiationInterval):
		return misuse("Renegotiate more than %d times at once and then once in %v",
			ownRenegotiations, renegotiationInterval)
	}
	var err error
	if c.isClient {
		c.in.messages.restart()
		err = c.beginClient()
	} else {
		c.helloRequest = true
		_, err = c.send(new(helloRequest))
	}
	if err != nil {
		return c.fail(err)
	}
	return nil
}

// A refusal is the peer's, to renegotiate.
type refusal struct {
	epoch, data uint64 // when it came; in epoch 0 it has not
}

// stands reports whether no application data was sent since.
func (r refusal) stands(e *writeEpoch) bool {
	return r.epoch > 0 && r.epoch == e.number && r.data == e.data()
}

// quiet has everything arrive that was sent before our first hello in a renegotiation, and
// nothing sent after it but the handshake. The RFCs allow application data in
// the old keys, but OpenSSL ends the connection when it comes after a hello.
// What the peer sends is accepted at any time.
func (c *Conn) quiet() {
	if c.agreed.HandshakeComplete && !c.closing {
		c.push(EventAwaitDry)
	}
}

// epochsUsedUp reports whether there is no epoch for another handshake. RFC
// 6347, Section 4.1.
func (c *Conn) epochsUsedUp() bool {
	return c.written.number >= maxEpoch12 ||
		c.in.epoch >= maxEpoch12
}

// open12 is a connection of version 1.2 between handshakes.
type open12 struct{}

func (s *open12) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	switch m := m.(type) {
	case *clientHello:
		if c.isClient {
			break
		}
		if !c.mayRenegotiate() {
			return s, c.refuseRenegotiation()
		}
		if !c.helloRequest && !c.renegotiations.allow(c.config.time(), renegotiationBurst,
			renegotiationInterval) {
			return nil, unexpected("too many renegotiations")
		}
		if !slices.Contains(offeredVersions(m), VersionDTLS12) {
			return nil, misbehaved(AlertProtocolVersion, "renegotiation of another version")
		}
		c.handshaking, c.helloRequest = true, false
		return startServer12(c, m, raw)
	case *helloRequest:
		if !c.isClient {
			break
		}
		if !c.mayRenegotiate() {
			return s, c.refuseRenegotiation()
		}
		if !c.renegotiations.allow(c.config.time(), renegotiationBurst, renegotiationInterval) {
			return nil, unexpected("too many renegotiations")
		}
		err := c.beginClient()
		return c.state, err
	}
	return nil, unexpectedMessage(m)
}

func (c *Conn) mayRenegotiate() bool {
	return (c.helloRequest || c.config.Renegotiation == RenegotiateFreely) &&
		!c.unbound && !c.closing &&
		!c.epochsUsedUp()
}

// refuseRenegotiation ends the handshake that the peer wanted to begin, so that
// its next message is a first one again.
func (c *Conn) refuseRenegotiation() error {
	c.in.messages.restart()
	if !c.closing {
		c.pushRecord(contentAlert, appendAlert(nil, levelWarning, AlertNoRenegotiation))
	}
	return c.countWarning("wish for renegotiation")
}

// renegotiationRefused handles no_renegotiation of the peer. It reports
// whether that was an answer.
func (c *Conn) renegotiationRefused() bool {
	_, waits := c.state.(*clientWaitServerHello)
	switch {
	case c.helloRequest:
		c.helloRequest = false
	case c.agreed.HandshakeComplete && c.handshaking && waits:
		c.handshaking = false
		c.state = &open12{}
		c.in.messages.restart()
	default:
		return false
	}
	c.nextSendSeq = 0
	c.refused = refusal{c.written.number, c.written.data()}
	c.push(EventRenegotiationRefused)
	return true
}

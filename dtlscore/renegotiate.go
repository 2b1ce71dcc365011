package dtlscore

import (
	"slices"
	"time"
)

// A RenegotiationSupport specifies who may begin another handshake on a DTLS 1.2 connection, to
// change keys or certificates. A renegotiation is always bound to the previous handshake (RFC 5746)
// and uses the extended master secret. As in crypto/tls, a client that does not support RFC 5746
// can connect but not renegotiate. A server must support it.
type RenegotiationSupport uint8

const (
	// RenegotiateNever rejects the peer's requests with no_renegotiation.
	RenegotiateNever RenegotiationSupport = iota

	// RenegotiateWhenCalled allows [Conn.Renegotiate], and rejects the peer's requests.
	RenegotiateWhenCalled

	// RenegotiateFreely allows both sides to begin. The peer's requests are rate-limited.
	RenegotiateFreely
)

// Limits for renegotiations that the peer begins: a burst, and one more after each interval. A
// handshake costs the peer less than this side. Attack E5.
const (
	renegotiationBurst    = 16
	renegotiationInterval = time.Second

	// This side begins fewer, because they may reach the peer closer together than they began.
	ownRenegotiations = renegotiationBurst - 4
)

// A rateLimit limits how often something may happen.
type rateLimit struct {
	used float64
	last int64 // Unix time in milliseconds
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

// Renegotiate begins another handshake of a DTLS 1.2 connection. The peer can continue to send
// application data with the old keys; application data to the peer must wait from the first
// [EventAwaitDry] on. The handshake ends with another [EventHandshakeComplete], or with
// [EventRenegotiationRefused] if the peer rejects it. A server can only ask the client to begin.
//
// If a handshake is in progress, Renegotiate does nothing. If the peer has rejected a renegotiation
// and no application data has been sent since, Renegotiate does not ask again, because the peer
// would count that as a warning without progress; it queues [EventRenegotiationRefused].
//
// It fails with [ErrNotOpen] before the first handshake is complete and after close_notify of
// either side, with [ErrMisuse] if the version is not DTLS 1.2 or if Config.Renegotiation does not
// allow it, with [ErrPeerIncompatible] if the client does not support RFC 5746, and with
// [ErrKeysUsedUp] after 65535 handshakes. A call that follows 12 others at a higher rate than one a
// second fails with ErrMisuse too, because the peer could take it for an attack. These errors do
// not end the connection.
func (c *Conn) Renegotiate() error {
	switch {
	case c.err != nil:
		return c.err
	case !c.agreed.HandshakeComplete || c.closing || c.peerClosed:
		return ErrNotOpen
	case c.agreed.Version != VersionDTLS12:
		return misuse("Renegotiate on a connection that is not of DTLS 1.2")
	case c.config.Renegotiation == RenegotiateNever:
		return misuse("Renegotiate, which Config.Renegotiation does not allow")
	case c.unbound:
		return incompatible(AlertHandshakeFailure,
			"client does not support secure renegotiation: it has to connect again for new keys")
	case c.epochsUsedUp():
		return ErrKeysUsedUp
	case c.handshaking || c.helloRequest:
		return nil
	case c.refused.stands(c.written):
		c.push(EventRenegotiationRefused)
		return nil
	case !c.begun.allow(c.config.time(), ownRenegotiations, renegotiationInterval):
		return misuse("Renegotiate too often: more than %d times, and then more than once in %v",
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

// A refusal records that the peer rejected a renegotiation.
type refusal struct {
	epoch, data uint64 // of the record that was sent last before it; in epoch 0 there was none
}

// stands reports whether no application data has been sent since.
func (r refusal) stands(e *writeEpoch) bool {
	return r.epoch > 0 && r.epoch == e.number && r.data == e.data()
}

// quiet waits, before the first hello of a renegotiation, until everything that was sent has
// arrived, and blocks application data from then on. The RFCs allow application data with the old
// keys, but OpenSSL ends the connection if some arrives after a hello. This side always accepts it.
func (c *Conn) quiet() {
	if c.agreed.HandshakeComplete && !c.closing {
		c.push(EventAwaitDry)
	}
}

// epochsUsedUp reports whether no epoch is left for another handshake. See RFC 6347, Section 4.1.
func (c *Conn) epochsUsedUp() bool {
	return c.written.number >= maxEpoch12 ||
		c.in.epoch >= maxEpoch12
}

// open12 is the state of a DTLS 1.2 connection between handshakes.
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

// refuseRenegotiation rejects the handshake that the peer wanted to begin. The peer's next message
// is again the first of a handshake.
func (c *Conn) refuseRenegotiation() error {
	c.in.messages.restart()
	if !c.closing {
		c.pushRecord(contentAlert, appendAlert(nil, levelWarning, AlertNoRenegotiation))
	}
	return c.countWarning("request to renegotiate")
}

// renegotiationRefused handles no_renegotiation from the peer. It reports whether the alert answers
// a request of this side.
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

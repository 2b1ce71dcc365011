package sctpdtls

import (
	"context"
)

// KeyUpdate changes the DTLS 1.3 keys with which this end sends, and optionally requests that the
// peer does the same (RFC 8446, Section 4.6.3). It returns when the KeyUpdate has been sent; the
// new keys are used when the peer has acknowledged it. Reads and writes continue, but writes wait
// until everything written before has arrived. The SCTP-AUTH key does not change: only a
// renegotiation of DTLS 1.2 or a new association changes it, see [AuthKeyNearLimit].
//
// An error that matches os.ErrDeadlineExceeded, the error of ctx, [ErrMisuse] (as with DTLS 1.2) or
// [ErrKeysUsedUp] does not end the connection.
func (c *Conn) KeyUpdate(ctx context.Context, request KeyUpdateRequest) error {
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.handshakeTimeout())
	defer cancel()
	r := newRequest(keyUpdateTask)
	r.ask = request
	c.requests.add(r)
	c.alarm.ring()
	return r.wait(ctx)
}

// Renegotiate does another handshake of DTLS 1.2, which gives new keys to DTLS and SCTP-AUTH and
// has the peer prove again who it is: RFC 6083, Section 4.6. [Config].Renegotiation has to allow it
// at both ends. If a renegotiation is under way, whoever began it, it waits for that one.
//
// Messages of the peer go on coming meanwhile. Writes wait: OpenSSL ends a connection on which
// application data comes in the middle of a handshake.
//
// The time limit is that of ctx or [Config].HandshakeTimeout, whichever is shorter. An error that
// matches os.ErrDeadlineExceeded, or the context's, does not end the connection, nor the
// renegotiation, which goes on: a server can only ask, and the client may take its time. Other
// errors that leave the connection alive are [ErrRenegotiationRefused], and those that match
// [github.com/seed-41f70523/dtls-sctp/dtlscore.ErrMisuse], ErrKeysUsedUp of that package, or
// ErrPeerIncompatible: the client does not have RFC 5746, and has to connect again for new keys.
func (c *Conn) Renegotiate(ctx context.Context) error {
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.handshakeTimeout())
	defer cancel()
	r := c.requests.join(renegotiateTask)
	c.alarm.ring()
	return r.wait(ctx)
}

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

// Renegotiate performs another handshake of DTLS 1.2, which gives DTLS and SCTP-AUTH new keys and
// authenticates the peer again (RFC 6083, Section 4.6). [Config].Renegotiation must allow it at
// both ends. If a renegotiation is in progress, whichever end started it, Renegotiate waits for
// that one.
//
// Messages of the peer continue to arrive meanwhile. Writes wait, because OpenSSL ends a connection
// if application data arrives during a handshake.
//
// The time limit is that of ctx or [Config].HandshakeTimeout, whichever is shorter. An error that
// matches os.ErrDeadlineExceeded, or the error of ctx, ends neither the connection nor the
// renegotiation, which continues: a server can only request it, and the client may take its time.
// Other errors that do not end the connection are [ErrRenegotiationRefused], and those that match
// [ErrMisuse], [ErrKeysUsedUp], or [ErrPeerIncompatible] for a client without RFC 5746, which must
// connect again to get new keys.
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

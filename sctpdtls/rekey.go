package sctpdtls

import (
	"context"
)

// KeyUpdate makes new keys of DTLS 1.3 for what this end sends, and asks the peer to do so too or
// not (RFC 8446, Section 4.6.3). It returns when the peer was told; the new keys are in use when
// the peer has answered. Reads and writes go on meanwhile, except that writes wait until what was
// written before has arrived. The key of SCTP-AUTH stays: only a new association, or a
// renegotiation of DTLS 1.2, changes that; see [AuthKeyNearLimit].
//
// Errors that match os.ErrDeadlineExceeded, or the context's, do not end the connection, nor those
// that match [ErrMisuse] (as for another version than 1.3) or [ErrKeysUsedUp].
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

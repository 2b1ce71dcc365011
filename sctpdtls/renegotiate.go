package sctpdtls

import (
	"context"
	"errors"
	"net"
	"os"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// ErrRenegotiationRefused is returned by [Conn.Renegotiate] when the peer does not want
// to. The connection goes on as it was.
var ErrRenegotiationRefused = errors.New("sctpdtls: the peer refuses to renegotiate; it has to allow it (Config.Renegotiation)")

// Renegotiate does another handshake of DTLS 1.2, which gives new keys to DTLS and SCTP-AUTH
// and has the peer prove again who it is: RFC 6083, Section 4.6. [Config].Renegotiation has to allow it
// at both ends. If a renegotiation is under way, whoever began it, it waits for that one.
//
// Messages of the peer go on coming meanwhile. Writes wait: OpenSSL ends a connection on which
// application data comes in the middle of a handshake. It does the work itself as long as nobody reads.
//
// The time limit is that of ctx or [Config].HandshakeTimeout, whichever is shorter. An error that
// matches os.ErrDeadlineExceeded, or the context's, does not end the connection, nor the
// renegotiation, which whoever reads brings to its end: a server can only ask, and the client may take
// its time. Other errors that leave the connection alive are [ErrRenegotiationRefused], and those
// that match [github.com/seed-41f70523/dtls-sctp/dtlscore.ErrMisuse], ErrKeysUsedUp of that package, or
// ErrPeerIncompatible: the client does not have RFC 5746, and has to connect again for new keys.
func (c *Conn) Renegotiate(ctx context.Context) error {
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.handshakeTimeout())
	defer cancel()
	r := c.wantRenegotiation()
	if err := c.await(ctx, r.done); err != nil {
		return err
	}
	return r.err
}

// A renegotiation is one that somebody waits for.
type renegotiation struct {
	begun bool          // guarded by Conn.reading
	done  chan struct{} // closed at the end
	err   error         // valid then
}

// wantRenegotiation returns the renegotiation that everybody waits for.
func (c *Conn) wantRenegotiation() *renegotiation {
	r := &renegotiation{done: make(chan struct{})}
	for !c.wanted.CompareAndSwap(nil, r) {
		if other := c.wanted.Load(); other != nil {
			return other
		}
	}
	return r
}

// begin begins what somebody wants or what is due, with reading held.
func (c *Conn) begin() {
	c.beginUpkeep()
	c.beginUpdate()
	c.beginCloseWrite()
	r := c.wanted.Load()
	if r == nil {
		return
	}
	switch {
	case c.dead:
		c.renegotiated(*c.writeEnd.Load())
	case c.told:
		c.renegotiated(ErrPeerClosed)
	case !r.begun:
		r.begun = true
		// An error that ends the connection is found by obey.
		if err := c.core.Renegotiate(); errors.Is(err, dtlscore.ErrNotOpen) {
			c.renegotiated(net.ErrClosed) // by CloseWrite
		} else if err != nil {
			c.renegotiated(err)
		}
	}
}

// renegotiated tells whoever waits, with reading held.
func (c *Conn) renegotiated(err error) {
	if r := c.wanted.Swap(nil); r != nil {
		r.err = err
		close(r.done)
	}
}

// turn is where one who waits for something else than messages can take reading, unless
// there is no room for what would be read.
func (c *Conn) turn() token {
	if c.full.Load() && c.writeEnd.Load() == nil {
		return nil
	}
	return c.reading
}

// drive makes progress until done says so, for one who waits for something else than messages while
// nobody reads. It returns early when a reader comes, who drives then, when there is no
// room for what it reads, and when it is poked. It runs with reading held.
func (c *Conn) drive(done func() bool) {
	if c.begin(); c.dead {
		return // reads and writes say why
	}
	c.driving.Store(true)
	c.readDeadline.lend()
	err := c.advance(func() bool {
		return c.dead || done() || c.readers.Load() > 0 || c.closing.Load()
	})
	c.driving.Store(false)
	c.messages.Release()
	if !c.closing.Load() {
		c.readDeadline.giveBack()
	}
	switch {
	case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
	case err == errPending:
		c.fills()
	default:
		c.finish(err)
	}
}

// advance does steps, whose application data it keeps for a reader, until stop says so.
func (c *Conn) advance(stop func() bool) error {
	for c.begin(); !stop(); c.begin() {
		if err := c.obey(); err != nil || stop() { // it may have waited long
			return err
		}
		if c.mustPause() {
			return errPending
		}
		m, ev, err := c.messages.Next(true)
		if err != nil {
			return c.over(err)
		}
		if err := c.take(m, ev); err != nil {
			return err
		}
	}
	return nil
}

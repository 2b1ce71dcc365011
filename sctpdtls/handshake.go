package sctpdtls

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
)

// Handshake is HandshakeContext with a background context.
func (c *Conn) Handshake() error { return c.HandshakeContext(context.Background()) }

// HandshakeContext performs the handshake if that has not been done yet. Connections from Dial and
// Listener do not need it. An error is final, unless ctx was done while another goroutine performed
// the handshake. The time limit is that of ctx or [Config].HandshakeTimeout, whichever is shorter;
// deadlines have no effect.
func (c *Conn) HandshakeContext(ctx context.Context) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	if c.state.Load() != nil {
		return nil
	}
	owns, err := c.takeOwner(ctx)
	if !owns {
		return err
	}
	complete := false
	defer func() { // also when a callback panics
		if complete {
			go c.owner.run() // which holds the token from now on
		} else {
			c.owner.unlock()
		}
	}()
	if c.state.Load() == nil {
		if err = c.owner.ended(); err == nil {
			err = c.owner.handshake(ctx)
			complete = err == nil
			c.owner.tellHandshake(err)
		}
	}
	return err
}

// takeOwner waits until the caller is the owner, or the first handshake is complete: then the
// caller is not.
func (c *Conn) takeOwner(ctx context.Context) (owns bool, err error) {
	select {
	case c.owner.token <- struct{}{}: // also if ctx is done: then that ends the connection
		return true, nil
	default:
	}
	for {
		changed := c.gate.changed() // which opens when the handshake is complete
		if c.state.Load() != nil {
			return false, nil
		}
		select {
		case c.owner.token <- struct{}{}:
			return true, nil
		case <-changed:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// handshake does the first handshake.
func (o *owner) handshake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, o.config.handshakeTimeout())
	defer cancel()
	if o.closing.Load() {
		return net.ErrClosed
	}
	defer context.AfterFunc(ctx, o.alarm.ring)()
	o.core.SetContext(ctx, callbackConn{o.Conn})
	defer o.core.SetContext(context.Background(), callbackConn{o.Conn}) // of renegotiations
	if !o.core.IsClient() {
		o.pace.sent()
	}
	panics := true
	defer func() {
		if panics {
			o.giveUp(errPanic)
		}
	}()
	// First: of an association that is over, gone gives the core what has arrived.
	err := o.core.Start()
	if err == nil {
		err = o.gone(o.tuner().Handshaking(true))
	}
	if err == nil {
		err = o.obey()
	}
	for err == nil && o.state.Load() == nil {
		err = o.advance()
	}
	panics = false
	switch {
	case err == nil:
	case o.closing.Load():
		return o.giveUp(net.ErrClosed)
	case errors.Is(ctx.Err(), context.Canceled):
		return o.giveUp(fmt.Errorf("sctpdtls: the handshake was given up: %w", ctx.Err()))
	case ctx.Err() != nil:
		return o.giveUp(&HandshakeTimeoutError{KeyInUse: o.switched, Err: ctx.Err()})
	default:
		return o.fail(err)
	}
	return nil
}

// A callbackConn is what callbacks find as [tls.ClientHelloInfo].Conn: who the peer is. crypto/tls
// shows the connection below TLS there, which is not to be read or written either.
type callbackConn struct{ c *Conn }

// Streams returns the number of streams of the association, for those who know that it is there.
func (h callbackConn) Streams() (out, in uint16) { return h.c.assoc.Streams() }

func (h callbackConn) LocalAddr() net.Addr { return h.c.LocalAddr() }

func (h callbackConn) RemoteAddr() net.Addr { return h.c.RemoteAddr() }

// which ends the handshake
func (h callbackConn) Close() error { return h.c.assoc.Abort() }

func (callbackConn) Read([]byte) (int, error) { return 0, errInCallback }

func (callbackConn) Write([]byte) (int, error) { return 0, errInCallback }

func (callbackConn) SetDeadline(time.Time) error { return errInCallback }

func (callbackConn) SetReadDeadline(time.Time) error { return errInCallback }

func (callbackConn) SetWriteDeadline(time.Time) error { return errInCallback }

var errInCallback = fmt.Errorf(
	"sctpdtls: a ClientHelloInfo's Conn has addresses only: the handshake is under way: %w",
	errors.ErrUnsupported)

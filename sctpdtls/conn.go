package sctpdtls

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A Conn is one DTLS connection over one SCTP association. It is a net.Conn
// whose every Write is one message, and has methods beside that for
// messages and streams. All methods may be called at the same time by any goroutine.
//
// Each Conn has a goroutine from its handshake to its end, which reads from the association:
// whatever the peer begins makes progress, and an end is noticed, whether anybody reads or not. See
// [Conn.Context].
type Conn struct {
	assoc   stream.Association
	tuner   stream.HandshakeTuner // of assoc
	core    *dtlscore.Conn
	keys    *keyring
	config  *Config
	partial bool // both ends have partial reliability (RFC 3758)

	own     party                           // of ReadMessage, WriteMessage and so on
	state   atomic.Pointer[ConnectionState] // of the last complete handshake; nil before
	life    cancelCause                     // until readEnd
	closing atomic.Bool                     // by Close or Abort
	counted counters

	reading // what readers use
	writing // what writers use

	requests requests // to the owner
	alarm    alarm    // wakes the owner

	// owner is held by the one goroutine that reads from the association and obeys the core: that of
	// the first handshake, then run, then Close. It guards owned.
	owner token
	owned
}

func newConn(a stream.Association, config *Config, core *dtlscore.Conn) (*Conn, error) {
	agreement, err := a.AuthAgreement()
	if err == nil {
		err = agreement.Check()
	}
	if err != nil {
		return nil, err // no byte of DTLS without SCTP-AUTH
	}
	c := &Conn{
		assoc:   a,
		tuner:   tunerOf(a),
		core:    core,
		config:  config,
		partial: agreement.PartialReliability,
		life:    newCancelCause(),
		owner:   make(token, 1),
	}
	c.mux = stream.NewMux(config.readQueue())
	c.gate, c.space = newGate(), make(token, 1)
	c.messages, c.gateShut = stream.NewReader(a), true
	c.keys = newKeyring(c.authSocket())
	c.keys.limiter, _ = a.(stream.KeyLimiter)
	c.own.reads(c.mux.Rest())
	c.alarm.set, c.alarm.bell = a.SetReadDeadline, make(chan struct{}, 1)
	c.writeDeadline.set = a.SetWriteDeadline
	c.writeDeadline.take(time.Time{})
	return c, nil
}

// tunerOf returns a as a HandshakeTuner, or one that changes nothing.
func tunerOf(a stream.Association) stream.HandshakeTuner {
	if t, ok := a.(stream.HandshakeTuner); ok {
		return t
	}
	return untuned{}
}

type untuned struct{}

func (untuned) Handshaking(bool) error { return nil }
func (untuned) Settled() error         { return nil }
func (untuned) Pause(d time.Duration)  { time.Sleep(d) }

// ok reports whether there is a connection at all. Methods of none return syscall.EINVAL, as those
// of package net do: an error path may close what Dial did not return.
func (c *Conn) ok() bool { return c != nil && c.assoc != nil }

// HandshakeContext does the handshake if it has not been done yet. There is no need to
// call it for connections from Dial and Listener. An error is final, unless ctx was done while
// another goroutine did the handshake. The time limit is that of
// ctx or [Config].HandshakeTimeout, whichever is shorter; the deadlines do not matter.
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
	if c.state.Load() == nil {
		if err = c.ended; err == nil {
			err = c.handshake(ctx)
			c.tellHandshake(err)
			if err == nil {
				go c.run() // from now on it holds owner
				return nil
			}
		}
	}
	c.owner.unlock()
	return err
}

// takeOwner waits until the caller holds owner, or the first handshake is complete: then the caller
// does not hold it.
func (c *Conn) takeOwner(ctx context.Context) (owns bool, err error) {
	select {
	case c.owner <- struct{}{}: // also if ctx is done: then that ends the connection
		return true, nil
	default:
	}
	for {
		changed := c.gate.changed() // which opens when the handshake is complete
		if c.state.Load() != nil {
			return false, nil
		}
		select {
		case c.owner <- struct{}{}:
			return true, nil
		case <-changed:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// handshake does the first handshake, with owner held.
func (c *Conn) handshake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.handshakeTimeout())
	defer cancel()
	if c.closing.Load() {
		return net.ErrClosed
	}
	defer context.AfterFunc(ctx, c.alarm.ring)()
	c.core.SetContext(ctx, callbackConn{c})
	defer c.core.SetContext(context.Background(), callbackConn{c}) // of renegotiations
	err := c.gone(c.tuner.Handshaking(true))
	if err == nil {
		err = c.core.Start()
	}
	if err == nil {
		err = c.obey()
	}
	for err == nil && c.state.Load() == nil {
		err = c.advance()
	}
	switch {
	case err == nil:
	case c.closing.Load():
		return c.giveUp(net.ErrClosed)
	case errors.Is(ctx.Err(), context.Canceled):
		return c.giveUp(fmt.Errorf("sctpdtls: the handshake was given up: %w", ctx.Err()))
	case ctx.Err() != nil:
		return c.giveUp(&HandshakeTimeoutError{KeyInUse: c.switched, Err: ctx.Err()})
	default:
		return c.fail(err)
	}
	return nil
}

// A callbackConn is what callbacks find as [tls.ClientHelloInfo].Conn: who the peer is. crypto/tls
// shows the connection below TLS there, which is not to be read or written either.
type callbackConn struct{ c *Conn }

// Streams returns the number of streams of the association, for those who know that it is there.
func (h callbackConn) Streams() (out, in uint16) { return h.c.assoc.Streams() }

func (h callbackConn) LocalAddr() net.Addr  { return h.c.LocalAddr() }
func (h callbackConn) RemoteAddr() net.Addr { return h.c.RemoteAddr() }

// which ends the handshake
func (h callbackConn) Close() error                   { return h.c.assoc.Abort() }
func (callbackConn) Read([]byte) (int, error)         { return 0, errInCallback }
func (callbackConn) Write([]byte) (int, error)        { return 0, errInCallback }
func (callbackConn) SetDeadline(time.Time) error      { return errInCallback }
func (callbackConn) SetReadDeadline(time.Time) error  { return errInCallback }
func (callbackConn) SetWriteDeadline(time.Time) error { return errInCallback }

var errInCallback = fmt.Errorf(
	"sctpdtls: a ClientHelloInfo's Conn has addresses only: the handshake is under way: %w",
	errors.ErrUnsupported)

// Handshake is HandshakeContext with no context.
func (c *Conn) Handshake() error { return c.HandshakeContext(context.Background()) }

// ConnectionState returns what the last handshake agreed on; before the first is
// complete, the zero value.
func (c *Conn) ConnectionState() ConnectionState {
	if c.ok() {
		if s := c.state.Load(); s != nil {
			return *s
		}
	}
	return ConnectionState{}
}

// LocalAddr returns the addresses of this end, an *[Addr].
func (c *Conn) LocalAddr() net.Addr {
	if !c.ok() {
		return nil
	}
	return c.assoc.LocalAddr()
}

// RemoteAddr returns the addresses of the peer, an *[Addr]. Never take them for
// the peer's identity (RFC 6083, Section 6).
func (c *Conn) RemoteAddr() net.Addr {
	if !c.ok() {
		return nil
	}
	return c.assoc.RemoteAddr()
}

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded after t. Nothing is lost by that.
// Every [Stream] has deadlines of its own.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.setReadDeadline(&c.own, t)
}

// SetWriteDeadline makes writes fail with os.ErrDeadlineExceeded after t: nothing of the message
// was sent then.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.setWriteDeadline(&c.own, t)
}

func (c *Conn) setReadDeadline(p *party, t time.Time) error {
	if c.closing.Load() || p.isClosed() {
		return net.ErrClosed
	}
	p.read.set(t)
	return nil
}

func (c *Conn) setWriteDeadline(p *party, t time.Time) error {
	if c.closing.Load() || p.isClosed() {
		return net.ErrClosed
	}
	p.write.set(t)
	c.writeDeadline.changed(&p.write)
	return nil
}

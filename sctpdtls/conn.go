package sctpdtls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// association is what a Conn needs of SCTP.
type association interface {
	stream.Association
	authchunk.Socket

	// AuthAgreement returns what both ends have said about SCTP-AUTH.
	AuthAgreement() (authchunk.Agreement, error)

	// Handshaking is called with true before the first handshake and in the middle of others, when what is
	// lost should be sent again soon and the peer may wait for acknowledgements, and with false before ChangeCipherSpec.
	Handshaking(on bool) error
	// Settled is called when a handshake is complete: the peer waits no more.
	Settled() error

	// Pause waits for d, to some microseconds.
	Pause(d time.Duration)
}

// A Conn is one DTLS connection over one SCTP association. It is a net.Conn
// whose every Write is one message, and has methods beside that for
// messages and streams. All methods may be called at the same time by any goroutine.
//
// A Conn has no goroutine of its own: whoever reads makes everything progress
// that the peer begins, its close among them.
type Conn struct {
	assoc  association
	core   *dtlscore.Conn
	keys   *keyring
	config *Config

	partial bool // both ends have partial reliability (RFC 3758)

	own                         party // of ReadMessage, WriteMessage and so on
	readDeadline, writeDeadline deadline
	mux                         *stream.Mux // messages that nobody has asked for yet

	streams struct {
		sync.Mutex
		open map[uint16]*Stream // those that are claimed
	}

	gate     *gate                           // holds writers while keys change
	state    atomic.Pointer[ConnectionState] // of the last complete handshake; nil before
	writeEnd atomic.Pointer[error]           // why nothing can be written any more

	// For those who wait for something else than messages, and drive while nobody reads.
	wanted  atomic.Pointer[renegotiation] // nil if none is waited for
	update  atomic.Pointer[keyUpdate]     // likewise
	driving atomic.Bool                   // one of them has reading
	readers atomic.Int32                  // that wait for reading
	full    atomic.Bool                   // there is no room for messages until some are read

	space token        // held by the one writer who waits for buffer space
	crowd atomic.Int32 // writers who hold it or want to

	meter      meter // of what this end sends
	counted    counters
	half       atomic.Pointer[halfClose] // nil as long as CloseWrite was not called
	closing    atomic.Bool
	closed     chan struct{} // closed when Close is through
	peerClosed chan struct{} // closed when the peer's close_notify has come
	closeErr   error         // valid once closed is closed

	// reading is held by the one goroutine that reads from the association and obeys
	// the core. It guards the following.
	reading    token
	messages   *stream.Reader
	who        *party              // whose reader it is, or nil
	asks       ask                 // what for
	ended      error               // what readers get when no message is left
	doing      dtlscore.Event      // what the core wants next, and is not done yet
	flight     [][]byte            // records to be sent before doing, at most maxBatch
	asked      bool                // doing is a flush, and a dry event will come
	drained    int                 // bytes read by a drain that is not at its end
	holding    bool                // the gate is shut, the write deadline is the driver's
	brief      bool                // only for a control record
	told       bool                // the peer's close_notify has come
	dead       bool                // nothing can be sent or received any more
	down       error               // what the end of the association means, nil while it exists
	cause      uint16              // of the ABORT that ended it
	switched   bool                // something was sent under a key made by a handshake
	sentAt     time.Time           // of the last control record
	answerTime time.Duration       // from the first of them to what followed the peer's answer
	askedAt    time.Time           // when the one was sent from which the peer makes its key
	keyTime    time.Duration       // that it took from there to compute and install a key
	epoch      uint64              // that Trace was told of
	check      checkpoint          // the last one, if it is not passed
	held       map[int]stream.Info // of the messages that the core holds, by its numbers
}

// A token is a mutex that testing/synctest can see somebody wait for.
type token chan struct{}

func (t token) lock()   { t <- struct{}{} }
func (t token) unlock() { <-t }

func newConn(a association, config *Config, core *dtlscore.Conn) (*Conn, error) {
	agreement, err := a.AuthAgreement()
	if err == nil {
		err = agreement.Check()
	}
	if err != nil {
		return nil, err // no byte of DTLS without SCTP-AUTH: requirement 1.34
	}
	c := &Conn{
		assoc:      a,
		core:       core,
		config:     config,
		gate:       newGate(),
		closed:     make(chan struct{}),
		peerClosed: make(chan struct{}),
		reading:    make(token, 1),
		space:      make(token, 1),
		messages:   stream.NewReader(a),
		mux:        stream.NewMux(config.readQueue()),
		partial:    agreement.PartialReliability,
		holding:    true,
		held:       make(map[int]stream.Info),
	}
	c.keys = newKeyring(c.authSocket())
	c.streams.open = make(map[uint16]*Stream)
	c.own.queue = c.mux.Rest()
	c.readDeadline.set, c.readDeadline.user = a.SetReadDeadline, &c.own.read
	c.writeDeadline.set, c.writeDeadline.user = a.SetWriteDeadline, &c.own.write
	c.writeDeadline.take(time.Time{})
	return c, nil
}

// ok reports whether there is a connection at all. Methods of none return syscall.EINVAL, as those of package net do:
// an error path may close what Dial did not return.
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
	select {
	case c.reading <- struct{}{}: // also if ctx is done: then that ends the connection
	default:
		select {
		case c.reading <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	defer c.reading.unlock()
	if c.state.Load() != nil {
		return nil
	}
	if c.ended != nil {
		return c.ended
	}
	err := c.handshake(ctx)
	c.tellHandshake(err)
	return err
}

// handshake does the first handshake, with reading held.
func (c *Conn) handshake(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.handshakeTimeout())
	defer cancel()
	c.readDeadline.take(time.Time{})
	if c.closing.Load() { // Close has taken the deadline before
		return net.ErrClosed
	}
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		c.readDeadline.take(past)
		close(interrupted)
	})
	c.core.SetContext(ctx, callbackConn{c})
	defer c.core.SetContext(context.Background(), callbackConn{c}) // of renegotiations, which whoever reads brings on
	err := c.assoc.Handshaking(true)
	if err == nil {
		err = c.core.Start()
	}
	if err == nil {
		err = c.obey()
	}
	for err == nil && c.state.Load() == nil {
		_, _, err = c.step()
	}
	if !stop() {
		<-interrupted // lest it takes the deadline after it is given back
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
	c.messages.Release()
	c.readDeadline.giveBack()
	return nil
}

// A callbackConn is what callbacks find as [tls.ClientHelloInfo].Conn: who the peer is. crypto/tls shows the connection
// below TLS there, which is not to be read or written either.
type callbackConn struct{ c *Conn }

func (h callbackConn) LocalAddr() net.Addr            { return h.c.LocalAddr() }
func (h callbackConn) RemoteAddr() net.Addr           { return h.c.RemoteAddr() }
func (h callbackConn) Close() error                   { return h.c.assoc.Abort() } // which ends the handshake
func (callbackConn) Read([]byte) (int, error)         { return 0, errInCallback }
func (callbackConn) Write([]byte) (int, error)        { return 0, errInCallback }
func (callbackConn) SetDeadline(time.Time) error      { return errInCallback }
func (callbackConn) SetReadDeadline(time.Time) error  { return errInCallback }
func (callbackConn) SetWriteDeadline(time.Time) error { return errInCallback }

var errInCallback = fmt.Errorf("sctpdtls: a ClientHelloInfo's Conn has addresses only: the handshake is under way: %w", errors.ErrUnsupported)

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

// SetWriteDeadline makes writes fail with os.ErrDeadlineExceeded after t: nothing of the message was sent then.
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
	c.readDeadline.changed(&p.read)
	return nil
}

func (c *Conn) setWriteDeadline(p *party, t time.Time) error {
	if c.closing.Load() || p.isClosed() {
		return net.ErrClosed
	}
	p.write.set(t)
	c.writeDeadline.changed(&p.write)
	if c.driving.Load() { // perhaps for a writer
		c.readDeadline.poke()
	}
	return nil
}

// end makes err what readers get from now on, and writers too unless it is io.EOF: close_notify ends the peer's
// direction only.
func (c *Conn) end(err error) {
	if c.ended == nil {
		c.ended = err
	}
	if err == io.EOF {
		c.gate.poke()
		c.renegotiated(ErrPeerClosed)
		return
	}
	c.endWrites(err)
}

// endWrites makes err what writers get from now on, and those who wait for something that has to be written.
func (c *Conn) endWrites(err error) {
	c.writeEnd.CompareAndSwap(nil, &err)
	c.gate.poke()
	c.renegotiated(err)
	c.closedWrite(err)
}

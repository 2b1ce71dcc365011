package sctpdtls

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A Conn is a DTLS connection over an SCTP association. It is a net.Conn whose every Write sends
// one message, and has further methods for messages and streams. All methods can be called
// concurrently by any goroutine.
//
// From the handshake to its end, each Conn has a goroutine that reads from the association, so that
// it reacts to the peer and notices the end even if nobody reads. See [Conn.Context].
type Conn struct {
	assoc   stream.Association
	core    *dtlscore.Conn
	keys    *keyring
	config  *Config
	partial bool        // both ends have partial reliability (RFC 3758)
	closing atomic.Bool // by Close or Abort

	own     party                           // of ReadMessage, WriteMessage and so on
	state   atomic.Pointer[ConnectionState] // of the last complete handshake; nil before
	life    atomic.Pointer[lifetime]        // nil until somebody asks for its Context
	counted counters

	reading // what readers use
	writing // what writers use

	requests requests // to the owner
	alarm    alarm    // wakes the owner
	turn     turn     // to read from the association
	owner    owner    // alone reads from the association and obeys the core
}

// reading is what readers of a Conn use, and the owner.
type reading struct {
	mux     *stream.Mux           // messages that nobody has read yet
	full    atomic.Bool           // the owner waits for room in mux
	another atomic.Bool           // has arrived behind the last message, and nothing was sent since
	readEnd atomic.Pointer[error] // why nothing more will be received

	streams struct {
		sync.Mutex
		open map[uint16]*Stream // those that are claimed
	}
}

// writing is what writers of a Conn use, and the owner.
type writing struct {
	gate          *gate                   // holds writers while keys change
	writeEnd      atomic.Pointer[error]   // why nothing can be written any more
	closeWrite    atomic.Pointer[request] // that of CloseWrite, once it was called
	space         lazyToken               // held by the one writer who waits for buffer space
	writeDeadline writeDeadline
}

// A party is one for whom messages are kept, and who has deadlines: a Stream, or the Conn for all
// streams that nobody has claimed.
type party struct {
	read   readLimit // with its queue
	write  writeLimit
	closed chan struct{} // closed with a Stream; nil for a Conn
}

// reads makes q the queue of p, for which messages are read in turn.
func (p *party) reads(q *stream.Queue, t *turn) {
	p.read.queue, p.read.turn = q, t
}

func (p *party) isClosed() bool {
	if p.closed == nil {
		return false
	}
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

// noDeadlines removes the deadlines of p. A timer that is left would keep p, and the connection,
// until it has run out.
func (p *party) noDeadlines() {
	p.read.set(time.Time{})
	p.write.set(time.Time{})
}

// A token is a mutex that testing/synctest can see someone wait for.
type token chan struct{}

func (t token) lock()   { t <- struct{}{} }
func (t token) unlock() { <-t }

// A lifetime is the context of [Conn.Context], with what ends it.
type lifetime struct {
	context.Context
	end context.CancelCauseFunc
}

// A lazyToken is made when it is first needed, which in an idle connection is never.
type lazyToken struct {
	token  token
	once   sync.Once
	wanted atomic.Int32 // by so many, who hold it or want to
}

func (l *lazyToken) get() token {
	l.once.Do(func() { l.token = make(token, 1) })
	return l.token
}

// ok reports whether c is a connection. Methods of a nil or zero Conn return syscall.EINVAL, as
// those of package net do: an error path may close what Dial did not return.
func (c *Conn) ok() bool { return c != nil && c.assoc != nil }

// ConnectionState returns what the last handshake negotiated, or the zero value before the first
// handshake is complete.
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

// RemoteAddr returns the addresses of the peer, an *[Addr]. Do not use them to identify the peer
// (RFC 6083, Section 6).
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

// SetReadDeadline makes reads fail with os.ErrDeadlineExceeded after t. No data is lost. Each
// [Stream] has its own deadlines.
func (c *Conn) SetReadDeadline(t time.Time) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.setReadDeadline(&c.own, t)
}

// SetWriteDeadline makes writes fail with os.ErrDeadlineExceeded after t. Nothing of such a message
// has been sent.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.setWriteDeadline(&c.own, t)
}

// mayUse says whether p or the connection is closed.
func (c *Conn) mayUse(p *party) error {
	if c.closing.Load() || p.isClosed() {
		return net.ErrClosed
	}
	return nil
}

func (c *Conn) setReadDeadline(p *party, t time.Time) error {
	if err := c.mayUse(p); err != nil {
		return err
	}
	p.read.set(t)
	return c.keepDeadline(p)
}

func (c *Conn) setWriteDeadline(p *party, t time.Time) error {
	if err := c.mayUse(p); err != nil {
		return err
	}
	p.write.set(t)
	c.writeDeadline.changed(&p.write)
	return c.keepDeadline(p)
}

// keepDeadline is called after a deadline of p was set. If p was closed meanwhile, it may have been
// set after those of p were removed.
func (c *Conn) keepDeadline(p *party) error {
	err := c.mayUse(p)
	if err != nil {
		p.noDeadlines()
	}
	return err
}

// Context returns a context that is done when the peer will not send anything else: it has closed
// its direction, the connection has failed, or this end has closed it. Messages received before can
// still be read. [context.Cause] returns the error that reads return after them: io.EOF after the
// peer's close_notify, net.ErrClosed after Close or Abort, or the reason of the failure. Before the
// handshake is complete, the context is done only if the handshake has failed.
func (c *Conn) Context() context.Context {
	if !c.ok() {
		return context.Background()
	}
	if c.life.Load() == nil {
		l := new(lifetime)
		l.Context, l.end = context.WithCancelCause(context.Background())
		c.life.CompareAndSwap(nil, l)
		if end := c.readEnd.Load(); end != nil { // after it is stored, as endLife is after readEnd
			c.endLife(*end)
		} else if c.closing.Load() {
			c.endLife(net.ErrClosed)
		}
	}
	return c.life.Load().Context
}

// endLife ends the Context, if there is one.
func (c *Conn) endLife(err error) {
	if l := c.life.Load(); l != nil {
		l.end(err)
	}
}

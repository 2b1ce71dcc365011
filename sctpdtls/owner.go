package sctpdtls

import (
	"context"
	"errors"
	"io"
	"net"
	"os"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A token is a mutex that testing/synctest can see somebody wait for.
type token chan struct{}

func (t token) lock()   { t <- struct{}{} }
func (t token) unlock() { <-t }

// owned is what only the owner of a Conn uses.
type owned struct {
	messages *stream.Reader
	driver
	ending
	telling
}

// ending is how a connection ends.
type ending struct {
	ended      error  // what readers get when no message is left
	peerClosed bool   // the peer's close_notify has come
	peerShut   bool   // SHUTDOWN of the peer has come
	closed     bool   // by Close or Abort
	closeErr   error  // then: what Close returns
	dead       bool   // nothing can be sent or received any more
	failure    error  // then: why
	down       error  // what the end of the association means, nil while it exists
	cause      uint16 // of the ABORT that ended it
}

// run is the goroutine of a connection. It alone reads from the association and obeys the core,
// from the end of the first handshake until the connection has ended, or Close or Abort takes its
// place. It holds owner, which the handshake has taken.
func (c *Conn) run() {
	defer c.owner.unlock()
	defer c.messages.Release()
	for !c.dead && !c.closing.Load() {
		if c.alarm.rung.Load() {
			c.alarm.reset()
			c.begin()
		}
		err := c.obey()
		if err == nil {
			err = c.read()
		}
		switch {
		case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		case err == errPending:
			c.awaitRoom()
		case c.closing.Load(): // Close finds out
		default:
			c.finish(err)
		}
	}
}

// advance reads one message or event, and does all that follows from it.
func (c *Conn) advance() error {
	if err := c.read(); err != nil {
		return err
	}
	return c.obey()
}

// read reads one message or event, and processes it.
func (c *Conn) read() error {
	if c.mustPause() {
		return errPending
	}
	m, ev, err := c.messages.Next(true)
	if err != nil {
		return c.over(err)
	}
	return c.take(m, ev)
}

// mustPause reports whether there is no room for more messages. After the peer's close_notify none
// come.
func (c *Conn) mustPause() bool { return c.mux.Full() && c.ended == nil }

// awaitRoom waits until there is room for messages, or somebody rings.
func (c *Conn) awaitRoom() {
	c.full.Store(true)
	if !c.mux.Full() { // somebody has taken messages meanwhile, and may not have seen full
		c.full.Store(false)
		return
	}
	c.messages.Release()
	<-c.alarm.bell
}

// makesRoom is called when messages were taken.
func (c *Conn) makesRoom() {
	if c.full.Load() && !c.mux.Full() && c.full.Swap(false) {
		c.alarm.ring()
	}
}

// begin begins what somebody has asked for, or what is due.
func (c *Conn) begin() {
	c.beginUpkeep()
	if r := c.requests.first(keyUpdateTask); r != nil && !r.begun {
		c.beginKeyUpdate(r)
	}
	if r := c.requests.first(closeWriteTask); r != nil && !r.begun {
		r.begun = true
		c.core.Close()
	}
	if r := c.requests.first(renegotiateTask); r != nil && !r.begun {
		c.beginRenegotiation(r)
	}
}

// beginKeyUpdate begins r, and answers it if nothing is to be done for it.
func (c *Conn) beginKeyUpdate(r *request) {
	if c.peerClosed {
		c.finished(keyUpdateTask, ErrPeerClosed) // which cannot acknowledge it
		return
	}
	r.begun = true
	if err := c.core.KeyUpdate(r.ask); err != nil {
		c.finished(keyUpdateTask, err)
	} else if !c.hasEvents() {
		c.finished(keyUpdateTask, nil) // another one is under way
	}
}

func (c *Conn) beginRenegotiation(r *request) {
	if c.peerClosed {
		c.finished(renegotiateTask, ErrPeerClosed)
		return
	}
	r.begun = true
	// An error that ends the connection is found by obey.
	if err := c.core.Renegotiate(); errors.Is(err, dtlscore.ErrNotOpen) {
		c.finished(renegotiateTask, net.ErrClosed)
	} else if err != nil {
		c.finished(renegotiateTask, err)
	}
}

// finished answers the request of a task that was begun, if there is one, and has the next one
// begun.
func (c *Conn) finished(t task, err error) {
	if r := c.requests.first(t); r == nil || !r.begun && err == nil {
		return
	}
	if c.requests.finish(t, err) {
		c.alarm.ring()
	}
}

// end makes err what readers get from now on, and writers too, unless it is the peer's
// close_notify.
func (c *Conn) end(err error) {
	if c.ended == nil {
		c.ended = err
		c.readEnd.Store(&err)
		c.life.cancel(err)
		c.mux.Wake()
		c.tellEnd(err)
	}
	if err == io.EOF {
		c.gate.poke()
		c.requests.finishAll(renegotiateTask, ErrPeerClosed)
		return
	}
	c.endWrites(err)
}

// endWrites makes err what writers get from now on.
func (c *Conn) endWrites(err error) {
	c.writeEnd.CompareAndSwap(nil, &err)
	c.gate.poke()
	c.requests.finishAll(renegotiateTask, err)
	c.requests.finishAll(closeWriteTask, err)
}

// finish makes err, which is final, what readers get. After a close_notify nothing is wrong.
func (c *Conn) finish(err error) {
	switch {
	case !c.peerClosed:
		c.fail(err)
	case err != io.EOF:
		c.giveUp(err)
	}
}

// Context returns a context that is done as soon as the peer will send nothing more: it has closed
// its direction, the connection has failed, or it was closed here. Messages that were received
// before can still be read. [context.Cause] of it is the error that reads return after them: io.EOF
// after the peer's close_notify, net.ErrClosed after Close or Abort, or what went wrong. Before the
// handshake is complete it is not done unless the handshake has failed.
func (c *Conn) Context() context.Context {
	if !c.ok() {
		return context.Background()
	}
	return c.life.Context
}

// A cancelCause is a context with what ends it.
type cancelCause struct {
	context.Context
	cancel context.CancelCauseFunc
}

func newCancelCause() (o cancelCause) {
	o.Context, o.cancel = context.WithCancelCause(context.Background())
	return o
}

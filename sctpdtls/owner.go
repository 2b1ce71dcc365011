package sctpdtls

import (
	"errors"
	"net"
	"os"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// run is the goroutine of a connection, from the end of the first handshake until the connection
// has ended, or Close or Abort takes its place. It alone obeys the core, and reads from the
// association unless it has lent its turn to do so. It holds owner, which the handshake has taken.
func (c *Conn) run() {
	defer c.owner.unlock()
	defer c.messages.Release()
	for !c.dead && !c.closing.Load() {
		if c.alarm.rung.Load() {
			c.alarm.reset()
			if c.closing.Load() {
				continue // which it may have been rung for, and will not be again
			}
			c.begin()
		}
		err := c.obey()
		switch {
		case err != nil:
		case c.mayLend():
			err = c.lend()
		default:
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

// awaitRoom waits until there is room for messages, or someone rings.
func (c *Conn) awaitRoom() {
	c.full.Store(true)
	if !c.mux.Full() { // someone has taken messages meanwhile, and may not have seen full
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

// begin begins what someone has asked for, or what is due.
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

// hasEvents reports whether the core wants something.
func (c *Conn) hasEvents() bool {
	if c.current.Kind == dtlscore.EventNone {
		c.current = c.core.NextEvent()
	}
	return c.current.Kind != dtlscore.EventNone
}

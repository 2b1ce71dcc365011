package sctpdtls

import (
	"errors"
	"net"
	"os"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// run is the goroutine of a connection, from the end of the first handshake until the connection
// has ended, or Close or Abort takes its place. It holds the token, which the handshake has taken.
func (o *owner) run() {
	defer o.unlock()
	defer o.messages.Release()
	for !o.dead && !o.closing.Load() {
		if o.alarm.rung.Load() {
			o.alarm.reset()
			if o.closing.Load() {
				continue // which it may have been rung for, and will not be again
			}
			o.begin()
		}
		err := o.obey()
		switch {
		case err != nil:
		case o.mayLend():
			err = o.lend()
		default:
			err = o.read()
		}
		switch {
		case err == nil, errors.Is(err, os.ErrDeadlineExceeded):
		case err == errPending:
			o.awaitRoom()
		case o.closing.Load(): // Close finds out
		default:
			o.finish(err)
		}
	}
}

// advance reads one message or event, and does all that follows from it.
func (o *owner) advance() error {
	if err := o.read(); err != nil {
		return err
	}
	return o.obey()
}

// read reads one message or event, and processes it.
func (o *owner) read() error {
	if o.mustPause() {
		return errPending
	}
	m, ev, err := o.messages.Next(true)
	if err != nil {
		return o.over(err)
	}
	return o.take(m, ev)
}

// awaitRoom waits until there is room for messages, or someone rings.
func (o *owner) awaitRoom() {
	o.full.Store(true)
	if !o.mux.Full() { // someone has taken messages meanwhile, and may not have seen full
		o.full.Store(false)
		return
	}
	o.messages.Release()
	o.alarm.wait()
}

// begin begins what someone has asked for, or what is due.
func (o *owner) begin() {
	o.beginUpkeep()
	if r := o.requests.first(keyUpdateTask); r != nil && !r.begun {
		o.beginKeyUpdate(r)
	}
	if r := o.requests.first(closeWriteTask); r != nil && !r.begun {
		r.begun = true
		o.core.Close()
	}
	if r := o.requests.first(renegotiateTask); r != nil && !r.begun {
		o.beginRenegotiation(r)
	}
}

// beginKeyUpdate begins r, and answers it if nothing is to be done for it.
func (o *owner) beginKeyUpdate(r *request) {
	if o.peerClosed {
		o.finished(keyUpdateTask, ErrPeerClosed) // which cannot acknowledge it
		return
	}
	r.begun = true
	if err := o.core.KeyUpdate(r.ask); err != nil {
		o.finished(keyUpdateTask, err)
	} else if !o.hasEvents() {
		o.finished(keyUpdateTask, nil) // another one is under way
	}
}

func (o *owner) beginRenegotiation(r *request) {
	if o.peerClosed {
		o.finished(renegotiateTask, ErrPeerClosed)
		return
	}
	r.begun = true
	// An error that ends the connection is found by obey.
	if err := o.core.Renegotiate(); errors.Is(err, dtlscore.ErrNotOpen) {
		o.finished(renegotiateTask, net.ErrClosed)
	} else if err != nil {
		o.finished(renegotiateTask, err)
	}
}

// hasEvents reports whether the core wants something.
func (o *owner) hasEvents() bool {
	if o.current.Kind == dtlscore.EventNone {
		o.current = o.core.NextEvent()
	}
	return o.current.Kind != dtlscore.EventNone
}

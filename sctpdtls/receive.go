package sctpdtls

import (
	"context"
	"errors"
	"io"
	"net"
	"os"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A party is one for whom messages are kept, and who has deadlines: a Stream, or the Conn for all
// streams that nobody has claimed.
type party struct {
	queue       *stream.Queue
	read, write timeLimit
	closed      chan struct{} // closed with a Stream; nil for a Conn
}

func (p *party) isClosed() bool {
	select {
	case <-p.closed:
		return true
	default:
		return false
	}
}

// An ask is what a reader waits for.
type ask uint8

const (
	someBytes ask = iota // of one message
	aMessage             // whole
	aSign                // that there is a message
)

// recv waits for what is asked for, and puts it into b.
//
// Of those who wait at the same time, the one who holds reading reads from the association, and obeys the
// core. What is for others it keeps for them and wakes them; when it has what it wants, one of them takes
// over.
func (c *Conn) recv(p *party, b []byte, what ask) (n int, info MessageInfo, err error) {
	if err := c.HandshakeContext(context.Background()); err != nil {
		return 0, info, err
	}
	for done := false; ; {
		if err := c.mayUse(p); err != nil {
			return 0, info, err
		}
		if n, info, done, err = c.kept(p, b, what); done {
			return n, info, err
		}
		select {
		case c.turn() <- struct{}{}:
		default:
			if holds, err := c.waitToRead(p, what); err != nil {
				return 0, info, err
			} else if !holds {
				continue
			}
		}
		n, info, done, err = c.readFor(p, b, what)
		c.reading.unlock()
		if done {
			return n, info, err
		}
	}
}

// mayUse says whether p or the connection is closed.
func (c *Conn) mayUse(p *party) error {
	if c.closing.Load() || p.isClosed() {
		return net.ErrClosed
	}
	return nil
}

// kept takes what is asked for from what was kept for p.
func (c *Conn) kept(p *party, b []byte, what ask) (n int, info MessageInfo, done bool, err error) {
	switch what {
	case aSign:
		return 0, info, p.queue.Has(true), nil
	case someBytes:
		n, done = p.queue.Read(b)
	case aMessage:
		var length int
		var i stream.Info
		if n, i, length, done = p.queue.ReadMessage(b); done {
			info = messageInfo(i, length)
		}
		if n < 0 {
			return 0, info, true, io.ErrShortBuffer
		}
	}
	c.makesRoom()
	return n, info, done, nil
}

func messageInfo(i stream.Info, length int) MessageInfo {
	return MessageInfo{Stream: i.Stream, PPID: i.PPID, Unordered: i.Unordered, Length: length}
}

// waitToRead waits until the caller holds reading, or has a reason to look around.
func (c *Conn) waitToRead(p *party, what ask) (holds bool, err error) {
	c.readers.Add(1)
	defer c.readers.Add(-1)
	if c.driving.Load() {
		c.readDeadline.poke() // readers come before those who only drive
	}
	changed := c.gate.changed() // before looking
	if c.mayUse(p) != nil || p.queue.Has(what != someBytes) {
		return false, nil
	}
	select {
	case c.turn() <- struct{}{}:
		return true, nil
	case <-p.queue.Ready():
	case <-p.read.wait():
		return false, os.ErrDeadlineExceeded
	case <-p.closed:
	case <-changed:
	}
	return false, nil
}

// readFor reads from the association until there is what is asked for, an error, or no room for what
// is for others. It runs with reading held.
func (c *Conn) readFor(p *party, b []byte, what ask) (n int, info MessageInfo, done bool, err error) {
	c.readDeadline.use(&p.read)
	c.who, c.asks = p, what
	defer c.letRead()
	for {
		c.readDeadline.unpoke() // before looking
		if n, info, done, err = c.kept(p, b, what); done {
			return n, info, true, err
		}
		if err := c.mayUse(p); err != nil {
			return 0, info, true, err
		}
		if c.mux.Full() {
			if c.ended != nil {
				return 0, info, true, c.ended
			}
			if c.fills() {
				return 0, info, false, nil
			}
		}
		data, i, err := c.step()
		switch {
		case err == nil && data != nil:
			if what == aSign {
				c.mux.Put(data, i)
			} else if n, done = p.queue.Deliver(data, i, b, what == aMessage); done {
				return n, messageInfo(i, len(data)), true, nil
			} else if p.read.passed() { // where messages for others, or empty ones, come without end
				return 0, info, true, os.ErrDeadlineExceeded
			}
		case err == nil, err == errPending:
		case c.closing.Load():
			return 0, info, true, net.ErrClosed // and Close goes on with it
		case errors.Is(err, os.ErrDeadlineExceeded):
			if p.read.passed() && !c.served() {
				return 0, info, true, err
			}
		default:
			if err = c.finish(err); !c.served() {
				return 0, info, true, err
			}
		}
	}
}

// letRead ends readFor.
func (c *Conn) letRead() {
	c.who = nil
	c.messages.Release()
}

// served reports whether whoever reads has what it asks for. It runs with reading held.
func (c *Conn) served() bool { return c.who != nil && c.who.queue.Has(c.asks != someBytes) }

// fills reports whether there is no room for messages, and if so has those who would read wait until
// there is. It runs with reading held.
func (c *Conn) fills() bool {
	c.full.Store(true)
	if c.mux.Full() {
		return true
	}
	c.makesRoom() // somebody has taken messages meanwhile, and may not have seen full
	return false
}

// makesRoom is called when messages were taken.
func (c *Conn) makesRoom() {
	if c.full.Load() && !c.mux.Full() && c.full.Swap(false) {
		c.gate.poke()
	}
}

// finish ends the connection because of err. It returns what readers get: after a close_notify nothing is wrong for
// them, whatever writers are told.
func (c *Conn) finish(err error) error {
	if !c.told {
		return c.fail(err)
	}
	if err != io.EOF {
		c.giveUp(err)
	}
	return io.EOF
}

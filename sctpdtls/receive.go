package sctpdtls

import (
	"context"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// reading is what readers of a Conn use, and the owner.
type reading struct {
	mux     *stream.Mux           // messages that nobody has read yet
	full    atomic.Bool           // the owner waits for room in mux
	readEnd atomic.Pointer[error] // why nothing more will be received

	streams struct {
		sync.Mutex
		open map[uint16]*Stream // those that are claimed
	}
}

// A party is one for whom messages are kept, and who has deadlines: a Stream, or the Conn for all
// streams that nobody has claimed.
type party struct {
	queue       *stream.Queue
	read, write timeLimit
	closed      chan struct{} // closed with a Stream; nil for a Conn
}

// reads makes q the queue of p.
func (p *party) reads(q *stream.Queue) { p.queue, p.read.queue = q, q }

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

// An ask is what a reader waits for.
type ask uint8

const (
	someBytes ask = iota // of one message
	aMessage             // whole
	aSign                // that there is a message
)

// recv waits for what is asked for, and puts it into b.
func (c *Conn) recv(p *party, b []byte, what ask) (n int, info MessageInfo, err error) {
	if err := c.HandshakeContext(context.Background()); err != nil {
		return 0, info, err
	}
	for done := false; ; {
		seen := p.queue.Changes() // before looking
		if err := c.mayUse(p); err != nil {
			return 0, info, err
		}
		end := c.readEnd.Load() // what was received before the end comes first
		if c.mux.Size() > 0 {
			if n, info, done, err = c.kept(p, b, what); done {
				return n, info, err
			}
		}
		if end != nil {
			return 0, info, *end
		}
		if p.read.passed() {
			return 0, info, os.ErrDeadlineExceeded
		}
		p.queue.Wait(seen)
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

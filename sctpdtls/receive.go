package sctpdtls

import (
	"io"
	"os"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// ReadMessage waits for the next message on any stream without a [Stream], and stores it in b. If b
// is too short, it returns io.ErrShortBuffer with the length of the message in info.Length. The
// message stays for the next call, so a loop that ignores this error never gets any further.
// [MaxMessageSize] bytes are always enough, or ConnectionState.MaxRead bytes if both ends have set
// [Config].MaxMessageSize.
//
// It returns io.EOF after the peer's close_notify; an [AssociationError], which matches
// io.ErrUnexpectedEOF, if the association ended without one; and a [TruncationError], which matches
// the same, if messages were removed on the way.
func (c *Conn) ReadMessage(b []byte) (n int, info MessageInfo, err error) {
	if !c.ok() {
		return 0, info, syscall.EINVAL
	}
	return c.recv(&c.own, b, aMessage)
}

// Read reads the bytes of the messages on all streams without a [Stream], as they arrive. It never
// stores bytes of two messages in b; what does not fit stays for the next call of Read. Errors are
// those of [Conn.ReadMessage].
func (c *Conn) Read(b []byte) (n int, err error) {
	if !c.ok() || len(b) == 0 {
		return 0, c.Handshake()
	}
	n, _, err = c.recv(&c.own, b, someBytes)
	return n, err
}

// ReadMessages waits for the next message, as [Conn.ReadMessage] does, and also returns those that
// have arrived after it, as many as fit into b and msgs. It returns their number. Their Data are in
// b, one after the other. This saves work if messages are small. If b is too short for the first
// message, it returns io.ErrShortBuffer, with the Length in msgs[0]; so with a nil b it only waits,
// unless the message is empty.
//
// An error is returned alone, after all messages before it. Errors are those of ReadMessage.
func (c *Conn) ReadMessages(b []byte, msgs []Message) (n int, err error) {
	if !c.ok() || len(msgs) == 0 {
		return 0, syscall.EINVAL
	}
	size, info, err := c.recv(&c.own, b, theFirst)
	msgs[0] = Message{b[:size:size], info}
	if err != nil {
		return 0, err
	}
	for n, at := 1, size; ; n++ {
		if n == len(msgs) {
			return n, nil
		}
		var took bool
		if size, info, took, err = c.kept(&c.own, b[at:], aMessage); !took || err != nil {
			return n, nil // an error is that the message does not fit
		}
		msgs[n] = Message{b[at : at+size : at+size], info}
		at += size
	}
}

// A wish is what a reader waits for.
type wish uint8

const (
	someBytes wish = iota // of one message
	aMessage              // whole
	theFirst              // of several messages, of which the others are kept
	aSign                 // that there is a message
)

// recv waits for what is asked for, and puts it into b.
func (c *Conn) recv(p *party, b []byte, what wish) (n int, info MessageInfo, err error) {
	if c.state.Load() == nil {
		if err := c.Handshake(); err != nil {
			return 0, info, err
		}
	}
	for done := false; ; {
		seen := p.read.queue.Changes() // before looking
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
		reads := what <= theFirst
		if !reads || !c.turn.take() {
			c.turn.await(p.read.queue, seen, reads)
			continue
		}
		var direct []byte // where a message may be put that was not kept
		if what != someBytes {
			direct = b
		}
		if n, info, done = c.owner.readFor(p.read.queue, seen, direct, what == theFirst); done {
			return n, info, nil
		}
	}
}

// kept takes what is asked for from what was kept for p.
func (c *Conn) kept(p *party, b []byte, what wish) (n int, info MessageInfo, done bool, err error) {
	switch what {
	case aSign:
		return 0, info, p.read.queue.Has(true), nil
	case someBytes:
		n, done = p.read.queue.Read(b)
	default:
		var length int
		var i stream.Info
		if n, i, length, done = p.read.queue.ReadMessage(b); done {
			info = messageInfo(i, length)
		}
		if n < 0 {
			return 0, info, true, io.ErrShortBuffer
		}
	}
	c.makesRoom()
	return n, info, done, nil
}

// makesRoom is called when messages were taken.
func (c *Conn) makesRoom() {
	if c.full.Load() && !c.mux.Full() && c.full.Swap(false) {
		c.alarm.ring()
	}
}

package sctpdtls

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// MaxMessageSize is the size in bytes of the largest message: what one DTLS record holds (RFC 6083, Section 1.1).
const MaxMessageSize = 1 << 14

// MessageInfo is what SCTP carries beside a message. All of it crosses the
// network in clear; SCTP-AUTH protects it from change (RFC 6083, Section 6).
type MessageInfo struct {
	Stream    uint16
	PPID      uint32        // payload protocol identifier, in host byte order
	Unordered bool          // may overtake other messages of its stream
	Lifetime  time.Duration // of a partially reliable message (RFC 3758); 0 is reliable. Not set by ReadMessage.
	Length    int           // of the message in bytes; set by ReadMessage
}

// ReadMessage waits for the next message, of any stream, and puts it into b. When b is
// too short it returns io.ErrShortBuffer and info.Length; the message stays
// for the next call. It returns io.EOF after the peer's close_notify; an
// [AssociationError], which is an io.ErrUnexpectedEOF, when the association ended without.
func (c *Conn) ReadMessage(b []byte) (n int, info MessageInfo, err error) {
	if err := c.HandshakeContext(context.Background()); err != nil {
		return 0, info, err
	}
	c.lockToRead()
	defer c.reading.unlock()
	defer c.messages.Release()
	m, err := c.next()
	if err != nil {
		return 0, info, err
	}
	info = MessageInfo{Stream: m.info.Stream, PPID: m.info.PPID, Unordered: m.info.Unordered, Length: len(m.data)}
	if len(m.data) > len(b) {
		c.unread(m)
		return 0, info, io.ErrShortBuffer
	}
	return copy(b, m.data), info, nil
}

// Read reads the bytes of messages, of all streams as they come. It never
// puts bytes of two messages into b; what does not fit stays for the next call of Read.
func (c *Conn) Read(b []byte) (n int, err error) {
	if err := c.HandshakeContext(context.Background()); err != nil {
		return 0, err
	}
	if len(b) == 0 {
		return 0, nil
	}
	c.lockToRead()
	defer c.reading.unlock()
	defer c.messages.Release()
	if c.closing.Load() {
		return 0, net.ErrClosed
	}
	for len(c.rest) == 0 {
		m, err := c.next()
		if err != nil {
			return 0, err
		}
		n = copy(b, m.data)
		c.rest = append(c.rest[:0], m.data[n:]...)
		if n > 0 { // an empty message is nothing to a reader of bytes
			return n, nil
		}
	}
	n = copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// next waits for the next application message, with reading held. Its data may be in the
// buffer of c.messages.
func (c *Conn) next() (message, error) {
	for {
		if len(c.pending) > 0 {
			m := c.pending[0]
			c.pending[0] = message{}
			c.pending = c.pending[1:]
			if c.size -= len(m.data); c.size < maxPending/2 && c.full.Swap(false) {
				c.gate.poke()
			}
			return m, nil
		}
		c.pending = nil
		if c.closing.Load() {
			return message{}, net.ErrClosed
		}
		c.readDeadline.unpoke()
		data, info, err := c.step()
		switch {
		case err == nil && data != nil:
			return message{data, info}, nil
		case err == nil, err == errPending:
		case c.closing.Load():
			return message{}, net.ErrClosed // and Close goes on with it
		case errors.Is(err, os.ErrDeadlineExceeded) && !c.told:
			if len(c.pending) == 0 && !c.retry(err, &c.readDeadline) {
				return message{}, err
			}
		default:
			if err = c.finish(err); len(c.pending) == 0 {
				return message{}, err
			}
		}
	}
}

// finish makes err, which is final, what readers get. After a close_notify nothing is wrong.
func (c *Conn) finish(err error) error {
	if c.told {
		c.end(io.EOF)
		return io.EOF
	}
	return c.fail(err)
}

// unread puts m back as the next message.
func (c *Conn) unread(m message) {
	m.data = append([]byte(nil), m.data...)
	c.pending = append([]message{m}, c.pending...)
	c.size += len(m.data)
}

// records are shared, for an idle Conn should hold none. Each has room for the largest record.
var records = sync.Pool{New: func() any { return new([stream.MaxMessageSize]byte) }}

// WriteMessage sends b as one message, which is one record, as info says. It waits for
// buffer space, and while a handshake changes keys. b must not be longer than
// [MaxMessageSize]. It keeps no reference to b. Any number of goroutines may write at
// once; each encrypts for itself.
func (c *Conn) WriteMessage(b []byte, info MessageInfo) error {
	if len(b) > MaxMessageSize {
		return &MessageTooLargeError{len(b)}
	}
	if err := c.HandshakeContext(context.Background()); err != nil {
		return err
	}
	if s := c.state.Load(); info.Stream >= s.OutStreams {
		return &StreamError{info.Stream, s.OutStreams}
	}
	buf := records.Get().(*[stream.MaxMessageSize]byte)
	defer records.Put(buf)
	for {
		if err := c.enter(); err != nil {
			return err
		}
		record, err := c.core.Seal(buf[:0], b)
		if err == nil {
			err = c.assoc.Send(record, stream.Info{Stream: info.Stream, PPID: info.PPID, Unordered: info.Unordered, Lifetime: info.Lifetime})
		}
		c.gate.leave()
		switch {
		case err == nil:
			c.written(len(b))
			return nil
		case errors.Is(err, dtlscore.ErrUpkeepDue):
			c.readDeadline.poke()
			err = c.waitWhile(c.core.UpkeepDue)
			if err != nil {
				return c.writeError(err)
			}
		case !c.retry(err, &c.writeDeadline):
			return c.writeError(err)
		}
	}
}

// Write sends b as one message on [Config].DefaultStream with [Config].PPID. A b of more than [MaxMessageSize]
// bytes becomes several messages, which a reader of messages cannot put together again.
func (c *Conn) Write(b []byte) (n int, err error) {
	info := MessageInfo{Stream: c.config.DefaultStream, PPID: c.config.PPID}
	for {
		part := b[n:min(len(b), n+MaxMessageSize)]
		if err := c.WriteMessage(part, info); err != nil {
			return n, err
		}
		if n += len(part); n == len(b) {
			return n, nil
		}
	}
}

// enter waits until the gate is open and goes through. The caller must leave.
func (c *Conn) enter() error {
	for {
		if c.gate.enter() {
			if end := c.writeEnd.Load(); end != nil {
				c.gate.leave()
				return *end
			}
			return nil
		}
		if err := c.waitWhile(c.gate.isShut); err != nil {
			return err
		}
	}
}

// waitWhile waits as long as blocked says so, which changes with the gate.
func (c *Conn) waitWhile(blocked func() bool) error {
	changed := c.gate.changed() // before looking
	if !blocked() {
		return nil
	}
	if end := c.writeEnd.Load(); end != nil {
		return *end
	}
	t := c.writeDeadline.get()
	var timeout <-chan time.Time // only for those who wait anyway
	if !t.IsZero() {
		if c.writeDeadline.passed() {
			return os.ErrDeadlineExceeded
		}
		timer := time.NewTimer(time.Until(t))
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-changed:
	case <-timeout:
	case c.turn() <- struct{}{}:
		// Nobody reads, so that nobody would open the gate.
		defer c.reading.unlock()
		if !t.IsZero() {
			defer time.AfterFunc(time.Until(t), c.readDeadline.poke).Stop()
		}
		c.drive(func() bool {
			return !blocked() || c.writeDeadline.get() != t || c.writeDeadline.passed()
		})
	}
	return nil
}

// writeError says what err of a write means. What ended the connection can be read, an alert among it.
func (c *Conn) writeError(err error) error {
	switch {
	case c.closing.Load():
		return net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, dtlscore.ErrKeysUsedUp):
		return err
	case errors.Is(err, dtlscore.ErrNotOpen), errors.Is(err, net.ErrClosed), isEnd(err):
		c.awaitEnd()
	}
	if end := c.writeEnd.Load(); end != nil {
		return *end
	}
	return &AssociationError{End: AssociationLost, Err: err}
}

// isEnd reports whether err of the association means that it has ended.
func isEnd(err error) bool {
	_, ok := errors.AsType[*sctpsock.AssociationError](err)
	return ok || errors.Is(err, syscall.EPIPE)
}

// awaitEnd waits until it is known why a connection has ended: it is being read, or is read now. In
// vain if there is no room for the messages that stand before it, until the write deadline passes.
func (c *Conn) awaitEnd() {
	unknown := func() bool { return c.writeEnd.Load() == nil }
	for unknown() && !c.full.Load() && c.waitWhile(unknown) == nil {
	}
}

package sctpdtls

import (
	"errors"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/internal/largebuf"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// WriteMessage sends b as one message, which is one record, as info says. It waits for buffer
// space, and while a handshake changes keys. b must not be longer than ConnectionState.MaxWrite,
// which is [MaxMessageSize] unless both ends have set [Config].MaxMessageSize. WriteMessage neither
// changes b nor retains it. Any number of goroutines can call it at the same time; each encrypts
// its own message.
//
// It returns when the kernel has accepted the message. Messages that are not acknowledged when the
// connection ends may be lost; [Conn.Close] reports that. After a [MessageTooLargeError], a
// [StreamError], a [PartialReliabilityError] or os.ErrDeadlineExceeded, nothing of the message was
// sent and the connection continues, as it does after an info with both limits. After the end of
// the connection, the error says how it ended.
func (c *Conn) WriteMessage(b []byte, info MessageInfo) error {
	if !c.ok() {
		return syscall.EINVAL
	}
	return c.send(&c.own, b, &info)
}

// Write sends b as one message on [Config].DefaultStream with [Config].PPID. For more than
// ConnectionState.MaxWrite bytes, it returns a [MessageTooLargeError] and sends nothing, because a
// reader of messages could not reassemble several. Otherwise it is like WriteMessage.
func (c *Conn) Write(b []byte) (n int, err error) {
	if !c.ok() {
		return 0, syscall.EINVAL
	}
	return c.write(&c.own, b, MessageInfo{Stream: c.config.DefaultStream, PPID: c.config.PPID})
}

func (c *Conn) write(p *party, b []byte, info MessageInfo) (n int, err error) {
	if err := c.send(p, b, &info); err != nil {
		return 0, err
	}
	return len(b), nil
}

// records are shared, for an idle Conn should hold none. Each has room for the largest usual
// record.
var records = sync.Pool{New: func() any { return new([stream.MaxMessageSize]byte) }}

var errTwoLimits = errors.New(
	"sctpdtls: a message has a Lifetime or a limit of Retransmissions, not both (RFC 7496, Section 3)")

// send sends b as one message for p. Writers encrypt side by side, each for itself, and go straight
// to the kernel. Where that has no space for a record, its writer and all who come later line up.
func (c *Conn) send(p *party, b []byte, m *MessageInfo) error {
	if m.partial() {
		if err := c.mayGiveUp(m); err != nil {
			return err
		}
	}
	s := c.state.Load()
	if s == nil {
		if err := c.Handshake(); err != nil {
			return err
		}
		s = c.state.Load()
	}
	if len(b) > s.MaxWrite {
		return c.tooLarge(len(b))
	}
	if m.Stream >= s.OutStreams {
		return &StreamError{m.Stream, s.OutStreams}
	}
	info := m.info()
	info.SackImmediately = c.mayBeLast()
	if len(b) > MaxMessageSize {
		buf := largebuf.Get(len(b) + dtlscore.MaxOverhead)
		defer largebuf.Put(buf)
		return c.sendIn(buf[:0], p, b, &info)
	}
	buf := records.Get().(*[stream.MaxMessageSize]byte)
	err := c.sendIn(buf[:0], p, b, &info)
	records.Put(buf)
	return err
}

// mayBeLast reports whether the message that is about to be sent may be the last one before a
// flush, which must not take 200 ms. It is not if many go one way, or if it answers a message
// behind which the next one has arrived already, whose answer will follow. Acknowledged at once,
// messages with many under way cost up to 8 % more.
func (c *Conn) mayBeLast() bool {
	return !c.counted.oneWay() && !(c.another.Load() && c.another.Swap(false))
}

// tooLarge is the error of a message of size bytes.
func (c *Conn) tooLarge(size int) error {
	s := c.state.Load()
	return &MessageTooLargeError{Size: size, Limit: s.MaxWrite, Own: s.MaxRead}
}

// sendIn sends b as a record for which there is room in buf.
func (c *Conn) sendIn(buf []byte, p *party, b []byte, info *stream.Info) error {
	if c.space.wanted.Load() == 0 {
		if err := c.sealAndSend(p, buf, b, info, false); err != stream.ErrWouldBlock {
			return err
		}
	}
	return c.lineUp(p, buf, b, info)
}

// lineUp is sendIn where writers wait for space. It is a function of its own, for one that may
// defer calls is slow even when it does not.
func (c *Conn) lineUp(p *party, buf, b []byte, info *stream.Info) error {
	c.space.wanted.Add(1)
	defer c.space.wanted.Add(-1)
	if err := c.waitForSpace(p); err != nil {
		return err
	}
	defer c.space.get().unlock()
	return c.sealAndSend(p, buf, b, info, true)
}

// mayGiveUp says what is wrong with the limits of a message that has any.
func (c *Conn) mayGiveUp(m *MessageInfo) error {
	switch {
	case !c.config.SCTP.PartialReliability:
		return &PartialReliabilityError{}
	case !c.partial:
		return &PartialReliabilityError{Peer: true}
	case m.Lifetime != 0 && m.Retransmissions != 0:
		return errTwoLimits
	}
	return nil
}

// waitForSpace waits until the caller holds space.
func (c *Conn) waitForSpace(p *party) error {
	for {
		changed := c.gate.changed() // before looking
		if err := c.mayWrite(p); err != nil {
			return err
		}
		select {
		case c.space.get() <- struct{}{}:
			return nil
		case <-p.write.wait():
			return os.ErrDeadlineExceeded
		case <-p.closed:
		case <-changed:
		}
	}
}

func (c *Conn) mayWrite(p *party) error {
	if c.closeWrite.Load() != nil {
		return net.ErrClosed
	}
	return c.mayUse(p)
}

// sealAndSend makes a record and sends it. If there is no space for it, it waits, with space held,
// or returns stream.ErrWouldBlock. A record that was not sent is made again: keys may have changed.
func (c *Conn) sealAndSend(p *party, buf, b []byte, info *stream.Info, wait bool) error {
	for {
		if wait {
			c.writeDeadline.use(&p.write) // before looking
		}
		if err := c.mayWrite(p); err != nil {
			return err
		}
		if p.write.passed() {
			return os.ErrDeadlineExceeded
		}
		if err := c.enter(p); err != nil {
			return err
		}
		record, err := c.core.Seal(buf, b)
		if err == nil && wait {
			err = c.assoc.Send(record, *info)
		} else if err == nil {
			err = c.assoc.TrySend(record, *info)
		}
		c.gate.leave()
		switch {
		case err == nil:
			c.written(p, len(b))
			return nil
		case err == stream.ErrWouldBlock:
			return err
		case errors.Is(err, dtlscore.ErrUpkeepDue):
			c.alarm.ring()
			if err := c.waitWhile(c.core.UpkeepDue, p); err != nil {
				return err
			}
		case !errors.Is(err, os.ErrDeadlineExceeded): // which may be that of the driver
			return c.writeError(err, p, len(b))
		}
	}
}

// enter waits until the gate is open and goes through. The caller must leave.
func (c *Conn) enter(p *party) error {
	for {
		if c.gate.enter() {
			if end := c.writeEnd.Load(); end != nil {
				c.gate.leave()
				return *end
			}
			return nil
		}
		if err := c.waitWhile(c.gate.isShut, p); err != nil {
			return err
		}
	}
}

// waitWhile waits as long as blocked says so, which changes with the gate. It may return before.
func (c *Conn) waitWhile(blocked func() bool, p *party) error {
	changed := c.gate.changed() // before looking
	if !blocked() {
		return nil
	}
	if end := c.writeEnd.Load(); end != nil {
		return *end
	}
	if p.isClosed() || c.closeWrite.Load() != nil {
		return net.ErrClosed
	}
	select {
	case <-changed:
	case <-p.write.wait():
		return os.ErrDeadlineExceeded
	case <-p.closed:
		return net.ErrClosed
	}
	return nil
}

// writeError says what err of a write of size bytes means. What ended the connection can be read,
// an alert among it.
func (c *Conn) writeError(err error, p *party, size int) error {
	switch {
	case c.closing.Load(), c.closeWrite.Load() != nil:
		return net.ErrClosed
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, dtlscore.ErrKeysUsedUp):
		return err
	case errors.Is(err, dtlscore.ErrTooLarge), errors.Is(err, syscall.EMSGSIZE):
		return c.tooLarge(size) // by other keys, or for a buffer that someone has made smaller
	case errors.Is(err, dtlscore.ErrNotOpen), errors.Is(err, net.ErrClosed), isEnd(err):
		c.awaitEnd(p)
	}
	if end := c.writeEnd.Load(); end != nil {
		return *end
	}
	return &AssociationError{State: AssocLost, Err: err}
}

// isEnd reports whether err of the association means that it has ended.
func isEnd(err error) bool {
	_, ok := errtype.As[*stream.EndError](err)
	return ok || errors.Is(err, syscall.EPIPE)
}

// awaitEnd waits until it is known why a connection has ended: it is being read, or is read now. In
// vain if there is no room for the messages that stand before it, until the write deadline passes.
func (c *Conn) awaitEnd(p *party) {
	unknown := func() bool { return c.writeEnd.Load() == nil }
	for unknown() && !c.full.Load() && c.waitWhile(unknown, p) == nil {
	}
}

// written is called after each message that p has sent.
func (c *Conn) written(p *party, n int) {
	c.counted.sent(n)
	if c.counted.nearKeyLife() && c.config.traces() {
		go c.tellAuthKey(c.state.Load().AuthKeyID, AuthKeyNearLimit) // who is told will dial, perhaps
	}
	if c.upkeepDue() {
		c.alarm.ring()
		c.waitWhile(c.upkeepDue, p) // until the owner begins, lest writers outrun it
	}
}

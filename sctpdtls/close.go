package sctpdtls

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Close ends the connection: it waits until the peer has acknowledged all that
// was written, sends close_notify, waits for the peer's, and shuts the
// association down (RFC 6083, Section 4.9). It takes at most [Config].CloseTimeout; when
// not all that was written could be delivered in that time, it aborts the association and returns an error. Reads and
// writes that are waiting return net.ErrClosed. Further calls wait and return the same.
func (c *Conn) Close() error {
	if !c.closing.CompareAndSwap(false, true) {
		<-c.closed
		return c.closeErr
	}
	defer close(c.closed)
	c.interrupt()
	// Deadlines bound what waits. A peer that sends faster than a drain can read is bounded by this.
	defer time.AfterFunc(c.config.closeTimeout()+alertTime, func() { c.assoc.Abort() }).Stop()
	c.reading.lock()
	defer c.reading.unlock()
	c.closeErr = c.close()
	c.keys.stop()
	c.end(net.ErrClosed)
	c.messages.Release()
	return c.closeErr
}

// Abort ends the connection and the association at once, and tells the peer
// nothing: it reads a truncation. It also ends a Close that is waiting.
func (c *Conn) Abort() error {
	if !c.closing.CompareAndSwap(false, true) {
		return c.assoc.Abort()
	}
	defer close(c.closed)
	c.interrupt()
	c.closeErr = c.assoc.Abort() // wakes whoever reads or writes
	c.reading.lock()
	defer c.reading.unlock()
	c.giveUp(net.ErrClosed)
	c.messages.Release()
	return c.closeErr
}

// interrupt wakes all who read or write; closing is set.
func (c *Conn) interrupt() {
	werr := net.ErrClosed
	c.writeEnd.CompareAndSwap(nil, &werr)
	c.gate.poke()
	c.readDeadline.take(past)
}

func (c *Conn) close() error {
	if c.state.Load() == nil || c.ended != nil && !c.told {
		if c.ended == nil {
			return c.assoc.Abort() // a handshake that nobody waits for any more
		}
		return c.assoc.Close()
	}
	until := time.Now().Add(c.config.closeTimeout())
	c.readDeadline.take(until)
	c.mux.Discard()

	// 1. What was written, then close_notify. After the peer's it has gone already.
	c.core.Close()
	err := c.obey()
	if err != nil && err != io.EOF {
		c.assoc.Abort()
		if errors.Is(err, os.ErrDeadlineExceeded) || reached(until) {
			return &CloseTimeoutError{}
		}
		return err
	}
	// 2. The peer's close_notify. A peer that does not read will not send it, but its SCTP answers.
	c.readDeadline.take(until.Add(-c.config.closeTimeout() / 4))
	for err == nil && !c.told {
		_, _, err = c.step()
	}
	// 3. All acknowledged, the association can go. Where nothing answers any more, the kernel would
	// go on trying for minutes, and keep the keys as long.
	if c.down == nil {
		c.readDeadline.take(until)
		if err := c.assoc.Shutdown(); err == nil && !c.waitForDown() {
			return c.assoc.Abort()
		}
	}
	return c.assoc.Close()
}

// waitForDown reads until SCTP has exchanged its SHUTDOWN chunks, and reports whether it has before the time is up.
func (c *Conn) waitForDown() bool {
	for {
		_, ev, err := c.messages.Next(true)
		if ev != nil {
			c.tellEvent(ev)
		}
		if _, ok := ev.(stream.Down); ok {
			return true
		}
		if err != nil {
			return !errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
}

package sctpdtls

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Close ends the connection: it waits until the peer has acknowledged everything that was written,
// sends close_notify, waits up to a second for the peer's, and shuts the association down (RFC
// 6083, Section 4.9). It takes at most [Config].CloseTimeout; if not everything could be delivered
// in that time, it aborts the association and returns an error. Blocked reads and writes return
// net.ErrClosed. Further calls wait and return the same result.
//
// If the connection has already ended, by a fatal alert or with the association, Close returns the
// error that ended it, or nil if the peer closed it. It also returns an alert that arrives instead
// of the peer's close_notify, such as that of a peer that misses messages ([TruncationError]).
//
// If the peer is unreachable, Close takes the whole CloseTimeout, unless SCTP already knows that
// all paths have failed. To end many connections, close each in its own goroutine, or call
// [Conn.Abort] if their data need not be delivered.
func (c *Conn) Close() error {
	if !c.ok() {
		return syscall.EINVAL
	}
	if c.closing.CompareAndSwap(false, true) {
		c.interrupt()
	}
	// Deadlines bound what waits. A peer that sends faster than a drain can read is bounded by this.
	defer time.AfterFunc(c.config.closeTimeout()+alertTime, func() { c.assoc.Abort() }).Stop()
	c.owner.lock()
	defer c.owner.unlock()
	if !c.owner.closed {
		c.owner.release(c.owner.close())
	}
	return c.owner.result
}

// release ends what Close or Abort has closed, whose result is err.
func (o *owner) release(err error) {
	o.closed, o.result = true, err
	o.keys.stop()
	o.end(net.ErrClosed)
	o.forget()
	o.dead = true
	o.requests.close(net.ErrClosed)
	o.messages.Release()
	o.mux.Discard() // messages that nobody can read any more
	o.own.noDeadlines()
	o.streams.Lock()
	defer o.streams.Unlock()
	for _, s := range o.streams.open {
		s.noDeadlines()
	}
}

// Abort ends the connection and the association at once, without a close_notify: the peer reports a
// truncation. It also ends a Close that is waiting.
func (c *Conn) Abort() error {
	if !c.ok() {
		return syscall.EINVAL
	}
	if c.closing.CompareAndSwap(false, true) {
		c.interrupt()
	}
	err := c.assoc.Abort() // wakes whoever reads or writes
	c.owner.lock()
	defer c.owner.unlock()
	if !c.owner.closed {
		c.owner.giveUp(net.ErrClosed)
		c.owner.release(err)
	}
	return err
}

// CloseWrite closes the direction from this end to the peer: it waits until the peer has
// acknowledged everything that was written, and sends close_notify (RFC 6083, Section 4.9). Further
// writes return net.ErrClosed. Reads continue up to the peer's close_notify. Call Close afterwards
// as usual.
//
// Each direction closes separately: after reading io.EOF, an end can still write until it calls
// CloseWrite or Close. RFC 8446, Section 6.1 specifies this for DTLS 1.3. RFC 5246, Section 7.2.1
// requires a DTLS 1.2 peer to close at once and discard pending writes; a client that waits for an
// answer would mistake that for a clean end. This package treats DTLS 1.2 like 1.3, as crypto/tls
// does for TLS. Other peers may follow RFC 5246.
//
// CloseWrite takes at most [Config].CloseTimeout. An error that matches os.ErrDeadlineExceeded
// means that the peer has not acknowledged everything yet; the connection continues to send it.
func (c *Conn) CloseWrite() error {
	if err := c.HandshakeContext(context.Background()); err != nil {
		return err
	}
	if c.closing.Load() {
		return net.ErrClosed
	}
	if r := newRequest(closeWriteTask); c.closeWrite.CompareAndSwap(nil, r) {
		c.gate.poke() // for writers who wait
		c.requests.add(r)
		c.alarm.ring()
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.config.closeTimeout())
	defer cancel()
	return c.closeWrite.Load().wait(ctx)
}

// interrupt wakes all who read or write; closing is set.
func (c *Conn) interrupt() {
	werr := net.ErrClosed
	c.writeEnd.CompareAndSwap(nil, &werr)
	c.endLife(net.ErrClosed)
	c.mux.Wake()
	c.gate.poke()
	c.alarm.ring()
}

// lostTime is how long Close waits for a peer to which no path leads, as far as SCTP knows: for one
// that has just come back.
const lostTime = 200 * time.Millisecond

// lostPaths reports whether all paths have failed: SCTP has sent on each so often without success
// as PathMaxRetrans says.
func (c *Conn) lostPaths() bool {
	paths, err := c.Paths()
	active := func(p Path) bool { return p.State != PathInactive }
	return err == nil && len(paths) > 0 && !slices.ContainsFunc(paths, active)
}

// goodbyeTime is how long Close waits for the peer to close as well.
const goodbyeTime = time.Second

func (o *owner) close() error {
	switch {
	case o.ended() == nil && o.state.Load() == nil:
		return o.assoc.Abort() // a handshake that nobody waits for any more
	case o.dead:
		if err := o.assoc.Close(); err != nil || o.state.Load() == nil {
			return err
		}
		return unlessClosed(o.result)
	}
	limit := o.config.closeTimeout()
	if o.lostPaths() {
		limit = min(limit, lostTime)
	}
	until := time.Now().Add(limit)
	o.alarm.limitTo(until)
	o.mux.Discard()

	// 1. What was written, then close_notify, unless CloseWrite has sent that.
	o.core.Close()
	err := o.obey()
	if endedByAlert(err) {
		o.finish(err)
		return err
	}
	if err != nil {
		o.assoc.Abort()
		if errors.Is(err, os.ErrDeadlineExceeded) || time.Until(until) <= 0 {
			return &CloseTimeoutError{}
		}
		return unlessClosed(err)
	}
	// 2. The peer's close_notify, for a short time: nothing depends on it, as the peer has
	//    acknowledged everything. A program that does not read, or has more to write, does not send
	//    it, but its SCTP answers.
	o.alarm.limitTo(time.Now().Add(min(goodbyeTime, time.Until(until)*3/4)))
	for err == nil && !o.peerClosed {
		err = o.advance()
	}
	if endedByAlert(err) { // in place of it
		o.finish(err)
		return err
	}
	// 3. All acknowledged, the association can go. Where nothing answers any more, the kernel would
	// go on trying for minutes, and keep the keys as long.
	if o.down == nil {
		o.alarm.limitTo(until)
		if err := o.assoc.Shutdown(); err == nil && !o.waitForDown() {
			return o.assoc.Abort()
		}
	}
	return o.assoc.Close()
}

func endedByAlert(err error) bool {
	_, ok := errtype.As[*AlertError](err)
	return ok
}

// unlessClosed is what Close returns when err has ended the connection. If the peer closed it, SCTP
// has delivered before all that was written (RFC 9260, Section 9.2).
func unlessClosed(err error) error {
	if err == ErrPeerClosed || err == io.EOF {
		return nil
	}
	return err
}

// waitForDown reads until SCTP has exchanged its SHUTDOWN chunks, and reports whether it has before
// the time is up.
func (o *owner) waitForDown() bool {
	for {
		_, ev, err := o.messages.Next(true)
		if ev != nil {
			o.tellEvent(ev)
		}
		if ev, ok := ev.(stream.AssocChange); ok && ev.State != AssocUp {
			return true
		}
		if err != nil {
			return !errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
}

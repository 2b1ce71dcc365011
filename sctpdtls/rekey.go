package sctpdtls

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// A RekeyPolicy says when this end makes new keys for what it sends: after so many records, or bytes
// of messages, or so much time. 0 is never, but for the limits of the cipher suite, which DTLS
// 1.3 keeps by itself. In DTLS 1.3 that is a KeyUpdate; in DTLS 1.2 a renegotiation, if
// [Config].Renegotiation allows it and a client has RFC 5746. Age is looked at when something is sent.
type RekeyPolicy struct {
	Records uint64
	Bytes   uint64
	Age     time.Duration
}

// KeyUpdate makes new keys of DTLS 1.3 for what this end sends, and with peer set asks the peer to do so
// too (RFC 8446, Section 4.6.3). It returns when the peer was told; the new keys are in use when the peer
// has answered. Reads and writes go on meanwhile, except that writes wait until what was written before has arrived.
// It does the work itself if nobody reads. The key of SCTP-AUTH stays: only a new
// association, or a renegotiation of DTLS 1.2, changes that; see [Config].OnKeyLife.
//
// Errors that match os.ErrDeadlineExceeded, or the context's, do not end the connection, nor those that match
// ErrMisuse (as for another version than 1.3) or ErrKeysUsedUp of package dtlscore.
func (c *Conn) KeyUpdate(ctx context.Context, peer bool) error {
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.handshakeTimeout())
	defer cancel()
	u := &keyUpdate{ask: peer, done: make(chan struct{})}
	for !c.update.CompareAndSwap(nil, u) {
		if other := c.update.Load(); other != nil {
			if err := c.await(ctx, other.done); err != nil {
				return err
			}
		}
	}
	if err := c.await(ctx, u.done); err != nil {
		return err
	}
	return u.err
}

// A keyUpdate is one that somebody waits for.
type keyUpdate struct {
	ask   bool
	begun bool          // guarded by Conn.reading
	done  chan struct{} // closed when it was sent
	err   error         // valid then
}

// await waits until done is closed. Whoever reads brings that about; while nobody does, it does so itself.
func (c *Conn) await(ctx context.Context, done <-chan struct{}) error {
	isDone := func() bool {
		select {
		case <-done:
			return true
		default:
			return false
		}
	}
	c.readDeadline.poke() // a reader begins it, if there is one
	for {
		changed := c.gate.changed() // before looking
		select {
		case <-done:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("sctpdtls: new keys are not there yet: %w", errors.Join(ctx.Err(), os.ErrDeadlineExceeded))
		case <-changed:
		case c.turn() <- struct{}{}:
			stop := context.AfterFunc(ctx, c.readDeadline.poke)
			c.drive(func() bool { return isDone() || ctx.Err() != nil })
			stop()
			c.reading.unlock()
		}
	}
}

// beginUpdate begins the KeyUpdate that somebody waits for, with reading held.
func (c *Conn) beginUpdate() {
	u := c.update.Load()
	switch {
	case u == nil:
	case c.dead:
		c.updated(*c.writeEnd.Load())
	case u.begun:
	case c.closing.Load():
		c.updated(net.ErrClosed) // it came at the same time
	case c.told:
		c.updated(ErrPeerClosed) // which cannot acknowledge it
	default:
		u.begun = true
		if err := c.core.KeyUpdate(u.ask); err != nil {
			c.updated(err)
		} else if !c.hasEvents() {
			c.updated(nil) // another one is under way
		}
	}
}

// hasEvents reports whether the core wants something.
func (c *Conn) hasEvents() bool {
	if c.doing.Kind == dtlscore.EventNone {
		c.doing = c.core.NextEvent()
	}
	return c.doing.Kind != dtlscore.EventNone
}

// updated tells whoever waits for a KeyUpdate, with reading held.
func (c *Conn) updated(err error) {
	if u := c.update.Load(); u != nil && (u.begun || err != nil) {
		c.update.Store(nil)
		u.err = err
		close(u.done)
	}
}

// A meter counts what was sent under the present keys.
type meter struct {
	records atomic.Uint64 // since DTLS had new keys or was asked for them, if the policy counts them
	bytes   atomic.Uint64 // of messages, likewise
	since   atomic.Int64  // when that was, in nanoseconds of Unix time
	chunks  atomic.Uint64 // DATA chunks, or some more, since SCTP-AUTH had a new key
	warned  atomic.Bool   // OnKeyLife was called
}

// keyLife is how many chunks one key of SCTP-AUTH may authenticate in each direction. Transmission
// sequence numbers are what stops replays, and have 32 bits: RFC 4895, Section 9, and requirement 1.70.
const keyLife = 1 << 31

// chunkPayload is the least that a full DATA chunk carries: the path's MTU may be 512 bytes.
const chunkPayload = 400

func (m *meter) count(n int, p *RekeyPolicy) {
	if p.Records > 0 { // the core counts too, but not from the last attempt
		m.records.Add(1)
	}
	m.bytes.Add(uint64(n))
	m.chunks.Add(uint64(1 + n/chunkPayload))
}

// newKeys is called when DTLS has new keys, newAuthKey when SCTP-AUTH has.
func (m *meter) newKeys() {
	m.records.Store(0)
	m.bytes.Store(0)
	m.since.Store(time.Now().UnixNano())
}

func (m *meter) newAuthKey() {
	m.chunks.Store(0)
	m.warned.Store(false)
	m.newKeys()
}

// rekeyDue reports whether the policy wants new keys, and they can be had.
func (c *Conn) rekeyDue() bool {
	p := &c.config.RekeyAfter
	return (p.Bytes > 0 && c.meter.bytes.Load() >= p.Bytes ||
		p.Records > 0 && c.meter.records.Load() >= p.Records ||
		p.Age > 0 && time.Since(time.Unix(0, c.meter.since.Load())) >= p.Age) && c.canRekey()
}

// canRekey reports whether this end may make new keys by itself.
func (c *Conn) canRekey() bool {
	s := c.state.Load()
	return s != nil && (s.Version == VersionDTLS13 || c.config.Renegotiation != RenegotiateNever)
}

// written is called after each message of p that was sent.
func (c *Conn) written(p *party, n int) {
	c.meter.count(n, &c.config.RekeyAfter)
	c.counted.sent(n)
	if c.meter.chunks.Load() > keyLife/4*3 && !c.meter.warned.Swap(true) && c.config.OnKeyLife != nil {
		go c.config.OnKeyLife(c) // it will dial, perhaps
	}
	if c.core.UpkeepDue() || c.rekeyDue() {
		c.upkeep(p)
	}
}

// upkeep has done what the connection needs from time to time, by the reader if there is one, and else by the writer p
// until its deadline. What is not done then goes on with the next call of any.
func (c *Conn) upkeep(p *party) {
	c.readDeadline.poke()
	select {
	case c.turn() <- struct{}{}:
		defer c.reading.unlock()
		begun := false
		c.driveFor(p, func() bool { // once
			defer func() { begun = true }()
			return begun && !c.holding
		})
	default:
	}
}

// beginUpkeep begins what is due, with reading held.
func (c *Conn) beginUpkeep() {
	if c.dead || c.state.Load() == nil || c.closing.Load() {
		return
	}
	if c.core.UpkeepDue() {
		c.core.Upkeep() // an error that ends the connection is found by obey
	}
	if !c.rekeyDue() {
		return
	}
	c.meter.newKeys() // not again before so much was sent once more, whether it works or not
	if c.state.Load().Version == VersionDTLS13 {
		c.core.KeyUpdate(false)
	} else {
		c.core.Renegotiate()
	}
}

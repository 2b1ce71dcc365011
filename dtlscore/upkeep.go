package dtlscore

import "errors"

// A record of DTLS 1.3 carries 16 bits of its sequence number, and the peer
// takes the number that is nearest to the one that it expects next. So no
// record may be 2^15 away from that, in whatever order records arrive. RFC
// 9147, Section 4.2.2.
//
// maxWindow has room for writers who look at the same time.
const maxWindow = 1<<15 - 1<<10

// UpkeepDue reports whether [Conn.Upkeep] should be called soon. Like Seal it
// may be called at any time by any goroutine, and costs next to nothing.
func (c *Conn) UpkeepDue() bool {
	e := c.app.Load()
	return e != nil && (e.anchorDue() || e.updateDue())
}

// Upkeep queues what a connection needs from time to time: new keys before the
// old ones have protected all that they may, and a halt until everything has
// arrived, so that record numbers stay unambiguous. It does nothing if
// nothing is due. Events have to be taken after it.
func (c *Conn) Upkeep() error {
	e := c.app.Load()
	switch {
	case c.err != nil:
		return c.err
	case e == nil:
		return nil
	}
	if e.updateDue() {
		if err := c.KeyUpdate(UpdateNotRequested); !errors.Is(err, ErrKeysUsedUp) {
			return err
		}
		e.updating.Store(true) // there will be none: these keys serve up to their limit
	}
	if e.anchorDue() {
		c.anchor(e)
	}
	return nil
}

// updateDue reports whether the keys should be replaced.
func (e *writeEpoch) updateDue() bool {
	return e.window > 0 && e.nearLimit() && !e.updating.Load()
}

func (e *writeEpoch) nearLimit() bool {
	return e.next.Load() >= e.limits.rekeyAt() ||
		e.limits.blocks > 0 && e.blocks.Load() >= e.limits.rekeyAtBlock()
}

// anchorDue reports whether the window is half used.
func (e *writeEpoch) anchorDue() bool {
	return e.window > 0 && e.next.Load()-e.anchor.Load() >= e.window/2 && !e.anchoring.Load()
}

// anchor makes sure that the peer has seen a recent record number, also if all
// other messages are partially reliable and were given up: an empty ACK is a
// record that means nothing. When it has arrived, and all that was sent with
// it, the window begins again there.
func (c *Conn) anchor(e *writeEpoch) {
	e.anchoring.Store(true)
	number := new(recordNumber)
	c.pushNumbered(contentACK, []byte{0, 0}, number)
	c.push(EventAwaitDry)
	c.pushThen(func() error {
		e.anchor.Store(number.sequence)
		e.bound.Store(false)
		e.anchoring.Store(false)
		return nil
	})
	c.push(EventResume)
}

package dtlscore

import "errors"

// A record of DTLS 1.3 contains only 16 bits of its sequence number. The receiver chooses the
// number that is nearest to the one that it expects. So the number of a record must be within 2^15
// of the expected one, whatever the order of arrival. See RFC 9147, Section 4.2.2.
//
// maxWindow leaves room for writers that check the window concurrently.
const maxWindow = 1<<15 - 1<<10

// UpkeepDue reports whether [Conn.Upkeep] should be called soon. It is cheap, and may be called by
// any goroutine at any time.
func (c *Conn) UpkeepDue() bool {
	e := c.app.Load()
	return e != nil && (e.anchorDue() || e.updateDue())
}

// Upkeep queues what a connection needs from time to time: new keys before the old ones reach their
// limit, and a pause until everything has arrived, so that record numbers remain unambiguous. It
// does nothing if nothing is due. The driver must take the events afterwards.
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
		e.updating.Store(true) // no more KeyUpdates: these keys are used up to their limit
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

// anchorDue reports whether half of the window is used.
func (e *writeEpoch) anchorDue() bool {
	return e.window > 0 && e.next.Load()-e.anchor.Load() >= e.window/2 && !e.anchoring.Load()
}

// anchor makes sure that the peer has received a recent record number, even if all other messages
// are partially reliable and were abandoned. It sends an empty ACK, which has no effect. When that
// and everything sent before it have arrived, the window starts there.
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

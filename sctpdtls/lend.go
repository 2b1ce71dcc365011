package sctpdtls

// crowdTime is how many messages the owner reads itself when several readers have waited.
const crowdTime = 256

// mayLend reports whether a reader wants to read, and none else waits.
func (c *Conn) mayLend() bool {
	if c.alone > 0 {
		c.alone--
		return false
	}
	return c.turn.wanted.Load() && c.turn.wanted.Swap(false) && c.turn.waiting.Load() <= 1 &&
		!c.mustPause()
}

// lend has readers read until the turn comes back, and processes what they leave to the owner.
func (c *Conn) lend() error {
	t := &c.turn
	t.taken++ // or a tick would take it at once
	if t.state.Store(lent); t.waiting.Load() > 0 {
		c.mux.Wake() // who waits for a queue, and is to read
	}
	if !t.ticking.Swap(true) {
		t.later()
	}
	for t.state.Load() != owners {
		<-c.alarm.bell
		if c.alarm.rung.Load() { // which a reader sees, or there is none
			t.state.CompareAndSwap(lent, owners)
		}
	}
	if t.crowded.Swap(false) {
		c.alone = crowdTime
	}
	found := c.found
	c.found = finding{}
	switch {
	case found.failed != nil:
		return found.failed
	case found.err != nil:
		return c.over(found.err)
	case found.event != nil:
		return c.event(found.event)
	}
	return nil
}

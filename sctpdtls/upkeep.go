package sctpdtls

import (
	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// upkeepDue reports whether beginUpkeep has something to do.
func (c *Conn) upkeepDue() bool { return c.core.UpkeepDue() || c.rekeyDue() }

// beginUpkeep begins what is due, with owner held.
func (c *Conn) beginUpkeep() {
	if c.dead || c.state.Load() == nil || c.closing.Load() || !c.upkeepDue() {
		return
	}
	defer c.gate.poke() // for writers who wait for that
	if c.core.UpkeepDue() {
		c.core.Upkeep() // an error that ends the connection is found by obey
	}
	if !c.rekeyDue() {
		return
	}
	c.counted.newKeys() // not again before so much was sent once more, whether it works or not
	if c.state.Load().Version == VersionDTLS13 {
		c.core.KeyUpdate(dtlscore.UpdateNotRequested)
	} else {
		c.core.Renegotiate()
	}
}

// rekeyDue reports whether the policy wants new keys, and they can be had.
func (c *Conn) rekeyDue() bool {
	p := &c.config.RekeyAfter
	return *p != (RekeyPolicy{}) && c.counted.wantNewKeys(p) && c.canRekey()
}

// canRekey reports whether this end may make new keys by itself.
func (c *Conn) canRekey() bool {
	s := c.state.Load()
	return s != nil && (s.Version == VersionDTLS13 || c.config.Renegotiation != RenegotiateNever)
}

package sctpdtls

import (
	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// upkeepDue reports whether beginUpkeep has something to do.
func (c *Conn) upkeepDue() bool { return c.core.UpkeepDue() || c.rekeyDue() }

// beginUpkeep begins what is due.
func (o *owner) beginUpkeep() {
	if o.dead || o.state.Load() == nil || o.closing.Load() || !o.upkeepDue() {
		return
	}
	defer o.gate.poke() // for writers who wait for that
	if o.core.UpkeepDue() {
		o.core.Upkeep() // an error that ends the connection is found by obey
	}
	if !o.rekeyDue() {
		return
	}
	o.counted.newKeys() // not again before so much was sent once more, whether it works or not
	if o.state.Load().Version == VersionDTLS13 {
		o.core.KeyUpdate(dtlscore.UpdateNotRequested)
	} else {
		o.core.Renegotiate()
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

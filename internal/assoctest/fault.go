package assoctest

// Cut lets nothing through any more, either way, until Mend. Each end gives the association up
// after about twice Options.GiveUp, for a heartbeat comes first.
func (a *Assoc) Cut() { a.setDown(true) }

// Mend ends Cut.
func (a *Assoc) Mend() { a.setDown(false) }

func (a *Assoc) setDown(down bool) {
	h := a.network.hosts[0]
	h.SetDown(h.Addrs()[0], down)
}

// Restart begins the association again from this end's address and port, as a host does that has
// lost its state (RFC 9260, Section 5.2), and returns the new association's end there; a is of no
// use any more. It is nil if the other end refuses it.
func (a *Assoc) Restart() *Assoc {
	a.network.hosts[a.end].Reset()
	a.Abort() // which nobody hears
	again, err := a.network.dial(a.end, &a.options, a.options.config())
	if err != nil {
		return nil
	}
	return again
}

// Remove has someone on the path remove the next n messages that this end sends, and acknowledge
// them in the other's name, which SCTP does not notice. The rest of an ordered stream waits for
// ever.
func (a *Assoc) Remove(n int) { a.network.thieves[a.end].steal(n) }

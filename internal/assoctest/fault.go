package assoctest

// Cut makes the network lose all packets in both directions until Mend is called. Each endpoint
// fails after about twice Options.GiveUp, because it sends a HEARTBEAT first.
func (a *Assoc) Cut() { a.setDown(true) }

// Mend ends the effect of Cut.
func (a *Assoc) Mend() { a.setDown(false) }

func (a *Assoc) setDown(down bool) {
	h := a.network.hosts[0]
	h.SetDown(h.Addrs()[0], down)
}

// Restart sets up the association again from this endpoint's address and port, as a host does that
// has lost its state (RFC 9260, Section 5.2). It returns this endpoint of the new association, or
// nil if the peer refuses it. a must not be used afterwards.
func (a *Assoc) Restart() *Assoc {
	a.network.hosts[a.end].Reset()
	a.Abort() // the peer does not receive the ABORT
	again, err := a.network.dial(a.end, &a.options, a.options.config())
	if err != nil {
		return nil
	}
	return again
}

// Remove simulates an attacker on the path who removes the next n messages that this endpoint sends
// and acknowledges them on behalf of the peer, which SCTP does not detect. The rest of an ordered
// stream waits forever.
func (a *Assoc) Remove(n int) { a.network.thieves[a.end].steal(n) }

package sctpcore

import (
	"encoding/binary"
	"time"
)

// What follows is path MTU discovery for each path by probes, which a HEARTBEAT and a PAD chunk
// make as large as wanted: RFC 8899 (DPLPMTUD), Section 6.2, and RFC 4820. ICMP messages, which
// anybody can forge, are not needed and not believed.

// Constants of RFC 8899, Sections 5.1.1 and 5.1.2. BASE_PLPMTU is Config.MTU, MAX_PLPMTU
// Config.MaxMTU.
const (
	minPLPMTU  = 512 // with UDP and IPv4 headers less than the 576 that any host takes; RFC 791
	maxProbes  = 3
	probeTimer = time.Second // at least, and an RTO
	probeDelay = 100 * time.Millisecond
	raiseTimer = 10 * time.Minute

	probeStep = 16 // when a larger packet would not be larger by more, the search is complete
)

// plpmtu is what is known of the size of packets on a path. RFC 8899, Section 5.1.3.
type plpmtu struct {
	mtu    int // PLPMTU: packets from the common header on have no more, DATA made before apart
	failed int // the least size of which all probes were lost; 0 if there is none
	former int // what mtu was when packets ceased to arrive; 0 if that is settled

	probed     int           // PROBED_SIZE, 0 if no probe is on its way
	probes     int           // PROBE_COUNT
	probeNonce uint64        // of all probes of one size
	probeAt    time.Duration // PROBE_TIMER, or PMTU_RAISE_TIMER if no probe is on its way
	sendProbe  bool
	stalls     int // timeouts of T3-rtx in a row although mtu is not above Config.MTU
}

// discovers reports whether there is a size to search for.
func (c *Config) discovers() bool { return c.MaxMTU > c.MTU }

// setMTU changes the size of packets on a path.
func (a *Assoc) setMTU(p *path, mtu int) {
	p.mtu = mtu
	p.pmdcs = a.pmdcs(mtu)
	a.resize()
}

// resize finds the size to which messages are cut: fragments have to fit on every path where they
// may go again. RFC 9260, Section 7.3. With IPv6, what proves too large cannot be fragmented by
// routers, so no chunk is made that does not fit everywhere: packets above Config.MTU have several.
func (a *Assoc) resize() {
	mtu, ip6 := 0, false
	for _, p := range a.paths {
		if p.state == PathActive || p.state == PathPotentiallyFailed {
			if mtu == 0 || p.mtu < mtu {
				mtu = p.mtu
			}
			ip6 = ip6 || p.peer.Addr().Is6()
		}
	}
	if mtu == 0 {
		mtu = a.config.MTU
	}
	a.cut = a.pmdcs(mtu)
	if safe := a.pmdcs(a.config.MTU); ip6 && a.cut > safe {
		n := (a.cut + safe - 1) / safe
		a.cut = a.cut / n &^ 3
	}
}

// scheduleSearch has the search begin soon after the association is established, when what the user
// sends first has gone. Half of the time is random: nothing else happens at the same moment in a
// simulation, and it stays a function of its seed.
func (a *Assoc) scheduleSearch(p *path) {
	if a.config.discovers() && p.state == PathActive {
		p.probeAt = a.now + probeDelay/2 + time.Duration(a.nonce()%uint64(probeDelay/2))
	}
}

// search begins to search for a larger size on a path that answers. RFC 8899, Section 5.2.
func (a *Assoc) search(p *path) {
	p.failed = 0
	a.probeNext(p)
}

// stopSearch ends it: the path does not answer.
func (p *plpmtu) stopSearch() { p.probed, p.sendProbe, p.probeAt = 0, false, never }

// probeNext sends a probe of the next size, if there is one.
func (a *Assoc) probeNext(p *path) {
	p.stopSearch()
	if !a.config.discovers() || a.state != StateEstablished || p.state != PathActive {
		return
	}
	if p.probed = p.nextSize(a.config.MTU&^3, p.mostMTU(a.config)); p.probed == 0 {
		if p.mtu < p.mostMTU(a.config) {
			p.probeAt = a.now + raiseTimer // the path may become another
		}
		return
	}
	p.probes, p.probeNonce = 0, a.nonce()
	p.sendProbe = true
}

// mostMTU is MAX_PLPMTU of a path.
func (p *path) mostMTU(c *Config) int {
	if p.peer.Addr().Is6() {
		return (c.MaxMTU - 20) &^ 3
	}
	return c.MaxMTU &^ 3
}

// nextSize chooses what to probe: what was good before, then the most, as most paths have it, then
// what is halfway. RFC 8899, Section 5.3.2. It is 0 when the search is complete.
func (p *plpmtu) nextSize(base, most int) int {
	if p.failed != 0 {
		most = p.failed - 4
	}
	switch {
	case p.mtu < base && base <= most:
		return base
	case p.former > p.mtu && p.former <= most:
		return p.former
	case p.failed == 0 && p.mtu < most:
		return most
	case most-p.mtu >= probeStep:
		return (p.mtu + most) / 2 &^ 3
	}
	return 0
}

// appendProbe makes a packet of the probed size of HEARTBEAT and PAD. RFC 8899, Section 6.2.1.2.
func (a *Assoc) appendProbe(pk *packet, p *path) {
	p.sendProbe = false
	p.probes++
	p.probeAt = a.now + max(p.rto, probeTimer)
	pk.limit = p.probed
	pk.fits(a, chunkHeartbeat, a.auth.active, 0) // an AUTH chunk, if the peer wants it
	pk.b = appendHeartbeatNonce(pk.b, p.probeNonce)
	n := p.probed - len(pk.b) - chunkHeaderLen
	pk.b = append(appendChunkHeader(pk.b, chunkPad, 0, n), make([]byte, n)...)
}

// probeAnswered takes the acknowledgement of a probe, which shows that packets of its size arrive.
func (a *Assoc) probeAnswered(p *path) {
	p.stalls = 0
	if p.probed > p.mtu {
		a.setMTU(p, p.probed)
	}
	if p.mtu >= p.former {
		p.former = 0
	}
	a.probeNext(p)
}

// probeTimeout sends a probe again that was not acknowledged, or gives its size up, or looks for
// a larger size after a long time. A lost probe says nothing of congestion, or of whether the peer
// is alive. RFC 8899, Sections 3 and 5.3.
func (a *Assoc) probeTimeout(p *path) {
	switch {
	case p.probed == 0:
		a.search(p)
	case p.errors > 0 && a.state == StateEstablished: // nothing arrives, whatever its size
		p.probes, p.probeAt, p.sendProbe = 0, never, true
	case p.probes < maxProbes && a.state == StateEstablished:
		p.probeAt, p.sendProbe = never, true
	default:
		if p.failed = p.probed; p.former >= p.failed {
			p.former = 0
		}
		a.probeNext(p)
	}
}

// suspect is called when T3-rtx has expired: perhaps packets of this size do not arrive any more,
// and nobody says so. Until a probe shows that they do, packets have the size that fits everywhere;
// after two more timeouts even that is doubted. What was cut to the former size goes again all the
// same, in packets that the network may fragment. RFC 8899, Section 4.3, and 5.2, Error.
func (a *Assoc) suspect(p *path) {
	switch {
	case !a.config.discovers():
		return
	case p.mtu > a.config.MTU:
		p.former = p.mtu
		a.setMTU(p, a.config.MTU)
	default:
		if p.stalls++; p.stalls < 2 || p.peer.Addr().Is6() { // RFC 8200, Section 5: 1,280 bytes fit
			return
		}
		a.setMTU(p, minPLPMTU)
	}
	a.search(p)
}

// appendHeartbeatNonce appends a HEARTBEAT whose information is a nonce. RFC 9260, Section 3.3.5.
func appendHeartbeatNonce(b []byte, nonce uint64) []byte {
	b = appendChunkHeader(b, chunkHeartbeat, 0, paramHeaderLen+8)
	b = binary.BigEndian.AppendUint16(b, paramHeartbeatInfo)
	b = binary.BigEndian.AppendUint16(b, paramHeaderLen+8)
	return binary.BigEndian.AppendUint64(b, nonce)
}

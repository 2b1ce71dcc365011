package sctpcore

import (
	"encoding/binary"
	"time"
)

// This file implements path MTU discovery for each path: RFC 8899 (DPLPMTUD), Section 6.2. A probe
// is a HEARTBEAT and a PAD chunk (RFC 4820), which can have any size. ICMP messages, which anyone
// can forge, are neither needed nor used.

// Constants of RFC 8899, Sections 5.1.1 and 5.1.2. BASE_PLPMTU is Config.MTU, and MAX_PLPMTU is
// Config.MaxMTU.
const (
	// plus UDP and IPv4 headers less than the 576 bytes that every host accepts; RFC 791
	minPLPMTU  = 512
	maxProbes  = 3
	probeTimer = time.Second // the minimum, in addition to an RTO
	probeDelay = 100 * time.Millisecond
	raiseTimer = 10 * time.Minute

	// fewBytes is what must have been sent before packets larger than those of Ethernet are probed, so
	// that many associations that send little do not fill the buffers of a socket with probes.
	fewBytes = 1 << 17

	probeStep = 16 // the search is complete when a larger packet would have fewer additional bytes
)

// plpmtu is the state of path MTU discovery. See RFC 8899, Section 5.1.3.
type plpmtu struct {
	mtu    int // PLPMTU: the size of packets, except for DATA created before a change
	failed int // the smallest size of which all probes were lost; 0 if none
	former int // the value of mtu when packets ceased to arrive; 0 if that is resolved

	probed     int           // PROBED_SIZE; 0 if no probe is in flight
	probes     int           // PROBE_COUNT
	probeNonce uint64        // of all probes of the same size
	probeAt    time.Duration // PROBE_TIMER, or PMTU_RAISE_TIMER if no probe is in flight
	sendProbe  bool
	few        bool // sizes above those of Ethernet wait until fewBytes were sent
	stalls     int  // consecutive timeouts of T3-rtx while mtu is at most Config.MTU
}

// discovers reports whether path MTU discovery is enabled.
func (c *Config) discovers() bool { return c.MaxMTU > c.MTU }

// searchLarger begins to search for sizes above those of Ethernet, if that has waited.
func (a *Assoc) searchLarger(p *path) {
	if p.few && p.probed == 0 && a.stats.BytesSent >= fewBytes {
		a.search(p)
	}
}

// setMTU changes the size of packets on a path.
func (a *Assoc) setMTU(p *path, mtu int) {
	p.mtu = mtu
	p.pmdcs = a.pmdcs(mtu)
	a.resize()
}

// resize updates the size of fragments, which must fit on every path where they may be
// retransmitted: RFC 9260, Section 7.3. Routers do not fragment IPv6 packets, so a chunk is never
// larger than what fits on every path; packets above Config.MTU contain several chunks.
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

// scheduleSearch begins the search shortly after the association is established, when the user's
// first messages have been sent. Half of the delay is random, so that in a simulation it does not
// coincide with other events but still depends on the seed only.
func (a *Assoc) scheduleSearch(p *path) {
	if a.config.discovers() && p.state == PathActive {
		p.probeAt = a.now + probeDelay/2 + time.Duration(a.nonce()%uint64(probeDelay/2))
	}
}

// search begins to search for a larger size on a path that answers. See RFC 8899, Section 5.2.
func (a *Assoc) search(p *path) {
	p.failed = 0
	a.probeNext(p)
}

// stopSearch ends the search, because the path does not answer.
func (p *plpmtu) stopSearch() { p.probed, p.sendProbe, p.probeAt = 0, false, never }

// probeNext sends a probe of the next size, if there is one.
func (a *Assoc) probeNext(p *path) {
	p.stopSearch()
	if !a.config.discovers() || a.state != StateEstablished || p.state != PathActive {
		return
	}
	most := p.mostMTU(a.config)
	if p.few = most > p.ethernetMTU() && a.stats.BytesSent < fewBytes; p.few {
		most = p.ethernetMTU()
	}
	if p.probed = p.nextSize(a.config.MTU&^3, p.ethernetMTU(), most); p.probed == 0 {
		if p.mtu < p.mostMTU(a.config) {
			p.probeAt = a.now + raiseTimer // the path may change
		}
		return
	}
	p.probes, p.probeNonce = 0, a.nonce()
	p.sendProbe = true
}

// mostMTU returns the MAX_PLPMTU of a path.
func (p *path) mostMTU(c *Config) int {
	if p.peer.Addr().Is6() {
		return (c.MaxMTU - 20) &^ 3
	}
	return c.MaxMTU &^ 3
}

// ethernetMTU returns what fits on a path of Ethernet without larger frames, inside UDP.
func (p *path) ethernetMTU() int {
	if p.peer.Addr().Is6() {
		return 1500 - 40 - 8
	}
	return 1500 - 20 - 8
}

// nextSize returns the size of the next probe: the last size that worked before, then the maximum,
// which most paths support, then that of Ethernet, and then halfway between the limits. See RFC
// 8899, Section 5.3.2. It returns 0 when the search is complete.
func (p *plpmtu) nextSize(base, ethernet, most int) int {
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
	case p.mtu < ethernet && ethernet <= most:
		return ethernet
	case most-p.mtu >= probeStep:
		return (p.mtu + most) / 2 &^ 3
	}
	return 0
}

// appendProbe appends HEARTBEAT and PAD chunks that make a packet of the probed size. See RFC 8899,
// Section 6.2.1.2.
func (a *Assoc) appendProbe(pk *packet, p *path) {
	p.sendProbe = false
	p.probes++
	p.probeAt = a.now + max(p.rto, probeTimer)
	pk.limit = p.probed
	pk.fits(a, chunkHeartbeat, a.auth.active, 0) // adds an AUTH chunk if the peer requires it
	pk.b = appendHeartbeatNonce(pk.b, p.probeNonce)
	n := p.probed - len(pk.b) - chunkHeaderLen
	pk.b = append(appendChunkHeader(pk.b, chunkPad, 0, n), make([]byte, n)...)
}

// probeAnswered handles the answer to a probe, which proves that packets of its size arrive.
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

// probeTimeout retransmits a probe, or gives up its size, or begins a new search after a long time.
// The loss of a probe says nothing about congestion or about whether the peer is alive. See RFC
// 8899, Sections 3 and 5.3.
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

// suspect is called when T3-rtx has expired: packets of the present size may no longer arrive,
// without any notice. Until a probe proves that they do, packets have the size that fits on every
// path. After two more timeouts even that size is suspected. Chunks of the former size are
// retransmitted in packets that the network may fragment. See RFC 8899, Section 4.3, and Section
// 5.2, Error.
func (a *Assoc) suspect(p *path) {
	switch {
	case !a.config.discovers():
		return
	case p.mtu > a.config.MTU:
		p.former = p.mtu
		a.setMTU(p, a.config.MTU)
	default:
		// RFC 8200, Section 5: 1,280 bytes always fit
		if p.stalls++; p.stalls < 2 || p.peer.Addr().Is6() {
			return
		}
		a.setMTU(p, minPLPMTU)
	}
	a.search(p)
}

// appendHeartbeatNonce appends a HEARTBEAT whose information is a nonce. See RFC 9260, Section
// 3.3.5.
func appendHeartbeatNonce(b []byte, nonce uint64) []byte {
	b = appendChunkHeader(b, chunkHeartbeat, 0, paramHeaderLen+8)
	b = binary.BigEndian.AppendUint16(b, paramHeartbeatInfo)
	b = binary.BigEndian.AppendUint16(b, paramHeaderLen+8)
	return binary.BigEndian.AppendUint64(b, nonce)
}

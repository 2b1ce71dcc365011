package sctpcore

import (
	"encoding/binary"
	"time"
)

const sackFixedLen = 12

// receiveSack implements RFC 9260, Sections 6.2.1, 6.3.2 and 7.2.4.
func (a *Assoc) receiveSack(now time.Duration, v []byte) *fault {
	if len(v) < sackFixedLen {
		return violation("a SACK of %d bytes", chunkHeaderLen+len(v))
	}
	cum, rwnd := binary.BigEndian.Uint32(v), binary.BigEndian.Uint32(v[4:])
	gaps, duplicates := int(binary.BigEndian.Uint16(v[8:])), int(binary.BigEndian.Uint16(v[10:]))
	if len(v) < sackFixedLen+4*gaps+4*duplicates {
		return violation("a SACK of %d bytes with %d gaps and %d duplicates", chunkHeaderLen+len(v), gaps,
			duplicates)
	}
	return a.acknowledged(now, cum, int64(rwnd), v[sackFixedLen:sackFixedLen+4*gaps])
}

// checkSack returns a fault if a SACK acknowledges TSNs that were never sent. The peer may use such
// a SACK to make this side send faster. See RFC 5062, Section 8, and RFC 9260, Section 6.2.1.
func (a *Assoc) checkSack(cum uint32, blocks []byte) (usable bool, f *fault) {
	o := &a.out
	if before(cum, o.acked) { // out of order
		return false, nil
	}
	if !before(cum, o.next) {
		return false, violation("an acknowledgement of TSN %d, which was not sent", cum)
	}
	end := 0
	for ; len(blocks) > 0; blocks = blocks[4:] {
		start := int(binary.BigEndian.Uint16(blocks))
		if start <= end || int(binary.BigEndian.Uint16(blocks[2:])) < start {
			return false, nil
		}
		end = int(binary.BigEndian.Uint16(blocks[2:]))
	}
	if end > 0 && !before(cum+uint32(end), o.next) {
		return false, violation("an acknowledgement of TSN %d, which was not sent", cum+uint32(end))
	}
	return true, nil
}

// acknowledged processes a SACK, or a SHUTDOWN, which has neither blocks nor a window: rwnd is then
// -1.
func (a *Assoc) acknowledged(now time.Duration, cum uint32, rwnd int64, blocks []byte) *fault {
	usable, f := a.checkSack(cum, blocks)
	if !usable {
		return f
	}
	o := &a.out
	for _, p := range a.paths {
		p.ackedBytes, p.ackedFirst, p.flightBefore = 0, false, p.flight
	}
	// Rule R3 of Section 6.3.2 needs to know whether the earliest outstanding TSN of a path was
	// acknowledged: it was if the cumulative TSN advances over one of the path's chunks.
	advanced := cum != o.acked
	newest := o.acked // the highest TSN newly acknowledged
	for o.acked != cum {
		o.acked++
		if c := o.outstanding.get(o.acked); c != nil {
			c.path.ackedFirst = true
			newest = o.acked
			a.credit(c, now)
			o.outstanding.remove(o.acked)
			a.free(c)
		}
	}
	if isSack := rwnd >= 0; isSack && (len(blocks) > 0 || o.gaps > 0) {
		newest = a.gapAcked(now, cum, blocks, newest)
	}
	if before(o.advanced, o.acked) {
		o.advanced = o.acked
	}
	if o.recovery && !before(o.acked, o.exit) {
		o.recovery = false
	}
	if len(blocks) > 0 {
		a.missReports(cum, blocks, newest, advanced)
	}
	for _, p := range a.paths {
		p.ackedData(advanced, o.recovery)
		if p.ackedBytes > 0 || p.ackedFirst { // or when FORWARD TSN was answered
			a.revive(p)
		}
		if p.ackedFirst {
			p.stalls = 0
			a.searchLarger(p)
		}
		switch {
		case p.flight == 0:
			p.t3 = never // rule R2
		case p.ackedFirst || p.t3 == never:
			p.t3 = now + p.rto // rules R3 and R4
		}
	}
	if rwnd >= 0 {
		o.rwnd = int(max(min(rwnd, 1<<30)-int64(o.inFlight), 0))
		o.zeroWindow = rwnd < int64(a.config.MTU) && o.outstanding.count > 0
		a.probeAcknowledged(rwnd)
	}
	if o.agains == 0 {
		o.fastNow = false
	}
	a.advance()
	a.checkDry()
	if advanced && a.shutdown.asked && !o.empty() {
		a.guardShutdown(now)
	}
	a.shutdownProgress(now)
	return nil
}

// credit counts a chunk that is acknowledged for the first time.
func (a *Assoc) credit(c *outChunk, now time.Duration) {
	if c.acked {
		return
	}
	if c.inFlight {
		c.path.ackedBytes += c.size()
		if before(c.path.answered, c.packet) {
			c.path.answered = c.packet
		}
	}
	a.ground(c)
	if c.sent == 1 {
		c.path.acked(c.tsn, now, a.config)
	}
}

// free releases a chunk that is cumulatively acknowledged.
func (a *Assoc) free(c *outChunk) {
	o := &a.out
	if c.again {
		o.agains--
	}
	if c.acked {
		o.gaps--
	}
	if !c.abandoned {
		o.buffered -= len(c.data)
	}
	key := c.key
	c.key, c.path, c.inFlight = nil, nil, false
	outChunks.put(c, cap(c.data))
	a.unrefKey(key)
}

// gapAcked processes the Gap Ack Blocks. Chunks in a block have arrived; chunks that were in a
// previous block but no longer are outstanding again. It returns the highest newly acknowledged
// TSN.
func (a *Assoc) gapAcked(now time.Duration, cum uint32, blocks []byte, newest uint32) uint32 {
	o := &a.out
	tsn, last := cum+1, o.highest
	each := func(end uint32, named bool) {
		for ; !before(end, tsn); tsn++ {
			c := o.outstanding.get(tsn)
			if c == nil || c.acked == named {
				continue
			}
			if named {
				a.credit(c, now)
				if c.again {
					c.again = false
					o.agains--
				}
				c.acked, c.misses = true, 0
				o.gaps++
				if before(newest, tsn) {
					newest = tsn
				}
				continue
			}
			c.acked, c.misses = false, 0
			o.gaps--
			if !c.abandoned {
				c.inFlight = true
				c.path.flight += c.size()
				o.inFlight += len(c.data)
			}
		}
	}
	for ; len(blocks) > 0; blocks = blocks[4:] {
		each(cum+uint32(binary.BigEndian.Uint16(blocks))-1, false)
		each(cum+uint32(binary.BigEndian.Uint16(blocks[2:])), true)
	}
	if o.highest = tsn - 1; before(o.highest, last) {
		each(last, false)
	}
	return newest
}

// missReports counts how often each TSN was reported missing, and marks it for retransmission at
// the third report. See RFC 9260, Section 7.2.4.
func (a *Assoc) missReports(cum uint32, blocks []byte, newest uint32, advanced bool) {
	o := &a.out
	limit := newest // the Highest TSN Newly Acknowledged algorithm
	if o.recovery && advanced {
		limit = cum + uint32(binary.BigEndian.Uint16(blocks[len(blocks)-2:]))
	}
	lost := false
	for _, p := range a.paths {
		p.lossSeen = false
	}
	for tsn := cum + 1; before(tsn, limit); tsn++ {
		c := o.outstanding.get(tsn)
		if c == nil || c.acked || c.again || c.fast || c.abandoned {
			continue
		}
		if c.misses++; c.misses < 3 {
			continue
		}
		if c.fast = true; a.giveUpLate(c) {
			continue
		}
		if !o.recovery && !c.path.lossSeen { // once per window
			c.path.lossSeen = true
			c.path.lost()
		}
		lost = true
		a.sendAgain(c)
		a.stats.FastRetransmissions++
	}
	if lost && !o.recovery {
		o.recovery, o.exit = true, o.next-1
		o.fastNow = true
	}
}

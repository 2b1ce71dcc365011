package sctpcore

import "time"

// congestion is the congestion control state of a path. See RFC 9260, Section 7.2. It counts the
// bytes of whole DATA chunks.
type congestion struct {
	cwnd, ssthresh int
	partial        int // partial_bytes_acked
	pmdcs          int
	flight         int           // bytes last sent on this path and not acknowledged
	lastSent       time.Duration // when DATA was last sent
	round          uint32        // the input for which burst counts
	burst          int
	packets        uint32 // with new DATA that were sent
	answered       uint32 // the last of these of which DATA was acknowledged
	deferred       bool   // queued chunks had to wait and still wait: see Assoc.defers

	// The following describe the SACK chunk that is being processed.
	ackedBytes   int
	ackedFirst   bool // the earliest outstanding TSN was acknowledged, or had been abandoned
	flightBefore int
	lossSeen     bool // chunks lost on this path will be retransmitted
}

// begin begins slow start. See RFC 9260, Section 7.2.1.
func (c *congestion) begin(pmdcs int) {
	*c = congestion{pmdcs: pmdcs, ssthresh: 1 << 30}
	c.cwnd = min(4*pmdcs, max(2*pmdcs, 4404))
}

// ackedData increases the congestion window after a SACK. See RFC 9260, Sections 7.2.1 and 7.2.2.
func (c *congestion) ackedData(cumAdvanced, recovering bool) {
	if c.ackedBytes == 0 || !cumAdvanced {
		return
	}
	full := c.flightBefore >= c.cwnd || c.deferred && c.flightBefore >= c.cwnd-c.cwnd/3
	switch {
	case c.cwnd <= c.ssthresh:
		if full && !recovering {
			c.cwnd += min(c.ackedBytes, c.pmdcs)
		}
	default:
		c.partial += c.ackedBytes
		if c.partial > c.cwnd && !full {
			c.partial = c.cwnd
		}
		if c.partial >= c.cwnd && full {
			c.partial -= c.cwnd
			c.cwnd += c.pmdcs
		}
	}
	if c.flight == 0 {
		c.partial = 0
	}
}

// lost reduces the congestion window for fast retransmit. See RFC 9260, Section 7.2.3.
func (c *congestion) lost() {
	c.ssthresh = max(c.cwnd/2, 4*c.pmdcs)
	c.cwnd, c.partial = c.ssthresh, 0
}

// timedOut reduces the congestion window to one packet after T3-rtx. See RFC 9260, Section 7.2.3.
func (c *congestion) timedOut() {
	c.ssthresh = max(c.cwnd/2, 4*c.pmdcs)
	c.cwnd, c.partial, c.answered = c.pmdcs, 0, c.packets
}

// idle halves the congestion window for each RTO in which nothing was sent, because it is out of
// date. See RFC 9260, Section 7.2.1.
func (c *congestion) idle(now, rto time.Duration) {
	if c.flight > 0 || c.lastSent == 0 {
		return
	}
	gap := now - c.lastSent
	c.lastSent = now
	if gap > rto && c.cwnd > 4*c.pmdcs {
		c.ssthresh = c.cwnd
	}
	for ; gap > rto && c.cwnd > 4*c.pmdcs; gap -= rto {
		c.cwnd = max(c.cwnd/2, 4*c.pmdcs)
	}
}

// open reports whether another DATA chunk may be sent. See RFC 9260, Section 6.1, rule B.
func (c *congestion) open() bool { return c.flight < c.cwnd }

// spend counts a packet with new DATA after input number round. See RFC 9260, Section 6.1, rule D.
func (c *congestion) spend(round uint32) {
	if c.round != round {
		c.round, c.burst = round, 0
	}
	c.burst++
}

// spent reports whether Max.Burst packets have been sent after input number round.
func (c *congestion) spent(round uint32, maxBurst int) bool {
	return c.round == round && c.burst >= maxBurst
}

package sctpcore

import "time"

// congestion is how much may be on its way on a path. RFC 9260, Section 7.2. Bytes are those of
// whole DATA chunks.
type congestion struct {
	cwnd, ssthresh int
	partial        int // partial_bytes_acked
	pmdcs          int
	flight         int           // what was sent here last and is not acknowledged
	lastSent       time.Duration // of DATA
	round          uint32        // the input that burst is counted from
	burst          int
	deferred       bool // what was queued had to wait, and waits on: see Assoc.defers

	// What the SACK chunk that is being read says of this path.
	ackedBytes   int
	ackedFirst   bool // the earliest outstanding TSN was acknowledged, or given up before
	flightBefore int
	lossSeen     bool // something is to be sent again that was lost here
}

// begin starts slow start. RFC 9260, Section 7.2.1.
func (c *congestion) begin(pmdcs int) {
	*c = congestion{pmdcs: pmdcs, ssthresh: 1 << 30}
	c.cwnd = min(4*pmdcs, max(2*pmdcs, 4404))
}

// ackedData opens the window after a SACK chunk. RFC 9260, Sections 7.2.1 and 7.2.2.
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

// lost closes it after fast retransmit. RFC 9260, Section 7.2.3.
func (c *congestion) lost() {
	c.ssthresh = max(c.cwnd/2, 4*c.pmdcs)
	c.cwnd, c.partial = c.ssthresh, 0
}

// timedOut closes it to one packet after T3-rtx. RFC 9260, Section 7.2.3.
func (c *congestion) timedOut() {
	c.ssthresh = max(c.cwnd/2, 4*c.pmdcs)
	c.cwnd, c.partial = c.pmdcs, 0
}

// idle halves it for each RTO in which nothing was sent: what was learned of the path is old.
// RFC 9260, Section 7.2.1.
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

// open reports whether another DATA chunk may go. RFC 9260, Section 6.1, rule B.
func (c *congestion) open() bool { return c.flight < c.cwnd }

// spend counts a packet with new DATA that follows input number round. RFC 9260, Section 6.1, rule
// D.
func (c *congestion) spend(round uint32) {
	if c.round != round {
		c.round, c.burst = round, 0
	}
	c.burst++
}

// spent reports whether input number round has brought about its Max.Burst of packets.
func (c *congestion) spent(round uint32, maxBurst int) bool {
	return c.round == round && c.burst >= maxBurst
}

package sctpcore

import "time"

// rtt is the round-trip time of a path and the resulting timeout. See RFC 9260, Section 6.3.1.
type rtt struct {
	srtt, rttvar time.Duration // 0 until the first measurement
	rto          time.Duration

	// Only one DATA chunk at a time is measured, and no retransmitted one: Karn's algorithm, rule
	// C5.
	timing bool
	timed  uint32 // its TSN
	sentAt time.Duration
}

func (r *rtt) begin(c *Config) { *r = rtt{rto: c.RTOInitial} }

// measure adds a measurement: rules C2, C3, C6 and C7.
func (r *rtt) measure(d time.Duration, c *Config) {
	if r.srtt == 0 {
		r.srtt, r.rttvar = d, d/2
	} else {
		r.rttvar = r.rttvar - r.rttvar/4 + (r.srtt-d).Abs()/4
		r.srtt = r.srtt - r.srtt/8 + d/8
	}
	r.rto = min(max(r.srtt+4*max(r.rttvar, time.Millisecond), c.RTOMin), c.RTOMax)
}

// backOff doubles the timeout: RFC 9260, Section 6.3.3, rule E2.
func (r *rtt) backOff(c *Config) { r.rto = min(2*r.rto, c.RTOMax) }

// begun records that a DATA chunk is sent for the first time, and acked that it was acknowledged.
// repeated records that it is retransmitted, which makes the measurement ambiguous.
func (r *rtt) begun(tsn uint32, now time.Duration) {
	if !r.timing {
		r.timing, r.timed, r.sentAt = true, tsn, now
	}
}

func (r *rtt) acked(tsn uint32, now time.Duration, c *Config) {
	if r.timing && r.timed == tsn {
		r.timing = false
		r.measure(now-r.sentAt, c)
	}
}

func (r *rtt) repeated(tsn uint32) {
	if r.timing && r.timed == tsn {
		r.timing = false
	}
}

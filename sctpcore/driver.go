package sctpcore

import "time"

// What a driver asks for and changes while an association lives.

// SetRTOMin makes d the least retransmission timeout of this association. Where it is longer than
// that of a path, it holds from the next packet on, otherwise from the next measurement.
func (a *Assoc) SetRTOMin(d time.Duration) {
	c := *a.config // which others may use
	c.RTOMin = min(max(d, 0), c.RTOMax)
	a.config = &c
	for _, p := range a.paths {
		p.rtt.rto = max(p.rtt.rto, c.RTOMin)
	}
}

// SetSackDelay makes d the delay of acknowledgements on this association, 500 ms at most. With 0
// there is one for each packet. RFC 9260, Section 6.2.
func (a *Assoc) SetSackDelay(d time.Duration) {
	c := *a.config
	c.SackDelay = min(max(d, 0), 500*time.Millisecond)
	a.config = &c
}

// ReadTSN returns the TSN of the first DATA chunk of the message that [Assoc.Read] returned last.
func (a *Assoc) ReadTSN() uint32 { return a.in.readTSN }

// HighestTSN returns the highest TSN that has arrived, the one before the first if none has.
func (a *Assoc) HighestTSN() uint32 { return a.in.highest }

// Restarted reports whether the peer has restarted the association, which [EventRestart] tells only
// when the messages before it have been read. What is sent belongs to the new association from then
// on.
func (a *Assoc) Restarted() bool { return a.restarted }

// Config returns the configuration of this association, with the defaults filled in.
func (a *Assoc) Config() Config { return *a.config }

// Unread returns the bytes of messages that have arrived and not been read, complete or not.
func (a *Assoc) Unread() int { return a.in.bytes }

// Outstanding returns the number of DATA chunks that have been sent and not been acknowledged, and
// the bytes that the peer is ready to receive beyond them.
func (a *Assoc) Outstanding() (chunks, window int) { return a.out.outstanding.count, a.out.rwnd }

package sctpcore

import "time"

// This file contains what a driver queries and changes during an association.

// SetRTOMin sets the minimum retransmission timeout of this association. If d is longer than the
// present timeout of a path, it applies from the next packet on, otherwise from the next
// measurement.
func (a *Assoc) SetRTOMin(d time.Duration) {
	c := *a.config // other associations may use the original
	c.RTOMin = min(max(d, 0), c.RTOMax)
	a.config = &c
	for _, p := range a.paths {
		p.rtt.rto = max(p.rtt.rto, c.RTOMin)
	}
}

// SetMaxMTU sets Config.MaxMTU of this association, to Config.MTU at least. It is to be called
// before the search for the size of packets begins, which is 50 ms after [EventUp].
func (a *Assoc) SetMaxMTU(n int) {
	c := *a.config
	c.MaxMTU = min(max(n, c.MTU), maxMTU)
	a.config = &c
}

// SetSackDelay sets the delay of acknowledgements of this association, at most 500 ms. Zero
// acknowledges each packet immediately. See RFC 9260, Section 6.2.
func (a *Assoc) SetSackDelay(d time.Duration) {
	c := *a.config
	c.SackDelay = min(max(d, 0), 500*time.Millisecond)
	a.config = &c
}

// ReadTSN returns the TSN of the first DATA chunk of the message that [Assoc.Read] returned last.
func (a *Assoc) ReadTSN() uint32 { return a.in.readTSN }

// HighestTSN returns the highest TSN that has arrived, or the one before the peer's Initial TSN if
// none has.
func (a *Assoc) HighestTSN() uint32 { return a.in.highest }

// Restarted reports whether the peer has restarted the association. [EventRestart] reports it only
// after the messages before it have been read, but what is sent belongs to the new association
// immediately.
func (a *Assoc) Restarted() bool { return a.restarted }

// Config returns the configuration of this association, with the defaults filled in.
func (a *Assoc) Config() Config { return *a.config }

// Unread returns the number of bytes of user messages, complete or not, that have arrived and have
// not been read.
func (a *Assoc) Unread() int { return a.in.bytes }

// Outstanding returns the number of DATA chunks that were sent and are not acknowledged, and the
// number of bytes that the peer's window allows beyond them.
func (a *Assoc) Outstanding() (chunks, window int) { return a.out.outstanding.count, a.out.rwnd }

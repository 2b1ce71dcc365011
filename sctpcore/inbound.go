package sctpcore

import (
	"encoding/binary"
	"math/bits"
	"time"
)

// inbound is the state of the direction from the peer. See RFC 9260, Section 6.2.
type inbound struct {
	cum     uint32   // Cumulative TSN: all up to it have arrived
	highest uint32   // the highest TSN that has arrived
	bits    []uint64 // TSNs after cum that have arrived; nil if none

	duplicates []uint32 // to report in the next SACK
	packets    int      // packets with DATA since the last SACK
	got        bool     // the packet that is being processed has DATA
	sackNow    bool
	sackTimer  time.Duration
	sackTo     *path
	advertised int // the window that was last sent to the peer

	reassembly
}

const (
	// tsnWindow is the largest distance of an accepted TSN from cum. Gap Ack Blocks can report
	// twice as much.
	tsnWindow = 1 << 15
	// maxDuplicates is the largest number of duplicate TSNs in a SACK.
	maxDuplicates = 16
)

func (in *inbound) begin(cum uint32) {
	in.cum, in.highest, in.bits = cum, cum, nil
	in.duplicates, in.got = nil, false
	in.packets = 1 << 20 // so that the first DATA is acknowledged at once
	in.sackNow, in.sackTimer, in.sackTo = false, never, nil
	in.advertised = 0
}

func (in *inbound) word(tsn uint32) *uint64 { return &in.bits[tsn%tsnWindow/64] }

// has reports whether a TSN has arrived.
func (in *inbound) has(tsn uint32) bool {
	if !before(in.cum, tsn) {
		return true
	}
	return !before(in.highest, tsn) && in.bits != nil && *in.word(tsn)&(1<<(tsn%64)) != 0
}

// add records that a TSN has arrived. The TSN must not be before the first missing one.
func (in *inbound) add(tsn uint32) {
	if before(in.highest, tsn) {
		in.highest = tsn
	}
	if tsn == in.cum+1 {
		in.cum = tsn
		in.advance()
		return
	}
	if in.bits == nil {
		in.bits = make([]uint64, tsnWindow/64)
	}
	*in.word(tsn) |= 1 << (tsn % 64)
}

// advance moves cum to the last TSN before the first missing one.
func (in *inbound) advance() {
	for in.cum != in.highest && *in.word(in.cum + 1)&(1<<((in.cum+1)%64)) != 0 {
		in.cum++
		*in.word(in.cum) &^= 1 << (in.cum % 64)
	}
}

// nextRun returns the first run of received TSNs at or after tsn.
func (in *inbound) nextRun(tsn uint32) (start, end uint32, ok bool) {
	for ; !before(in.highest, tsn); tsn += 64 - tsn%64 {
		w := *in.word(tsn) >> (tsn % 64)
		if w == 0 {
			continue
		}
		start = tsn + uint32(bits.TrailingZeros64(w))
		for end = start; !before(in.highest, end); {
			w := ^*in.word(end) >> (end % 64)
			if w != 0 {
				end += uint32(bits.TrailingZeros64(w))
				break
			}
			end += 64 - end%64
		}
		return start, end - 1, true
	}
	return 0, 0, false
}

// missing returns the number of missing TSNs between cum and highest.
func (in *inbound) missing() int {
	n := int(in.highest - in.cum)
	for tsn := in.cum + 1; n > 0; {
		start, end, ok := in.nextRun(tsn)
		if !ok {
			break
		}
		n -= int(end-start) + 1
		tsn = end + 1
	}
	return n
}

// receiveData processes a DATA chunk. See RFC 9260, Sections 6.2, 6.5 and 6.9.
func (a *Assoc) receiveData(p *path, c chunk) *fault {
	const header = dataHeaderLen - chunkHeaderLen
	if len(c.value) < header {
		return violation("a DATA chunk of %d bytes", len(c.whole))
	}
	in := &a.in
	d := inChunk{
		flags:  c.flags,
		tsn:    binary.BigEndian.Uint32(c.value),
		stream: binary.BigEndian.Uint16(c.value[4:]),
		ssn:    binary.BigEndian.Uint16(c.value[6:]),
		ppid:   binary.BigEndian.Uint32(c.value[8:]),
	}
	data := c.value[header:]
	if len(data) == 0 {
		return newFault(CauseNoUserData, c.value[:4], "a DATA chunk without data")
	}
	in.got, in.sackTo = true, p
	switch {
	case in.has(d.tsn):
		a.stats.Duplicates++
		in.sackNow = true
		if len(in.duplicates) < maxDuplicates {
			in.duplicates = append(in.duplicates, d.tsn)
		}
		return nil
	case d.tsn-in.cum > a.tsnLimit():
		a.stats.Dropped++
		return nil
	}
	if room, f := a.room(d.tsn, len(data)); f != nil || !room {
		in.sackNow = true
		a.stats.Dropped++
		return f
	}
	in.sackNow = in.sackNow || d.flags&flagImmediate != 0 || a.state == StateShutdownSent
	if d.stream >= a.inStreams { // acknowledged but dropped: RFC 9260, Section 6.5
		in.add(d.tsn)
		a.reportError(CauseInvalidStream, append(binary.BigEndian.AppendUint16(nil, d.stream), 0, 0))
		return nil
	}
	in.advertised -= len(data)
	if f := a.insert(&d, data); f != nil {
		return f
	}
	in.add(d.tsn)
	a.stats.ChunksReceived++
	if a.window() == 0 {
		in.openPartial()
	}
	return nil
}

// tsnLimit returns the largest distance from cum of a TSN that is accepted. It bounds the memory
// that two fragments take which are far apart: a ring has a pointer for each TSN between them.
func (a *Assoc) tsnLimit() uint32 {
	return uint32(min(max(a.config.ReceiveWindow/8, 1024), tsnWindow-64))
}

// room reports whether there is room for a DATA chunk. Reading by the user makes room. If there is
// nothing to read, however, the first missing TSN must be accepted. See RFC 9260, Section 6.2.
func (a *Assoc) room(tsn uint32, n int) (bool, *fault) {
	in, window := &a.in, a.config.ReceiveWindow
	if in.bytes+n <= window && in.memory <= 7*window {
		return true, nil
	}
	if tsn != in.cum+1 || in.ready.first != nil {
		return false, nil
	}
	if in.memory > 8*window {
		return false, newFault(CauseOutOfResource, nil, "messages that can never be delivered")
	}
	return true, nil
}

// window returns the a_rwnd to advertise. Messages that use more than three times their size in
// memory count for more. A window smaller than a packet is advertised as 0, to avoid the silly
// window syndrome. See RFC 9260, Section 6.2. A peer may fill the window with small messages that
// need even more memory; room allows for that.
func (a *Assoc) window() int {
	free := a.config.ReceiveWindow - max(a.in.bytes, a.in.memory/3)
	if free < a.config.MTU {
		return 0
	}
	return free
}

// acknowledge is called after each packet, and decides whether a SACK is due: for every second
// packet, after the delay, or immediately while a TSN is missing. See RFC 9260, Section 6.2.
func (a *Assoc) acknowledge(now time.Duration) {
	in := &a.in
	if !in.got {
		return
	}
	in.got = false
	in.packets++
	switch {
	case in.highest != in.cum || in.packets >= a.config.SackFrequency || a.config.SackDelay == 0:
		in.sackNow = true
	case in.sackTimer == never:
		in.sackTimer = now + a.config.SackDelay
	}
}

// appendSack appends a SACK of at most limit bytes. See RFC 9260, Section 3.3.4.
func (a *Assoc) appendSack(b []byte, limit int) []byte {
	in := &a.in
	in.packets, in.sackNow, in.sackTimer = 0, false, never
	in.advertised = a.window()
	at := len(b)
	b = appendChunkHeader(b, chunkSack, 0, 0)
	b = binary.BigEndian.AppendUint32(b, in.cum)
	b = binary.BigEndian.AppendUint32(b, uint32(in.advertised))
	b = append(b, 0, 0, 0, 0)
	gaps := 0
	for tsn := in.cum + 1; in.cum != in.highest && len(b)-at+4 <= limit; gaps++ {
		start, end, ok := in.nextRun(tsn)
		if !ok {
			break
		}
		b = binary.BigEndian.AppendUint16(b, uint16(start-in.cum))
		b = binary.BigEndian.AppendUint16(b, uint16(end-in.cum))
		tsn = end + 1
	}
	duplicates := min(len(in.duplicates), (limit-(len(b)-at))/4)
	for _, tsn := range in.duplicates[:duplicates] {
		b = binary.BigEndian.AppendUint32(b, tsn)
	}
	in.duplicates = in.duplicates[:0]
	if in.cum == in.highest {
		in.bits = nil // a path without loss needs no bitmap
	}
	binary.BigEndian.PutUint16(b[at+2:], uint16(len(b)-at))
	binary.BigEndian.PutUint16(b[at+12:], uint16(gaps))
	binary.BigEndian.PutUint16(b[at+14:], uint16(duplicates))
	return b
}

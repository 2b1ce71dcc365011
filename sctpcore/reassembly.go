package sctpcore

import "time"

// Info is the information about a message. See RFC 6458, Sections 5.3.4 and 5.3.5.
type Info struct {
	Stream    uint16
	PPID      uint32 // payload protocol identifier, in host byte order
	Unordered bool

	// SackImmediately asks the peer not to delay its acknowledgement (RFC 7053). Sending only.
	SackImmediately bool
	// Lifetime makes the message partially reliable: it is abandoned when it has not been delivered
	// after this time (RFC 3758). Zero means reliable. Sending only.
	Lifetime time.Duration
	// Retransmissions abandons the message after this number of retransmissions (RFC 7496, Section
	// 3.1). A negative number allows none. Zero means reliable. Sending only, and not together with
	// Lifetime.
	Retransmissions int
}

// An inChunk is a DATA chunk that has arrived.
type inChunk struct {
	next    *inChunk // the next fragment of the message; in a queue, the next chunk
	waiting *inChunk // first fragments only: the next message of the stream that waits for its turn

	flags       byte
	stream, ssn uint16
	tsn         uint32
	ppid        uint32
	// A run is a contiguous part of a message. Its first and last fragment store each other's TSN,
	// so that runs are joined without searching.
	other uint32

	data []byte
	read int // bytes that have been read
}

const inChunkCost = 96 // approximate memory in addition to the storage

var inChunks pool[inChunk]

func (d *inChunk) begins() bool    { return d.flags&flagBegin != 0 }
func (d *inChunk) ends() bool      { return d.flags&flagEnd != 0 }
func (d *inChunk) unordered() bool { return d.flags&flagUnordered != 0 }
func (d *inChunk) cost() int       { return cap(d.data) + inChunkCost }

// joins reports whether d is the fragment after b. The fragments of a message have consecutive
// TSNs: RFC 9260, Section 6.9.
func (d *inChunk) joins(b *inChunk) bool {
	return !b.ends() && !d.begins() && b.stream == d.stream && b.unordered() == d.unordered() &&
		(b.ssn == d.ssn || d.unordered())
}

// A chunkQueue is a queue of messages, each with consecutive fragments.
type chunkQueue struct {
	first, last *inChunk
	pushed      uint64 // chunks since the association began
}

// push appends the n chunks from first to last, which next links.
func (q *chunkQueue) push(first, last *inChunk, n uint64) {
	q.pushed += n
	if q.first == nil {
		q.first = first
	} else {
		q.last.next = first
	}
	q.last = last
	last.next = nil
}

// An inStream orders the messages of an incoming stream. See RFC 9260, Section 6.6.
type inStream struct {
	next    uint16   // the SSN of the next message to deliver
	waiting *inChunk // messages that arrived too early, by SSN
	last    *inChunk
}

// reassembly reassembles messages from DATA chunks, and stores them until they are read. See RFC
// 9260, Sections 6.6 and 6.9.
type reassembly struct {
	fragments ring[inChunk] // of incomplete messages
	streams   []inStream    // that were used
	ready     chunkQueue    // messages that can be read
	behind    chunkQueue    // messages that can be read when the open message has ended

	// A message that does not fit into the window is read in parts. RFC 9260, Section 6.9.
	open *openMessage

	bytes  int    // of unread messages
	memory int    // that they use
	taken  uint64 // chunks that were read, of those pushed to ready

	readTSN uint32 // of the first fragment of the last message read
}

// An openMessage is a message that is read before all of it has arrived.
type openMessage struct {
	next uint32  // TSN of the next fragment
	head inChunk // what its fragments have in common
}

// insert stores a DATA chunk, and makes the messages readable that it completes.
func (a *Assoc) insert(d *inChunk, data []byte) *fault {
	in := &a.in
	t := inChunks.get(len(data), func(storage []byte) *inChunk { return &inChunk{data: storage} })
	storage := t.data[:0]
	*t = *d
	t.data = append(storage, data...)
	in.bytes += len(data)
	in.memory += t.cost()

	if in.open != nil && t.tsn == in.open.next {
		switch {
		case t.joins(&in.open.head):
			in.goOn(t)
			return nil
		case !a.partial:
			in.drop(t)
			return violation("a message without an end")
		}
		a.abortOpen()
	}
	if t.begins() && t.ends() {
		return in.deliver(t, t)
	}
	return in.join(t, a.partial)
}

// join joins a fragment with its neighbors.
func (in *inbound) join(t *inChunk, partial bool) *fault {
	first, last := t, t
	left, right := in.fragments.get(t.tsn-1), in.fragments.get(t.tsn+1)
	if left != nil && t.joins(left) {
		first = in.fragments.get(left.other)
	}
	if right != nil && right.joins(t) {
		last = in.fragments.get(right.other)
	}
	// With partial reliability, the remaining fragments of abandoned messages need not fit
	// together.
	if !partial && (first == t && !t.begins() && (left != nil || in.has(t.tsn-1)) ||
		first == t && left != nil && !left.ends() ||
		last == t && !t.ends() && (right != nil || in.has(t.tsn+1)) ||
		last == t && right != nil && !right.begins()) {
		in.drop(t)
		return violation("inconsistent fragments")
	}
	in.fragments.put(t.tsn, t)
	first.other, last.other = last.tsn, first.tsn
	if first.begins() && last.ends() {
		in.take(first, last)
		return in.deliver(first, last)
	}
	return nil
}

// take removes a run, linked by next, from the ring.
func (in *inbound) take(first, last *inChunk) {
	for d := first; ; d = d.next {
		in.fragments.remove(d.tsn)
		if d == last {
			d.next = nil
			return
		}
		d.next = in.fragments.get(d.tsn + 1)
	}
}

func (in *inbound) stream(id uint16) *inStream {
	for int(id) >= len(in.streams) {
		in.streams = append(in.streams, inStream{})
	}
	return &in.streams[id]
}

// deliver makes a complete message readable, or stores it until its turn. See RFC 9260, Section
// 6.6.
func (in *inbound) deliver(first, last *inChunk) *fault {
	if first.unordered() {
		in.makeReady(first, last)
		return nil
	}
	s := in.stream(first.stream)
	if first.ssn == s.next {
		in.makeReady(first, last)
		s.next++
		in.takeTurns(s)
		return nil
	}
	if ssnBefore(first.ssn, s.next) || !s.wait(first) {
		in.dropMessage(first)
		return violation("stream sequence number %d twice", first.ssn)
	}
	return nil
}

// wait stores a message that arrived too early, in order. Usually it is the latest one.
func (s *inStream) wait(m *inChunk) bool {
	at := &s.waiting
	if s.last != nil && ssnBefore(s.last.ssn, m.ssn) {
		at = &s.last.waiting
	}
	for *at != nil && ssnBefore((*at).ssn, m.ssn) {
		at = &(*at).waiting
	}
	if *at != nil && (*at).ssn == m.ssn {
		return false
	}
	m.waiting = *at
	*at = m
	if m.waiting == nil {
		s.last = m
	}
	return true
}

// takeTurns makes the messages readable whose turn has come.
func (in *inbound) takeTurns(s *inStream) {
	for s.waiting != nil && !ssnBefore(s.next, s.waiting.ssn) {
		m := s.waiting
		if s.waiting, m.waiting = m.waiting, nil; s.waiting == nil {
			s.last = nil
		}
		if m.ssn == s.next { // otherwise FORWARD TSN skipped it: RFC 3758, Section 3.6
			s.next++
		}
		last := m
		for last.next != nil {
			last = last.next
		}
		in.makeReady(m, last)
	}
}

func (in *inbound) makeReady(first, last *inChunk) {
	last.next = nil
	n := uint64(0)
	for d := first; d != nil; d = d.next {
		n++
	}
	if in.open != nil {
		in.behind.push(first, last, n)
	} else {
		in.ready.push(first, last, n)
	}
}

// openPartial begins to deliver a message whose next fragment is missing, if nothing else can be
// read: the message is longer than the window. See RFC 9260, Section 6.9.
func (in *inbound) openPartial() {
	if in.ready.first != nil || in.open != nil {
		return
	}
	last := in.fragments.get(in.cum)
	if last == nil {
		return
	}
	first := in.fragments.get(last.other)
	if !first.begins() || !first.unordered() && in.stream(first.stream).next != first.ssn {
		return
	}
	in.take(first, last)
	in.makeReady(first, last)
	in.open = &openMessage{next: last.tsn + 1, head: *last}
	in.open.head.data, in.open.head.next = nil, nil
}

// goOn adds a fragment, and those that follow it, to the open message.
func (in *inbound) goOn(t *inChunk) {
	for t != nil && t.tsn == in.open.next {
		next := in.fragments.get(t.tsn + 1)
		in.ready.push(t, t, 1)
		in.open.next++
		if t.ends() {
			in.closeOpen()
			if !t.unordered() {
				s := in.stream(t.stream)
				s.next++
				in.takeTurns(s)
			}
			return
		}
		if next == nil || !next.joins(t) {
			return
		}
		in.fragments.remove(next.tsn)
		if last := in.fragments.get(next.other); last != nil && last != next {
			rest := in.fragments.get(next.tsn + 1)
			rest.other, last.other = last.tsn, rest.tsn
		}
		t = next
	}
}

// closeOpen makes the messages after the open message readable.
func (in *inbound) closeOpen() {
	in.open = nil
	if in.behind.first != nil {
		in.ready.push(in.behind.first, in.behind.last, in.behind.pushed)
		in.behind = chunkQueue{}
	}
}

// drop releases a chunk that will not be read.
func (in *inbound) drop(d *inChunk) {
	in.bytes -= len(d.data)
	in.memory -= d.cost()
	inChunks.put(d, cap(d.data))
}

// dropUpTo releases the fragments with a TSN up to cum. If that divides a run, the rest of it,
// which FORWARD TSN is to skip later, becomes a run of its own.
func (in *inbound) dropUpTo(cum uint32) {
	for tsn := in.fragments.low; in.fragments.count > 0 && !before(cum, tsn); tsn++ {
		if d := in.fragments.get(tsn); d != nil {
			in.fragments.remove(tsn)
			in.drop(d)
		}
	}
	first := in.fragments.get(cum + 1)
	last := first
	for d := first; d != nil && (d == first || d.joins(last)); d = in.fragments.get(d.tsn + 1) {
		last = d
	}
	if first != nil {
		first.other, last.other = last.tsn, first.tsn
	}
}

func (in *inbound) dropMessage(d *inChunk) {
	for d != nil {
		next := d.next
		in.drop(d)
		d = next
	}
}

// Read copies the next message, or as much of it as fits, to b. ok is false if there is none; end
// reports whether these are the last bytes of the message. Afterwards the driver must call
// [Assoc.NextPacket], because the peer may be waiting for a larger window.
func (a *Assoc) Read(b []byte) (n int, info Info, end, ok bool) {
	in := &a.in
	d := in.ready.first
	if d == nil || a.HasEvent() {
		return 0, Info{}, false, false // an event precedes the message
	}
	info = Info{Stream: d.stream, PPID: d.ppid, Unordered: d.unordered()}
	for d != nil && !end {
		if d.begins() {
			in.readTSN = d.tsn
		}
		k := copy(b[n:], d.data[d.read:])
		n += k
		if d.read += k; d.read < len(d.data) {
			break
		}
		end = d.ends()
		if in.ready.first = d.next; d.next == nil {
			in.ready.last = nil
		}
		in.taken++
		in.drop(d)
		d = in.ready.first
	}
	if end {
		a.stats.MessagesReceived++
	}
	a.stats.BytesReceived += uint64(n)
	a.announceWindow()
	return n, info, end, true
}

// announceWindow sends a SACK to a peer that may be waiting for the window that Read has opened:
// when that is a quarter of the whole, or when there is nothing left to read, because the rest of
// the window then contains incomplete messages, and the peer may need space to complete them. See
// RFC 9260, Section 6.2. Without any window, it lets the first of these be read.
func (a *Assoc) announceWindow() {
	in, window := &a.in, a.config.ReceiveWindow
	if a.state < StateEstablished || in.sackTo == nil || in.advertised >= window/2 {
		return
	}
	drained, opened := in.ready.first == nil, a.window()-max(in.advertised, 0)
	if opened >= max(window/4, a.config.MTU) || drained && opened > 0 {
		in.sackNow = true
	}
	if drained && a.window() == 0 {
		in.openPartial()
	}
}

// Readable reports whether [Assoc.Read] would return something.
func (a *Assoc) Readable() bool {
	return a.in.ready.first != nil && !a.HasEvent()
}

// forget drops incomplete messages, because the association has ended or restarted. Complete
// messages can still be read.
func (in *inbound) forget(a *Assoc) {
	for tsn := in.fragments.low; in.fragments.count > 0; tsn++ {
		if d := in.fragments.get(tsn); d != nil {
			in.fragments.remove(tsn)
			in.drop(d)
		}
	}
	in.fragments = ring[inChunk]{}
	for i := range in.streams {
		for m := in.streams[i].waiting; m != nil; {
			next := m.waiting
			in.dropMessage(m)
			m = next
		}
	}
	in.streams, in.bits = nil, nil
	a.abortOpen()
}

// abortOpen ends a message whose rest will never arrive.
func (a *Assoc) abortOpen() {
	if a.in.open != nil {
		a.event(Event{Kind: EventPartialAborted})
		a.in.closeOpen()
	}
}

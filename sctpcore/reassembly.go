package sctpcore

import "time"

// Info is what SCTP carries beside each message. RFC 6458, Sections 5.3.4 and 5.3.5.
type Info struct {
	Stream    uint16
	PPID      uint32 // payload protocol identifier; host byte order
	Unordered bool

	// SackImmediately asks the peer not to delay its acknowledgement. Send only. RFC 7053.
	SackImmediately bool
	// Lifetime makes the message partially reliable: it is given up when it has not been delivered
	// in that time. 0 is reliable. Send only. RFC 3758.
	Lifetime time.Duration
	// Retransmissions does so after that many transmissions beyond the first; negative is none. 0 is
	// reliable. Send only, and not together with Lifetime. RFC 7496, Section 3.1.
	Retransmissions int
}

// An inChunk is a DATA chunk that has arrived.
type inChunk struct {
	next    *inChunk // the next fragment of its message, and in a queue what follows
	waiting *inChunk // first fragments only: the next message of the stream that waits for its turn

	flags       byte
	stream, ssn uint16
	tsn         uint32
	ppid        uint32
	// A run is as much of a message as is there without a gap. Its first and last fragment know
	// each other's TSN, so that it costs no search to join runs.
	other uint32

	data []byte
	read int // bytes of it that have been read
}

const inChunkCost = 96 // memory beside the storage, about

var inChunks pool[inChunk]

func (d *inChunk) begins() bool    { return d.flags&flagBegin != 0 }
func (d *inChunk) ends() bool      { return d.flags&flagEnd != 0 }
func (d *inChunk) unordered() bool { return d.flags&flagUnordered != 0 }
func (d *inChunk) cost() int       { return cap(d.data) + inChunkCost }

// joins reports whether d is the fragment after b. Fragments of a message have consecutive TSNs.
// RFC 9260, Section 6.9.
func (d *inChunk) joins(b *inChunk) bool {
	return !b.ends() && !d.begins() && b.stream == d.stream && b.unordered() == d.unordered() &&
		(b.ssn == d.ssn || d.unordered())
}

// A chunkQueue is a queue of messages, each with all its fragments in order.
type chunkQueue struct {
	first, last *inChunk
	pushed      uint64 // chunks since the beginning
}

// push appends n chunks from first, linked by next, to last.
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

// An inStream is the order of messages in an incoming stream. RFC 9260, Section 6.6.
type inStream struct {
	next    uint16   // the SSN whose turn it is
	waiting *inChunk // messages that are too early, by SSN
	last    *inChunk
}

// reassembly makes messages of DATA chunks, and keeps them until they are read. RFC 9260, Sections
// 6.6 and 6.9.
type reassembly struct {
	fragments ring[inChunk] // of messages that are not complete
	streams   []inStream    // those that were used so far
	ready     chunkQueue    // what can be read
	behind    chunkQueue    // what can be read when the message in open has ended

	// A message that would not fit is read in parts. RFC 9260, Section 6.9.
	open *openMessage

	bytes  int    // of messages, not yet read
	memory int    // that they take
	taken  uint64 // chunks that were read since the beginning, of those pushed to ready

	readTSN uint32 // of the first fragment of the message that was read last
}

// An openMessage is a message that is read before all of it has arrived.
type openMessage struct {
	next uint32  // the TSN that it goes on with
	head inChunk // what its fragments have in common
}

// insert takes a DATA chunk, and makes readable what it completes.
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
			return violation("no end of a message")
		}
		a.abortOpen()
	}
	if t.begins() && t.ends() {
		return in.deliver(t, t)
	}
	return in.join(t, a.partial)
}

// join puts a fragment to its neighbors.
func (in *inbound) join(t *inChunk, partial bool) *fault {
	first, last := t, t
	left, right := in.fragments.get(t.tsn-1), in.fragments.get(t.tsn+1)
	if left != nil && t.joins(left) {
		first = in.fragments.get(left.other)
	}
	if right != nil && right.joins(t) {
		last = in.fragments.get(right.other)
	}
	// Where messages can be given up, what is left of them need not fit together.
	if !partial && (first == t && !t.begins() && (left != nil || in.has(t.tsn-1)) ||
		first == t && left != nil && !left.ends() ||
		last == t && !t.ends() && (right != nil || in.has(t.tsn+1)) ||
		last == t && right != nil && !right.begins()) {
		in.drop(t)
		return violation("fragments that do not fit together")
	}
	in.fragments.put(t.tsn, t)
	first.other, last.other = last.tsn, first.tsn
	if first.begins() && last.ends() {
		in.take(first, last)
		return in.deliver(first, last)
	}
	return nil
}

// take moves a run out of the ring, linked by next.
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

// deliver makes a complete message readable, or keeps it until its turn. RFC 9260, Section 6.6.
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

// wait keeps a message that is too early, in order. It is mostly the latest.
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
		if m.ssn == s.next { // else it has been passed over. RFC 3758, Section 3.6
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

// openPartial begins to deliver the message whose next fragment is missing, if nothing else can be
// read: it is longer than the window. RFC 9260, Section 6.9.
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

// goOn adds a fragment to the message that is being read, and what follows of it.
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

// closeOpen lets what is behind the open message be read.
func (in *inbound) closeOpen() {
	in.open = nil
	if in.behind.first != nil {
		in.ready.push(in.behind.first, in.behind.last, in.behind.pushed)
		in.behind = chunkQueue{}
	}
}

// drop gives a chunk back that nobody will read.
func (in *inbound) drop(d *inChunk) {
	in.bytes -= len(d.data)
	in.memory -= d.cost()
	inChunks.put(d, cap(d.data))
}

func (in *inbound) dropMessage(d *inChunk) {
	for d != nil {
		next := d.next
		in.drop(d)
		d = next
	}
}

// Read copies the next message, or as much of it as fits, into b; ok if there is one. End is set
// with its last bytes. After it the driver looks for packets to send: the peer may wait for the
// space.
func (a *Assoc) Read(b []byte) (n int, info Info, end, ok bool) {
	in := &a.in
	d := in.ready.first
	if d == nil || a.HasEvent() {
		return 0, Info{}, false, false // an event comes first
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
	// A peer that is short of window is told when there is more, lest it wait. RFC 9260, Section 6.2.
	window := a.config.ReceiveWindow
	if a.state >= StateEstablished && in.sackTo != nil && in.advertised < window/2 &&
		a.window()-in.advertised >= max(window/4, a.config.MTU) {
		in.sackNow = true
	}
	return n, info, end, true
}

// Readable reports whether [Assoc.Read] has something.
func (a *Assoc) Readable() bool {
	return a.in.ready.first != nil && !a.HasEvent()
}

// forget drops what can never be read: the association has ended, or starts over. What is complete
// can still be read.
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

// abortOpen ends a message whose rest will never come.
func (a *Assoc) abortOpen() {
	if a.in.open != nil {
		a.event(Event{Kind: EventPartialAborted})
		a.in.closeOpen()
	}
}

package stream

import (
	"math/bits"
	"sync"
	"sync/atomic"

	"github.com/seed-41f70523/dtls-sctp/internal/largebuf"
)

// A Mux stores received messages until their readers take them. Messages of each claimed stream
// have a [Queue] of their own; those of all other streams share one.
//
// SCTP has no flow control for each stream. A caller that puts messages into a Mux must stop while
// it is [Mux.Full]; then the peer stops too, on all streams.
//
// Methods of Mux and Queue may be called concurrently.
type Mux struct {
	limit int64
	size  atomic.Int64 // of what is stored, with its overhead

	claims atomic.Int32 // len(claimed); changed with mu held

	mu        sync.Mutex // guards the following, and the queues
	claimed   map[uint16]*Queue
	rest      Queue
	discarded bool
}

// A Queue stores messages for one kind of reader, in the order in which they were received.
type Queue struct {
	mux     *Mux
	changes atomic.Uint32 // changed with mu held
	woken   sync.Cond     // for Wait; a select over channels would be several times slower

	head, tail *kept
	begun      *kept // the rest of a message that Read has begun
}

// overhead is the assumed cost of a stored message in addition to its bytes, so that the number of
// empty messages is limited too.
const overhead = 128

// kept is a stored message.
type kept struct {
	next  *kept
	info  Info
	data  []byte // in buf or whole
	buf   []byte // its length is a power of two, except for a large message
	whole *[MaxMessageSize + 1]byte
}

// pools contain stored messages by the size of their buffers, from 64 bytes to the largest power of
// two below MaxMessageSize.
var pools [9]sync.Pool

// wholes contains those of messages whose buffers come from a Reader.
var wholes = sync.Pool{New: func() any { return new(kept) }}

func class(n int) int { return max(0, bits.Len(uint(max(n, 1)-1))-6) }

func keep(data []byte, info Info) *kept {
	i := class(len(data))
	var k *kept
	if i < len(pools) {
		k, _ = pools[i].Get().(*kept)
	}
	if k == nil {
		k = new(kept)
		if i < len(pools) {
			k.buf = make([]byte, 64<<i)
		} else {
			k.buf = largebuf.Get(len(data))
		}
	}
	k.info = info
	k.data = k.buf[:copy(k.buf, data)]
	return k
}

func (k *kept) cost() int64 {
	if k.whole != nil {
		return int64(len(k.whole) + overhead)
	}
	return int64(cap(k.buf) + overhead)
}

func (k *kept) free() {
	k.data, k.next = nil, nil
	if k.whole != nil {
		buffers.Put(k.whole)
		k.whole = nil
		wholes.Put(k)
		return
	}
	if i := class(len(k.buf)); i < len(pools) {
		pools[i].Put(k)
	} else {
		largebuf.Put(k.buf)
	}
}

// NewMux returns a Mux that is full when the cost of its messages reaches limit bytes.
func NewMux(limit int) *Mux {
	m := &Mux{limit: int64(limit)}
	m.rest.init(m)
	return m
}

// Rest returns the queue of all unclaimed streams.
func (m *Mux) Rest() *Queue { return &m.rest }

// Full reports whether nothing more should be put in until a message is taken.
func (m *Mux) Full() bool { return m.size.Load() >= m.limit }

// Size returns the cost of the stored messages in bytes.
func (m *Mux) Size() int { return int(m.size.Load()) }

// Claim creates a queue for a stream, or returns the existing one. Stored messages of the stream
// move there.
func (m *Mux) Claim(id uint16) *Queue {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.claim(id)
}

// ClaimNext claims the stream of the first stored message of an unclaimed stream. ok is false if
// there is none.
func (m *Mux) ClaimNext() (q *Queue, id uint16, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rest.head == nil {
		return nil, 0, false
	}
	id = m.rest.head.info.Stream
	q = m.claim(id)
	m.rest.again()
	return q, id, true
}

func (m *Mux) claim(id uint16) *Queue {
	q := m.claimed[id]
	if q != nil {
		return q
	}
	q = new(Queue)
	q.init(m)
	if m.claimed == nil {
		m.claimed = make(map[uint16]*Queue)
	}
	m.claimed[id] = q
	m.claims.Add(1)
	all := m.rest.head
	m.rest.head, m.rest.tail = nil, nil
	for all != nil {
		k := all
		all, k.next = k.next, nil
		if k.info.Stream == id {
			q.push(k)
		} else {
			m.rest.push(k)
		}
	}
	return q
}

// Release ends the claim on a stream. The messages in its queue go to the readers of unclaimed
// streams, except for the rest of a message that [Queue.Read] has begun.
func (m *Mux) Release(id uint16) {
	m.mu.Lock()
	defer m.mu.Unlock()
	q := m.claimed[id]
	if q == nil {
		return
	}
	delete(m.claimed, id)
	m.claims.Add(-1)
	if q.begun != nil {
		q.drop(q.begun)
		q.begun = nil
	}
	for q.head != nil {
		m.rest.push(q.pop())
	}
}

// Discard drops all stored messages, and all that are put in from now on.
func (m *Mux) Discard() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.discarded = true
	for _, q := range m.claimed {
		q.discard()
	}
	m.rest.discard()
}

// Put stores a copy of a message for its reader.
func (m *Mux) Put(data []byte, info Info) {
	m.mu.Lock()
	if !m.discarded {
		m.push(keep(data, info))
	}
	m.mu.Unlock()
}

// largeMessage is the size from which a message is stored in the buffer in which it was received,
// instead of being copied. That uses at most a little more than twice its size.
const largeMessage = MaxMessageSize / 2

// Take stores a message, like Put. If data is most of the last message from [Reader.Next], it stays
// in its buffer, and the Reader gets a new one.
func (m *Mux) Take(r *Reader, data []byte, info Info) {
	if len(data) < largeMessage || !r.holds(data) {
		m.Put(data, info)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.discarded {
		whole, large := r.detach()
		var k *kept
		if whole != nil {
			k = wholes.Get().(*kept)
		} else {
			k = &kept{buf: large}
		}
		k.info, k.data, k.whole = info, data, whole
		m.push(k)
	}
}

func (m *Mux) push(k *kept) {
	m.size.Add(k.cost())
	m.of(k.info).push(k)
}

// of returns the queue for a message. It is called with mu held.
func (m *Mux) of(info Info) *Queue {
	if len(m.claimed) > 0 { // avoid the cost of a lookup
		if q := m.claimed[info.Stream]; q != nil {
			return q
		}
	}
	return &m.rest
}

// Wake makes every goroutine that waits for a queue of m check its queue again.
func (m *Mux) Wake() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rest.wake()
	for _, q := range m.claimed {
		q.wake()
	}
}

func (q *Queue) init(m *Mux) { q.mux, q.woken.L = m, &m.mu }

// Changes returns a number for [Queue.Wait]. Call it before looking at what may change.
func (q *Queue) Changes() uint32 { return q.changes.Load() }

// Wait waits until something has changed since Changes returned seen: a message has arrived, or
// Wake was called. A message wakes one of the waiting goroutines. It must check the queue, and may
// find that another goroutine was faster.
func (q *Queue) Wait(seen uint32) {
	q.mux.mu.Lock()
	if q.changes.Load() == seen {
		q.woken.Wait()
	}
	q.mux.mu.Unlock()
}

// Wake makes every goroutine that waits for q check it again.
func (q *Queue) Wake() {
	q.mux.mu.Lock()
	defer q.mux.mu.Unlock()
	q.wake()
}

// wake is called with mu held.
func (q *Queue) wake() {
	q.changes.Add(1)
	q.woken.Broadcast()
}

// Has reports whether there is a message or, unless whole is set, the rest of one.
func (q *Queue) Has(whole bool) bool {
	q.mux.mu.Lock()
	defer q.mux.mu.Unlock()
	return q.head != nil || !whole && q.begun != nil
}

// Passes reports whether a message that is received now would be for q and the first for its
// reader, so that it need not be put in.
func (q *Queue) Passes(info Info) bool {
	m := q.mux
	if m.size.Load() > 0 {
		return false
	}
	if m.claims.Load() == 0 {
		return q == &m.rest
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.of(info) == q
}

// ReadMessage takes the first message and copies it to b. If b is too short, n is -1, the message
// stays, and info and length describe it. ok is false if there is no message.
func (q *Queue) ReadMessage(b []byte) (n int, info Info, length int, ok bool) {
	k, info, length, ok := q.take(len(b))
	switch {
	case !ok:
		return 0, info, 0, false
	case k == nil:
		return -1, info, length, true
	}
	n = copy(b, k.data) // without the lock, because a large message takes a while
	q.drop(k)
	return n, info, length, true
}

// take takes the first message if it has at most size bytes; otherwise k is nil.
func (q *Queue) take(size int) (k *kept, info Info, length int, ok bool) {
	if q.mux.size.Load() == 0 { // the usual case of a reader that is about to wait
		return nil, info, 0, false
	}
	q.mux.mu.Lock()
	if q.head != nil {
		info, length, ok = q.head.info, len(q.head.data), true
		if length <= size {
			k = q.pop()
		}
		q.again() // for another reader, if there are more messages
	}
	q.mux.mu.Unlock()
	return k, info, length, ok
}

// Read copies bytes of one message to b. The rest stays for the next Read; ReadMessage skips it.
// Empty messages have no bytes to read and are skipped. ok is false if there are no bytes.
func (q *Queue) Read(b []byte) (n int, ok bool) {
	q.mux.mu.Lock()
	defer q.mux.mu.Unlock()
	for q.begun == nil || len(q.begun.data) == 0 {
		if q.begun != nil {
			q.drop(q.begun)
			q.begun = nil
		}
		if q.head == nil {
			return 0, false
		}
		q.begun = q.pop()
	}
	n = copy(b, q.begun.data)
	if q.begun.data = q.begun.data[n:]; len(q.begun.data) == 0 {
		q.drop(q.begun)
		q.begun = nil
	}
	q.again()
	return n, true
}

// drop releases a message that is no longer in a queue.
func (q *Queue) drop(k *kept) {
	q.mux.size.Add(-k.cost())
	k.free()
}

// The following functions are called with mu held.

func (q *Queue) push(k *kept) {
	if q.head == nil {
		q.head = k
	} else {
		q.tail.next = k
	}
	q.tail = k
	q.again()
}

func (q *Queue) pop() *kept {
	k := q.head
	q.head, k.next = k.next, nil
	return k
}

func (q *Queue) discard() {
	if q.begun != nil {
		q.drop(q.begun)
		q.begun = nil
	}
	for q.head != nil {
		q.drop(q.pop())
	}
}

// again wakes one more reader, if there is something for it.
func (q *Queue) again() {
	if q.head == nil && q.begun == nil {
		return
	}
	q.changes.Add(1)
	q.woken.Signal()
}

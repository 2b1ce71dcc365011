package stream

import (
	"fmt"
	"sync"

	"github.com/seed-41f70523/dtls-sctp/internal/largebuf"
)

// MaxMessageSize is the size in bytes of the largest user message of DTLS over SCTP: 2^14 + 2048
// bytes of ciphertext and a record header of 13 (RFC 6083, Section 4.1). Messages may be larger if
// both ends of DTLS 1.3 have negotiated that: see [Reader.Allow].
const MaxMessageSize = 1<<14 + 2048 + 13

// A MessageSizeError reports a message that is larger than a Reader accepts.
type MessageSizeError struct {
	Stream uint16
	Max    int // largest accepted size, in bytes
}

func (e *MessageSizeError) Error() string {
	return fmt.Sprintf("stream: the peer sent a message of more than %d bytes on stream %d "+
		"(RFC 6083, Section 4.1)", e.Max, e.Stream)
}

// A Message is one complete user message.
type Message struct {
	Data []byte // owned by the Reader until its next call
	Info Info
	TSN  uint32 // the transmission sequence number of its first DATA chunk
	More bool   // the next one has been read already, as far as is known
}

// A Reader reads complete messages from an association, in the order in which they were received.
// Large messages arrive in parts when the receive buffer is full (RFC 6458, Section 6.1.7); only
// SCTP's end-of-record mark ends a message.
//
// A Reader must not be used concurrently.
type Reader struct {
	assoc Association
	buf   buffer
	tsn   uint32 // of the message that is being read
}

// buffer is the [Buffer] of a Reader.
type buffer struct {
	// one byte more, to detect messages that are too long; nil while idle
	b     *[MaxMessageSize + 1]byte
	large []byte // instead of b, for a message that does not fit into b
	n     int    // bytes of the message so far

	max  int                    // bytes that a message may have
	size func(start []byte) int // see [Reader.Allow]; may be nil
}

// buffers are shared, because an idle association should not have one.
var buffers = sync.Pool{New: func() any { return new([MaxMessageSize + 1]byte) }}

// all returns the buffer of the message.
func (b *buffer) all() []byte {
	switch {
	case b.large != nil:
		return b.large
	case b.b != nil:
		return b.b[:]
	}
	return nil
}

func (b *buffer) Get() []byte {
	if b.b != nil && b.large == nil && b.n == 0 { // the usual case
		return b.b[:]
	}
	if b.n == 0 {
		b.giveLarge()
	}
	if b.b == nil && b.large == nil {
		b.b = buffers.Get().(*[MaxMessageSize + 1]byte)
	}
	if b.n == len(b.all()) {
		b.grow()
	}
	return b.all()[b.n:]
}

// grow makes room for more of a message. It allocates at most eight times what has arrived,
// whatever size the message claims, and at most that size. So less than a seventh of the complete
// message is copied in total.
func (b *buffer) grow() {
	part := b.all()
	size := growth * len(part)
	if b.size != nil {
		if whole := b.size(part); whole > len(part) {
			size = min(size, whole)
		}
	}
	large := largebuf.Get(min(size, b.max+1))
	copy(large, part)
	b.give()
	b.giveLarge()
	b.large = large
}

const growth = 8

func (b *buffer) Put() {
	switch {
	case b.n > 0:
	case b.large != nil:
		b.give()
		b.giveLarge()
	default:
		b.give()
	}
}

// giveLarge releases b.large.
func (b *buffer) giveLarge() {
	if b.large != nil {
		largebuf.Put(b.large)
		b.large = nil
	}
}

// give returns b.b to the pool.
func (b *buffer) give() {
	if b.b != nil {
		buffers.Put(b.b)
		b.b = nil
	}
}

// NewReader returns a Reader for a.
func NewReader(a Association) *Reader {
	return &Reader{assoc: a, buf: buffer{max: MaxMessageSize}}
}

// Allow accepts messages of up to max bytes, or [MaxMessageSize] if that is larger. The function
// size, if not nil, returns the size of a message from its start, or 0 if it does not know. It need
// not be right: the Reader allocates that much once an eighth of it has arrived.
func (r *Reader) Allow(max int, size func(start []byte) int) {
	r.buf.max, r.buf.size = MaxMessageSize, size
	if max > MaxMessageSize {
		r.buf.max = max
	}
}

// Next returns the next message, or an event if that is not nil. If wait is false and there is
// neither, it returns [ErrWouldBlock] at once; a message that has arrived in part stays. A
// [MessageSizeError] is final.
func (r *Reader) Next(wait bool) (Message, Event, error) {
	for {
		p, err := r.assoc.Recv(&r.buf, wait)
		if err != nil {
			return Message{}, nil, err
		}
		if p.Event != nil {
			if _, ok := p.Event.(PartialDeliveryAborted); ok {
				r.buf.n = 0 // the next Get or Put releases a large buffer
			}
			return Message{}, p.Event, nil
		}
		if r.buf.n == 0 {
			r.tsn = p.TSN
		}
		if r.buf.n += p.N; r.buf.n > r.buf.max {
			return Message{}, nil, &MessageSizeError{p.Info.Stream, r.buf.max}
		}
		if p.End {
			n := r.buf.n
			r.buf.n = 0
			return Message{r.buf.all()[:n], p.Info, r.tsn, p.More}, nil, nil
		}
	}
}

// Partial reports whether a part of a message has been read, and its end has not.
func (r *Reader) Partial() bool { return r.buf.n > 0 }

// Release returns the buffer to the pool, unless it holds a part of a message. Call it after using
// the message that Next returned, if no other is needed now.
func (r *Reader) Release() { r.buf.Put() }

// holds reports whether data is in the buffer of r, to the end of which it may be extended.
func (r *Reader) holds(data []byte) bool {
	b := r.buf.all()
	if b == nil || r.buf.n > 0 || cap(data) == 0 || cap(data) > cap(b) {
		return false
	}
	b = b[:cap(b)]
	return &b[len(b)-cap(data)] == &data[:1][0]
}

// detach transfers the buffer of r to the caller: the usual one, or that of a large message.
func (r *Reader) detach() (whole *[MaxMessageSize + 1]byte, large []byte) {
	if large = r.buf.large; large != nil {
		r.buf.large = nil
		return nil, large
	}
	whole, r.buf.b = r.buf.b, nil
	return whole, nil
}

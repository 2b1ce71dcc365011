package stream

import (
	"fmt"
	"sync"
)

// MaxMessageSize is the size in bytes of the largest user message of DTLS over
// SCTP: 2^14 + 2048 bytes of ciphertext and a record header of 13 (RFC 6083, Section 4.1).
const MaxMessageSize = 1<<14 + 2048 + 13

// MessageSizeError is returned for a message of more than [MaxMessageSize] bytes.
type MessageSizeError struct{ Stream uint16 }

func (e *MessageSizeError) Error() string {
	return fmt.Sprintf("stream: the peer sent a message of more than %d bytes on stream %d (RFC 6083, Section 4.1)", MaxMessageSize, e.Stream)
}

// A Message is one whole user message.
type Message struct {
	Data []byte // owned by the Reader until its next call
	Info Info
	TSN  uint32 // the transmission sequence number of its first DATA chunk
}

// A Reader reads whole messages from an association, in the order in which
// they were received. Large ones can arrive in parts whenever the receive
// buffer is full (RFC 6458, Section 6.1.7): the end is where SCTP marks it, and only there.
//
// A Reader must not be used concurrently.
type Reader struct {
	assoc Association
	buf   buffer
	tsn   uint32 // of the message that is being read
}

// buffer is the [Buffer] of a Reader.
type buffer struct {
	b *[MaxMessageSize + 1]byte // one more, to tell what is too long; nil while idle
	n int                       // bytes of it that hold the message so far
}

// buffers are shared, for an idle association should hold none.
var buffers = sync.Pool{New: func() any { return new([MaxMessageSize + 1]byte) }}

func (b *buffer) Get() []byte {
	if b.b == nil {
		b.b = buffers.Get().(*[MaxMessageSize + 1]byte)
	}
	return b.b[b.n:]
}

func (b *buffer) Put() {
	if b.b != nil && b.n == 0 {
		buffers.Put(b.b)
		b.b = nil
	}
}

// NewReader returns a Reader of what a receives.
func NewReader(a Association) *Reader { return &Reader{assoc: a} }

// Next returns the next message, or the next event if that is not nil. With wait
// false it returns [ErrWouldBlock] at once if there is neither, which leaves a
// message of which only a part has arrived where it is. A [MessageSizeError] is final.
func (r *Reader) Next(wait bool) (Message, Event, error) {
	for {
		p, err := r.assoc.Recv(&r.buf, wait)
		if err != nil {
			return Message{}, nil, err
		}
		if p.Event != nil {
			if _, ok := p.Event.(PartialAborted); ok {
				r.buf.n = 0
			}
			return Message{}, p.Event, nil
		}
		if r.buf.n == 0 {
			r.tsn = p.TSN
		}
		if r.buf.n += p.N; r.buf.n > MaxMessageSize {
			return Message{}, nil, &MessageSizeError{p.Info.Stream}
		}
		if p.End {
			n := r.buf.n
			r.buf.n = 0
			return Message{r.buf.b[:n], p.Info, r.tsn}, nil, nil
		}
	}
}

// Partial reports whether a part of a message has been read, and its end has not.
func (r *Reader) Partial() bool { return r.buf.n > 0 }

// Release gives the buffer back, unless part of a message is in it. Call it
// when the message that Next returned is done with and no other is wanted now.
func (r *Reader) Release() { r.buf.Put() }

// holds reports whether data is in the buffer of r, up to whose end it may be extended.
func (r *Reader) holds(data []byte) bool {
	b := r.buf.b
	if b == nil || r.buf.n > 0 || cap(data) == 0 || cap(data) > len(b) {
		return false
	}
	return &b[len(b)-cap(data)] == &data[:1][0]
}

// detach gives the buffer of r to the caller.
func (r *Reader) detach() *[MaxMessageSize + 1]byte {
	b := r.buf.b
	r.buf.b = nil
	return b
}

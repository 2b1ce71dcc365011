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
}

// A Reader reads whole messages from an association, in the order in which
// they were received. Large ones can arrive in parts whenever the receive
// buffer is full (RFC 6458, Section 6.1.7): the end is where SCTP marks it, and only there.
//
// A Reader must not be used concurrently.
type Reader struct {
	assoc Association
	buf   *[MaxMessageSize]byte // nil while no message is being read
	n     int                   // bytes of it that hold the message so far
}

// buffers are shared, for an idle association should hold none.
var buffers = sync.Pool{New: func() any { return new([MaxMessageSize]byte) }}

// NewReader returns a Reader of what a receives.
func NewReader(a Association) *Reader { return &Reader{assoc: a} }

// Next returns the next message, or the next event if that is not nil. With wait
// false it returns [ErrWouldBlock] at once if there is neither, which leaves a
// message of which only a part has arrived where it is.
func (r *Reader) Next(wait bool) (Message, Event, error) {
	if r.buf == nil {
		r.buf = buffers.Get().(*[MaxMessageSize]byte)
	}
	for {
		if r.n == len(r.buf) {
			// A full buffer must not be read into: recvmsg would return 0.
			var more [1]byte
			p, err := r.assoc.Recv(more[:], wait)
			if err == nil && p.Event == nil {
				err = &MessageSizeError{p.Info.Stream}
			}
			return Message{}, p.Event, err
		}
		p, err := r.assoc.Recv(r.buf[r.n:], wait)
		if err != nil {
			return Message{}, nil, err
		}
		if p.Event != nil {
			if _, ok := p.Event.(PartialAborted); ok {
				r.n = 0
			}
			return Message{}, p.Event, nil
		}
		r.n += p.N
		if p.End {
			n := r.n
			r.n = 0
			return Message{r.buf[:n], p.Info}, nil, nil
		}
	}
}

// Release gives the buffer back, unless part of a message is in it. Call it
// when the message that Next returned is done with and no other is wanted now.
func (r *Reader) Release() {
	if r.buf != nil && r.n == 0 {
		buffers.Put(r.buf)
		r.buf = nil
	}
}

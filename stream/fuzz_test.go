package stream_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/internal/fuzzcount"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// FuzzMux does what the input says to a Mux, and to the model of TestMux. Each step is three bytes:
// what, for which stream, and a length.
func FuzzMux(f *testing.F) {
	f.Add([]byte{muxPut, 1, 10, muxPut, 2, 20, muxClaim, 1, 0, muxRead, 1, 4, muxRelease, 1, 0,
		muxReadMessage, 2, 100})
	f.Add([]byte{muxClaim, 3, 0, muxTake, 3, 50, muxTake + muxLarge, 3, 200, muxPut, 4, 0,
		muxClaimNext, 0, 0, muxReadMessage, 4, 0})
	f.Fuzz(func(t *testing.T, script []byte) {
		fuzzcount.Input(len(script))
		m := newMuxModel(t, 1<<20)
		for ; len(script) >= 3; script = script[3:] {
			what, id, n := script[0]%muxSteps, uint16(script[1])%5, int(script[2])
			switch what {
			case muxPut:
				m.put(id, n)
			case muxClaim:
				m.claim(id)
			case muxRelease:
				m.release(id)
			case muxClaimNext:
				m.claimNext()
			case muxReadMessage:
				m.readMessage(m.of(id), make([]byte, n))
			case muxRead:
				m.read(m.of(id), make([]byte, 1+n))
			case muxTake:
				m.take(id, n)
			case muxTake + muxLarge:
				m.take(id, 70*n)
			}
		}
		m.readAll()
	})
}

const (
	muxPut = iota
	muxClaim
	muxRelease
	muxClaimNext
	muxReadMessage
	muxRead
	muxTake
	muxLarge = 1 // added to it
	muxSteps = muxTake + muxLarge + 1
)

// FuzzReader reads from an association that does as the input says. Only whole messages come out,
// and only as they went in.
func FuzzReader(f *testing.F) {
	f.Add([]byte{readPart, 0, 5, readEnd, 0, 9, readEnd, 0, 0, readDry, 0, 0, readEnd, 0, 1, readEOF,
		0, 0})
	f.Add([]byte{readPart, 64, 5, readNothing, 0, 0, readAborted, 0, 0, readEnd, 3, 0})
	f.Add([]byte{readPart, 72, 13, readEnd, 0, 1})
	f.Add(append(bytes.Repeat([]byte{readPart, 72, 14}, 6), readEnd, 0, 1, 0))
	f.Fuzz(func(t *testing.T, script []byte) {
		fuzzcount.Input(len(script))
		a := &hostile{script: script}
		r, most := stream.NewReader(a), stream.MaxMessageSize
		if len(script)%2 == 1 { // what it says of its size may be anything
			most = 100_000
			r.Allow(most, func(start []byte) int { return int(start[len(start)/2]) * 1000 })
		}
		for range len(script)/3 + 1 {
			m, ev, err := r.Next(false)
			_, tooLong := errtype.As[*stream.MessageSizeError](err)
			switch {
			case err != nil && (m.Data != nil || ev != nil):
				t.Fatalf("message %q, event %v and error %v", m.Data, ev, err)
			case tooLong != (len(a.whole) > most):
				t.Fatalf("after %d bytes: %v", len(a.whole), err)
			case tooLong || err == io.EOF:
				return
			case err != nil && err != stream.ErrWouldBlock:
				t.Fatal(err)
			case err == nil && ev == nil && (!a.ended || !bytes.Equal(m.Data, a.whole) ||
				m.Info.Stream != a.stream):
				t.Fatalf("%d bytes came as %d of stream %d; at the end: %v", len(a.whole), len(m.Data),
					m.Info.Stream, a.ended)
			case a.ended && (err != nil || ev != nil):
				t.Fatalf("a whole message, and %v, %v", ev, err)
			case r.Partial() != (len(a.whole) > 0 && !a.ended):
				t.Fatalf("partial: %v, after %d bytes; at the end: %v", r.Partial(), len(a.whole), a.ended)
			}
			r.Release()
		}
	})
}

const (
	readPart = iota // length at 16 bits
	readEnd         // likewise
	readAborted
	readDry
	readNothing
	readEOF
	readSteps
)

// A hostile association receives what its script says.
type hostile struct {
	stream.Association
	script []byte
	whole  []byte // of the message so far
	ended  bool
	stream uint16
	n      byte
}

func (h *hostile) Recv(b stream.Buffer, _ bool) (p stream.Part, err error) {
	if h.ended {
		h.whole, h.ended = nil, false
	}
	if len(h.script) < 3 {
		return p, io.EOF
	}
	step, n := h.script[0]%readSteps, int(h.script[1])<<8|int(h.script[2])
	h.script = h.script[3:]
	switch step {
	case readAborted:
		h.whole = nil
		return stream.Part{Event: stream.PartialDeliveryAborted{}}, nil
	case readDry:
		return stream.Part{Event: stream.Dry{}}, nil
	case readNothing:
		b.Get()
		b.Put()
		return p, stream.ErrWouldBlock
	case readEOF:
		return p, io.EOF
	}
	room := b.Get()
	h.n++
	n = copy(room, bytes.Repeat([]byte{h.n}, min(n, len(room))))
	h.whole = append(h.whole, room[:n]...)
	h.ended, h.stream = step == readEnd, uint16(h.n)
	return stream.Part{N: n, End: h.ended, Info: stream.Info{Stream: h.stream}}, nil
}

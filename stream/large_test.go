package stream_test

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

const largest = 8 << 20

// sized is a message that says its size in its first bytes.
func sized(n int) []byte {
	b := message(n)
	if n >= 4 {
		binary.BigEndian.PutUint32(b, uint32(n))
	}
	return b
}

// sizeOf is what such a message says.
func sizeOf(start []byte) int {
	if len(start) < 4 {
		return 0
	}
	return int(binary.BigEndian.Uint32(start))
}

// Large messages come whole, in whatever parts, and are kept in the buffer in which they came.
func TestReaderPutsLargeMessagesTogether(t *testing.T) {
	const step = stream.MaxMessageSize
	got := make([]byte, largest)
	for _, part := range []int{0, 4000, 100_000} {
		for i, says := range []func([]byte) int{sizeOf, nil, func([]byte) int { return 0 }} {
			honest := i == 0
			a, b := assoctest.Pair(t, assoctest.Options{PartSize: part, Buffer: 1 << 30, Window: 1 << 30})
			r := stream.NewReader(b)
			r.Allow(largest, says)
			mux := stream.NewMux(1 << 30)
			sizes := []int{1, step, step + 1, step + 2, 8 * step, 8*step + 9, 1 << 20, 100}
			if honest {
				sizes = append(sizes, largest)
			}
			for _, n := range sizes {
				sent := sized(n)
				if err := a.Send(sent, stream.Info{Stream: 1}); err != nil {
					t.Fatal(err)
				}
				m, ev, err := r.Next(true)
				if err != nil || ev != nil || !bytes.Equal(m.Data, sent) {
					t.Fatalf("parts of %d: %d bytes came as %d, %v, %v", part, n, len(m.Data), ev, err)
				}
				const header = 10
				mux.Take(r, m.Data[min(header, n):], m.Info)
				if cost := mux.Size(); honest && n > step && cost > n+n/8+600 {
					t.Errorf("%d bytes cost %d", n, cost)
				}
				if n > header {
					if k, _, length, ok := mux.Rest().ReadMessage(got[:1]); !ok || k != -1 || length != n-header {
						t.Errorf("a short buffer for %d bytes: %d, %d", n, k, length)
					}
				}
				k, _, _, ok := mux.Rest().ReadMessage(got)
				if !ok || !bytes.Equal(got[:k], sent[min(header, n):]) {
					t.Fatalf("parts of %d: %d bytes were kept as %d", part, n, k)
				}
				if mux.Size() != 0 {
					t.Errorf("%d bytes are kept of nothing", mux.Size())
				}
			}
			a.Abort()
		}
	}
}

// A peer gets no more memory than eight times what it sends, whatever it says that it will send.
func TestAttackE4ReaderTakesMemoryAsPartsCome(t *testing.T) {
	for name, says := range map[string]func([]byte) int{
		"the truth": sizeOf, "too much": func([]byte) int { return 1 << 30 }, "nothing": nil,
		"too little": func([]byte) int { return 1 }, "less than nothing": func([]byte) int { return -1 },
	} {
		message := sized(1_000_000)
		a := &measured{rest: message}
		r := stream.NewReader(a)
		r.Allow(largest, says)
		m, _, err := r.Next(true)
		if err != nil || !bytes.Equal(m.Data, message) {
			t.Fatalf("%s: %d bytes, %v", name, len(m.Data), err)
		}
		if name == "the truth" && cap(m.Data) > len(message)*9/8 {
			t.Errorf("%d bytes are in a buffer of %d", len(message), cap(m.Data))
		}
		if a.worst > 8 || a.copied*6 > len(message) {
			t.Errorf("%s: room for %d times what has come, %d bytes copied", name, a.worst, a.copied)
		}
	}
}

// A measured association delivers a message in small parts and looks at the buffer for them.
type measured struct {
	stream.Association
	rest   []byte
	n      int
	last   *byte // the buffer's end
	worst  int   // how many times what has arrived there was room for
	copied int   // bytes, into another buffer
}

func (a *measured) Recv(buf stream.Buffer, _ bool) (stream.Part, error) {
	b := buf.Get()
	if end := &b[len(b)-1]; end != a.last {
		a.last = end
		a.copied += a.n
	}
	if a.n > 0 {
		a.worst = max(a.worst, (a.n+len(b)-1)/a.n)
	}
	n := copy(b, a.rest[:min(len(a.rest), stream.MaxMessageSize+1)])
	a.n, a.rest = a.n+n, a.rest[n:]
	return stream.Part{N: n, End: len(a.rest) == 0}, nil
}

// One byte more than was allowed is an error, and no message.
func TestAttackF8ReaderRefusesMoreThanAllowed(t *testing.T) {
	for _, limit := range []int{0, 1, stream.MaxMessageSize, stream.MaxMessageSize + 1, 100_000} {
		most := max(limit, stream.MaxMessageSize)
		for _, n := range []int{most, most + 1, 2 * most} {
			a, b := assoctest.Pair(t, assoctest.Options{PartSize: 5000, Buffer: 1 << 30, Window: 1 << 30})
			if err := a.Send(sized(n), stream.Info{Stream: 3}); err != nil {
				t.Fatal(err)
			}
			r := stream.NewReader(b)
			r.Allow(limit, sizeOf)
			m, _, err := r.Next(true)
			if n <= most && (err != nil || len(m.Data) != n) {
				t.Errorf("%d bytes where %d are allowed: %v", n, limit, err)
			}
			e, ok := errtype.As[*stream.MessageSizeError](err)
			if n > most && (!ok || e.Stream != 3 || e.Max != most || m.Data != nil) {
				t.Errorf("%d bytes where %d are allowed: %d, %v", n, limit, len(m.Data), err)
			}
		}
	}
}

// What was given up in the middle leaves nothing behind.
func TestReaderLetsGoOfLargeMessages(t *testing.T) {
	first := string(make([]byte, stream.MaxMessageSize+1))
	s := &script{parts: []part{
		{data: first}, {data: "and more"}, {event: stream.PartialDeliveryAborted{}},
		{data: "next", end: true}, {data: first}, {data: "more"}, {err: stream.ErrWouldBlock},
		{data: " comes", end: true}, {err: io.EOF},
	}}
	r := stream.NewReader(s)
	r.Allow(largest, func([]byte) int { return largest })
	if _, ev, err := r.Next(false); err != nil || ev != (stream.PartialDeliveryAborted{}) {
		t.Fatalf("Next() = event %v, error %v, want PartialDeliveryAborted", ev, err)
	}
	if m, _, err := r.Next(false); err != nil || string(m.Data) != "next" || cap(m.Data) > len(first) {
		t.Fatalf("Next() = %q in a buffer of %d, %v", m.Data, cap(m.Data), err)
	}
	if _, _, err := r.Next(false); err != stream.ErrWouldBlock || !r.Partial() {
		t.Fatalf("Next() = %v, want ErrWouldBlock", err)
	}
	r.Release() // must not throw the part away
	if m, _, err := r.Next(false); err != nil || string(m.Data) != first+"more comes" {
		t.Fatalf("Next() = %d bytes, %v", len(m.Data), err)
	}
	if _, _, err := r.Next(false); err != io.EOF {
		t.Fatalf("Next() at the end: %v, want io.EOF", err)
	}
}

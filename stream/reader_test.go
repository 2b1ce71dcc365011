package stream_test

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/synctest"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

func message(n int) []byte {
	b := make([]byte, n)
	for i := range min(n, 256) {
		b[i] = byte(i * 7)
	}
	for done := 256; done < n; done *= 2 { // faster than a loop, with the race detector
		copy(b[done:], b[:done])
	}
	return b
}

// Messages come whole and in order, whatever the parts: RFC 6083, Section 4.1.
func TestReaderPutsPartsTogether(t *testing.T) {
	for _, part := range []int{0, 1, 7, 1000, stream.MaxMessageSize} {
		a, b := assoctest.Pair(t, assoctest.Options{PartSize: part})
		r := stream.NewReader(b)
		for i, n := range []int{1, 8, 999, 1000, 1001, stream.MaxMessageSize} {
			info := stream.Info{Stream: uint16(i), PPID: 47, Unordered: i%2 == 1}
			if err := a.Send(message(n), info); err != nil {
				t.Fatal(err)
			}
			m, ev, err := r.Next(true)
			if err != nil || ev != nil {
				t.Fatalf("parts of %d: Next() = event %v, error %v", part, ev, err)
			}
			if !bytes.Equal(m.Data, message(n)) || m.Info != info {
				t.Errorf("parts of %d: %d bytes came as %d with %+v, want %+v", part, n, len(m.Data), m.Info,
					info)
			}
			r.Release()
		}
	}
}

// A message cut by the end of what is there is never taken for a whole one: attack H7.
func TestAttackH7ReaderKeepsPartUntilItsEnd(t *testing.T) {
	_, b := assoctest.Pair(t, assoctest.Options{})
	s := &script{Association: b, parts: []part{
		{data: "hel"}, {err: stream.ErrWouldBlock}, {data: "lo", end: true},
		{data: "lost"}, {event: stream.PartialDeliveryAborted{}}, {data: "next", end: true},
		{err: io.EOF},
	}}
	r := stream.NewReader(s)
	if _, _, err := r.Next(false); !errors.Is(err, stream.ErrWouldBlock) {
		t.Fatalf("Next() with a part only: error %v, want ErrWouldBlock", err)
	}
	r.Release() // must not throw the part away
	if m, _, err := r.Next(false); err != nil || string(m.Data) != "hello" {
		t.Fatalf("Next() = %q, %v, want the whole message", m.Data, err)
	}
	if _, ev, err := r.Next(false); err != nil || ev != (stream.PartialDeliveryAborted{}) {
		t.Fatalf("Next() = event %v, error %v, want PartialDeliveryAborted", ev, err)
	}
	if m, _, err := r.Next(false); err != nil || string(m.Data) != "next" {
		t.Fatalf("Next() after an aborted message = %q, %v: the part must be gone", m.Data, err)
	}
	if _, _, err := r.Next(false); err != io.EOF {
		t.Fatalf("Next() at the end: %v, want io.EOF", err)
	}
}

func TestAttackH7ReaderRefusesTooLargeMessage(t *testing.T) {
	a, b := assoctest.Pair(t, assoctest.Options{})
	if err := a.Send(message(stream.MaxMessageSize+1), stream.Info{Stream: 3}); err != nil {
		t.Fatal(err)
	}
	_, _, err := stream.NewReader(b).Next(true)
	if e, ok := errtype.As[*stream.MessageSizeError](err); !ok || e.Stream != 3 {
		t.Errorf("Next() = %v, want a MessageSizeError for stream 3", err)
	}
}

// While nothing comes, a Reader holds no buffer; a part of a message it keeps.
func TestReaderHoldsNothingWhileItWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := assoctest.Pair(t, assoctest.Options{PartSize: 3})
		w := &watched{Association: b}
		r := stream.NewReader(w)
		done := make(chan string)
		go func() {
			m, _, err := r.Next(true)
			if err != nil {
				t.Error(err)
			}
			done <- string(m.Data)
		}()
		synctest.Wait()
		if w.got != w.put {
			t.Errorf("the Reader took %d buffers and gave %d back while it waits", w.got, w.put)
		}
		if err := a.Send([]byte("hello"), stream.Info{}); err != nil {
			t.Fatal(err)
		}
		if m := <-done; m != "hello" {
			t.Errorf("Next() = %q", m)
		}
	})
}

// A watched association counts how often its buffer is taken and given back.
type watched struct {
	stream.Association
	stream.Buffer
	got, put int
}

func (w *watched) Recv(b stream.Buffer, wait bool) (stream.Part, error) {
	w.Buffer = b
	return w.Association.Recv(w, wait)
}
func (w *watched) Get() []byte { w.got++; return w.Buffer.Get() }
func (w *watched) Put()        { w.put++; w.Buffer.Put() }

// script is an association that receives what a test says.
type script struct {
	stream.Association
	parts []part
}

type part struct {
	data  string
	end   bool
	event stream.Event
	err   error
}

func (s *script) Recv(b stream.Buffer, wait bool) (stream.Part, error) {
	p := s.parts[0]
	s.parts = s.parts[1:]
	return stream.Part{N: copy(b.Get(), p.data), End: p.end, Event: p.event}, p.err
}

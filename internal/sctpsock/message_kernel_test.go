//go:build kernel && linux

package sctpsock

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// largestRecord is the length of the largest DTLS record (RFC 6083, Section 4.1).
const largestRecord = 13 + 1<<14 + 2048

func TestEcho(t *testing.T) { // RFC 6083, Section 4.4
	c, s := pair(t, withAuth(), withAuth())
	for _, size := range []int{1, 1000, 16384, largestRecord} {
		msg := strings.Repeat("x", size)
		send(t, c, msg, stream.Info{Stream: 3, PPID: 66})
		if got, want := wantMessage(t, s, msg), (stream.Info{Stream: 3, PPID: 66}); got != want {
			t.Errorf("server got %+v, want %+v", got, want)
		}
		send(t, s, msg, stream.Info{Stream: 5, PPID: 47, Unordered: true, SackImmediately: true,
			Lifetime: time.Minute})
		if got, want := wantMessage(t, c, msg),
			(stream.Info{Stream: 5, PPID: 47, Unordered: true}); got != want {
			t.Errorf("client got %+v, want %+v", got, want)
		}
	}
	wantNothing(t, c)
	wantNothing(t, s)
}

// readParts reads a message with a buffer of size bytes.
func readParts(t *testing.T, s *Socket, size int) (msg string, parts int) {
	t.Helper()
	b := make([]byte, size)
	for {
		p, err := s.Recv(buffer(b), true)
		if err != nil || p.Event != nil {
			t.Fatalf("event %T, error %v in the middle of a message", p.Event, err)
		}
		if want := (stream.Info{Stream: 2, PPID: 7}); p.Info != want {
			t.Fatalf("part %d has %+v, want %+v", parts, p.Info, want)
		}
		msg += string(b[:p.N])
		parts++
		if p.End {
			return msg, parts
		}
	}
}

// TestAttackH7PartsOfMessage checks that no part of a message is mistaken for a message.
func TestAttackH7PartsOfMessage(t *testing.T) {
	c, s := pair(t, withAuth(), withAuth())
	first, second := strings.Repeat("0123456789", 500), "next"
	send(t, c, first, stream.Info{Stream: 2, PPID: 7})
	send(t, c, second, stream.Info{Stream: 2, PPID: 7})
	if msg, parts := readParts(t, s, 999); msg != first || parts < 6 {
		t.Errorf("first message has %d bytes in %d parts, want %d in 6 or more", len(msg), parts,
			len(first))
	}
	if msg, parts := readParts(t, s, len(second)); msg != second || parts != 1 {
		t.Errorf("second message has %d bytes in %d parts, want %d in 1", len(msg), parts, len(second))
	}
}

// smallWindow returns an association on which a record from c does not fit into
// the window of s, and is sent in fragments.
func smallWindow(t *testing.T) (c, s *Socket) {
	t.Helper()
	const optMaxSeg = 13
	small := fast()
	small.ReadBuffer = 8000
	c, s = pair(t, fast(), small)
	if err := c.control(func(fd int) error {
		return setOpt(fd, solSCTP, optMaxSeg, &assocValue{Value: 1000})
	}); err != nil {
		t.Fatal(err)
	}
	return c, s
}

func TestPartialDelivery(t *testing.T) {
	c, s := smallWindow(t)
	msg := strings.Repeat("0123456789", largestRecord/10)
	send(t, c, msg, stream.Info{Stream: 2, PPID: 7})
	if got, parts := readParts(t, s, 64<<10); got != msg || parts < 2 {
		t.Errorf("message has %d bytes in %d parts, want %d in several", len(got), parts, len(msg))
	}
}

func TestRecordsArriveWhole(t *testing.T) {
	// As many as fit into the window, to a reader that is late.
	c, s := pair(t, withAuth(), withAuth())
	msg := strings.Repeat("x", largestRecord)
	const n = 10
	for range n {
		send(t, c, msg, stream.Info{SackImmediately: true})
	}
	if err := c.AskDry(); err != nil {
		t.Fatal(err)
	}
	wantEvent[stream.Dry](t, c)
	for range n {
		wantMessage(t, s, msg)
	}
}

func TestSendErrors(t *testing.T) {
	few := withAuth()
	few.OutStreams = 3
	few.WriteBuffer = 20000
	c, s := pair(t, few, withAuth())
	if out, in := c.Streams(); out != 3 || in != 10 {
		t.Fatalf("client has %d outgoing and %d incoming streams, want 3 and 10", out, in)
	}
	if out, in := s.Streams(); out != 10 || in != 3 {
		t.Fatalf("server has %d outgoing and %d incoming streams, want 10 and 3", out, in)
	}

	if err := c.Send([]byte("x"), stream.Info{Stream: 3}); !errors.Is(err, syscall.EINVAL) ||
		!strings.Contains(err.Error(), "no outgoing stream 3") {
		t.Errorf("stream out of range: error %v", err)
	}
	if err := c.Send(make([]byte, 100000), stream.Info{}); !errors.Is(err, syscall.EMSGSIZE) ||
		!strings.Contains(err.Error(), "100000 bytes") {
		t.Errorf("message too large: error %v", err)
	}
	if err := c.Send(nil, stream.Info{}); err != ErrEmptyMessage || !errors.Is(err, syscall.EINVAL) {
		t.Errorf("empty message: error %v", err)
	}

	// None of it has gone out, and the association lives.
	send(t, c, "after", stream.Info{Stream: 2})
	wantMessage(t, s, "after")
}

// A changed default does not make control records unreliable, whether messages can be given up or
// not.
func TestReliableDespiteDefaults(t *testing.T) {
	const optDefaultPRInfo = 114
	type defaultPRInfo struct {
		AssocID int32
		Value   uint32
		Policy  uint16
	}
	for _, o := range []*Options{partial(), fast()} {
		t.Run(fmt.Sprint(o.PartialReliability), func(t *testing.T) {
			c, s := pair(t, o, o)
			if err := c.control(func(fd int) error {
				return setOpt(fd, solSCTP, optDefaultPRInfo, &defaultPRInfo{Value: 1, Policy: policyTTL})
			}); err != nil {
				t.Fatal(err)
			}
			// While the server hears nothing for longer than the default lifetime,
			// a message with that lifetime is given up, the other ones are not.
			deaf(t, s)
			if o.PartialReliability {
				send(t, c, "given up", stream.Info{Stream: 1, Lifetime: time.Millisecond})
			}
			send(t, c, "reliable", stream.Info{Stream: 2})
			c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			_, err := c.Recv(buffer(make([]byte, 1)), true)
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatalf("error %v, want a timeout", err)
			}
			hearing(t, s)
			if info := wantMessage(t, s, "reliable"); info.Stream != 2 {
				t.Errorf("received on stream %d, want 2", info.Stream)
			}
			if n, err := c.TrySendAll([][]byte{[]byte("a"), []byte("b")},
				[]stream.Info{{Stream: 1}, {Stream: 2}}); n != 2 || err != nil {
				t.Errorf("%d messages of a batch were sent, %v", n, err)
			}
			wantMessage(t, s, "a")
			wantMessage(t, s, "b")
		})
	}
}

func TestDeadlines(t *testing.T) {
	c, s := pair(t, withAuth(), withAuth())
	for _, d := range []time.Duration{-time.Second, 20 * time.Millisecond} {
		deadline := time.Now().Add(d)
		c.SetReadDeadline(deadline)
		if _, err := c.Recv(buffer(make([]byte, 100)), true); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("receiving with a deadline in %v: error %v", d, err)
		}
		if time.Now().Before(deadline) {
			t.Errorf("receiving with a deadline in %v ended before", d)
		}
		if _, err := c.Recv(buffer(make([]byte, 100)), false); err != stream.ErrWouldBlock {
			t.Errorf("receiving without waiting: error %v", err)
		}
	}
	fill(t, c)
	// A deadline is not the end.
	c.SetReadDeadline(time.Now().Add(patience))
	send(t, s, "still there", stream.Info{})
	wantMessage(t, c, "still there")
}

// fill sends until no more fits in. A machine that is busy elsewhere lets a deadline pass without a
// word from the peer, but hardly two.
func fill(t *testing.T, s *Socket) (messages int) {
	t.Helper()
	b := make([]byte, largestRecord)
	for late := 0; late < 2; {
		s.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		switch err := s.Send(b, stream.Info{}); {
		case err == nil:
			messages, late = messages+1, 0
		case errors.Is(err, os.ErrDeadlineExceeded):
			late++
		default:
			t.Fatal(err)
		}
	}
	s.SetWriteDeadline(time.Now().Add(patience))
	return messages
}

func TestSendWaitsForSpace(t *testing.T) {
	c, s := pair(t, withAuth(), withAuth())
	n := fill(t, c)
	sent := make(chan error)
	go func() { sent <- c.Send([]byte("last"), stream.Info{}) }()
	for range n {
		readParts0(t, s)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	wantMessage(t, s, "last")
}

// readParts0 reads a message and does not look at it.
func readParts0(t *testing.T, s *Socket) {
	t.Helper()
	for {
		p, _ := recv(t, s)
		if p.Event != nil {
			t.Fatalf("event %T", p.Event)
		}
		if p.End {
			return
		}
	}
}

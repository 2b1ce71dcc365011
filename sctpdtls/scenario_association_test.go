package sctpdtls

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// What an association does, without DTLS: all that the driver relies on, so that the association in
// memory cannot be kinder than the kernel's.
var associationScenarios = []scenario{
	{name: "messages keep their boundaries", run: func(s *stage) {
		a, b := s.rawPair()
		for i, n := range []int{1, 100, 1400, 5000, stream.MaxMessageSize} {
			info := stream.Info{Stream: uint16(i), PPID: uint32(i << 24), Unordered: i%2 == 1}
			sent := info
			sent.SackImmediately = true
			if err := a.Send(bytes.Repeat([]byte{byte(n)}, n), sent); err != nil {
				s.Fatal(err)
			}
			m, _ := b.next()
			if len(m.Data) != n || m.Info != info || m.Data[n-1] != byte(n) {
				s.Errorf("%d bytes with %+v came as %d with %+v", n, info, len(m.Data), m.Info)
			}
		}
		s.endRaw(a, b)
	}},
	{name: "what cannot be sent", run: func(s *stage) {
		a, b := s.rawPair()
		if err := a.Send(nil, stream.Info{}); err == nil {
			s.Error("an empty message was sent")
		}
		out, in := a.Streams()
		if out != 10 || in != 10 {
			s.Errorf("%d streams out, %d in", out, in)
		}
		if err := a.Send([]byte("x"), stream.Info{Stream: out}); err == nil {
			s.Error("a message was sent on a stream that there is not")
		}
		s.endRaw(a, b)
	}},
	{name: "the buffer is full", run: func(s *stage) { // E14
		a, b := s.rawPair()
		sent := 0
		for late := 0; late < 2; { // as fill does
			a.SetWriteDeadline(time.Now().Add(time.Second))
			if err := a.Send(make([]byte, 16000), stream.Info{}); err != nil {
				want(s.T, "Send", err, os.ErrDeadlineExceeded)
				late++
				continue
			}
			sent, late = sent+1, 0
		}
		if err := a.TrySend([]byte("x"), stream.Info{}); err != stream.ErrWouldBlock {
			s.Errorf("TrySend after %d messages: %v", sent, err)
		}
		a.SetWriteDeadline(time.Time{})
		done := make(chan error)
		go func() { done <- a.Send([]byte("last"), stream.Info{}) }()
		for range sent {
			if m, _ := b.next(); len(m.Data) != 16000 {
				s.Fatalf("a message of %d bytes", len(m.Data))
			}
		}
		if err := <-done; err != nil {
			s.Errorf("Send when there is space again: %v", err)
		}
		if m, _ := b.next(); string(m.Data) != "last" {
			s.Errorf("then %.10q", m.Data)
		}
		s.endRaw(a, b)
	}},
	{name: "dry", net: weather{delay: 2 * time.Millisecond, lasting: true}, run: func(s *stage) {
		a, b := s.rawPair()
		for range 2 { // with nothing outstanding, and after that is so
			if err := a.AskDry(); err != nil {
				s.Fatal(err)
			}
			a.wantEvent(stream.Dry{})
			a.send("x")
		}
		s.until("it was received", func() bool { return s.unread(b.association) })
		s.cut()
		a.send("lost")
		if err := a.AskDry(); err != nil {
			s.Fatal(err)
		}
		a.wantNothing()
		s.mend()
		a.wantEvent(stream.Dry{})
		for _, text := range []string{"x", "x", "lost"} { // acknowledged, and not read
			b.want(text)
		}
		s.endRaw(a, b)
	}},
	{name: "unknown key", net: weather{lasting: true}, run: func(s *stage) { // attack H4
		a, b := s.rawPair()
		must(s.T, a.SetAuthKey(5, []byte("secret")), a.SetActiveAuthKey(5))
		a.send("early")
		must(s.T, a.AskDry())
		b.wantNothing()
		a.wantNothing()
		must(s.T, b.SetAuthKey(5, []byte("secret")))
		b.wantUnder(5, "early") // when it comes again
		a.wantEvent(stream.Dry{})
		must(s.T, a.SetAuthKey(6, []byte("secret")), b.SetAuthKey(6, []byte("another")),
			a.SetActiveAuthKey(6))
		a.send("never")
		b.wantNothing()
		must(s.T, b.SetAuthKey(6, []byte("secret")))
		b.wantUnder(6, "never")
		s.endRaw(a, b)
	}},
	{name: "a key is bound to a message", net: weather{lasting: true}, run: func(s *stage) {
		a, b := s.rawPair()
		for _, end := range []rawEnd{a, b} {
			must(s.T, end.SetAuthKey(1, []byte("one")), end.SetAuthKey(2, []byte("two")),
				end.SetActiveAuthKey(1))
		}
		s.cut()
		a.send("under one")
		must(s.T, a.SetActiveAuthKey(2), a.DeleteAuthKey(1))
		a.send("under two")
		s.mend()
		b.want("under one")
		b.wantUnder(2, "under two")
		b.send("under one, which is gone there")
		a.wantNothing()
		must(s.T, a.SetAuthKey(1, []byte("one")))
		a.wantUnder(1, "under one, which is gone there")
		s.endRaw(a, b)
	}},
	{name: "key 0", net: weather{lasting: true}, run: func(s *stage) { // attack H4
		a, b := s.rawPair()
		must(s.T, b.SetAuthKey(1, []byte("one")), b.SetActiveAuthKey(1))
		a.send("under 0")
		b.wantUnder(0, "under 0")
		must(s.T, b.DeleteAuthKey(0))
		a.send("under 0 again")
		b.wantNothing()
		if b.DeleteAuthKey(1) == nil || b.SetActiveAuthKey(7) == nil {
			s.Error("the active key was deleted, or one made active that there is not")
		}
		must(s.T, b.SetAuthKey(0, nil))
		b.wantUnder(0, "under 0 again")
		must(s.T, a.SetAuthKey(1, []byte("one")))
		s.endRaw(a, b)
	}},
	{name: "partial reliability", net: weather{partial: true, lasting: true}, run: func(s *stage) {
		a, b := s.rawPair()
		s.cut()
		must(s.T, a.Send([]byte("given up"), stream.Info{Stream: 1, Lifetime: 10 * time.Millisecond}))
		must(s.T, a.Send([]byte("reliable"), stream.Info{Stream: 1}))
		s.until("its time is up", passed(20*time.Millisecond))
		s.mend()
		b.want("reliable")
		must(s.T, a.AskDry())
		a.wantEvent(stream.Dry{})
		s.endRaw(a, b)
	}},
	{name: "shutdown", net: weather{delay: 5 * time.Millisecond}, run: func(s *stage) {
		a, b := s.rawPair()
		a.send("request")
		b.send("answer")
		must(s.T, a.Shutdown())
		if err := a.Send([]byte("x"), stream.Info{}); err == nil {
			s.Error("sent after Shutdown")
		}
		b.want("request")
		b.wantEvent(stream.PeerShutdown{})
		b.wantEnd(io.EOF)
		if err := b.Send([]byte("x"), stream.Info{}); err == nil {
			s.Error("sent after the peer's SHUTDOWN")
		}
		a.want("answer") // although it had shut down
		a.wantEnd(io.EOF)
		must(s.T, a.Close(), b.Close())
	}},
	{name: "close with nothing unread", run: func(s *stage) {
		a, b := s.rawPair()
		a.send("last")
		must(s.T, a.Close())
		b.want("last")
		b.wantEvent(stream.PeerShutdown{})
		b.wantEnd(io.EOF)
		must(s.T, b.Close(), b.Close())
		for _, end := range []rawEnd{a, b} {
			want(s.T, "Send", end.Send([]byte("x"), stream.Info{}), net.ErrClosed)
		}
		a.wantEnd(net.ErrClosed)
		b.wantEnd(io.EOF) // which it has told before
	}},
	{name: "close with something unread", run: func(s *stage) { // C7
		a, b := s.rawPair()
		b.send("unread")
		a.send("read")
		s.until("both were received", func() bool {
			return s.unread(a.association) && s.unread(b.association) && !s.outstanding(b.association)
		})
		must(s.T, a.Close())
		b.want("read")
		b.wantEnd(syscall.ECONNRESET)
		must(s.T, b.Close())
	}},
	{name: "abort", run: func(s *stage) {
		a, b := s.rawPair()
		a.send("before")
		s.until("it was received", func() bool { return s.unread(b.association) })
		must(s.T, a.Abort(), a.Abort())
		b.want("before")
		b.wantEnd(syscall.ECONNRESET)
		if err := b.Send([]byte("x"), stream.Info{}); err == nil {
			s.Error("sent after the peer's ABORT")
		}
		must(s.T, b.Close())
	}},
	{name: "lost", gone: true, run: func(s *stage) {
		a, b := s.rawPair()
		s.cut()
		a.send("lost")
		b.send("lost")
		for _, end := range []rawEnd{a, b} {
			s.within(lostAfter, "the loss", func() { end.wantEnd(syscall.ETIMEDOUT) })
			must(s.T, end.Close())
		}
		s.mend()
	}},
	{name: "restart", run: func(s *stage) { // attack H1
		a, b := s.rawPair()
		a.send("before")
		s.until("it was received", func() bool { return s.unread(b.association) })
		again := s.raw(s.restart(s.T, a.association))
		again.send("of the new association")
		b.want("before")
		b.wantEvent(stream.AssocChange{State: AssocRestarted})
		for range 2 {
			part, err := b.Recv(&scratch{}, true)
			if err == nil || part.N > 0 {
				s.Errorf("after the restart %d bytes, event %v, %v", part.N, part.Event, err)
			}
		}
		if err := b.Send([]byte("x"), stream.Info{}); err == nil {
			s.Error("sent after the restart")
		}
		must(s.T, b.Abort(), again.Abort())
	}},
}

// A rawEnd is an end of an association without DTLS.
type rawEnd struct {
	association
	s      *stage
	reader *stream.Reader
	told   map[uint16]bool // of the keys that are not active, under which something has come
}

func (s *stage) raw(a association) rawEnd {
	return rawEnd{a, s, stream.NewReader(a), make(map[uint16]bool)}
}

func (s *stage) rawPair() (a, b rawEnd) {
	s.Helper()
	x, y := s.pair(s.T)
	return s.raw(x), s.raw(y)
}

// endRaw shuts down an association that is alive.
func (s *stage) endRaw(a, b rawEnd) {
	s.Helper()
	must(s.T, a.Shutdown())
	b.wantEvent(stream.PeerShutdown{})
	a.wantEnd(io.EOF)
	must(s.T, a.Close(), b.Close())
}

func (e rawEnd) send(text string) {
	e.s.Helper()
	if err := e.Send([]byte(text), stream.Info{Stream: 1, SackImmediately: true}); err != nil {
		e.s.Fatalf("sending %q: %v", text, err)
	}
}

// next returns the next message, or the next event that matters.
func (e rawEnd) next() (stream.Message, stream.Event) {
	e.s.Helper()
	for {
		if m, ev := e.any(); !passing(ev) {
			return m, ev
		}
	}
}

func (e rawEnd) any() (stream.Message, stream.Event) {
	e.s.Helper()
	e.SetReadDeadline(time.Now().Add(2 * lostAfter))
	m, ev, err := e.reader.Next(true)
	if err != nil {
		e.s.Fatalf("receiving: %v", err)
	}
	if key, ok := ev.(stream.NewKey); ok {
		e.told[key.ID] = true
	}
	return m, ev
}

// passing reports whether an event may come at any time. One that reports a key comes again with
// what is received twice.
func passing(ev stream.Event) bool {
	switch ev := ev.(type) {
	case stream.AssocChange:
		return ev.State == AssocUp
	case stream.PeerAddrChange, stream.SendFailed, stream.ErrorReceived, stream.NewKey:
		return true
	}
	return false
}

// wantUnder wants a message, and before it the event with the key under which it came, which is
// not the active one.
func (e rawEnd) wantUnder(id uint16, text string) {
	e.s.Helper()
	if m, ev := e.next(); string(m.Data) != text || !e.told[id] {
		e.s.Errorf("received %.20q, event %T, told of keys %v; want %q", m.Data, ev, e.told, text)
	}
}

func (e rawEnd) want(text string) {
	e.s.Helper()
	if m, ev := e.next(); string(m.Data) != text {
		e.s.Errorf("received %.20q, event %T, want %q", m.Data, ev, text)
	}
}

func (e rawEnd) wantEvent(want stream.Event) {
	e.s.Helper()
	if m, ev := e.next(); ev != want {
		e.s.Errorf("received event %T, %.20q, want %T", ev, m.Data, want)
	}
}

// wantNothing wants nothing to come in a time in which it would, over this network.
func (e rawEnd) wantNothing() {
	e.s.Helper()
	e.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	for {
		m, ev, err := e.reader.Next(true)
		if passing(ev) {
			continue
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			e.s.Errorf("received %.20q, event %T, %v, want nothing", m.Data, ev, err)
		}
		return
	}
}

// wantEnd wants the association to have ended so, now and ever after. A notification may tell
// first.
func (e rawEnd) wantEnd(want error) {
	e.s.Helper()
	e.SetReadDeadline(time.Now().Add(2 * lostAfter))
	for again := false; ; {
		m, ev, err := e.reader.Next(true)
		switch ev.(type) {
		case stream.AssocChange, stream.PeerAddrChange, stream.SendFailed, stream.ErrorReceived,
			stream.NewKey:
			continue
		}
		if !errors.Is(err, want) {
			e.s.Errorf("received %.20q, event %T, %v, want %v", m.Data, ev, err, want)
			return
		}
		if again {
			return
		}
		again = true
	}
}

// scratch is a buffer for what is not looked at.
type scratch [stream.MaxMessageSize]byte

func (b *scratch) Get() []byte { return b[:] }
func (b *scratch) Put()        {}

// passed returns what reports whether so much time has passed.
func passed(d time.Duration) func() bool {
	start := time.Now()
	return func() bool { return time.Since(start) >= d }
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

//go:build kernel && linux

package sctpsock

import (
	"bytes"
	"context"
	"errors"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// The tests in files *_kernel_test.go need a kernel with SCTP, and root for a
// few of them. They use the loopback interface only:
//
//	CGO_ENABLED=0 go test -c -tags kernel ./internal/sctpsock
//
// makes one static program of them. This file is what they share.

// patience is when a test gives up. No test passes by waiting for it.
const patience = 20 * time.Second

var loopback = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}

var authChunkList = []byte{0, 0xc0}

// fast keeps timers short, for tests in which the peer is lost.
func fast() *Options {
	return &Options{AuthChunks: authChunkList, Options: stream.Options{
		RTOInitial: 100 * time.Millisecond, RTOMin: 100 * time.Millisecond,
		RTOMax:          400 * time.Millisecond,
		AssocMaxRetrans: 4, PathMaxRetrans: 4, MaxInitAttempts: 3, InitTimeout: 200 * time.Millisecond,
	}}
}

// partial is fast, and lets messages be given up.
func partial() *Options {
	o := fast()
	o.PartialReliability = true
	return o
}

func withAuth() *Options { return &Options{AuthChunks: authChunkList} }

func listenLoopback(t testing.TB, o *Options) *Listener {
	t.Helper()
	l, err := Listen(loopback, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.SetDeadline(time.Now().Add(patience))
	return l
}

func dialListener(t testing.TB, l *Listener, o *Options) *Socket {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := Dial(ctx, nil, l.Addrs(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Abort() })
	s.SetReadDeadline(time.Now().Add(patience))
	s.SetWriteDeadline(time.Now().Add(patience))
	return s
}

func accept(t testing.TB, l *Listener) *Socket {
	t.Helper()
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Abort() })
	s.SetReadDeadline(time.Now().Add(patience))
	s.SetWriteDeadline(time.Now().Add(patience))
	return s
}

// pair returns the two ends of an association, after their Up events.
func pair(t testing.TB, client, server *Options) (c, s *Socket) {
	t.Helper()
	l := listenLoopback(t, server)
	c = dialListener(t, l, client)
	s = accept(t, l)
	wantState(t, c, stream.AssocUp)
	wantState(t, s, stream.AssocUp)
	return c, s
}

func send(t testing.TB, s *Socket, msg string, info stream.Info) {
	t.Helper()
	if err := s.Send([]byte(msg), info); err != nil {
		t.Fatalf("sending %.20q: %v", msg, err)
	}
}

// recv reads one part, whatever it is.
func recv(t testing.TB, s *Socket) (stream.Part, []byte) {
	t.Helper()
	b := make([]byte, 64<<10)
	p, err := s.Recv(buffer(b), true)
	if err != nil {
		t.Fatalf("receiving: %v", err)
	}
	return p, b[:p.N]
}

// wantMessage reads one whole message.
func wantMessage(t testing.TB, s *Socket, want string) stream.Info {
	t.Helper()
	p, b := recv(t, s)
	for p.Event == nil && !p.End {
		part, more := recv(t, s)
		if b = append(b, more...); part.Event != nil || part.Info != p.Info {
			t.Fatalf("event %T, %+v in the middle of a message", part.Event, part)
		}
		p.N, p.End = p.N+part.N, part.End
	}
	if p.Event != nil || !bytes.Equal(b, []byte(want)) {
		t.Fatalf("received %T %.20q (%d bytes, end %v), want %.20q (%d bytes)", p.Event, b, p.N, p.End,
			want, len(want))
	}
	return p.Info
}

// wantState reads an AssocChange.
func wantState(t testing.TB, s *Socket, state stream.AssocState) stream.AssocChange {
	t.Helper()
	e := wantEvent[stream.AssocChange](t, s)
	if e.State != state {
		t.Fatalf("the association is %v, want %v", e.State, state)
	}
	return e
}

// A buffer is the same bytes whenever they are wanted.
type buffer []byte

func (b buffer) Get() []byte { return b }
func (b buffer) Put()        {}

// wantEvent reads an event of type E.
func wantEvent[E stream.Event](t testing.TB, s *Socket) E {
	t.Helper()
	p, b := recv(t, s)
	e, ok := p.Event.(E)
	if !ok {
		t.Fatalf("received event %T, %.20q, want %T", p.Event, b, e)
	}
	return e
}

func wantNothing(t testing.TB, s *Socket) {
	t.Helper()
	b := make([]byte, 64<<10)
	if p, err := s.Recv(buffer(b), false); err != stream.ErrWouldBlock {
		t.Fatalf("received event %T, %.20q, error %v, want nothing", p.Event, b[:p.N], err)
	}
}

// wantError reads until there is an error, which must be want, and must stay.
func wantError(t testing.TB, s *Socket, want error) {
	t.Helper()
	for range 2 {
		p, err := s.Recv(buffer(make([]byte, 64<<10)), true)
		if !errors.Is(err, want) {
			t.Fatalf("received event %T, %d bytes, error %v, want error %v", p.Event, p.N, err, want)
		}
	}
}

// deaf makes s lose every packet, as if its host had gone.
func deaf(t testing.TB, s *Socket) {
	t.Helper()
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	if err := s.control(func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER,
			&unix.SockFprog{Len: 1, Filter: &drop})
	}); err != nil {
		t.Fatal(err)
	}
}

// hearing ends deaf.
func hearing(t testing.TB, s *Socket) {
	t.Helper()
	if err := s.control(func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	}); err != nil {
		t.Fatal(err)
	}
}

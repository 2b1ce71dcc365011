//go:build kernel && linux

package sctpsock

import (
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

func TestShutdown(t *testing.T) {
	c, s := pair(t, withAuth(), withAuth())
	const n = 20
	for i := range n {
		send(t, c, fmt.Sprint("request ", i), stream.Info{})
		send(t, s, fmt.Sprint("answer ", i), stream.Info{})
	}
	if err := c.Shutdown(); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		wantMessage(t, s, fmt.Sprint("request ", i))
	}
	wantEvent[stream.PeerShutdown](t, s)
	wantEOF(t, s)

	// What was queued still reaches the end that has shut down. After it
	// the kernel has nothing to say but EAGAIN.
	for i := range n {
		wantMessage(t, c, fmt.Sprint("answer ", i))
	}
	wantEOF(t, c)

	for _, end := range []*Socket{c, s} {
		var gone *stream.EndError
		if err := end.Send([]byte("x"), stream.Info{}); !errors.As(err, &gone) ||
			!errors.Is(err, syscall.EPIPE) {
			t.Errorf("sending after the end: %v", err)
		}
		if err := end.Shutdown(); err != nil {
			t.Errorf("shutting down again: %v", err)
		}
		if addrs := end.RemoteAddrs(); len(addrs) == 0 {
			t.Error("the peer's address is forgotten after the end")
		}
	}
}

// wantEOF wants a clean end, with or without a last event that says so.
func wantEOF(t *testing.T, s *Socket) {
	t.Helper()
	p, err := s.Recv(buffer(make([]byte, 1000)), true)
	if err == nil && p.Event != (stream.AssocChange{State: stream.AssocShutdown}) {
		t.Errorf("received event %T, %d bytes, want the end", p.Event, p.N)
	}
	wantError(t, s, io.EOF)
}

func TestShutdownWakesRecv(t *testing.T) {
	c, s := pair(t, withAuth(), withAuth())
	ended := make(chan error)
	go func() {
		for {
			if _, err := c.Recv(buffer(make([]byte, 100)), true); err != nil {
				ended <- err
				return
			}
		}
	}()
	c.Shutdown()
	if err := <-ended; err != io.EOF {
		t.Errorf("the end that shuts down: %v", err)
	}
	wantEvent[stream.PeerShutdown](t, s)
	wantEOF(t, s)
}

func TestAbort(t *testing.T) {
	c, s := pair(t, withAuth(), withAuth())
	send(t, c, "last words", stream.Info{})
	if err := c.Abort(); err != nil {
		t.Fatal(err)
	}
	wantMessage(t, s, "last words")
	if down := wantState(t, s, stream.AssocAborted); down.Cause != 12 {
		t.Errorf("got %+v, want an abort by the user", down)
	}
	wantError(t, s, syscall.ECONNRESET) // and not EAGAIN forever
	_, err := s.Recv(buffer(make([]byte, 1)), false)
	var gone *stream.EndError
	if !errors.As(err, &gone) || gone.Cause != 12 {
		t.Errorf("error %v, want one with the cause", err)
	}
	if err := s.Send([]byte("x"), stream.Info{}); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("sending after the end: %v", err)
	}
	wantError(t, c, net.ErrClosed)
}

func TestAbortInPartOfMessage(t *testing.T) {
	c, s := smallWindow(t)
	send(t, c, string(make([]byte, largestRecord)), stream.Info{})
	if p, _ := recv(t, s); p.End {
		t.Fatal("the message came whole")
	}
	c.Abort()
	for {
		p, _ := recv(t, s)
		if _, ok := p.Event.(stream.PartialDeliveryAborted); ok {
			break
		}
		if p.Event != nil || p.End {
			t.Fatalf("event %T, end %v, want the rest of the message to be aborted", p.Event, p.End)
		}
	}
	wantState(t, s, stream.AssocAborted)
	wantError(t, s, syscall.ECONNRESET)
}

func TestPeerVanishes(t *testing.T) {
	c, s := pair(t, fast(), fast())
	deaf(t, s)
	send(t, c, "anybody there?", stream.Info{})
	wantState(t, c, stream.AssocLost)
	wantError(t, c, syscall.ETIMEDOUT)
}

func TestCloseWakes(t *testing.T) {
	calls := map[string]func(s *Socket) error{
		"Recv": func(s *Socket) error { _, err := s.Recv(buffer(make([]byte, 100)), true); return err },
		"Send": func(s *Socket) error { return s.Send(make([]byte, largestRecord), stream.Info{}) },
	}
	ends := map[string]func(s *Socket) error{"Close": (*Socket).Close, "Abort": (*Socket).Abort}
	for name, call := range calls {
		for by, end := range ends {
			t.Run(name+" by "+by, func(t *testing.T) {
				c, _ := pair(t, withAuth(), withAuth())
				fill(t, c)
				c.SetReadDeadline(time.Time{})
				c.SetWriteDeadline(time.Time{})
				const callers = 3
				woken := make(chan error)
				for range callers {
					if name == "Recv" {
						go func() { woken <- call(c) }()
						break // it has one caller
					}
					go func() { woken <- call(c) }()
				}
				if err := end(c); err != nil {
					t.Errorf("closing: %v", err)
				}
				n := callers
				if name == "Recv" {
					n = 1
				}
				for range n {
					if err := <-woken; !errors.Is(err, net.ErrClosed) {
						t.Errorf("error %v, want that it is closed", err)
					}
				}
				if err := end(c); err != nil {
					t.Errorf("closing again: %v", err)
				}
			})
		}
	}
}

func TestListenerClose(t *testing.T) {
	l := listenLoopback(t, withAuth())
	l.SetDeadline(time.Time{})
	woken := make(chan error)
	go func() { _, err := l.Accept(); woken <- err }()
	addrs := l.Addrs()
	for range 2 {
		if err := l.Close(); err != nil {
			t.Errorf("closing: %v", err)
		}
	}
	if err := <-woken; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Accept: error %v, want that it is closed", err)
	}
	// The port is free.
	again, err := Listen(addrs, withAuth())
	if err != nil {
		t.Fatal(err)
	}
	again.Close()
}

func TestListenerDeadline(t *testing.T) {
	l := listenLoopback(t, withAuth())
	l.SetDeadline(time.Now().Add(10 * time.Millisecond))
	_, err := l.Accept()
	var nerr net.Error
	if !errors.As(err, &nerr) || !nerr.Timeout() {
		t.Errorf("error %v, want a timeout", err)
	}
	l.SetDeadline(time.Time{})
	dialListener(t, l, withAuth())
	accept(t, l)
}

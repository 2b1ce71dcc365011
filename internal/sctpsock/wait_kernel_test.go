//go:build kernel && linux

package sctpsock

import (
	"errors"
	"os"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// lender is a Buffer that reports whether it is lent out.
type lender struct {
	b    [100]byte
	lent chan bool
}

func (l *lender) Get() []byte { l.lent <- true; return l.b[:] }
func (l *lender) Put()        { l.lent <- false }

// Who waits holds no buffer.
func TestWaitingNeedsNoBuffer(t *testing.T) {
	c, s := pair(t, withAuth(), withAuth())
	l := &lender{lent: make(chan bool, 10)}
	done := make(chan error)
	go func() {
		p, err := s.Recv(l, true)
		if err == nil && string(l.b[:p.N]) != "hello" {
			err = errors.New("received something else")
		}
		done <- err
	}()
	if got := [2]bool{<-l.lent, <-l.lent}; got != [2]bool{true, false} {
		t.Errorf("the buffer was lent: %v, want that it is given back", got)
	}
	send(t, c, "hello", stream.Info{})
	if !<-l.lent {
		t.Error("the buffer was given back twice")
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(l.lent) != 0 {
		t.Error("the buffer was given back with the message in it")
	}
}

// TrySend does not wait, and does not care for the deadline.
func TestTrySend(t *testing.T) {
	c, s := pair(t, withAuth(), withAuth())
	c.SetWriteDeadline(time.Unix(1, 0))
	if err := c.Send([]byte("x"), stream.Info{}); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Send after the deadline: %v", err)
	}
	sent := 0
	for ; ; sent++ {
		err := c.TrySend(make([]byte, 10000), stream.Info{})
		if err == stream.ErrWouldBlock {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if sent == 0 {
		t.Fatal("there was no space at all")
	}
	b := make([]byte, 64<<10)
	for got := 0; got < 10000*sent; {
		p, err := s.Recv(buffer(b), true)
		if err != nil {
			t.Fatal(err)
		}
		got += p.N
	}
}

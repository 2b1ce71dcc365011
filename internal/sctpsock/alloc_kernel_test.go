//go:build kernel && linux && !race

package sctpsock

import (
	"testing"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Not with the race detector, under which a sync.Pool forgets at random.

func TestNoAllocations(t *testing.T) {
	c, s := pair(t, withAuth(), withAuth())
	out, in := make([]byte, 1000), stream.Buffer(buffer(make([]byte, largestRecord)))
	if n := testing.AllocsPerRun(200, func() {
		if err := c.Send(out, stream.Info{Stream: 1, PPID: 66}); err != nil {
			t.Fatal(err)
		}
		if p, err := s.Recv(in, true); err != nil || p.N != len(out) {
			t.Fatalf("%d bytes, error %v", p.N, err)
		}
		if _, err := s.Recv(in, false); err != stream.ErrWouldBlock {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a message costs %v allocations", n)
	}
}

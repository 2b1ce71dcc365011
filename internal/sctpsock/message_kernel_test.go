//go:build kernel && linux

package sctpsock

import (
	"strings"
	"testing"
	"time"
)

const largestRecord = 13 + 1<<14 + 2048

func TestEcho(t *testing.T) {
	c, s := pair(t, withAuth(), withAuth())
	for _, size := range []int{1, 1000, 16384, largestRecord} {
		msg := strings.Repeat("x", size)
		send(t, c, msg, SendInfo{Stream: 3, PPID: 66})
		if got, want := wantMessage(t, s, msg), (RecvInfo{Stream: 3, PPID: 66}); got != want {
			t.Errorf("server got %+v, want %+v", got, want)
		}
		send(t, s, msg, SendInfo{Stream: 5, PPID: 47, Unordered: true, SackImmediately: true, Lifetime: time.Minute})
		if got, want := wantMessage(t, c, msg), (RecvInfo{Stream: 5, PPID: 47, Unordered: true}); got != want {
			t.Errorf("client got %+v, want %+v", got, want)
		}
	}
	wantNothing(t, c)
	wantNothing(t, s)
}

func TestDry(t *testing.T) {
	c, s := pair(t, withAuth(), withAuth())
	// Nothing outstanding: at once.
	if err := c.AskDry(); err != nil {
		t.Fatal(err)
	}
	wantEvent[Dry](t, c)
	for range 3 {
		send(t, c, strings.Repeat("x", largestRecord), SendInfo{SackImmediately: true})
		if err := c.AskDry(); err != nil {
			t.Fatal(err)
		}
		wantEvent[Dry](t, c)
	}
	_ = s
}

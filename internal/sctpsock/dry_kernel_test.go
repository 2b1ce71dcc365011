//go:build kernel && linux

package sctpsock

import (
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

func askDry(t *testing.T, s *Socket) {
	t.Helper()
	if err := s.AskDry(); err != nil {
		t.Fatal(err)
	}
}

func TestDry(t *testing.T) { // RFC 6083, Section 4.7
	c, _ := pair(t, withAuth(), withAuth())
	askDry(t, c)
	wantEvent[stream.Dry](t, c) // nothing outstanding
	for range 3 {
		send(t, c, strings.Repeat("x", largestRecord), stream.Info{SackImmediately: true})
		askDry(t, c)
		wantEvent[stream.Dry](t, c)
		wantNothing(t, c)
	}
}

func TestDryManyTimes(t *testing.T) {
	// The peer's acknowledgements race with the looking at the send buffer.
	c, s := pair(t, withAuth(), withAuth())
	go func() {
		for buf := make([]byte, 1000); ; {
			if _, err := s.Recv(buffer(buf), true); err != nil {
				return
			}
		}
	}()
	for i := range 200 {
		for range i % 5 {
			send(t, c, "x", stream.Info{})
		}
		send(t, c, "last", stream.Info{SackImmediately: true})
		askDry(t, c)
		wantEvent[stream.Dry](t, c)
	}
}

func TestDryOnlyWhenAsked(t *testing.T) {
	c, s := pair(t, withAuth(), withAuth())
	askDry(t, c)
	wantEvent[stream.Dry](t, c)
	for range 3 {
		send(t, c, "x", stream.Info{SackImmediately: true})
		wantMessage(t, s, "x")
		send(t, s, "y", stream.Info{})
		wantMessage(t, c, "y")
	}
	wantNothing(t, c)
}

func TestDryWhileReading(t *testing.T) {
	// Dry says nothing of what arrives, which is not lost.
	c, s := pair(t, withAuth(), withAuth())
	send(t, s, "before", stream.Info{})
	send(t, c, "x", stream.Info{SackImmediately: true})
	wantMessage(t, s, "x")
	askDry(t, c)
	wantEvent[stream.Dry](t, c)
	wantMessage(t, c, "before")
}

func TestDryOfThePast(t *testing.T) { // a stale event must not satisfy the wait
	c, s := pair(t, withAuth(), withAuth())

	// Notifications pile up: of sends and of window updates.
	n := fill(t, c)
	askDry(t, c)
	for range n {
		readParts0(t, s)
	}
	askDry(t, c)
	askDry(t, c)
	wantEvent[stream.Dry](t, c)

	// Now there is something outstanding for as long as the server does not read.
	n = fill(t, c)
	askDry(t, c)
	wantNothing(t, c)
	for range n {
		readParts0(t, s)
	}
	wantEvent[stream.Dry](t, c)
	wantNothing(t, c)
}

func TestDryAfterGivenUpMessage(t *testing.T) {
	c, s := pair(t, partial(), partial())
	deaf(t, s)
	// It is sent once, by a slow machine too.
	send(t, c, "given up", stream.Info{Lifetime: 50 * time.Millisecond})
	askDry(t, c)
	wantNothing(t, c)
	hearing(t, s)
	wantEvent[stream.Dry](t, c)
}

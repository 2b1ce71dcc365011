package sctpdtls

import (
	"testing"
	"testing/synctest"
	"time"
)

// What a handshake has shown of the peer says how long to wait for its key.
func TestPace(t *testing.T) {
	const ms = time.Millisecond
	for _, test := range []struct {
		name   string
		answer time.Duration // until the peer's first record
		work   time.Duration // from there to what this end sends
		key    time.Duration // from there to our key
		later  time.Duration // from there until the peer's is asked for
		want   time.Duration
	}{
		{"a peer as fast as this end", ms / 10, ms, ms / 20, 0, minKeyTime - ms/20},
		{"our own work is not the peer's", ms, 20 * ms, 0, 0, ms},
		{"a peer that is slow from the beginning", 5 * ms, ms, ms, 0, 4 * ms},
		{"a key that takes long", ms, ms, 4 * ms, 0, 8 * ms},
		{"some of the time is over", 5 * ms, ms, ms, 2 * ms, 2 * ms},
		{"all of it", ms, ms, 0, 20 * ms, -19 * ms},
		{"a peer that takes too long", time.Second, 0, 0, 0, maxKeyTime},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p pace
				p.sent()
				time.Sleep(test.answer)
				p.received()
				time.Sleep(test.work)
				p.received() // of the same flight
				p.sent()
				time.Sleep(test.key)
				p.installed()
				time.Sleep(test.later)
				if got := p.untilPeerKey(); got != test.want {
					t.Errorf("waits %v, want %v", got, test.want)
				}
			})
		})
	}
}

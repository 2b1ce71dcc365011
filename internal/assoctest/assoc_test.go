package assoctest_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// The scenarios of package sctpdtls test everything else.

// TestSeed checks that the seed alone determines the order in which messages arrive.
func TestSeed(t *testing.T) {
	arrivals := func(seed uint64) (all []string) {
		synctest.Test(t, func(t *testing.T) {
			a, b := assoctest.Pair(t, assoctest.Options{
				Delay: time.Millisecond, Jitter: 10 * time.Millisecond, Loss: 0.2,
				RTO: 100 * time.Millisecond, Seed: seed,
			})
			const messages = 200
			for i := range messages {
				info := stream.Info{Stream: uint16(i % 4), Unordered: i%5 == 0}
				if err := a.Send(fmt.Append(nil, i), info); err != nil {
					t.Fatal(err)
				}
			}
			r := stream.NewReader(b)
			next := map[uint16]int{}
			for range messages {
				m, _, err := r.Next(true)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, string(m.Data))
				if m.Info.Unordered {
					continue
				}
				var n int
				fmt.Sscan(string(m.Data), &n)
				if n < next[m.Info.Stream] {
					t.Errorf("stream %d: message %d after %d", m.Info.Stream, n, next[m.Info.Stream])
				}
				next[m.Info.Stream] = n
			}
			a.Abort()
			b.Abort()
		})
		return all
	}
	first, again, other := arrivals(1), arrivals(1), arrivals(2)
	if !slices.Equal(first, again) {
		t.Error("the same seed gave another order")
	}
	if slices.Equal(first, other) || slices.IsSorted(first) {
		t.Error("the seed does not matter")
	}
}

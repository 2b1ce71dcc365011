//go:build !race

package sctpcore

import (
	"fmt"
	"testing"
)

var messageSizes = []int{64, 1024, 16384}

// TestAllocations checks that a message from end to end costs at most 0.1 allocations, with and
// without SCTP-AUTH.
func TestAllocations(t *testing.T) {
	for _, auth := range []bool{false, true} {
		for _, size := range messageSizes {
			t.Run(fmt.Sprintf("Auth=%v/%d", auth, size), func(t *testing.T) {
				p := newBarePair(t, &Config{Auth: auth})
				msg := make([]byte, size)
				for range 100 {
					p.send(t, msg)
				}
				if n := testing.AllocsPerRun(2000, func() { p.send(t, msg) }); n > 0.1 {
					t.Errorf("%v allocations a message", n)
				}
				if p.b.Stats().MessagesReceived < 2000 {
					t.Errorf("%+v", p.b.Stats())
				}
			})
		}
	}
}

// BenchmarkCoreToCore measures a message from Send at one end to Read at the other, including
// acknowledgements: the work of both ends together.
func BenchmarkCoreToCore(b *testing.B) {
	for _, auth := range []bool{false, true} {
		for _, size := range messageSizes {
			name := "Plain"
			if auth {
				name = "Auth"
			}
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				p := newBarePair(b, &Config{Auth: auth, MTU: 1452})
				msg := make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					p.send(b, msg)
				}
				b.ReportMetric(float64(p.packets)/float64(b.N), "packets/op")
			})
		}
	}
}

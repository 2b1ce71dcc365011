//go:build !race

package dtlscore

import (
	"crypto/tls"
	"testing"
)

// Not with the race detector, under which a sync.Pool forgets at random.

// What a full mutual handshake may allocate, both ends together.
func TestHandshakeAllocations(t *testing.T) {
	for i, limit := range []float64{700, 1000} {
		client, server := eachVersion[i].configs(tls.RequireAndVerifyClientCert)
		client.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
		if n := testing.AllocsPerRun(20, func() { newBenchmarkPair(t, client, server) }); n > limit {
			t.Errorf("%s: %v allocations", eachVersion[i].name, n)
		}
	}
}

// Up to the usual size nothing is allocated, and above one buffer, unless there is one.
func TestLargeRecordAllocations13(t *testing.T) {
	p := openLarge13(t, 1<<20, 1<<20)
	buffer := make([]byte, 0, 1<<20+MaxOverhead)
	for _, n := range []int{0, 1000, MaxPlaintext, MaxPlaintext + 1, 1 << 20} {
		data := make([]byte, n)
		round := func(dst []byte) func() {
			return func() {
				record, err := p.client.conn.Seal(dst, data)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := p.server.conn.Receive(record, false, Tag{}); err != nil || len(got) != n {
					t.Fatal(err)
				}
			}
		}
		if allocs := testing.AllocsPerRun(10, round(buffer)); allocs != 0 {
			t.Errorf("%d bytes: %v allocations", n, allocs)
		}
		if allocs := testing.AllocsPerRun(10, round(nil)); allocs > 1 {
			t.Errorf("%d bytes without a buffer: %v allocations", n, allocs)
		}
	}
}

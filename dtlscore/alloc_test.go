//go:build !race

package dtlscore

import (
	"crypto/tls"
	"testing"
)

// These tests do not run with the race detector, under which sync.Pool drops items at random.

// TestHandshakeAllocations limits the allocations of a full mutual handshake, both ends together.
func TestHandshakeAllocations(t *testing.T) {
	for i, limit := range []float64{700, 1000} {
		client, server := eachVersion[i].configs(tls.RequireAndVerifyClientCert)
		client.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
		if n := testing.AllocsPerRun(20, func() { newBarePair(client, server) }); n > limit {
			t.Errorf("%s: %v allocations", eachVersion[i].name, n)
		}
	}
}

// TestLargeRecordAllocations13 checks that records of up to 2^14 bytes cause no allocation, and
// that larger ones cause one, of a buffer, unless there is one already.
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

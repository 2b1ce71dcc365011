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

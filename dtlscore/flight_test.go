package dtlscore

import (
	"slices"
	"testing"
)

// A flight is sent as a whole, except where the peer needs a message early: in DTLS 1.2 the server
// needs ClientKeyExchange to derive its key before the client uses that. RFC 6083, Section 4.8.
func TestFlights(t *testing.T) {
	for version, want := range map[uint16]struct{ client, server []int }{
		VersionDTLS12: {
			// ClientHello; Certificate, ClientKeyExchange; CertificateVerify; ChangeCipherSpec, Finished
			client: []int{1, 2, 1, 2},
			// ServerHello to ServerHelloDone; ChangeCipherSpec, Finished
			server: []int{5, 2},
		},
		VersionDTLS13: {
			// ClientHello; Certificate to Finished
			client: []int{1, 3},
			// ServerHello to Finished; ACK
			server: []int{6, 1},
		},
	} {
		client, server := goldenConfigs(version)
		goldenMutual(client, server)
		p := newTestPair(t, client, server)
		p.handshake()
		if c, s := p.client.flights, p.server.flights; !slices.Equal(c, want.client) ||
			!slices.Equal(s, want.server) {
			t.Errorf("version %#x: flights of %d and %d records, want %d and %d", version, c, s, want.client,
				want.server)
		}
	}
}

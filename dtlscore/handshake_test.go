package dtlscore

import (
	"crypto/tls"
	"fmt"
	"testing"
)

// Requirements 4.2, 4.5, 4.6, and what the two ends say of each other after it.
func TestHandshake(t *testing.T) {
	certs := testCerts()
	tests := []struct {
		name  string
		cert  tls.Certificate
		suite uint16
		group tls.CurveID
	}{
		{"DTLS1.2/ECDSA P-256", certs.ecdsa, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.X25519},
		{"DTLS1.2/ECDSA P-384", certs.p384, TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.CurveP384},
		{"DTLS1.2/Ed25519", certs.ed25519, TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.CurveP256},
		{"DTLS1.2/RSA", certs.rsa, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.X25519},
		{"DTLS1.2/RSA, AES-256", certs.rsa, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.CurveP256},
		{"DTLS1.2/RSA, ChaCha20", certs.rsa, TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.CurveP384},

		{"DTLS1.3/ECDSA P-256", certs.ecdsa, TLS_AES_128_GCM_SHA256, tls.X25519MLKEM768},
		{"DTLS1.3/ECDSA P-384", certs.p384, TLS_AES_256_GCM_SHA384, tls.CurveP384},
		{"DTLS1.3/Ed25519", certs.ed25519, TLS_CHACHA20_POLY1305_SHA256, tls.CurveP256},
		{"DTLS1.3/RSA", certs.rsa, TLS_AES_128_GCM_SHA256, tls.X25519},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			version := eachVersion[0]
			if suiteByID(test.suite, version.number) == nil {
				version = eachVersion[1]
			}
			client, server := version.configs(tls.RequireAndVerifyClientCert)
			client.Certificates = []tls.Certificate{test.cert}
			server.Certificates = []tls.Certificate{test.cert}
			server.CipherSuites = []uint16{test.suite}
			server.CurvePreferences = []tls.CurveID{test.group}
			client.NextProtos = []string{"a", "b"}
			server.NextProtos = []string{"c", "b"}
			p := newTestPair(t, client, server)
			p.handshake()
			for _, e := range []*testEnd{p.client, p.server} {
				s := e.conn.ConnectionState()
				got := fmt.Sprintf("%x %x %v %v %v %s %s %d %v", s.Version, s.CipherSuite, s.CurveID, s.HandshakeComplete,
					s.DidResume, s.NegotiatedProtocol, s.ServerName, s.Handshakes, len(s.VerifiedChains) == 1)
				want := fmt.Sprintf("%x %x %v true false b %s 1 true", version.number, test.suite, test.group, testName)
				if got != want {
					t.Errorf("%s: %s, want %s", e.name, got, want)
				}
				if !s.PeerCertificates[0].Equal(test.cert.Leaf) {
					t.Errorf("%s: peer is %v", e.name, s.PeerCertificates[0].Subject)
				}
			}
			p.exchangeData()
		})
	}
}

package dtlscore

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"testing"
)

// What is negotiated, and what the ends report about it: RFC 9325, Section 4.2; RFC 8446, Section
// 9.1.
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
				got := fmt.Sprintf("%x %x %v %v %v %s %s %d %v", s.Version, s.CipherSuite, s.CurveID,
					s.HandshakeComplete,
					s.DidResume, s.NegotiatedProtocol, s.ServerName, s.Handshakes, len(s.VerifiedChains) == 1)
				want := fmt.Sprintf("%x %x %v true false b %s 1 true", version.number, test.suite, test.group,
					testName)
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

// A resumed connection reports the same identity of the peer as the first one, and has different
// secrets: RFC 6083, Section 4.8. In DTLS 1.3 each connection issues a new ticket: RFC 8446,
// Appendix C.4.
func TestResumption(t *testing.T) {
	for _, v := range eachVersion {
		t.Run(v.name, func(t *testing.T) { testResumption(t, v) })
	}
}

func testResumption(t *testing.T, v testVersion) {
	group := map[uint16]tls.CurveID{VersionDTLS13: tls.X25519MLKEM768}[v.number] // none in 1.2
	for _, auth := range []tls.ClientAuthType{tls.NoClientCert, tls.RequestClientCert,
		tls.RequireAndVerifyClientCert} {
		client, server := resumingConfigs(auth)
		v.set(client, server)
		client.NextProtos, server.NextProtos = []string{"p"}, []string{"p"}
		server.Certificates[0].OCSPStaple = []byte("staple")
		verified := 0
		count := func(s ConnectionState) error { verified++; return nil }
		client.VerifyConnection, server.VerifyConnection = count, count
		first := newTestPair(t, client, server)
		first.handshake()
		ticket := func() []byte {
			data, _ := client.SessionCache.Get(testName)
			return parseSession(data).ticket
		}
		before := ticket()
		second := newTestPair(t, client, server)
		second.handshake()
		third := newTestPair(t, client, server)
		third.handshake()
		if verified != 6 {
			t.Errorf("VerifyConnection was called %d times", verified)
		}
		if again := bytes.Equal(before, ticket()); again != (v.number == VersionDTLS12) {
			t.Errorf("the same ticket again: %v", again)
		}
		for _, ends := range [][2]*testEnd{{first.client, third.client}, {first.server, third.server}} {
			a, b := ends[0].conn.ConnectionState(), ends[1].conn.ConnectionState()
			if a.DidResume || !b.DidResume || !b.HandshakeComplete || b.CurveID != group {
				t.Errorf("%v, %s: %+v", auth, ends[0].name, b)
			}
			if a.identity() != b.identity() || len(a.PeerCertificates) != len(b.PeerCertificates) ||
				len(a.VerifiedChains) != len(b.VerifiedChains) || a.ServerName != b.ServerName ||
				a.NegotiatedProtocol != b.NegotiatedProtocol || a.CipherSuite != b.CipherSuite ||
				!bytes.Equal(a.OCSPResponse, b.OCSPResponse) {
				t.Errorf("%v, %s:\n%+v\n%+v", auth, ends[0].name, a, b)
			}
			if bytes.Equal(ends[0].secrets[0], ends[1].secrets[0]) {
				t.Error("the endpoint pair secret is the same again")
			}
		}
		if !bytes.Equal(third.client.secrets[0], third.server.secrets[0]) {
			t.Error("endpoint pair secrets differ")
		}
		third.exchangeData()
	}
}

package dtlscore

import (
	"crypto/tls"
	"fmt"
	"testing"
)

func testClientConfig13() *Config {
	c := testClientConfig()
	c.MinVersion, c.MaxVersion = VersionDTLS13, VersionDTLS13
	return c
}

func testServerConfig13(auth tls.ClientAuthType) *Config {
	c := testServerConfig(auth)
	c.MinVersion, c.MaxVersion = VersionDTLS13, VersionDTLS13
	return c
}

// Requirements 4.5, 4.6, and what the two ends say of each other after it.
func TestHandshake13(t *testing.T) {
	certs := testCerts()
	tests := []struct {
		name  string
		cert  tls.Certificate
		suite uint16
		group tls.CurveID
	}{
		{"ECDSA P-256", certs.ecdsa, TLS_AES_128_GCM_SHA256, tls.X25519MLKEM768},
		{"ECDSA P-384", certs.p384, TLS_AES_256_GCM_SHA384, tls.CurveP384},
		{"Ed25519", certs.ed25519, TLS_CHACHA20_POLY1305_SHA256, tls.CurveP256},
		{"RSA", certs.rsa, TLS_AES_128_GCM_SHA256, tls.X25519},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client, server := testClientConfig13(), testServerConfig13(tls.RequireAndVerifyClientCert)
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
				want := fmt.Sprintf("%x %x %v true false b %s 1 true", VersionDTLS13, test.suite, test.group, testName)
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

// The events of requirement 3.31: the server's flight goes under the key
// before, all that follows the server's Finished under the new one.
func TestEventOrderFullHandshake13(t *testing.T) {
	t.Run("mutual", func(t *testing.T) {
		p := newTestPair(t, testClientConfig13(), testServerConfig13(tls.RequireAndVerifyClientCert))
		p.handshake()
		wantStory(t, p.client, []string{
			"Send ClientHello",
			"Secret", "PeerFinished", "Activate",
			"Send Certificate", "Send CertificateVerify", "Send Finished",
			"HandshakeComplete",
			"Confirmed", // by the ACK
		})
		wantStory(t, p.server, []string{
			"Send ServerHello", "Send EncryptedExtensions", "Send CertificateRequest", "Send Certificate", "Send CertificateVerify",
			"Secret", // before the client can use it, which is when it has Finished
			"Send Finished",
			"PeerFinished", "Activate",
			"Send ack", // 3.2, 3.4: at once
			"HandshakeComplete",
		})
	})
	t.Run("server only", func(t *testing.T) {
		p := newTestPair(t, testClientConfig13(), testServerConfig13(tls.NoClientCert))
		p.handshake()
		wantStory(t, p.client, []string{
			"Send ClientHello", "Secret", "PeerFinished", "Activate", "Send Finished", "HandshakeComplete", "Confirmed",
		})
		wantStory(t, p.server, []string{
			"Send ServerHello", "Send EncryptedExtensions", "Send Certificate", "Send CertificateVerify",
			"Secret", "Send Finished", "PeerFinished", "Activate", "Send ack", "HandshakeComplete",
		})
	})
	t.Run("retry", func(t *testing.T) {
		server := testServerConfig13(tls.NoClientCert)
		server.CurvePreferences = []tls.CurveID{tls.CurveP384}
		p := newTestPair(t, testClientConfig13(), server)
		p.handshake()
		wantStory(t, p.client, []string{
			"Send ClientHello", "Send ClientHello", "Secret", "PeerFinished", "Activate", "Send Finished", "HandshakeComplete", "Confirmed",
		})
		wantStory(t, p.server, []string{
			"Send ServerHello", "Send ServerHello", "Send EncryptedExtensions", "Send Certificate", "Send CertificateVerify",
			"Secret", "Send Finished", "PeerFinished", "Activate", "Send ack", "HandshakeComplete",
		})
	})
}

// D12: fragments that overlap with a message that is complete may come after
// the keys have changed, as long as there is nothing else in the record.
func TestAttackD12RepeatedAfterKeyChange(t *testing.T) {
	plain := func(typ handshakeType, seq uint16) testRecord {
		message := append(handshakeHeader{typ: typ, length: 100, seq: seq, fragmentLength: 1}.append(nil), 0)
		h := recordHeader{contentHandshake, VersionDTLS12, 0, 77, len(message)}
		return testRecord{append(h.append(nil), message...), true}
	}
	start := func() *script13 {
		s := newScriptedServer13(t, testClientConfig13())
		s.readClientHello()
		s.serverHello()
		return s
	}
	s := start()
	s.under.receive(plain(typeServerHello, 0))
	s.wantAlive("of a message that was handled")

	s.under.receive(plain(typeEncryptedExtensions, 1))
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)

	s = start()
	both := plain(typeServerHello, 0)
	next := plain(typeEncryptedExtensions, 1)
	both.bytes = append(both.bytes, next.bytes[recordHeaderLen:]...)
	both.bytes[recordHeaderLen-1] *= 2
	s.under.receive(both)
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
}

// 3.4: two messages in one record get one ACK.
func TestOneACKForOneRecord(t *testing.T) {
	s := newScriptedServer13(t, testClientConfig13())
	s.completeServer(false)
	var content []byte
	for range 2 {
		content = must(appendMessage(content, s.conn.nextSendSeq, &newSessionTicket13{lifetime: 1, ticket: []byte{1}}))
		s.conn.nextSendSeq++
	}
	s.sendRecord(contentHandshake, content)
	s.wantAlive("tickets are welcome")
	s.wantACK(s.last())
	if n := len(s.under.sent) - s.seen; n > 0 {
		t.Errorf("%d records more were sent", n)
	}
}

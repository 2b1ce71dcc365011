package dtlscore

import (
	"crypto"
	"crypto/tls"
	"testing"
)

// A3, A4: messages must not arrive out of order.
func TestAttackA3A4WrongOrder13(t *testing.T) {
	client := map[string]func(s *script13){
		"CertificateVerify without Certificate": func(s *script13) { s.verify() },
		"Finished before Certificate":           func(s *script13) { s.finished() },
		"Finished before CertificateVerify":     func(s *script13) { s.certificate(); s.finished() },
		"Certificate after Finished": func(s *script13) {
			s.certificate()
			s.verify()
			s.finished()
			s.certificate()
		},
	}
	for name, play := range client {
		t.Run("client's "+name, func(t *testing.T) {
			s := newScriptedClient13(t, testServerConfig13(tls.RequireAndVerifyClientCert))
			s.clientHello()
			s.serverFlight()
			play(s)
			s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
		})
	}
	t.Run("client's Finished without keys", func(t *testing.T) {
		s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
		s.clientHello()
		plain := &writeEpoch{sealer: noProtection{}, limits: usageLimits{records: maxSequence}}
		s.under.receive(testRecord{must(plain.seal(nil, contentHandshake,
			must(appendMessage(nil, 1, &finished{make([]byte, 32)})))), true})
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	server := map[string]func(s *script13){
		"Finished":          func(s *script13) { s.finished() },
		"Certificate":       func(s *script13) { s.certificate() },
		"CertificateVerify": func(s *script13) { s.encryptedExtensions(); s.verify() },
	}
	for name, play := range server {
		t.Run("server's early "+name, func(t *testing.T) {
			s := newScriptedServer13(t, testClientConfig13())
			s.readClientHello()
			s.serverHello()
			play(s)
			s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
		})
	}
}

func TestAttackA5ServerWithoutProof13(t *testing.T) {
	t.Run("Certificate without CertificateVerify", func(t *testing.T) {
		s := newScriptedServer13(t, testClientConfig13())
		s.readClientHello()
		s.serverHello()
		s.encryptedExtensions()
		s.certificate()
		s.finished()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("Finished without Certificate", func(t *testing.T) {
		s := newScriptedServer13(t, testClientConfig13())
		s.readClientHello()
		s.serverHello()
		s.encryptedExtensions()
		s.finished()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("empty Certificate", func(t *testing.T) {
		s := newScriptedServer13(t, testClientConfig13())
		s.readClientHello()
		s.serverHello()
		s.encryptedExtensions()
		s.send(new(certificate13))
		s.wantAlert(AlertDecodeError, ErrInvalidMessage)
	})
	t.Run("request after Certificate", func(t *testing.T) { // D3
		s := newScriptedServer13(t, testClientConfig13())
		s.readClientHello()
		s.serverHello()
		s.encryptedExtensions()
		s.certificate()
		s.certificateRequest()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("certificates for a client that knows a key alone", func(t *testing.T) {
		client, _ := pskConfigs13()
		s := newScriptedServer13(t, client)
		s.readClientHello()
		s.serverHello()
		s.encryptedExtensions()
		s.wantAlert(AlertHandshakeFailure, ErrPeerIncompatible)
	})
}

// A7: messages must not be repeated, and the identity never changes.
func TestAttackA7Twice13(t *testing.T) {
	server := map[string]func(s *script13){
		"ServerHello": func(s *script13) { s.serverHello(); s.send(s.newServerHello()) },
		"EncryptedExtensions": func(s *script13) {
			s.serverHello()
			s.encryptedExtensions()
			s.encryptedExtensions()
		},
		"CertificateRequest": func(s *script13) {
			s.serverHello()
			s.encryptedExtensions()
			s.certificateRequest()
			s.certificateRequest()
		},
		"Certificate": func(s *script13) {
			s.serverHello()
			s.encryptedExtensions()
			s.certificate()
			s.certificate()
		},
		"CertificateVerify": func(s *script13) {
			s.serverHello()
			s.encryptedExtensions()
			s.certificate()
			s.verify()
			s.verify()
		},
	}
	for name, play := range server {
		t.Run("server's "+name, func(t *testing.T) {
			s := newScriptedServer13(t, testClientConfig13())
			s.readClientHello()
			play(s)
			s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
		})
	}
	client := map[string]func(s *script13){
		"ClientHello":       func(s *script13) { s.clientHello() },
		"Certificate":       func(s *script13) { s.certificate(); s.certificate() },
		"CertificateVerify": func(s *script13) { s.certificate(); s.verify(); s.verify() },
		// DTLS 1.3 here has no post-handshake authentication
		"Certificate afterwards": func(s *script13) {
			s.clientFlight()
			s.certificate()
		},
	}
	for name, play := range client {
		t.Run("client's "+name, func(t *testing.T) {
			s := newScriptedClient13(t, testServerConfig13(tls.RequireAnyClientCert))
			s.clientHello()
			s.serverFlight()
			play(s)
			s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
		})
	}
	t.Run("CertificateRequest afterwards", func(t *testing.T) {
		s := newScriptedServer13(t, testClientConfig13())
		s.completeServer(false)
		s.certificateRequest()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
}

// A8, A9, A10: invalid signatures from either side.
func TestAttackA8A9A10Signature13(t *testing.T) {
	type change = func(s *script13, m *certificateVerify)
	resign := func(cert tls.Certificate, scheme tls.SignatureScheme) change {
		return func(s *script13, m *certificateVerify) {
			m.scheme = scheme
			m.signature = must(sign(cert.PrivateKey.(crypto.Signer), scheme,
				signed13(s.context(), s.hs.transcript.sum())))
		}
	}
	certs := testCerts()
	tests := []struct {
		name   string
		cert   tls.Certificate
		change func(s *script13, m *certificateVerify)
		alert  Alert
	}{
		{"SHA-1", certs.ecdsa, func(_ *script13, m *certificateVerify) { m.scheme = tls.ECDSAWithSHA1 },
			AlertIllegalParameter},
		{"PKCS #1", certs.rsa, resign(certs.rsa, tls.PKCS1WithSHA256), AlertIllegalParameter},
		{"MD5", certs.rsa, func(_ *script13, m *certificateVerify) { m.scheme = 0x0101 },
			AlertIllegalParameter},
		{"curve of another scheme", certs.ecdsa, resign(certs.ecdsa, tls.ECDSAWithP384AndSHA384),
			AlertIllegalParameter},
		{"scheme of another kind", certs.ecdsa,
			func(_ *script13, m *certificateVerify) { m.scheme = tls.PSSWithSHA256 }, AlertIllegalParameter},
		{"one bit", certs.ed25519, func(_ *script13, m *certificateVerify) { m.signature[10] ^= 1 },
			AlertDecryptError},
		{"empty", certs.ecdsa, func(_ *script13, m *certificateVerify) { m.signature = nil },
			AlertDecryptError},
		{"A10: zeros", certs.ecdsa, func(_ *script13, m *certificateVerify) {
			m.signature = []byte{0x30, 6, 2, 1, 0, 2, 1, 0}
		}, AlertDecryptError},
		{"key of somebody else", certs.ecdsa, resign(certs.client, tls.ECDSAWithP256AndSHA256),
			AlertDecryptError},
		{"context of the other side", certs.ecdsa, func(s *script13, m *certificateVerify) {
			context := contextClientSignature
			if s.conn.isClient {
				context = contextServerSignature
			}
			m.signature = must(sign(certs.ecdsa.PrivateKey.(crypto.Signer), m.scheme,
				signed13(context, s.hs.transcript.sum())))
		}, AlertDecryptError},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newScriptedServer13(t, testClientConfig13())
			s.cert = test.cert
			s.readClientHello()
			s.serverHello()
			s.encryptedExtensions()
			s.certificate()
			s.verify(func(m *certificateVerify) { test.change(s, m) })
			s.wantAlert(test.alert, ErrPeerMisbehaved)

			s = newScriptedClient13(t, testServerConfig13(tls.RequireAndVerifyClientCert))
			s.cert = test.cert
			s.clientHello()
			s.serverFlight()
			s.certificate()
			s.verify(func(m *certificateVerify) { test.change(s, m) })
			s.wantAlert(test.alert, ErrPeerMisbehaved)
		})
	}
}

// F4: key shares that are not points on the curve, and invalid ML-KEM keys.
func TestAttackF4InvalidShares13(t *testing.T) {
	offCurve := append([]byte{4}, make([]byte, 64)...)
	offCurve[64] = 1
	hybrid := func(change func(b []byte) []byte) []byte {
		key := must(generateKey(tls.X25519MLKEM768))
		return change(key.share())
	}
	tests := []struct {
		name  string
		group tls.CurveID
		share []byte // of a client
	}{
		{"not on the curve", tls.CurveP256, offCurve},
		{"infinity", tls.CurveP256, []byte{0}},
		{"compressed", tls.CurveP256, append([]byte{2}, make([]byte, 32)...)},
		{"short", tls.CurveP256, offCurve[:64]},
		{"zero", tls.X25519, make([]byte, 32)},
		{"short X25519", tls.X25519, make([]byte, 31)},
		{"short hybrid", tls.X25519MLKEM768, hybrid(func(b []byte) []byte { return b[1:] })},
		{"long hybrid", tls.X25519MLKEM768, hybrid(func(b []byte) []byte { return append(b, 0) })},
		{"hybrid without X25519", tls.X25519MLKEM768,
			hybrid(func(b []byte) []byte { clear(b[len(b)-32:]); return b })},
		{"hybrid with an ML-KEM key out of range", tls.X25519MLKEM768,
			hybrid(func(b []byte) []byte { b[0], b[1], b[2] = 0xff, 0xff, 0xff; return b })},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
			s.clientHello(func(m *clientHello) { m.keyShares = []keyShare{{test.group, test.share}} })
			s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)

			client := testClientConfig13()
			client.CurvePreferences = []tls.CurveID{test.group}
			s = newScriptedServer13(t, client)
			s.readClientHello()
			s.group = test.group
			s.serverHello(func(m *serverHello) { m.keyShares[0].data = test.share })
			s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
		})
	}
}

// F3, RFC 9325, Section 7.4: key shares are never reused.
func TestAttackF3FreshKeys13(t *testing.T) {
	seen := make(map[string]bool)
	for range 5 {
		p := newTestPair(t, testClientConfig13(), retryingServer13())
		p.handshake()
		for _, e := range []*testEnd{p.client, p.server} {
			for _, r := range e.sent[:2] {
				_, content, _ := parseRecord(r.bytes)
				h, body, _, _ := parseFragment(content)
				var shares []keyShare
				if h.typ == typeClientHello {
					m := new(clientHello)
					m.parse(body)
					shares = m.keyShares
				} else {
					m := new(serverHello)
					m.parse(body)
					shares = m.keyShares
				}
				for _, share := range shares {
					if len(share.data) == 32 {
						continue // the X25519 part of the hybrid share is deliberately the same
					}
					if key := string(share.data); key != "" && seen[key] {
						t.Fatal("a key share again")
					} else {
						seen[key] = true
					}
				}
			}
		}
	}
}

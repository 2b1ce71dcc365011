package dtlscore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"math/big"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// A client without a certificate, if the server allows that. RFC 5246, Section 7.4.6; RFC 8446,
// Section 4.4.2.
func TestOptionalClientCertificate(t *testing.T) {
	for _, version := range eachVersion {
		for _, auth := range []tls.ClientAuthType{tls.RequestClientCert, tls.VerifyClientCertIfGiven} {
			for _, give := range []bool{false, true} {
				client, server := version.configs(auth)
				if !give {
					client.Certificates = nil
				}
				p := newTestPair(t, client, server)
				p.handshake()
				s := p.server.conn.ConnectionState()
				if (len(s.PeerCertificates) == 1) != give ||
					(len(s.VerifiedChains) == 1) != (give && auth == tls.VerifyClientCertIfGiven) {
					t.Errorf("%s, %v, given %v: %d certificates, %d chains", version.name, auth, give,
						len(s.PeerCertificates), len(s.VerifiedChains))
				}
				p.exchangeData()
			}
		}
	}
}

func TestGetClientCertificate(t *testing.T) {
	p := func(get func(*tls.CertificateRequestInfo) (*tls.Certificate, error)) *testPair {
		client := testClientConfig()
		client.GetClientCertificate = get
		return newTestPair(t, client, testServerConfig(tls.RequestClientCert))
	}
	with := p(func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return &testCerts().rsa, info.SupportsCertificate(&testCerts().rsa)
	})
	with.handshake()
	if got := with.server.conn.ConnectionState().PeerCertificates; len(got) != 1 ||
		!got[0].Equal(testCerts().rsa.Leaf) {
		t.Errorf("client sent %d certificates", len(got))
	}
	without := p(func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		return new(tls.Certificate), nil
	})
	without.handshake()
	if got := without.server.conn.ConnectionState().PeerCertificates; len(got) != 0 {
		t.Errorf("client sent %d certificates", len(got))
	}
	for _, bad := range []func(*tls.CertificateRequestInfo) (*tls.Certificate, error){
		func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return nil, errors.New("no") },
		func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { // without a private key
			return &tls.Certificate{Certificate: testCerts().rsa.Certificate}, nil
		},
	} {
		failing := p(bad)
		failing.start()
		failing.run()
		wantDead(t, failing.client, AlertInternalError, ErrMisuse)
	}
}

func TestAttackA3WrongOrderOfClientFlight(t *testing.T) {
	start := func(auth tls.ClientAuthType) *script {
		s := newScriptedClient(t, testServerConfig(auth))
		s.clientHello()
		s.serverFlight()
		return s
	}
	t.Run("CertificateVerify before ClientKeyExchange", func(t *testing.T) {
		s := start(tls.RequireAnyClientCert)
		s.certificate()
		s.verify()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("CertificateVerify after an empty Certificate", func(t *testing.T) {
		s := start(tls.RequestClientCert)
		s.send(new(certificate12))
		s.keyExchange()
		s.verify()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("CertificateVerify without Certificate", func(t *testing.T) {
		s := start(tls.NoClientCert)
		s.request = &certificateRequest12{schemes: defaultSignatureAlgorithms()}
		s.keyExchange()
		s.verify()
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
}

// A4: ChangeCipherSpec and Finished at the wrong time. RFC 5246, Section 7.4.9.
func TestAttackA4EarlyKeyChange(t *testing.T) {
	client := map[string]func(s *script){
		"first of all": func(s *script) { s.changeCipherSpec() },
		"before ClientKeyExchange": func(s *script) {
			s.clientHello()
			s.serverFlight()
			s.certificate()
			s.changeCipherSpec()
		},
		"Finished without it": func(s *script) {
			s.clientHello()
			s.serverFlight()
			s.certificate()
			s.keyExchange()
			s.verify()
			s.finished()
		},
		"Finished in the old epoch after it": func(s *script) {
			s.clientHello()
			s.serverFlight()
			s.certificate()
			s.keyExchange()
			s.verify()
			s.changeCipherSpec()
			s.finished()
		},
	}
	for name, lead := range client {
		t.Run("server: "+name, func(t *testing.T) {
			s := newScriptedClient(t, testServerConfig(tls.RequireAnyClientCert))
			lead(s)
			s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
		})
	}
	server := map[string]func(s *script){
		"after ServerHello": func(s *script) { s.changeCipherSpec() },
		"before ServerHelloDone": func(s *script) {
			s.certificate()
			s.serverKeyExchange()
			s.changeCipherSpec()
		},
		"Finished without it": func(s *script) {
			s.certificate()
			s.serverKeyExchange()
			s.send(new(serverHelloDone))
			s.clientFlight()
			s.finished()
		},
	}
	for name, lead := range server {
		t.Run("client: "+name, func(t *testing.T) {
			s := newScriptedServer(t, testClientConfig())
			s.readClientHello()
			s.serverHello()
			lead(s)
			s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
		})
	}
}

// A Finished of the old epoch arrives while the driver still reads what was sent before
// ChangeCipherSpec.
func TestAttackA4FinishedWhileDraining(t *testing.T) {
	s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
	s.clientHello()
	s.serverFlight()
	s.keyExchange()
	finished := must(appendMessage(nil, s.conn.nextSendSeq, &finished{s.hs.verifyData(true)}))
	s.under.inbox = append(s.under.inbox, testRecord{
		append(recordHeader{typ: contentHandshake, version: VersionDTLS12, sequence: 99,
			length: len(finished)}.append(nil), finished...), true})
	s.changeCipherSpec() // drains the inbox
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
}

func TestAttackA6MissingServerKeyExchange(t *testing.T) {
	s := newScriptedServer(t, testClientConfig())
	s.readClientHello()
	s.serverHello()
	s.certificate()
	s.send(new(serverHelloDone))
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
}

func TestAttackA7SecondCertificate(t *testing.T) {
	s := newScriptedServer(t, testClientConfig())
	s.readClientHello()
	s.serverHello()
	s.certificate()
	s.serverKeyExchange()
	s.cert = testCerts().p384
	s.certificate()
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)

	s = newScriptedClient(t, testServerConfig(tls.RequireAnyClientCert))
	s.clientHello()
	s.serverFlight()
	s.certificate()
	s.certificate()
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
}

func TestAttackA8WrongCertificateType(t *testing.T) {
	s := newScriptedServer(t, testClientConfig())
	s.readClientHello()
	s.serverHello() // with ECDSA
	s.cert = testCerts().rsa
	s.certificate()
	s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)

	t.Run("curve parameters", func(t *testing.T) {
		s := newScriptedServer(t, testClientConfig())
		s.readClientHello()
		s.serverHello()
		s.certificate()
		s.sendMessage(typeServerKeyExchange, []byte{1, 0, 0, 0}) // explicit_prime
		s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
	})
}

// A9, A10: RFC 5246, Section 7.4.1.4.1.
func TestAttackA9SignatureScheme(t *testing.T) {
	zero := must(asn1.Marshal(struct{ R, S *big.Int }{new(big.Int), new(big.Int)}))
	tests := []struct {
		name      string
		scheme    tls.SignatureScheme
		signature []byte
		alert     Alert
	}{
		{"SHA-1", tls.ECDSAWithSHA1, nil, AlertIllegalParameter},
		{"SHA-1, RSA", tls.PKCS1WithSHA1, nil, AlertIllegalParameter},
		{"MD5, RSA", 0x0101, nil, AlertIllegalParameter},
		{"unknown", 0xfefe, nil, AlertIllegalParameter},
		{"of another key", tls.PSSWithSHA256, nil, AlertIllegalParameter},
		{"Ed25519 of another key", tls.Ed25519, nil, AlertIllegalParameter},
		{"another hash than it says", tls.ECDSAWithP384AndSHA384, nil, AlertDecryptError},
		{"A10: zero", tls.ECDSAWithP256AndSHA256, zero, AlertDecryptError},
		{"empty", tls.ECDSAWithP256AndSHA256, []byte{}, AlertDecryptError},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newScriptedServer(t, testClientConfig())
			s.readClientHello()
			s.serverHello()
			s.certificate()
			s.serverKeyExchange(func(m *serverKeyExchange) {
				if m.scheme = test.scheme; test.signature != nil {
					m.signature = test.signature
				}
			})
			s.wantAlert(test.alert, ErrPeerMisbehaved)

			s = newScriptedClient(t, testServerConfig(tls.RequireAnyClientCert))
			s.clientHello()
			s.serverFlight()
			s.certificate()
			s.keyExchange()
			s.verify(func(m *certificateVerify) {
				if m.scheme = test.scheme; test.signature != nil {
					m.signature = test.signature
				}
			})
			s.wantAlert(test.alert, ErrPeerMisbehaved)
		})
	}
}

// A11, A14, B4: invalid certificates of either side. RFC 9325, Section 4.5; RFC 5280, Section 6.1;
// RFC 9525.
func TestAttackA11A14Verification(t *testing.T) {
	ca := testCerts().ca
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	p224 := must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	t.Setenv("GODEBUG", "rsa1024min=0")
	rsa1024 := must(rsa.GenerateKey(rand.Reader, 1024))

	leaf := ca.issue(key, nil)
	leafAsCA := &testAuthority{leaf.Leaf, key}
	limited := ca.issue(key, func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage, c.MaxPathLenZero = true, x509.KeyUsageCertSign, true
	})
	middle := (&testAuthority{limited.Leaf, key}).issue(key, func(c *x509.Certificate) {
		c.IsCA, c.KeyUsage = true, x509.KeyUsageCertSign
	})
	tooDeep := (&testAuthority{middle.Leaf, key}).issue(key, nil)
	tooDeep.Certificate = append(tooDeep.Certificate, middle.Certificate[0], limited.Certificate[0])
	byLeaf := leafAsCA.issue(key, nil)
	byLeaf.Certificate = append(byLeaf.Certificate, leaf.Certificate[0])

	change := func(f func(*x509.Certificate)) tls.Certificate { return ca.issue(key, f) }
	var tooMany tls.Certificate
	tooMany.PrivateKey = key
	for range maxChain + 1 {
		tooMany.Certificate = append(tooMany.Certificate, leaf.Certificate[0])
	}
	tests := []struct {
		name  string
		cert  tls.Certificate
		alert Alert
	}{
		{"expired", change(func(c *x509.Certificate) { c.NotAfter = testTime.Add(-time.Hour) }),
			AlertCertificateExpired},
		{"not yet valid", change(func(c *x509.Certificate) { c.NotBefore = testTime.Add(time.Hour) }),
			AlertCertificateExpired},
		{"unknown issuer", newTestAuthority("other CA").issue(key, nil), AlertUnknownCA},
		{"wrong purpose", change(func(c *x509.Certificate) {
			c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning}
		}), AlertUnsupportedCertificate},
		{"not for signatures", change(func(c *x509.Certificate) {
			c.KeyUsage = x509.KeyUsageKeyAgreement
		}), AlertUnsupportedCertificate},
		{"unknown critical extension", change(func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true,
				Value: []byte{5, 0}}}
		}), AlertBadCertificate},
		{"A14: issued by a leaf", byLeaf, AlertUnknownCA},
		{"path too long", tooDeep, AlertUnknownCA},
		{"chain too long", tooMany, AlertBadCertificate},
		{"not a certificate", tls.Certificate{Certificate: [][]byte{{1, 2, 3}}, PrivateKey: key},
			AlertBadCertificate},
		{"B4: P-224", ca.issue(p224, nil), AlertUnsupportedCertificate},
		{"B4: RSA with 1024 bits", ca.issue(rsa1024, nil), AlertUnsupportedCertificate},
	}
	for _, v := range eachVersion {
		for _, test := range tests {
			if v.number == VersionDTLS13 && test.cert.PrivateKey == p224 {
				continue // version 1.3 has no signature scheme for the key
			}
			t.Run(v.name+"/"+test.name, func(t *testing.T) {
				client, server := v.configs(tls.RequireAndVerifyClientCert)
				client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					return &test.cert, nil
				}
				p := newTestPair(t, client, server)
				p.start()
				p.run()
				wantDead(t, p.server, test.alert, ErrPeerUntrusted)
				wantPeerAlert(t, p.client, test.alert)

				client.GetClientCertificate = nil
				server.Certificates = []tls.Certificate{test.cert}
				p = newTestPair(t, client, server)
				p.start()
				p.run()
				wantDead(t, p.client, test.alert, ErrPeerUntrusted)
				wantPeerAlert(t, p.server, test.alert)
			})
		}
	}
	t.Run("wrong name", func(t *testing.T) {
		client := testClientConfig()
		client.ServerName = "other.example"
		p := newTestPair(t, client, testServerConfig(tls.NoClientCert))
		p.start()
		p.run()
		wantDead(t, p.client, AlertBadCertificate, ErrPeerUntrusted)
		if e, ok := errtype.As[*tls.CertificateVerificationError](p.client.err); !ok ||
			len(e.UnverifiedCertificates) != 1 {
			t.Errorf("error is %v", p.client.err)
		}
		if _, ok := errtype.As[x509.HostnameError](p.client.err); !ok {
			t.Errorf("error is %v", p.client.err)
		}
	})
}

func TestAttackA11EmptyServerCertificate(t *testing.T) {
	s := newScriptedServer(t, testClientConfig())
	s.readClientHello()
	s.serverHello()
	s.send(new(certificate12))
	s.wantAlert(AlertDecodeError, ErrInvalidMessage)
}

// A11, G4: VerifyConnection decides last, and chooses the alert. RFC 5280, Section 6.1.
func TestAttackA11G4VerifyConnection(t *testing.T) {
	for _, v := range eachVersion {
		for _, side := range []string{"client", "server"} {
			t.Run(v.name+"/"+side, func(t *testing.T) {
				client, server := v.configs(tls.RequireAndVerifyClientCert)
				refuse := func(s ConnectionState) error {
					if s.HandshakeComplete || len(s.PeerCertificates) != 1 {
						t.Errorf("%+v", s)
					}
					if _, err := s.ExportKeyingMaterial("EXPORTER_x", nil, 1); err == nil { // G4
						t.Error("keying material before the handshake is complete")
					}
					return &AlertError{Alert: AlertAccessDenied}
				}
				p := newTestPair(t, client, server)
				e := p.client
				if client.VerifyConnection = refuse; side == "server" {
					client.VerifyConnection, server.VerifyConnection, e = nil, refuse, p.server
				}
				p.start()
				p.run()
				wantDead(t, e, AlertAccessDenied, ErrPeerUntrusted)
				wantPeerAlert(t, e.peer, AlertAccessDenied)
			})
		}
	}
}

// A11: the ways to disable or replace verification.
func TestAttackA11Verifiers(t *testing.T) {
	no := errors.New("no")
	tests := []struct {
		name   string
		client Config
		starts bool
		err    error
	}{
		{"nothing", Config{}, false, nil},
		{"InsecureSkipVerify", Config{InsecureSkipVerify: true}, true, nil},
		{"VerifyConnection, chain unknown", Config{VerifyConnection: func(ConnectionState) error {
			return nil
		}}, true, ErrPeerUntrusted},
		{"VerifyConnection", Config{RootCAs: testCerts().ca.pool(),
			VerifyConnection: func(s ConnectionState) error {
				if len(s.VerifiedChains) != 1 {
					return no
				}
				return nil
			}}, true, nil},
		{"VerifyConnection refuses", Config{InsecureSkipVerify: true,
			VerifyConnection: func(ConnectionState) error { return no }}, true, no},
		{"VerifyPeerCertificate", Config{InsecureSkipVerify: true,
			VerifyPeerCertificate: func(raw [][]byte, chains [][]*x509.Certificate) error {
				if len(raw) != 1 || chains != nil {
					return no
				}
				return nil
			}}, true, nil},
		{"VerifyPeerCertificate refuses", Config{InsecureSkipVerify: true,
			VerifyPeerCertificate: func([][]byte, [][]*x509.Certificate) error { return no }}, true, no},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			test.client.Time = testNow
			if _, err := Client(&test.client); (err == nil) != test.starts ||
				err != nil && !errors.Is(err, ErrMisuse) {
				t.Fatalf("Client: %v", err)
			}
			if !test.starts {
				return
			}
			p := newTestPair(t, &test.client, testServerConfig(tls.NoClientCert))
			if test.err == nil {
				p.handshake()
				return
			}
			p.start()
			p.run()
			wantDead(t, p.client, p.client.err.(*AlertError).Alert, ErrPeerUntrusted)
			if !errors.Is(p.client.err, test.err) {
				t.Errorf("error is %v", p.client.err)
			}
		})
	}
	t.Run("server", func(t *testing.T) {
		server := testServerConfig(tls.NoClientCert)
		server.VerifyConnection = func(s ConnectionState) error {
			if s.ServerName != testName || len(s.PeerCertificates) > 0 {
				return nil
			}
			return no
		}
		p := newTestPair(t, testClientConfig(), server)
		p.start()
		p.run()
		wantDead(t, p.server, AlertBadCertificate, no)
	})
}

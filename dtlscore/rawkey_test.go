package dtlscore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"testing"
)

// trusts returns a verifier that accepts one key.
func trusts(want crypto.PublicKey) func(crypto.PublicKey) error {
	return func(key crypto.PublicKey) error {
		if !want.(interface{ Equal(crypto.PublicKey) bool }).Equal(key) {
			return errors.New("another key")
		}
		return nil
	}
}

// rawKeyConfigs returns configurations that authenticate with raw public keys only.
func rawKeyConfigs() (client, server *Config) {
	clientKey := testCerts().client.PrivateKey.(crypto.Signer)
	serverKey := testCerts().rsa.PrivateKey.(crypto.Signer)
	client = &Config{MaxVersion: VersionDTLS12, Time: testNow, RawKey: clientKey,
		VerifyRawKey: trusts(serverKey.Public())}
	server = &Config{MaxVersion: VersionDTLS12, Time: testNow, RawKey: serverKey,
		VerifyRawKey: trusts(clientKey.Public()), ClientAuth: tls.RequireAnyClientCert}
	return client, server
}

// RFC 7250, both sides.
func TestRawPublicKeys(t *testing.T) {
	inEachVersion(t, func(t *testing.T, v testVersion) {
		client, server := rawKeyConfigs()
		v.set(client, server)
		p := newTestPair(t, client, server)
		p.handshake()
		for _, e := range []*testEnd{p.client, p.server} {
			s := e.conn.ConnectionState()
			if s.PeerCertificates != nil || e.conn.config.VerifyRawKey(s.PeerRawKey) != nil {
				t.Errorf("%s: peer is %v", e.name, s.PeerRawKey)
			}
		}
		p.exchangeData()
	})
}

// The types of both sides are negotiated independently.
func TestRawPublicKeysMixed(t *testing.T) {
	rawClient, rawServer := rawKeyConfigs()
	tests := []struct {
		name                 string
		client, server       func(c *Config)
		clientRaw, serverRaw bool // what is presented
		alert                Alert
	}{
		{name: "server has certificates too", server: func(c *Config) {
			c.Certificates = testServerConfig(0).Certificates
		},
			clientRaw: true, serverRaw: true},
		{name: "server has certificates only", server: func(c *Config) {
			c.RawKey, c.Certificates = nil, testServerConfig(0).Certificates
		}, client: func(c *Config) {
			c.ServerName, c.RootCAs = testName,
				testCerts().ca.pool()
		}, clientRaw: true},
		{name: "client verifies keys only", server: func(c *Config) {
			c.RawKey, c.Certificates = nil, testServerConfig(0).Certificates
		}, alert: AlertUnsupportedCertificate},
		{name: "client verifies certificates only", client: func(c *Config) {
			c.VerifyRawKey, c.ServerName = nil, testName
		}, alert: AlertUnsupportedCertificate},
		{name: "client shows a certificate", client: func(c *Config) {
			c.RawKey, c.Certificates = nil, testClientConfig().Certificates
		}, server: func(c *Config) { c.ClientCAs = testCerts().ca.pool() }, serverRaw: true},
		{name: "client has both", client: func(c *Config) {
			c.Certificates = testClientConfig().Certificates
		},
			server: func(c *Config) { c.VerifyRawKey = nil }, serverRaw: true},
		{name: "server verifies certificates only", server: func(c *Config) {
			c.VerifyRawKey, c.ClientCAs = nil, testCerts().ca.pool()
		}, alert: AlertUnsupportedCertificate},
		{name: "server asks for nothing", server: func(c *Config) { c.ClientAuth = tls.NoClientCert },
			serverRaw: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client, server := *rawClient, *rawServer
			if test.client != nil {
				test.client(&client)
			}
			if test.server != nil {
				test.server(&server)
			}
			p := newTestPair(t, &client, &server)
			if test.alert != 0 {
				p.start()
				p.run()
				wantDead(t, p.server, test.alert, ErrPeerIncompatible)
				return
			}
			p.handshake()
			c, s := p.client.conn.ConnectionState(), p.server.conn.ConnectionState()
			if (c.PeerRawKey != nil) != test.serverRaw || (s.PeerRawKey != nil) != test.clientRaw {
				t.Errorf("server shows %T, client %T", c.PeerRawKey, s.PeerRawKey)
			}
			p.exchangeData()
		})
	}
}

func TestRawPublicKeyRefused(t *testing.T) {
	other := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	client, server := rawKeyConfigs()
	client.VerifyRawKey = trusts(other.Public())
	p := newTestPair(t, client, server)
	p.start()
	p.run()
	wantDead(t, p.client, AlertBadCertificate, ErrPeerUntrusted)

	client, server = rawKeyConfigs()
	server.VerifyRawKey = trusts(other.Public())
	p = newTestPair(t, client, server)
	p.start()
	p.run()
	wantDead(t, p.server, AlertBadCertificate, ErrPeerUntrusted)

	// B4 applies to raw public keys too.
	client, server = rawKeyConfigs()
	server.RawKey = must(ecdsa.GenerateKey(elliptic.P224(), rand.Reader))
	client.VerifyRawKey = func(crypto.PublicKey) error { return nil }
	p = newTestPair(t, client, server)
	p.start()
	p.run()
	wantDead(t, p.client, AlertUnsupportedCertificate, ErrPeerUntrusted)
}

// A1: the signature proves possession of the private key.
func TestAttackA1RawPublicKeyWithoutPrivateKey(t *testing.T) {
	client, server := rawKeyConfigs()
	server.RawKey = signer{server.RawKey.Public(), testCerts().p384.PrivateKey.(crypto.Signer)}
	client.VerifyRawKey = trusts(server.RawKey.Public())
	p := newTestPair(t, client, server)
	p.start()
	p.run()
	wantDead(t, p.client, AlertDecryptError, ErrPeerMisbehaved)
}

// A signer signs with a key other than its public key.
type signer struct {
	public crypto.PublicKey
	crypto.Signer
}

func (s signer) Public() crypto.PublicKey { return s.public }

// I4: what a server must not answer.
func TestAttackI4CertificateTypes(t *testing.T) {
	client, _ := rawKeyConfigs()
	for _, change := range []func(m *serverHello){
		func(m *serverHello) { m.serverCertificateTypes = []uint8{7} },
		func(m *serverHello) {
			m.serverCertificateTypes, m.clientCertificateTypes = []uint8{certTypeRawPublicKey},
				[]uint8{certTypeX509}
		},
	} {
		s := newScriptedServer(t, client)
		s.readClientHello()
		s.serverHello(change)
		s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
	}
	s := newScriptedServer(t, client) // the server does not support RFC 7250
	s.readClientHello()
	s.serverHello()
	s.wantAlert(AlertUnsupportedCertificate, ErrPeerIncompatible)
}

// A client whose raw public key the server cannot use sends nothing: RFC 5246, Sections 7.4.4 and
// 7.4.6; RFC 8446, Section 4.4.2.
func TestRawPublicKeyThatDoesNotFit(t *testing.T) {
	config := func(c *Config) *Config {
		c.RawKey, c.Certificates = testCerts().rsa.PrivateKey.(crypto.Signer), nil
		return c
	}
	s := newScriptedServer(t, config(testClientConfig()))
	s.readClientHello()
	s.serverHello(func(m *serverHello) { m.clientCertificateTypes = []uint8{certTypeRawPublicKey} })
	s.certificate()
	s.serverKeyExchange()
	s.send(&certificateRequest12{types: []uint8{certRequestECDSASign},
		schemes: defaultSignatureAlgorithms()})
	s.send(new(serverHelloDone))
	shown := &certificate12{rawPublicKey: true}
	if s.read(shown); len(shown.chain) > 0 {
		t.Error("1.2: a key of another type than asked for is shown")
	}

	s13 := newScriptedServer13(t, config(testClientConfig13()))
	s13.readClientHello()
	s13.serverHello()
	s13.send(&encryptedExtensions{extensions{clientCertificateTypes: []uint8{certTypeRawPublicKey}}})
	s13.send(
		&certificateRequest13{extensions: extensions{
			signatureAlgorithms: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		}})
	s13.certificate()
	s13.verify()
	s13.finished()
	shown13 := new(certificate13)
	if s13.read(shown13); len(shown13.entries) > 0 {
		t.Error("1.3: a key without a signature in common is shown")
	}
}

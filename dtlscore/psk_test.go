package dtlscore

import (
	"bytes"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
)

var testPSK = PSK{Identity: []byte("client 1"), Key: bytes.Repeat([]byte{0xa5}, minPSKLen)}

// pskConfigs returns configurations that authenticate with a pre-shared key only.
func pskConfigs() (client, server *Config) {
	client = &Config{
		MaxVersion: VersionDTLS12, Time: testNow,
		GetPSK: func([]byte) (*PSK, error) { return &testPSK, nil },
	}
	server = &Config{
		MaxVersion: VersionDTLS12, Time: testNow,
		LookupPSK: func(identity []byte) (*PSK, error) {
			if !bytes.Equal(identity, testPSK.Identity) {
				return nil, nil
			}
			return &testPSK, nil
		},
	}
	return client, server
}

// RFC 4279, Section 2; RFC 8442.
func TestPSK12(t *testing.T) {
	for _, suite := range []uint16{
		TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256, TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384,
		TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
		TLS_PSK_WITH_AES_128_GCM_SHA256, TLS_PSK_WITH_AES_256_GCM_SHA384,
	} {
		client, server := pskConfigs()
		client.CipherSuites, server.CipherSuites = []uint16{suite}, []uint16{suite}
		p := newTestPair(t, client, server)
		p.handshake()
		for _, e := range []*testEnd{p.client, p.server} {
			s := e.conn.ConnectionState()
			if s.CipherSuite != suite || !bytes.Equal(s.PSKIdentity, testPSK.Identity) ||
				s.PeerCertificates != nil {
				t.Errorf("%s: %+v", e.name, s)
			}
			if hasECDHE := suiteByID(suite, VersionDTLS12).kx.hasECDHE(); hasECDHE != (s.CurveID != 0) {
				t.Errorf("%s: group %v", e.name, s.CurveID)
			}
		}
		p.exchangeData()
	}
}

// The server's hint: RFC 4279, Section 5.2. Our server sends none, or an empty one where the field
// is mandatory.
func TestPSKHint(t *testing.T) {
	for _, test := range []struct {
		suite uint16
		send  bool
		hint  string
	}{
		{TLS_PSK_WITH_AES_128_GCM_SHA256, false, ""},
		{TLS_PSK_WITH_AES_128_GCM_SHA256, true, "which"},
		{TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256, true, "which"},
	} {
		client, _ := pskConfigs()
		client.CipherSuites = []uint16{test.suite}
		var hint []byte
		client.GetPSK = func(h []byte) (*PSK, error) { hint = h; return &testPSK, nil }
		s := newScriptedServer(t, client)
		s.readClientHello()
		s.serverHello(func(m *serverHello) { m.suite = test.suite })
		if test.send {
			s.key = must(generateKey(tls.X25519))
			s.send(&serverKeyExchange{kx: s.hs.suite.kx, hint: []byte(test.hint), group: tls.X25519,
				public: s.key.share()})
		}
		s.send(new(serverHelloDone))
		s.wantAlive("a hint is optional")
		if string(hint) != test.hint {
			t.Errorf("hint is %q, want %q", hint, test.hint)
		}
	}
}

// A12: neither the alert nor its time reveals whether the identity is unknown or the key is wrong.
func TestAttackA12UnknownIdentity(t *testing.T) {
	other := PSK{Identity: testPSK.Identity, Key: bytes.Repeat([]byte{1}, 32)}
	unknown := PSK{Identity: []byte("nobody"), Key: testPSK.Key}
	for _, suite := range []uint16{TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256,
		TLS_PSK_WITH_AES_128_GCM_SHA256} {
		var stories []string
		for _, psk := range []PSK{other, unknown} {
			client, server := pskConfigs()
			client.CipherSuites, server.CipherSuites = []uint16{suite}, []uint16{suite}
			client.GetPSK = func([]byte) (*PSK, error) { return &psk, nil }
			p := newTestPair(t, client, server)
			p.start()
			p.run()
			wantDead(t, p.server, AlertDecryptError, ErrPeerUntrusted)
			wantPeerAlert(t, p.client, AlertDecryptError)
			stories = append(stories, strings.Join(p.server.story, " "))
		}
		if stories[0] != stories[1] {
			t.Errorf("a wrong key looks like\n%s, an unknown identity like\n%s", stories[0], stories[1])
		}
	}
}

func TestPSKRefused(t *testing.T) {
	no := errors.New("no")
	tests := []struct {
		name  string
		get   func([]byte) (*PSK, error)
		alert Alert
		fault error
	}{
		{"A12: empty key", func([]byte) (*PSK, error) { return &PSK{Identity: testPSK.Identity}, nil },
			AlertInternalError, ErrMisuse},
		{"short key", func([]byte) (*PSK, error) {
			return &PSK{Key: make([]byte, minPSKLen-1)}, nil
		}, AlertInternalError, ErrMisuse},
		{"long identity", func([]byte) (*PSK, error) {
			return &PSK{Identity: make([]byte, maxIdentityLen+1), Key: testPSK.Key}, nil
		}, AlertInternalError, ErrMisuse},
		{"failure", func([]byte) (*PSK, error) { return nil, no }, AlertInternalError, no},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client, server := pskConfigs()
			client.GetPSK = test.get
			p := newTestPair(t, client, server)
			p.start()
			p.run()
			wantDead(t, p.client, test.alert, test.fault)

			client, server = pskConfigs()
			server.LookupPSK = test.get
			p = newTestPair(t, client, server)
			p.start()
			p.run()
			wantDead(t, p.server, test.alert, test.fault)
		})
	}
	client, server := pskConfigs()
	client.GetPSK = func([]byte) (*PSK, error) { return nil, nil }
	p := newTestPair(t, client, server)
	p.start()
	p.run()
	wantDead(t, p.client, AlertHandshakeFailure, ErrPeerIncompatible)
}

// RFC 8442: cipher suites without forward secrecy are offered only if configured. A client with a
// pre-shared key only offers nothing that needs certificates.
func TestPSKSuitesOffered(t *testing.T) {
	client, server := pskConfigs()
	for _, c := range []*Config{client, server} {
		for _, id := range c.suites(VersionDTLS12, c == client) {
			if suiteByID(id, VersionDTLS12).kx != kxECDHEPSK {
				t.Errorf("suite %#04x is on", id)
			}
		}
	}
	for _, id := range testClientConfig().suites(VersionDTLS12, true) {
		if suiteByID(id, VersionDTLS12).kx.hasPSK() {
			t.Errorf("suite %#04x is on without a key", id)
		}
	}
}

// A server with both accepts certificates from clients without a key.
func TestPSKBesideCertificates(t *testing.T) {
	_, server := pskConfigs()
	server.Certificates = testServerConfig(tls.NoClientCert).Certificates
	withKey, _ := pskConfigs()
	for _, client := range []*Config{withKey, testClientConfig()} {
		p := newTestPair(t, client, server)
		p.handshake()
		s := p.client.conn.ConnectionState()
		if (s.PSKIdentity != nil) != (client == withKey) ||
			(s.PeerCertificates != nil) == (client == withKey) {
			t.Errorf("%+v", s)
		}
	}
}

// Identities of 128 bytes and keys of 64 bytes.
func TestPSKSizes(t *testing.T) {
	long := PSK{Identity: bytes.Repeat([]byte("x"), 128), Key: bytes.Repeat([]byte{7}, 64)}
	client, server := pskConfigs()
	client.GetPSK = func([]byte) (*PSK, error) { return &long, nil }
	server.LookupPSK = client.GetPSK
	newTestPair(t, client, server).handshake()
}

// The longest identity that a Config allows reaches the server.
func TestPSKLongestIdentity(t *testing.T) {
	long := PSK{Identity: bytes.Repeat([]byte{'i'}, maxIdentityLen), Key: testPSK.Key}
	client, server := pskConfigs()
	client.GetPSK = func([]byte) (*PSK, error) { return &long, nil }
	server.LookupPSK = func([]byte) (*PSK, error) { return &long, nil }
	p := newTestPair(t, client, server)
	p.handshake()
	if got := p.server.conn.ConnectionState().PSKIdentity; !bytes.Equal(got, long.Identity) {
		t.Errorf("an identity of %d bytes", len(got))
	}
}

func TestPSKVerifyConnection(t *testing.T) {
	no := errors.New("no")
	refuse := func(s ConnectionState) error {
		if string(s.PSKIdentity) != string(testPSK.Identity) {
			t.Errorf("identity %q", s.PSKIdentity)
		}
		return no
	}
	client, server := pskConfigs()
	client.VerifyConnection = refuse
	p := newTestPair(t, client, server)
	p.start()
	p.run()
	wantDead(t, p.client, AlertBadCertificate, no)

	client, server = pskConfigs()
	server.VerifyConnection = refuse
	p = newTestPair(t, client, server)
	p.start()
	p.run()
	wantDead(t, p.server, AlertBadCertificate, no)
}

// A13: an end that is both client and server with one key would talk to itself if its messages were
// reflected. A different key for each role is accepted.
func TestAttackA13Selfie(t *testing.T) {
	for _, v := range eachVersion {
		t.Run(v.name, func(t *testing.T) {
			own, other := testPSK, PSK{Identity: []byte("client 2"),
				Key: bytes.Repeat([]byte{0x5a}, minPSKLen)}
			both := &Config{Time: testNow,
				GetPSK: func([]byte) (*PSK, error) { return &own, nil },
				LookupPSK: func(identity []byte) (*PSK, error) {
					for _, psk := range []*PSK{&own, &other} {
						if bytes.Equal(psk.Identity, identity) {
							return psk, nil
						}
					}
					return nil, nil
				}}
			v.set(both)
			p := newTestPair(t, both, both)
			p.start()
			p.run()
			wantDead(t, p.server, AlertInternalError, ErrMisuse)

			peer := &Config{Time: testNow, GetPSK: func([]byte) (*PSK, error) { return &other, nil }}
			v.set(peer)
			newTestPair(t, peer, both).handshake()

			no := errors.New("no")
			both.GetPSK = func([]byte) (*PSK, error) { return nil, no }
			p = newTestPair(t, peer, both)
			p.start()
			p.run()
			wantDead(t, p.server, AlertInternalError, no)
		})
	}
	t.Run("own hello", func(t *testing.T) {
		for _, v := range eachVersion {
			client, server := v.configs(tls.NoClientCert)
			p := newTestPair(t, client, server)
			p.client.peer = p.client // a mirror
			p.start()
			p.run()
			wantDead(t, p.client, AlertUnexpectedMessage, ErrPeerMisbehaved)
		}
	})
}

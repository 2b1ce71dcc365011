package dtlscore

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"testing"
)

func pskConfigs13() (client, server *Config) {
	client, server = pskConfigs()
	only13(client, server)
	return client, server
}

// RFC 8446, Section 4.2.11.
func TestPSK13(t *testing.T) {
	for _, group := range []tls.CurveID{tls.X25519MLKEM768, tls.CurveP384 /* by a retry */} {
		client, server := pskConfigs13()
		server.CurvePreferences = []tls.CurveID{group}
		server.TicketKeys, client.SessionCache = new(TicketKeys), NewSessionCache(1)
		p := newTestPair(t, client, server)
		p.handshake()
		for _, e := range []*testEnd{p.client, p.server} {
			s := e.conn.ConnectionState()
			if s.CipherSuite != TLS_AES_128_GCM_SHA256 || !bytes.Equal(s.PSKIdentity, testPSK.Identity) ||
				s.PeerCertificates != nil || s.DidResume || s.CurveID != group {
				t.Errorf("%s: %+v", e.name, s)
			}
		}
		if slices.Contains(p.server.story, "Send NewSessionTicket") ||
			slices.Contains(p.server.story, "Send Certificate") {
			t.Errorf("%q", p.server.story)
		}
		p.exchangeData()
	}
}

// The cipher suite must fit the hash of the key, whatever is preferred.
func TestPSKHash13(t *testing.T) {
	for _, test := range []struct {
		client, server crypto.Hash
		suite          uint16 // 0: the key cannot be used
	}{
		{0, 0, TLS_CHACHA20_POLY1305_SHA256},
		{crypto.SHA256, 0, TLS_CHACHA20_POLY1305_SHA256},
		{crypto.SHA384, crypto.SHA384, TLS_AES_256_GCM_SHA384},
		{crypto.SHA256, crypto.SHA384, 0},
	} {
		client, server := pskConfigs13()
		known := func(h crypto.Hash) func([]byte) (*PSK, error) {
			return func([]byte) (*PSK, error) {
				return &PSK{Identity: testPSK.Identity, Key: testPSK.Key,
					Hash: h}, nil
			}
		}
		client.GetPSK, server.LookupPSK = known(test.client), known(test.server)
		server.CipherSuites = []uint16{TLS_AES_256_GCM_SHA384, TLS_CHACHA20_POLY1305_SHA256}
		p := newTestPair(t, client, server)
		p.start()
		p.run()
		if test.suite == 0 {
			wantDead(t, p.server, AlertDecryptError, ErrPeerUntrusted)
			continue
		}
		if s := p.client.conn.ConnectionState(); p.client.err != nil || s.CipherSuite != test.suite {
			t.Errorf("%v and %v: suite %#04x, %v", test.client, test.server, s.CipherSuite, p.client.err)
		}
	}
	client, _ := pskConfigs13()
	client.GetPSK = func([]byte) (*PSK, error) {
		return &PSK{Identity: testPSK.Identity, Key: testPSK.Key, Hash: crypto.SHA1}, nil
	}
	if err := must(Client(client)).Start(); !errors.Is(err, ErrMisuse) {
		t.Errorf("SHA-1: %v", err)
	}
}

func TestAttackA12UnknownIdentity13(t *testing.T) {
	other := PSK{Identity: testPSK.Identity, Key: bytes.Repeat([]byte{1}, 32)}
	unknown := PSK{Identity: []byte("nobody"), Key: testPSK.Key}
	var stories []string
	for _, psk := range []PSK{other, unknown} {
		client, server := pskConfigs13()
		client.GetPSK = func([]byte) (*PSK, error) { return &psk, nil }
		p := newTestPair(t, client, server)
		p.start()
		p.run()
		wantDead(t, p.server, AlertDecryptError, ErrPeerUntrusted)
		wantPeerAlert(t, p.client, AlertDecryptError)
		stories = append(stories, strings.Join(p.server.story, " ")+p.server.err.Error())
	}
	if stories[0] != stories[1] {
		t.Errorf("a wrong key looks like\n%s, an unknown identity like\n%s", stories[0], stories[1])
	}
}

// A client that also has certificates can connect if its key is unknown.
func TestPSKBesideCertificates13(t *testing.T) {
	for _, known := range []bool{true, false} {
		client, server := testClientConfig13(), testServerConfig13(tls.RequireAndVerifyClientCert)
		pskClient, pskServer := pskConfigs()
		client.GetPSK, server.LookupPSK = pskClient.GetPSK, pskServer.LookupPSK
		if !known {
			server.LookupPSK = func([]byte) (*PSK, error) { return nil, nil }
		}
		p := newTestPair(t, client, server)
		p.handshake()
		for _, e := range []*testEnd{p.client, p.server} {
			if s := e.conn.ConnectionState(); known != (s.PSKIdentity != nil) ||
				known == (s.PeerCertificates != nil) {
				t.Errorf("%s: %+v", e.name, s)
			}
		}
		p.exchangeData()
	}
}

func TestPSKRefused13(t *testing.T) {
	no := errors.New("no")
	tests := []struct {
		name       string
		change     func(client, server *Config)
		clientDies bool
		alert      Alert
		fault      error
	}{
		{"GetPSK fails", func(c, s *Config) { c.GetPSK = func([]byte) (*PSK, error) { return nil, no } },
			true, AlertInternalError, ErrMisuse},
		{"GetPSK gives a short key", func(c, s *Config) {
			c.GetPSK = func([]byte) (*PSK, error) {
				return &PSK{Identity: testPSK.Identity, Key: testPSK.Key[1:]}, nil
			}
		}, true, AlertInternalError, ErrMisuse},
		{"LookupPSK fails", func(c, s *Config) {
			s.LookupPSK = func([]byte) (*PSK, error) { return nil, no }
		}, false, AlertInternalError, ErrMisuse},
		{"LookupPSK gives a short key", func(c, s *Config) {
			s.LookupPSK = func([]byte) (*PSK, error) {
				return &PSK{Identity: testPSK.Identity, Key: testPSK.Key[1:]}, nil
			}
		}, false, AlertInternalError, ErrMisuse},
		{"client has certificates only", func(c, s *Config) { *c = *testClientConfig13() }, false,
			AlertHandshakeFailure, ErrPeerIncompatible},
		{"client has no key for this server", func(c, s *Config) {
			c.GetPSK = func([]byte) (*PSK, error) { return nil, nil }
		}, false, AlertHandshakeFailure, ErrPeerIncompatible},
		{"empty identity", func(c, s *Config) {
			c.GetPSK = func([]byte) (*PSK, error) { return &PSK{Identity: nil, Key: testPSK.Key}, nil }
		}, false, AlertHandshakeFailure, ErrPeerIncompatible},
		{"server has certificates only", func(c, s *Config) {
			*s = *testServerConfig13(tls.NoClientCert)
		}, true, AlertHandshakeFailure, ErrPeerIncompatible},
		{"no suite that fits", func(c, s *Config) { s.CipherSuites = []uint16{TLS_AES_256_GCM_SHA384} },
			false, AlertDecryptError, ErrPeerUntrusted},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client, server := pskConfigs13()
			test.change(client, server)
			p := newTestPair(t, client, server)
			p.server.conn.Start()
			err := p.client.conn.Start()
			p.client.err = err
			p.client.obey()
			p.run()
			if test.clientDies {
				wantDead(t, p.client, test.alert, test.fault)
			} else {
				wantDead(t, p.server, test.alert, test.fault)
			}
		})
	}
}

// RFC 7250: a session with raw public keys on both sides is resumed.
func TestRawPublicKeysResumed13(t *testing.T) {
	client, server := rawKeyConfigs()
	only13(client, server)
	client.SessionCache, client.ServerName, server.TicketKeys = NewSessionCache(1), "name",
		new(TicketKeys)
	p := resumed(t, client, server, nil)
	for _, e := range []*testEnd{p.client, p.server} {
		if s := e.conn.ConnectionState(); !s.DidResume || s.PeerRawKey == nil {
			t.Errorf("%s: %+v", e.name, s)
		}
	}
}

// A1: the signature proves possession of the private key.
func TestAttackA1RawPublicKeyWithoutPrivateKey13(t *testing.T) {
	client, server := rawKeyConfigs()
	only13(client, server)
	_, other, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	server.RawKey = signer{testCerts().ed25519.PrivateKey.(crypto.Signer).Public(), other}
	client.VerifyRawKey = trusts(server.RawKey.Public())
	p := newTestPair(t, client, server)
	p.start()
	p.run()
	wantDead(t, p.client, AlertDecryptError, ErrPeerMisbehaved)
}

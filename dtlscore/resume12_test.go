package dtlscore

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// resumingConfigs returns configurations for connections that resume each other's sessions.
func resumingConfigs(auth tls.ClientAuthType) (client, server *Config) {
	client, server = testClientConfig(), testServerConfig(auth)
	client.SessionCache = NewSessionCache(10)
	server.TicketKeys = new(TicketKeys)
	return client, server
}

// RFC 6083, Section 4.8; RFC 8446, Section 4.6.1.
func TestEventOrderResumption(t *testing.T) {
	client, server := resumingConfigs(tls.RequireAndVerifyClientCert)
	p := newTestPair(t, client, server)
	p.handshake()
	wantStory(t, p.client, []string{
		"Send ClientHello", "Send Certificate", "Send ClientKeyExchange", "InstallKey",
		"Send CertificateVerify",
		"AwaitDry", "ActivateKey", "Send ChangeCipherSpec", "Send Finished", "ReadPending",
		"PeerFinished",
		"HandshakeComplete",
	})
	wantStory(t, p.server, []string{
		"Send ServerHello", "Send Certificate", "Send ServerKeyExchange", "Send CertificateRequest",
		"Send ServerHelloDone",
		"InstallKey", "ReadPending", "PeerFinished",
		"AwaitDry", "ActivateKey", "Send NewSessionTicket", "Send ChangeCipherSpec", "Send Finished",
		"AwaitDry",
		"HandshakeComplete",
	})
	p = newTestPair(t, client, server)
	p.handshake()
	wantStory(t, p.client, []string{
		"Send ClientHello",
		"InstallKey", // with the ServerHello
		"ReadPending", "PeerFinished",
		"AwaitDry", "ActivateKey", "Send ChangeCipherSpec", "Send Finished", "AwaitDry",
		"HandshakeComplete",
	})
	wantStory(t, p.server, []string{
		"Send ServerHello",
		"InstallKey", // before ChangeCipherSpec
		"AwaitDry", "ActivateKey", "Send ChangeCipherSpec", "Send Finished",
		"ReadPending", "PeerFinished", "HandshakeComplete",
	})
	p.exchangeData()
}

// resumed makes a connection, and after change a second one.
func resumed(t *testing.T, client, server *Config, change func()) *testPair {
	t.Helper()
	newTestPair(t, client, server).handshake()
	if change != nil {
		change()
	}
	p := newTestPair(t, client, server)
	p.handshake()
	return p
}

func TestResumptionWithRawPublicKeys(t *testing.T) {
	client, server := rawKeyConfigs()
	client.SessionCache, client.ServerName, server.TicketKeys = NewSessionCache(1), "name",
		new(TicketKeys)
	p := resumed(t, client, server, nil)
	for _, e := range []*testEnd{p.client, p.server} {
		if s := e.conn.ConnectionState(); !s.DidResume || s.PeerRawKey == nil {
			t.Errorf("%s: %+v", e.name, s)
		}
	}
	// The key is no longer trusted.
	server.VerifyRawKey = func(crypto.PublicKey) error { return errors.New("revoked") }
	q := newTestPair(t, client, server)
	q.start()
	q.run()
	wantDead(t, q.server, AlertBadCertificate, ErrPeerUntrusted)
}

// G5: changes after which a session is not resumed, and a full handshake takes place. RFC 7627,
// Section 5.3; RFC 8446, Section 4.6.1.
func TestAttackG5NotResumed(t *testing.T) {
	type change func(client, server *Config)
	later := func(d time.Duration) func() time.Time {
		return func() time.Time { return testTime.Add(d) }
	}
	tests := []struct {
		name    string
		auth    tls.ClientAuthType
		prepare change
		change  change
		resumes bool
		only    uint16 // the version; 0: both
	}{
		{name: "nothing changed", resumes: true},
		{name: "almost expired", change: func(c, s *Config) {
			c.Time, s.Time = later(sessionLifetime-time.Second), later(sessionLifetime-time.Second)
		}, resumes: true},
		{name: "expired at the client", change: func(c, s *Config) {
			c.Time = later(sessionLifetime - time.Second + time.Second)
		}},
		{name: "expired at the server", change: func(c, s *Config) { s.Time = later(sessionLifetime) }},
		{name: "from the future", change: func(c, s *Config) { s.Time = later(-time.Second) }},
		{name: "another name", prepare: func(c, s *Config) {
			c.InsecureSkipVerify = true
		}, change: func(c, s *Config) {
			c.SessionCache, c.ServerName = renamed{c.SessionCache, c.ServerName}, "other.example"
		}},
		{name: "another protocol", prepare: func(c, s *Config) {
			c.NextProtos, s.NextProtos = []string{"a", "b"}, []string{"a", "b"}
		},
			change: func(c, s *Config) { c.NextProtos = []string{"b"} }},
		{name: "a protocol more", change: func(c, s *Config) {
			c.NextProtos, s.NextProtos = []string{"a"}, []string{"a"}
		}},
		{name: "suite gone from the client", prepare: func(c, s *Config) {
			c.CipherSuites = []uint16{TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		},
			change: func(c, s *Config) {
				c.CipherSuites = []uint16{TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
			}, only: VersionDTLS12},
		{name: "suite gone from the server", prepare: func(c, s *Config) {
			s.CipherSuites = []uint16{TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		},
			change: func(c, s *Config) {
				s.CipherSuites = []uint16{TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
			}, only: VersionDTLS12},
		{name: "another suite with the same hash",
			prepare: func(c, s *Config) { s.CipherSuites = []uint16{TLS_AES_128_GCM_SHA256} },
			change:  func(c, s *Config) { s.CipherSuites = []uint16{TLS_CHACHA20_POLY1305_SHA256} },
			only:    VersionDTLS13, resumes: true},
		{name: "another hash at the server", prepare: func(c, s *Config) {
			s.CipherSuites = []uint16{TLS_AES_128_GCM_SHA256}
		},
			change: func(c, s *Config) { s.CipherSuites = []uint16{TLS_AES_256_GCM_SHA384} },
			only:   VersionDTLS13},
		{name: "another hash at the client", prepare: func(c, s *Config) {
			c.CipherSuites = []uint16{TLS_AES_128_GCM_SHA256}
		},
			change: func(c, s *Config) { c.CipherSuites = []uint16{TLS_AES_256_GCM_SHA384} },
			only:   VersionDTLS13},
		{name: "retry", change: func(c, s *Config) { s.CurvePreferences = []tls.CurveID{tls.CurveP384} },
			only: VersionDTLS13, resumes: true},
		{name: "a certificate asked for now", change: func(c, s *Config) {
			s.ClientAuth = tls.RequireAndVerifyClientCert
		}},
		{name: "a certificate possible now", change: func(c, s *Config) {
			s.ClientAuth = tls.VerifyClientCertIfGiven
		}, resumes: true},
		{name: "no certificate asked for now", auth: tls.RequireAndVerifyClientCert,
			change: func(c, s *Config) { s.ClientAuth = tls.NoClientCert }},
		{name: "verified now", auth: tls.RequireAnyClientCert,
			change: func(c, s *Config) { s.ClientAuth = tls.RequireAndVerifyClientCert }},
		{name: "not verified now", auth: tls.RequireAndVerifyClientCert,
			change: func(c, s *Config) { s.ClientAuth = tls.RequireAnyClientCert }, resumes: true},
		{name: "issuer of clients trusted no more", auth: tls.VerifyClientCertIfGiven,
			change: func(c, s *Config) {
				s.ClientCAs = newTestAuthority("other").pool()
				c.Certificates = nil
			}},
		{name: "issuer of the server trusted no more", change: func(c, s *Config) {
			other := newTestAuthority("other")
			c.RootCAs = other.pool()
			s.Certificates = []tls.Certificate{other.issue(testCerts().ecdsa.PrivateKey.(crypto.Signer),
				nil)}
		}},
		{name: "server verified now", prepare: func(c, s *Config) { c.InsecureSkipVerify = true },
			change: func(c, s *Config) { c.InsecureSkipVerify = false }},
		{name: "certificate expired", prepare: func(c, s *Config) {
			s.Certificates = []tls.Certificate{testCerts().ca.issue(
				testCerts().ecdsa.PrivateKey.(crypto.Signer), func(c *x509.Certificate) {
					c.NotAfter = testTime.Add(time.Hour)
				})}
		}, change: func(c, s *Config) {
			c.Time, s.Time = later(2*time.Hour), later(2*time.Hour)
			s.Certificates = testServerConfig(0).Certificates
		}},
		{name: "ticket keys gone", change: func(c, s *Config) { s.TicketKeys = new(TicketKeys) }},
		{name: "tickets off", change: func(c, s *Config) { s.TicketKeys = nil }},
		{name: "cache gone", change: func(c, s *Config) { c.SessionCache = nil }},
		{name: "no name, no session", prepare: func(c, s *Config) {
			c.InsecureSkipVerify, c.ServerName = true, ""
		}},
		{name: "ticket changed", change: func(c, s *Config) {
			editSession(c, func(n *session) { n.ticket[len(n.ticket)-1] ^= 1 })
		}},
		{name: "ticket of another key", change: func(c, s *Config) {
			editSession(c, func(n *session) { n.ticket[0] ^= 1 })
		}},
		{name: "ticket cut off", change: func(c, s *Config) {
			editSession(c, func(n *session) { n.ticket = n.ticket[:5] })
		}},
		{name: "session of another version", change: func(c, s *Config) {
			editSession(c, func(n *session) { n.version ^= VersionDTLS12 ^ VersionDTLS13 })
		}},
		{name: "session with rubbish in it", change: func(c, s *Config) {
			editSession(c, func(n *session) { n.peer = [][]byte{{1}} })
		}},
		{name: "rubbish in the cache", change: func(c, s *Config) {
			c.SessionCache.Put(testName, []byte("rubbish"))
		}},
		{name: "lifetime of the server is over", change: func(c, s *Config) {
			editSession(c, func(n *session) { n.lifetime = 10 })
			c.Time = later(10 * time.Second)
		}},
	}
	for _, test := range tests {
		for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
			if test.only != 0 && test.only != version {
				continue
			}
			t.Run(fmt.Sprintf("%s %04x", test.name, version), func(t *testing.T) {
				client, server := resumingConfigs(test.auth)
				client.MinVersion, client.MaxVersion = version, version
				server.MinVersion, server.MaxVersion = version, version
				if test.prepare != nil {
					test.prepare(client, server)
				}
				p := resumed(t, client, server, func() {
					if test.change != nil {
						test.change(client, server)
					}
				})
				for _, e := range []*testEnd{p.client, p.server} {
					if got := e.conn.ConnectionState().DidResume; got != test.resumes {
						t.Errorf("%s: DidResume is %v", e.name, got)
					}
				}
				p.exchangeData()
			})
		}
	}
}

// A renamed cache returns the session of another name.
type renamed struct {
	SessionCache
	name string
}

func (r renamed) Get(string) ([]byte, bool) { return r.SessionCache.Get(r.name) }

// editSession changes the session in the client's cache.
func editSession(c *Config, change func(n *session)) {
	data, _ := c.SessionCache.Get(testName)
	n := parseSession(data)
	change(n)
	c.SessionCache.Put(testName, must(n.marshal()))
}

// G5: the ticket of a session is useless without its secret, and a failed resumption removes the
// session from the cache.
func TestAttackG5FailedResumptionForgetsTheSession(t *testing.T) {
	client, server := resumingConfigs(tls.NoClientCert)
	newTestPair(t, client, server).handshake()
	editSession(client, func(n *session) { n.secret[0] ^= 1 })
	p := newTestPair(t, client, server)
	p.start()
	p.run()
	wantDead(t, p.client, AlertBadRecordMAC, ErrPeerMisbehaved)
	if _, ok := client.SessionCache.Get(testName); ok {
		t.Error("the session is kept")
	}
	newTestPair(t, client, server).handshake()
}

func TestResumptionVerifyConnection(t *testing.T) {
	no := errors.New("no")
	for _, side := range []string{"client", "server"} {
		client, server := resumingConfigs(tls.NoClientCert)
		newTestPair(t, client, server).handshake()
		verify := func(s ConnectionState) error {
			if !s.DidResume {
				t.Error("DidResume is not set")
			}
			return no
		}
		if side == "client" {
			client.VerifyConnection = verify
		} else {
			server.VerifyConnection = verify
		}
		p := newTestPair(t, client, server)
		p.start()
		p.run()
		e := map[string]*testEnd{"client": p.client, "server": p.server}[side]
		wantDead(t, e, AlertBadCertificate, no)
	}
}

// G5: a session is not resumed with another cipher suite. RFC 7627, Section 5.3.
func TestAttackG5ResumedWithAnotherSuite(t *testing.T) {
	client, server := resumingConfigs(tls.NoClientCert)
	newTestPair(t, client, server).handshake()
	s := newScriptedServer(t, client)
	s.readClientHello()
	s.serverHello(func(m *serverHello) {
		m.suite, m.sessionID = TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, s.offer.sessionID
	})
	s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)

	s = newScriptedServer(t, client) // the session has been removed
	s.readClientHello()
	if len(s.offer.sessionTicket) > 0 {
		t.Error("the session is kept")
	}
}

// A client may offer a ticket without a session_id. RFC 5077, Section 3.4.
func TestResumptionWithoutSessionID(t *testing.T) {
	client, server := resumingConfigs(tls.NoClientCert)
	newTestPair(t, client, server).handshake()
	s := newScriptedClient(t, server)
	s.resumeClient(client, func(m *clientHello) { m.sessionID = nil })
	s.finish()
	s.wantComplete()
	if !s.under.conn.ConnectionState().DidResume {
		t.Error("not resumed")
	}
}

// resumeClient is a client that resumes the session in the cache of a Config, up to the server's
// Finished.
func (s *script) resumeClient(cache *Config, changes ...func(*clientHello)) {
	s.t.Helper()
	data, _ := cache.SessionCache.Get(testName)
	n := parseSession(data)
	s.clientHello(append([]func(*clientHello){func(m *clientHello) {
		m.sessionID, m.sessionTicket = make([]byte, maxSessionIDLen), n.ticket
	}}, changes...)...)
	hello := new(serverHello)
	s.read(hello)
	s.hs.hellos(s.conn, s.offer, hello, suiteByID(hello.suite, VersionDTLS12))
	s.hs.master = n.secret
	if err := s.hs.useMaster(s.conn); err != nil {
		s.t.Fatal(err)
	}
	s.flush()
	s.readFinished()
}

// resumeServer is a server that resumes the session that the client offers.
func (s *script) resumeServer(cache *Config, changes ...func(*serverHello)) {
	s.t.Helper()
	data, _ := cache.SessionCache.Get(testName)
	n := parseSession(data)
	s.readClientHello()
	s.serverHello(append([]func(*serverHello){
		func(m *serverHello) { m.sessionID = s.offer.sessionID }}, changes...)...)
	s.hs.master = n.secret
	if err := s.hs.useMaster(s.conn); err != nil {
		s.t.Fatal(err)
	}
	s.flush()
}

// RFC 8446, Section 4.6.1: keys change, and a ticket of the previous key is accepted and replaced,
// but a session is not resumed for more than a day.
func TestTicketKeyRotation(t *testing.T) {
	client, server := resumingConfigs(tls.NoClientCert)
	now := testTime
	clock := func() time.Time { return now }
	client.Time, server.Time = clock, clock
	server.Certificates[0] = testCerts().ca.issue(testCerts().ecdsa.PrivateKey.(crypto.Signer),
		func(c *x509.Certificate) {
			c.NotAfter = testTime.Add(1000 * time.Hour) // otherwise its expiry would end the sessions
		})
	client.InsecureSkipVerify = true
	connect := func() bool {
		t.Helper()
		p := newTestPair(t, client, server)
		p.handshake()
		p.exchangeData()
		return p.client.conn.ConnectionState().DidResume
	}
	ticket := func() string {
		data, _ := client.SessionCache.Get(testName)
		return string(parseSession(data).ticket[:ticketKeyNameLen])
	}
	connect()
	now = now.Add(12 * time.Hour)
	client.SessionCache.Put(testName, nil)
	connect() // the session begins here
	first := ticket()
	now = now.Add(13 * time.Hour)
	if !connect() {
		t.Error("not resumed with the key of the day before")
	}
	if ticket() == first {
		t.Error("the ticket was not replaced")
	}
	now = now.Add(12 * time.Hour)
	if connect() {
		t.Error("resumed after more than a day")
	}
	if n := len(server.TicketKeys.keys); n > 3 {
		t.Errorf("%d keys are kept", n)
	}
	now = now.Add(100 * time.Hour)
	connect()
	if n := len(server.TicketKeys.keys); n != 1 {
		t.Errorf("%d keys are kept", n)
	}
}

// Two servers use the same keys, which change.
func TestTicketKeysSet(t *testing.T) {
	key := func(n byte) (k [ticketKeyLen]byte) { k[0] = n; return k }
	client, server := resumingConfigs(tls.NoClientCert)
	other := testServerConfig(tls.NoClientCert)
	other.TicketKeys = new(TicketKeys)
	set := func(k *TicketKeys, keys ...[ticketKeyLen]byte) {
		if err := k.Set(keys...); err != nil {
			t.Fatal(err)
		}
	}
	set(server.TicketKeys, key(1))
	set(other.TicketKeys, key(2), key(1))
	newTestPair(t, client, server).handshake()
	for i := range 2 {
		p := newTestPair(t, client, other)
		p.handshake()
		if !p.client.conn.ConnectionState().DidResume {
			t.Error("not resumed by the other server")
		}
		if renewed := strings.Contains(strings.Join(p.server.story, " "),
			"NewSessionTicket"); renewed != (i == 0) {
			t.Errorf("time %d: ticket was replaced: %v", i, renewed)
		}
	}
	set(other.TicketKeys, key(3))
	p := newTestPair(t, client, other)
	p.handshake()
	if p.client.conn.ConnectionState().DidResume {
		t.Error("resumed with a key that is gone")
	}
}

func TestAttackA15TicketKeys(t *testing.T) {
	var keys TicketKeys
	for _, list := range [][][ticketKeyLen]byte{nil, {{}}, {{1}, {}}} {
		if err := keys.Set(list...); !errors.Is(err, ErrMisuse) {
			t.Errorf("Set(%v): %v", list, err)
		}
	}
	// Servers that do not call Set do not accept each other's tickets.
	n := &session{version: VersionDTLS12, suite: TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
		secret: make([]byte, masterSecretLen)}
	ticket := must(keys.seal(n, testTime))
	if got, _ := keys.open(ticket, testTime); got == nil {
		t.Error("ticket does not open")
	}
	if got, _ := new(TicketKeys).open(ticket, testTime); got != nil {
		t.Error("ticket opens with other keys")
	}
	zero := must(newTicketKey(make([]byte, ticketKeyLen), testTime))
	if got, _ := (&TicketKeys{keys: []*ticketKey{zero}}).open(ticket, testTime); got != nil {
		t.Error("ticket opens with a key of zeros")
	}
	if bytes.Contains(ticket, n.secret[:16]) {
		t.Error("the secret is in the ticket")
	}
}

func TestSessionCache(t *testing.T) {
	cache := NewSessionCache(2)
	put := func(key string) { cache.Put(key, []byte(key)) }
	has := func(keys string) {
		t.Helper()
		for _, key := range []string{"a", "b", "c"} {
			if s, ok := cache.Get(key); ok != strings.Contains(keys, key) || ok && string(s) != key {
				t.Errorf("%s: %q %v", key, s, ok)
			}
		}
	}
	put("a")
	put("b")
	has("ab")
	cache.Get("a")
	put("c")
	has("ac")
	cache.Put("a", nil)
	cache.Put("b", nil)
	has("c")
	put("c")
	has("c")
}

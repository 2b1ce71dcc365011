package dtlscore

import (
	"crypto/tls"
	"slices"
	"testing"
	"time"
)

// only13 restricts configurations to DTLS 1.3.
func only13(configs ...*Config) {
	for _, c := range configs {
		c.MinVersion, c.MaxVersion = VersionDTLS13, VersionDTLS13
	}
}

// resumingConfigs13 does the same for DTLS 1.3.
func resumingConfigs13(auth tls.ClientAuthType) (client, server *Config) {
	client, server = resumingConfigs(auth)
	only13(client, server)
	return client, server
}

// A ticket follows the ACK, and is acknowledged at once: RFC 9147, Section 7; RFC 8446, Section
// 4.6.1. The keys of RFC 6083, Section 4.8, are handled as in a full handshake.
func TestEventOrderResumption13(t *testing.T) {
	client, server := resumingConfigs13(tls.RequireAndVerifyClientCert)
	p := newTestPair(t, client, server)
	p.handshake()
	wantStory(t, p.client, []string{
		"Send ClientHello",
		"InstallKey", "PeerFinished", "AwaitDry", "ActivateKey",
		"Send Certificate", "Send CertificateVerify", "Send Finished",
		"HandshakeComplete",
		"Send ack", // of the ticket
	})
	wantStory(t, p.server, []string{
		"Send ServerHello", "Send EncryptedExtensions", "Send CertificateRequest", "Send Certificate",
		"Send CertificateVerify",
		"InstallKey", "Send Finished",
		"PeerFinished", "AwaitDry", "ActivateKey", "Send ack", "Send NewSessionTicket",
		"HandshakeComplete",
	})
	p = newTestPair(t, client, server)
	p.handshake()
	wantStory(t, p.client, []string{
		"Send ClientHello", "InstallKey", "PeerFinished", "AwaitDry", "ActivateKey", "Send Finished",
		"HandshakeComplete", "Send ack",
	})
	wantStory(t, p.server, []string{
		"Send ServerHello", "Send EncryptedExtensions", "InstallKey", "Send Finished",
		"PeerFinished", "AwaitDry", "ActivateKey", "Send ack", "Send NewSessionTicket",
		"HandshakeComplete",
	})
	p.exchangeData()
}

// The certificates must be verified again after a day, however often the session was resumed
// meanwhile.
func TestSessionLifetimeIsNotExtended13(t *testing.T) {
	client, server := resumingConfigs13(tls.RequireAndVerifyClientCert)
	for _, test := range []struct {
		after   time.Duration
		resumes bool
	}{{0, false}, {12 * time.Hour, true}, {23 * time.Hour, true}, {sessionLifetime, false}} {
		now := func() time.Time { return testTime.Add(test.after) }
		client.Time, server.Time = now, now
		p := newTestPair(t, client, server)
		p.handshake()
		if got := p.client.conn.ConnectionState().DidResume; got != test.resumes {
			t.Errorf("after %v: DidResume is %v", test.after, got)
		}
	}
}

// RFC 8446, Section 4.2.11.1: the age of a ticket in milliseconds, which only the server can read.
func TestObfuscatedTicketAge13(t *testing.T) {
	client, server := resumingConfigs13(tls.NoClientCert)
	newTestPair(t, client, server).handshake()
	client.Time = func() time.Time { return testTime.Add(1500 * time.Millisecond) }
	s := newScriptedServer13(t, client)
	s.readClientHello()
	data, _ := client.SessionCache.Get(testName)
	if got := s.offer.identities[0].obfuscatedTicketAge - parseSession(data).ageAdd; got != 1500 {
		t.Errorf("age is %d", got)
	}
}

// Configs that allow both versions negotiate what the two ends have in common, also with a session
// of the other version in the cache.
func TestResumptionAcrossVersions(t *testing.T) {
	client, server := resumingConfigs(tls.NoClientCert)
	client.MaxVersion, server.MaxVersion = VersionDTLS13, VersionDTLS13
	for i, test := range []struct {
		max     uint16 // of the server
		version uint16
		resumes bool
	}{
		{VersionDTLS13, VersionDTLS13, false},
		{VersionDTLS13, VersionDTLS13, true},
		{VersionDTLS12, VersionDTLS12, false},
		{VersionDTLS12, VersionDTLS12, true},
		{VersionDTLS13, VersionDTLS13, false},
		{VersionDTLS13, VersionDTLS13, true},
	} {
		server.MaxVersion = test.max
		p := newTestPair(t, client, server)
		p.handshake()
		if s := p.server.conn.ConnectionState(); s.Version != test.version ||
			s.DidResume != test.resumes {
			t.Errorf("%d: version %x, DidResume %v", i, s.Version, s.DidResume)
		}
		p.exchangeData()
	}
}

// resumingScript13 offers the session in a client's cache.
func resumingScript13(t *testing.T, client, server *Config) *script13 {
	t.Helper()
	newTestPair(t, client, server).handshake()
	s := newScriptedClient13(t, server)
	data, _ := client.SessionCache.Get(testName)
	n := parseSession(data)
	s.psks = []*offeredPSK{{key: n.secret, hash: suiteByID(n.suite, VersionDTLS13).hash,
		identity: n.ticket, session: n}}
	return s
}

func TestAttackG5Binder13(t *testing.T) {
	tests := []struct {
		name   string
		change func(m *clientHello)
		alert  Alert
		fault  error
	}{
		{"wrong binder", func(m *clientHello) { m.binders[0][0] ^= 1 }, AlertDecryptError,
			ErrPeerUntrusted},
		{"binder of another size", func(m *clientHello) { m.binders[0] = make([]byte, 48) },
			AlertDecryptError, ErrPeerUntrusted},
		{"something before the binder changed", func(m *clientHello) { m.random[0] ^= 1 },
			AlertDecryptError, ErrPeerUntrusted},
		{"one binder too many", func(m *clientHello) { m.binders = append(m.binders, make([]byte, 32)) },
			AlertIllegalParameter, ErrPeerMisbehaved},
		{"one binder missing", func(m *clientHello) {
			m.identities = append(m.identities, pskIdentity{identity: []byte{1}})
		}, AlertIllegalParameter, ErrPeerMisbehaved},
		{"no modes", func(m *clientHello) { m.pskModes = nil }, AlertMissingExtension, ErrPeerMisbehaved},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client, server := resumingConfigs13(tls.NoClientCert)
			s := resumingScript13(t, client, server)
			s.clientHello(test.change)
			s.wantAlert(test.alert, test.fault)
		})
	}
	t.Run("pre_shared_key is not the last", func(t *testing.T) {
		client, server := resumingConfigs13(tls.NoClientCert)
		s := resumingScript13(t, client, server)
		hello := must((&Conn{config: testClientConfig13(), isClient: true}).newClientHello())
		s.offer = hello
		hello.pskModes, hello.identities, hello.binders = []uint8{pskModeDHEKE},
			[]pskIdentity{{identity: []byte{1}}}, [][]byte{make([]byte, 32)}
		raw := must(appendMessage(nil, 0, hello))[handshakeHeaderLen:]
		at := len(raw) - greaseInto(raw, hello)
		raw = append(raw, 0x5a, 0x5a, 0, 0)
		raw[at-2], raw[at-1] = byte((len(raw)-at)>>8), byte(len(raw)-at)
		s.sendMessage(typeClientHello, raw)
		s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
	})
	t.Run("forward secrecy is not wanted", func(t *testing.T) {
		client, server := resumingConfigs13(tls.NoClientCert)
		s := resumingScript13(t, client, server)
		s.clientHello(func(m *clientHello) { m.pskModes = []uint8{pskModeKE} })
		s.serverFlight()
		s.clientFlight()
		if s.under.conn.ConnectionState().DidResume ||
			slices.Contains(s.under.story, "Send NewSessionTicket") {
			t.Errorf("%q", s.under.story)
		}
	})
	t.Run("many identities", func(t *testing.T) { // E9
		client, server := resumingConfigs13(tls.NoClientCert)
		s := resumingScript13(t, client, server)
		ticket := s.psks[0]
		s.psks = nil
		for range maxOfferedPSKs {
			s.psks = append(s.psks, &offeredPSK{key: []byte{1}, hash: ticket.hash, identity: []byte{1},
				session: ticket.session})
		}
		s.psks = append(s.psks, ticket)
		s.clientHello()
		s.serverFlight()
		s.clientFlight()
		if s.under.conn.ConnectionState().DidResume {
			t.Error("all identities were looked at")
		}
	})
}

// G5: what a server must not choose.
func TestAttackG5SelectedIdentity13(t *testing.T) {
	for name, change := range map[string]func(m *serverHello){
		"beyond those that were offered": func(m *serverHello) {
			m.pskSelected, m.selectedIdentity = true, 1
		},
		"with another hash": func(m *serverHello) {
			m.pskSelected, m.suite = true, TLS_AES_256_GCM_SHA384
		},
	} {
		client, server := resumingConfigs13(tls.NoClientCert)
		newTestPair(t, client, server).handshake()
		s := newScriptedServer13(t, client)
		s.readClientHello()
		s.serverHello(change)
		if s.under.err == nil {
			t.Fatal(name)
		}
		s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
		if _, ok := client.SessionCache.Get(testName); ok {
			t.Errorf("%s: the session is kept", name)
		}
	}
	s := newScriptedServer13(t, testClientConfig13())
	s.readClientHello()
	s.serverHello(func(m *serverHello) { m.pskSelected = true })
	s.wantAlert(AlertUnsupportedExtension, ErrPeerMisbehaved)
}

// I4: tickets that cannot be used are acknowledged too. RFC 8446, Section 4.6.1.
func TestNewSessionTicket13(t *testing.T) {
	cached := func(c *Config) bool { _, ok := c.SessionCache.Get(testName); return ok }
	good := &newSessionTicket13{lifetime: 100, nonce: []byte{7}, ticket: []byte{1}}
	for name, test := range map[string]struct {
		ticket *newSessionTicket13
		kept   bool
	}{
		"good": {good, true},
		"for early data": {&newSessionTicket13{lifetime: 1, ticket: []byte{1},
			extensions: extensions{earlyData: true, maxEarlyData: 1 << 14}}, true},
		"without lifetime": {&newSessionTicket13{ticket: []byte{1}}, false},
		"too long to use": {&newSessionTicket13{lifetime: 1, ticket: make([]byte, maxTicketLen+1)},
			false},
	} {
		client := testClientConfig13()
		client.SessionCache = NewSessionCache(1)
		s := newScriptedServer13(t, client)
		s.completeServer(false)
		sent := s.conn.sent.next.Load()
		s.send(test.ticket)
		var numbers []recordNumber
		for n := sent; n < s.conn.sent.next.Load(); n++ {
			numbers = append(numbers, recordNumber{epochApplication, n})
		}
		s.wantACK(numbers...)
		if cached(client) != test.kept {
			t.Errorf("%s: kept %v", name, cached(client))
		}
	}
	s := newScriptedServer13(t, testClientConfig13())
	s.completeServer(false)
	s.send(good)
	s.wantACK(s.last())
}

// E5: an unlimited number of tickets.
func TestAttackE5FloodOfTickets13(t *testing.T) {
	s := newScriptedServer13(t, testClientConfig13())
	s.completeServer(false)
	for range newsBurst {
		s.send(&newSessionTicket13{lifetime: 1, ticket: []byte{1}})
		s.wantAlive("some tickets are harmless")
	}
	s.send(&newSessionTicket13{lifetime: 1, ticket: []byte{1}})
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
}

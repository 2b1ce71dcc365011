package dtlscore

import (
	"crypto"
	"crypto/tls"
	"fmt"
	"slices"
	"testing"
)

// bothVersions returns configurations that allow both versions.
func bothVersions() (client, server *Config) {
	client, server = testClientConfig(), testServerConfig(tls.NoClientCert)
	client.MaxVersion, server.MaxVersion = VersionDTLS13, VersionDTLS13
	return client, server
}

// Configs with a range of versions negotiate the highest common one.
func TestVersionNegotiation(t *testing.T) {
	bounds := []struct{ min, max uint16 }{
		{VersionDTLS12, VersionDTLS12}, {VersionDTLS12, VersionDTLS13}, {VersionDTLS13, VersionDTLS13},
	}
	for _, c := range bounds {
		for _, s := range bounds {
			client, server := bothVersions()
			client.MinVersion, client.MaxVersion = c.min, c.max
			server.MinVersion, server.MaxVersion = s.min, s.max
			p := newTestPair(t, client, server)
			p.start()
			p.run()
			want := max(c.max, s.max) // version numbers decrease
			if want > min(c.min, s.min) {
				wantPeerAlert(t, p.client, AlertProtocolVersion)
				continue
			}
			for _, e := range []*testEnd{p.client, p.server} {
				if got := e.conn.ConnectionState().Version; e.err != nil || got != want {
					t.Errorf("%04x to %04x and %04x to %04x: version %04x, %v", c.min, c.max, s.min, s.max, got,
						e.err)
				}
			}
		}
	}
}

// RFC 8446, Section 4.1.3, both sides.
func TestAttackB1DowngradeMarker(t *testing.T) {
	for _, marker := range []string{downgradeTLS12, downgradeTLS11} {
		client, _ := bothVersions()
		s := newScriptedServer(t, client)
		s.readClientHello()
		s.serverHello(func(m *serverHello) { copy(m.random[randomLen-8:], marker) })
		s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
	}
	_, server := bothVersions()
	s := newScriptedClient(t, server)
	s.clientHello()
	hello := new(serverHello)
	s.read(hello)
	if string(hello.random[randomLen-8:]) != downgradeTLS12 {
		t.Error("no marker")
	}
	// An attacker removes version 1.3 from the ClientHello.
	client, server := bothVersions()
	p := newTestPair(t, client, server)
	p.client.tamper = func(kind string, record []byte) []byte {
		if kind != "Send ClientHello" {
			return record
		}
		m := new(clientHello)
		if err := m.parse(record[recordHeaderLen+handshakeHeaderLen:]); err != nil {
			t.Fatal(err)
		}
		m.supportedVersions = nil
		return noProtection{}.seal(nil, contentHandshake, 0, must(appendMessage(nil, 0, m)))
	}
	p.start()
	p.run()
	wantDead(t, p.client, AlertIllegalParameter, ErrPeerMisbehaved)
}

func TestAttackB2OnlyOneVersion(t *testing.T) {
	t.Run("1.2 for a client of 1.3", func(t *testing.T) {
		s := newScriptedServer(t, testClientConfig13())
		s.readClientHello()
		s.serverHello()
		s.wantAlert(AlertProtocolVersion, ErrPeerMisbehaved)
	})
	t.Run("HelloVerifyRequest for a client of 1.3", func(t *testing.T) {
		s := newScriptedServer(t, testClientConfig13())
		s.readClientHello()
		s.send(&helloVerifyRequest{VersionDTLS12, []byte{1}})
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
	t.Run("HelloVerifyRequest, then 1.3", func(t *testing.T) {
		// A ClientHello that negotiates 1.3 must not have a cookie of 1.2.
		client, _ := bothVersions()
		s := newScriptedServer13(t, client)
		s.readClientHello()
		s.send(&helloVerifyRequest{VersionDTLS12, []byte{1}})
		s.hs.transcript.restart()
		s.readClientHello()
		s.serverHello()
		s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
	})
	t.Run("what a client of 1.2 says", func(t *testing.T) {
		s := newScriptedServer(t, testClientConfig())
		s.readClientHello()
		if s.offer.supportedVersions != nil || s.offer.keyShares != nil || s.offer.pskModes != nil {
			t.Errorf("%+v", s.offer)
		}
	})
	t.Run("what a client of 1.3 says", func(t *testing.T) {
		s := newScriptedServer(t, testClientConfig13())
		s.readClientHello()
		m := s.offer
		if m.version != VersionDTLS12 || !slices.Equal(m.supportedVersions, []uint16{VersionDTLS13}) ||
			len(m.cookie) > 0 || len(m.sessionID) > 0 || m.extendedMasterSecret ||
			m.renegotiationInfo != nil || m.earlyData {
			t.Errorf("%+v", m)
		}
		var groups []tls.CurveID
		for _, share := range m.keyShares {
			groups = append(groups, share.group)
		}
		if !slices.Equal(groups, []tls.CurveID{tls.X25519MLKEM768, tls.X25519}) {
			t.Errorf("key shares for %v", groups)
		}
	})
}

func TestAttackB3Fallback(t *testing.T) {
	_, server := bothVersions()
	s := newScriptedClient(t, server)
	s.clientHello(func(m *clientHello) { m.suites = append(m.suites, scsvFallback) })
	s.wantAlert(AlertInappropriateFallback, ErrPeerMisbehaved)
}

// B6: what a server must not send in or after a HelloRetryRequest.
func TestAttackB6RetryOfServer13(t *testing.T) {
	withCookie := func(m *serverHello) { m.cookie13 = []byte("cookie") }
	forGroup := func(g tls.CurveID) func(m *serverHello) {
		return func(m *serverHello) { m.keyShares = []keyShare{{group: g}} }
	}
	refused := []struct {
		name  string
		play  func(s *script13)
		alert Alert
	}{
		{"asks for nothing", func(s *script13) { s.retry() }, AlertIllegalParameter},
		{"for a group that has a share", func(s *script13) { s.retry(forGroup(tls.X25519)) },
			AlertIllegalParameter},
		{"for a group that was not offered", func(s *script13) { s.retry(forGroup(30 /* x448 */)) },
			AlertIllegalParameter},
		{"with a suite that was not offered", func(s *script13) {
			s.retry(withCookie, func(m *serverHello) { m.suite = 0x1304 })
		}, AlertIllegalParameter},
		{"a second one", func(s *script13) { s.retry(withCookie); s.retry(withCookie) },
			AlertUnexpectedMessage},
		{"another suite afterwards", func(s *script13) {
			s.retry(withCookie)
			s.readClientHello()
			s.serverHello(func(m *serverHello) { m.suite = TLS_CHACHA20_POLY1305_SHA256 })
		}, AlertIllegalParameter},
		{"another version afterwards", func(s *script13) {
			s.retry(withCookie)
			s.readClientHello()
			s.send(&serverHello{version: VersionDTLS12, suite: TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256})
		}, AlertIllegalParameter},
		{"another group afterwards", func(s *script13) {
			s.retry(forGroup(tls.CurveP256))
			s.readClientHello()
			s.group = tls.CurveP256
			s.serverHello(func(m *serverHello) { m.keyShares[0].group = tls.X25519 })
		}, AlertIllegalParameter},
		{"HelloVerifyRequest afterwards", func(s *script13) {
			s.retry(withCookie)
			s.send(&helloVerifyRequest{VersionDTLS12, []byte{1}})
		}, AlertUnexpectedMessage},
		{"without supported_versions", func(s *script13) {
			m := s.newServerHello()
			m.random, m.supportedVersions = helloRetryRandom, nil
			s.send(m)
		}, AlertIllegalParameter},
		{"more in its record", func(s *script13) {
			m := s.newServerHello()
			m.random, m.cookie13 = helloRetryRandom, []byte{1}
			both := append(must(appendMessage(nil, 0, m)),
				must(appendMessage(nil, 1, s.newServerHello()))...)
			s.sendRecord(contentHandshake, both)
		}, AlertUnexpectedMessage},
	}
	for _, test := range refused {
		t.Run(test.name, func(t *testing.T) {
			s := newScriptedServer13(t, testClientConfig13())
			s.readClientHello()
			test.play(s)
			s.wantAlert(test.alert, ErrPeerMisbehaved)
		})
	}
	accepted := map[string][]func(m *serverHello){
		"cookie":           {withCookie},
		"group":            {forGroup(tls.CurveP384)},
		"cookie and group": {withCookie, forGroup(tls.CurveP256)},
		"long cookie":      {func(m *serverHello) { m.cookie13 = make([]byte, 1<<15) }},
	}
	for name, changes := range accepted {
		t.Run(name, func(t *testing.T) {
			s := newScriptedServer13(t, testClientConfig13())
			s.readClientHello()
			first := *s.offer
			var sent serverHello
			s.retry(append(changes, func(m *serverHello) { sent = *m })...)
			if s.offer = new(clientHello); len(sent.cookie13) > maxPlaintext {
				s.readFragments(s.offer)
			} else {
				s.read(s.offer)
			}
			if string(s.offer.cookie13) != string(sent.cookie13) {
				t.Errorf("cookie %x came back", s.offer.cookie13)
			}
			if sent.keyShares != nil {
				s.group = sent.keyShares[0].group
				if len(s.offer.keyShares) != 1 || s.offer.keyShares[0].group != s.group {
					t.Errorf("key shares %v", s.offer.keyShares)
				}
			}
			second := *s.offer
			second.cookie13, second.keyShares, second.seen = nil, first.keyShares, first.seen
			if fmt.Sprint(second) != fmt.Sprint(first) {
				t.Errorf("second ClientHello differs in more:\n%v\n%v", first, second)
			}
			s.serverHello()
			s.encryptedExtensions()
			s.certificate()
			s.verify()
			s.finished()
			s.wantComplete()
		})
	}
}

// readFragments reads a message that spans several records.
func (s *script13) readFragments(m message) {
	s.t.Helper()
	var whole []byte
	var h handshakeHeader
	for h.length == 0 || len(whole) < h.length {
		_, content := s.readRecord(contentHandshake)
		var part []byte
		var err error
		h, part, _, err = parseFragment(content)
		s.check(err)
		whole = append(whole, part...)
	}
	s.check(m.parse(whole))
	s.hs.transcript.add(h.typ, h.seq, whole)
}

// B6: what a client must not send after a HelloRetryRequest.
func TestAttackB6RetryOfClient13(t *testing.T) {
	tests := []struct {
		name   string
		change func(m *clientHello)
		alert  Alert
	}{
		{"random", func(m *clientHello) { m.random[0] ^= 1 }, AlertIllegalParameter},
		{"suites", func(m *clientHello) { m.suites = m.suites[:1] }, AlertIllegalParameter},
		{"session", func(m *clientHello) { m.sessionID = []byte{1} }, AlertIllegalParameter},
		{"groups", func(m *clientHello) { m.supportedGroups = m.supportedGroups[:3] },
			AlertIllegalParameter},
		{"name", func(m *clientHello) { m.serverName = "other" }, AlertIllegalParameter},
		{"protocols", func(m *clientHello) { m.alpn = []string{"x"} }, AlertIllegalParameter},
		{"versions", func(m *clientHello) {
			m.supportedVersions = []uint16{VersionDTLS13,
				VersionDTLS12}
		}, AlertIllegalParameter},
		// Attack E8.
		{"cookie that was not sent", func(m *clientHello) { m.cookie13 = []byte{1} },
			AlertIllegalParameter},
		{"early data", func(m *clientHello) { m.earlyData = true }, AlertIllegalParameter},
		{"no share", func(m *clientHello) { m.keyShares = []keyShare{} }, AlertIllegalParameter},
		{"share for another group", func(m *clientHello) { m.keyShares[0].group = tls.CurveP384 },
			AlertIllegalParameter},
		{"two shares", func(m *clientHello) {
			m.keyShares = append(m.keyShares, keyShare{tls.X25519, make([]byte, 32)})
		}, AlertIllegalParameter},
		{"no signature algorithms", func(m *clientHello) { m.signatureAlgorithms = nil },
			AlertMissingExtension},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newScriptedClient13(t, retryingServer13())
			s.clientHello()
			s.readRetry()
			s.secondHello(test.change)
			s.wantAlert(test.alert, ErrPeerMisbehaved)
		})
	}
	t.Run("unknown extension", func(t *testing.T) {
		s := newScriptedClient13(t, retryingServer13())
		s.clientHello()
		s.readRetry()
		s.offer.keyShares = []keyShare{{tls.CurveP256, must(generateKey(tls.CurveP256)).share()}}
		raw := must(appendMessage(nil, 0, s.offer))[handshakeHeaderLen:]
		at := len(raw) - greaseInto(raw, s.offer)
		raw = slices.Insert(raw, at, 0x5a, 0x5a, 0, 1, 0)
		raw[at-2], raw[at-1] = byte((len(raw)-at)>>8), byte(len(raw)-at)
		s.sendMessage(typeClientHello, raw)
		s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
	})
}

// B7, D5, I4, I6: what a ServerHello must not contain.
func TestAttackB7D5ServerHello13(t *testing.T) {
	tests := []struct {
		name   string
		change func(m *serverHello)
		alert  Alert
	}{
		{"supported_versions with 1.2", func(m *serverHello) {
			m.supportedVersions = []uint16{VersionDTLS12}
		}, AlertIllegalParameter},
		{"supported_versions with 1.0", func(m *serverHello) {
			m.supportedVersions = []uint16{versionDTLS10}
		}, AlertIllegalParameter},
		{"supported_versions of TLS", func(m *serverHello) {
			m.supportedVersions = []uint16{tls.VersionTLS13}
		}, AlertIllegalParameter},
		{"legacy_version 1.3", func(m *serverHello) { m.version = VersionDTLS13 }, AlertIllegalParameter},
		{"legacy_version 1.0", func(m *serverHello) { m.version = versionDTLS10 }, AlertIllegalParameter},
		{"I6: session id", func(m *serverHello) { m.sessionID = []byte{1} }, AlertIllegalParameter},
		{"D5: suite of 1.2", func(m *serverHello) { m.suite = TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 },
			AlertIllegalParameter},
		{"D5: suite that was not offered", func(m *serverHello) { m.suite = 0x1305 },
			AlertIllegalParameter},
		{"I4: key share for an unknown group", func(m *serverHello) { m.keyShares[0].group = 0x2a2a },
			AlertIllegalParameter},
		{"no key share", func(m *serverHello) { m.keyShares = nil }, AlertMissingExtension},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newScriptedServer13(t, testClientConfig13())
			s.readClientHello()
			s.serverHello(test.change)
			s.wantAlert(test.alert, ErrPeerMisbehaved)
		})
	}
}

// I4: what EncryptedExtensions, CertificateRequest and Certificate must not contain.
func TestAttackI4Extensions13(t *testing.T) {
	ee := map[string]struct {
		change func(m *encryptedExtensions)
		alert  Alert
	}{
		"ALPN unasked": {func(m *encryptedExtensions) { m.alpn = []string{"x"} },
			AlertUnsupportedExtension},
		"early data": {func(m *encryptedExtensions) { m.earlyData = true },
			AlertUnsupportedExtension},
		"certificate type unasked": {func(m *encryptedExtensions) {
			m.serverCertificateTypes = []uint8{certTypeRawPublicKey}
		}, AlertUnsupportedExtension},
	}
	for name, test := range ee {
		t.Run(name, func(t *testing.T) {
			s := newScriptedServer13(t, testClientConfig13())
			s.readClientHello()
			s.serverHello()
			s.encryptedExtensions(test.change)
			s.wantAlert(test.alert, ErrPeerMisbehaved)
		})
	}
	t.Run("protocol that was not offered", func(t *testing.T) {
		client := testClientConfig13()
		client.NextProtos = []string{"a"}
		s := newScriptedServer13(t, client)
		s.readClientHello()
		s.serverHello()
		s.encryptedExtensions(func(m *encryptedExtensions) { m.alpn = []string{"b"} })
		s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
	})
	t.Run("extensions of the ServerHello", func(t *testing.T) {
		s := newScriptedServer13(t, testClientConfig13())
		s.readClientHello()
		s.serverHello()
		s.sendMessage(typeEncryptedExtensions,
			[]byte{0, 6, 0, byte(extSupportedVersions), 0, 2, 0xfe, 0xfc})
		s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
	})
	t.Run("unknown extension", func(t *testing.T) {
		s := newScriptedServer13(t, testClientConfig13())
		s.readClientHello()
		s.serverHello()
		s.sendMessage(typeEncryptedExtensions, []byte{0, 4, 0x5a, 0x5a, 0, 0})
		s.wantAlert(AlertUnsupportedExtension, ErrPeerMisbehaved)
	})
	t.Run("request with a context", func(t *testing.T) {
		s := newScriptedServer13(t, testClientConfig13())
		s.readClientHello()
		s.serverHello()
		s.encryptedExtensions()
		s.certificateRequest(func(m *certificateRequest13) { m.context = []byte{1} })
		s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
	})
	t.Run("Certificate with a context", func(t *testing.T) {
		s := newScriptedServer13(t, testClientConfig13())
		s.readClientHello()
		s.serverHello()
		s.encryptedExtensions()
		s.certificate(func(m *certificate13) { m.context = []byte{1} })
		s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
	})
	t.Run("staple that a client was not asked for", func(t *testing.T) {
		s := newScriptedClient13(t, testServerConfig13(tls.RequireAnyClientCert))
		s.clientHello()
		s.serverFlight()
		s.certificate(func(m *certificate13) { m.entries[0].ocspResponse = []byte{1} })
		s.wantAlert(AlertUnsupportedExtension, ErrPeerMisbehaved)
	})
	t.Run("two raw public keys", func(t *testing.T) {
		client, _ := rawKeyConfigs()
		only13(client)
		s := newScriptedServer13(t, client)
		s.readClientHello()
		s.serverHello()
		s.encryptedExtensions(func(m *encryptedExtensions) {
			m.serverCertificateTypes = []uint8{certTypeRawPublicKey}
		})
		own := must(newRawKeyCredential(testCerts().rsa.PrivateKey.(crypto.Signer)))
		entry := certificateEntry{data: own.chain[0]}
		s.send(&certificate13{entries: []certificateEntry{entry, entry}})
		s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
	})
}

// E13, I6: what a ClientHello must and must not contain.
func TestAttackE13I6ClientHello13(t *testing.T) {
	tests := []struct {
		name   string
		change func(m *clientHello)
		alert  Alert
		fault  error
	}{
		{"legacy_cookie", func(m *clientHello) { m.cookie = []byte{1} }, AlertIllegalParameter,
			ErrPeerMisbehaved},
		{"cookie that was not sent", func(m *clientHello) { m.cookie13 = []byte{1} },
			AlertIllegalParameter, ErrPeerMisbehaved},
		{"compression", func(m *clientHello) { m.compressionMethods = []byte{0, 1} },
			AlertIllegalParameter, ErrPeerMisbehaved},
		{"no groups", func(m *clientHello) { m.supportedGroups = nil }, AlertMissingExtension,
			ErrPeerMisbehaved},
		{"no key_share", func(m *clientHello) { m.keyShares = nil }, AlertMissingExtension,
			ErrPeerMisbehaved},
		{"no signature algorithms", func(m *clientHello) { m.signatureAlgorithms = nil },
			AlertMissingExtension, ErrPeerMisbehaved},
		{"share for a group that is not offered",
			func(m *clientHello) { m.supportedGroups = []tls.CurveID{tls.CurveP256} }, AlertIllegalParameter,
			ErrPeerMisbehaved},
		{"no group in common", func(m *clientHello) {
			m.supportedGroups, m.keyShares = []tls.CurveID{0x2a2a}, []keyShare{}
		}, AlertHandshakeFailure, ErrPeerIncompatible},
		{"RFC 8446, Section 9.2: pre-shared keys without (EC)DHE", func(m *clientHello) {
			m.supportedGroups, m.keyShares, m.signatureAlgorithms = nil, nil, nil
			m.pskModes = []uint8{pskModeKE}
			offerStrangeKeys(m, "key")
		}, AlertHandshakeFailure, ErrPeerIncompatible},
		{"no suite in common", func(m *clientHello) {
			m.suites = []uint16{0x1304, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		}, AlertHandshakeFailure, ErrPeerIncompatible},
		{"no scheme in common", func(m *clientHello) {
			m.signatureAlgorithms = []tls.SignatureScheme{tls.PKCS1WithSHA256}
		}, AlertHandshakeFailure, ErrPeerIncompatible},
		{"B2: versions without ours", func(m *clientHello) {
			m.supportedVersions = []uint16{VersionDTLS12}
		}, AlertProtocolVersion, ErrPeerIncompatible},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
			s.clientHello(test.change)
			s.wantAlert(test.alert, test.fault)
		})
	}
	accepted := map[string]func(m *clientHello){
		// RFC 9147, Section 5.3
		"session of 1.2": func(m *clientHello) { m.sessionID = make([]byte, maxSessionIDLen) },
		"extensions of 1.2": func(m *clientHello) {
			m.extendedMasterSecret, m.renegotiationInfo = true, []byte{}
		},
		"I5: GREASE": func(m *clientHello) {
			m.suites = slices.Insert(m.suites, 0, 0x1a1a)
			m.supportedGroups = slices.Insert(m.supportedGroups, 0, 0x2a2a)
			m.keyShares = slices.Insert(m.keyShares, 0, keyShare{0x2a2a, []byte{0}})
			m.supportedVersions = slices.Insert(m.supportedVersions, 0, 0x3a3a)
			m.signatureAlgorithms = slices.Insert(m.signatureAlgorithms, 0, 0x3a3a)
			m.pskModes = []uint8{0x0b}
		},
		"other legacy_version": func(m *clientHello) { m.version = VersionDTLS13 },
	}
	for name, change := range accepted {
		t.Run(name, func(t *testing.T) {
			s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
			s.clientHello(change)
			s.serverFlight()
			s.clientFlight()
			if len(s.answer.sessionID) > 0 {
				t.Error("the session id comes back")
			}
		})
	}
}

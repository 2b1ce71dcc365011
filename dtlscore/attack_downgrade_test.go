package dtlscore

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"testing"
)

// weakSuites has a cipher suite of each kind that attack B4 and RFC 9325, Section 4.2, name. None
// is implemented.
var weakSuites = []uint16{
	0x0001, // NULL
	0x0003, // export
	0x0004, // RC4
	0x000a, // 3DES
	0x002f, // static RSA, CBC
	0x0034, // anonymous DH
	0x009c, // static RSA, GCM
	0x009e, // finite-field DHE
	0xc008, // ECDHE, 3DES
	0xc009, // ECDHE, CBC
	0xc018, // anonymous ECDH
	0xc023, // ECDHE, CBC, SHA-256
	0xc0b4, // integrity only
}

func TestAttackB4E13F1F2WeakSuites(t *testing.T) {
	weak := func(m *clientHello) { m.suites = weakSuites }
	s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
	s.clientHello(weak)
	s.wantAlert(AlertHandshakeFailure, ErrPeerIncompatible)
	s13 := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
	s13.clientHello(weak)
	s13.wantAlert(AlertHandshakeFailure, ErrPeerIncompatible)

	for _, v := range eachVersion {
		t.Run(v.name, func(t *testing.T) { wantNothingWeakOffered(t, v) })
	}
}

func wantNothingWeakOffered(t *testing.T, v testVersion) {
	client, _ := v.configs(tls.NoClientCert)
	s := newScriptedServer(t, client)
	s.readClientHello()
	for _, id := range weakSuites {
		if slices.Contains(s.offer.suites, id) {
			t.Errorf("client offers %#04x", id)
		}
		if _, err := Client(&Config{InsecureSkipVerify: true,
			CipherSuites: []uint16{id}}); !errors.Is(err, ErrMisuse) {
			t.Errorf("suite %#04x can be configured: %v", id, err)
		}
	}
	for _, scheme := range s.offer.signatureAlgorithms {
		if scheme == tls.ECDSAWithSHA1 || scheme>>8 <= 3 {
			t.Errorf("client offers scheme %v", scheme)
		}
	}
	for _, g := range s.offer.supportedGroups {
		if curveOf(g) == nil {
			t.Errorf("client offers group %v", g)
		}
	}
	// E13, RFC 9325, Section 3.3.
	if !slices.Equal(s.offer.compressionMethods, []byte{0}) {
		t.Errorf("client offers compression %v", s.offer.compressionMethods)
	}
}

// B2, B4, D5, I4: what a ServerHello must not choose.
func TestAttackD5ServerHelloChoosesWhatWasNotOffered(t *testing.T) {
	tests := []struct {
		name   string
		change func(m *serverHello)
		alert  Alert
		fault  error
	}{
		{"B2: DTLS 1.0", func(m *serverHello) { m.version = versionDTLS10 }, AlertProtocolVersion,
			ErrPeerMisbehaved},
		{"TLS 1.2", func(m *serverHello) { m.version = tls.VersionTLS12 }, AlertProtocolVersion,
			ErrPeerMisbehaved},
		{"B7: supported_versions with 1.2", func(m *serverHello) {
			m.supportedVersions = []uint16{VersionDTLS12}
		}, AlertIllegalParameter, ErrPeerMisbehaved},
		{"B7: supported_versions, not offered",
			func(m *serverHello) { m.supportedVersions = []uint16{VersionDTLS13} }, AlertIllegalParameter,
			ErrPeerMisbehaved},
		{"suite of 1.3", func(m *serverHello) { m.suite = TLS_AES_128_GCM_SHA256 }, AlertIllegalParameter,
			ErrPeerMisbehaved},
		{"suite with a PSK", func(m *serverHello) { m.suite = TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256 },
			AlertIllegalParameter, ErrPeerMisbehaved},
		{"unknown suite", func(m *serverHello) { m.suite = 0x1a1a }, AlertIllegalParameter,
			ErrPeerMisbehaved},
		{"signalling suite", func(m *serverHello) { m.suite = scsvRenegotiationInfo },
			AlertIllegalParameter, ErrPeerMisbehaved},
		{"I4: ALPN unasked", func(m *serverHello) { m.alpn = []string{"x"} }, AlertUnsupportedExtension,
			ErrPeerMisbehaved},
		{"I4: session ticket unasked", func(m *serverHello) { m.sessionTicket = []byte{} },
			AlertUnsupportedExtension, ErrPeerMisbehaved},
		{"G2: no extended master secret", func(m *serverHello) { m.extendedMasterSecret = false },
			AlertHandshakeFailure, ErrPeerIncompatible},
		{"G1: no renegotiation_info", func(m *serverHello) { m.renegotiationInfo = nil },
			AlertHandshakeFailure, ErrPeerIncompatible},
		{"G1: renegotiation_info not empty", func(m *serverHello) { m.renegotiationInfo = []byte{1} },
			AlertHandshakeFailure, ErrPeerMisbehaved},
		{"I6: point formats without uncompressed", func(m *serverHello) { m.pointFormats = []byte{1} },
			AlertIllegalParameter, ErrPeerMisbehaved},
	}
	for _, id := range weakSuites {
		tests = append(tests, struct {
			name   string
			change func(m *serverHello)
			alert  Alert
			fault  error
		}{fmt.Sprintf("B4: suite %#04x", id), func(m *serverHello) { m.suite = id },
			AlertIllegalParameter, ErrPeerMisbehaved})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newScriptedServer(t, testClientConfig())
			s.readClientHello()
			s.serverHello(test.change)
			s.wantAlert(test.alert, test.fault)
		})
	}
	t.Run("protocol", func(t *testing.T) {
		client := testClientConfig()
		client.NextProtos = []string{"a"}
		s := newScriptedServer(t, client)
		s.readClientHello()
		s.serverHello(func(m *serverHello) { m.alpn = []string{"b"} })
		s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
	})
	t.Run("group", func(t *testing.T) {
		for _, group := range []tls.CurveID{30 /* x448 */, tls.X25519MLKEM768, 21, /* secp224r1 */
			0x2a2a} {
			s := newScriptedServer(t, testClientConfig())
			s.readClientHello()
			s.serverHello()
			s.certificate()
			s.serverKeyExchange(func(m *serverKeyExchange) { m.group = group })
			s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
		}
	})
}

// B2, G1, G2, I6: what a ClientHello must and must not contain.
func TestAttackB2G1G2I6ClientHello(t *testing.T) {
	tests := []struct {
		name   string
		change func(m *clientHello)
		alert  Alert
		fault  error
	}{
		{"B2: DTLS 1.0", func(m *clientHello) { m.version = versionDTLS10 }, AlertProtocolVersion,
			ErrPeerIncompatible},
		{"TLS 1.2", func(m *clientHello) { m.version = tls.VersionTLS12 }, AlertProtocolVersion,
			ErrPeerIncompatible},
		{"supported_versions without ours", func(m *clientHello) {
			m.supportedVersions = []uint16{versionDTLS10, 0x7f7f}
		}, AlertProtocolVersion, ErrPeerIncompatible},
		{"G2: no extended master secret", func(m *clientHello) { m.extendedMasterSecret = false },
			AlertHandshakeFailure, ErrPeerIncompatible},
		{"G1: renegotiation_info not empty", func(m *clientHello) { m.renegotiationInfo = []byte{1} },
			AlertHandshakeFailure, ErrPeerMisbehaved},
		{"no signature algorithms", func(m *clientHello) { m.signatureAlgorithms = nil },
			AlertHandshakeFailure, ErrPeerIncompatible},
		{"no uncompressed points", func(m *clientHello) { m.pointFormats = []byte{1, 2} },
			AlertIllegalParameter, ErrPeerMisbehaved},
		{"no null compression", func(m *clientHello) { m.compressionMethods = []byte{1} },
			AlertIllegalParameter, ErrPeerMisbehaved},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
			s.clientHello(test.change)
			s.wantAlert(test.alert, test.fault)
		})
	}
}

// G2: without the extended master secret nothing is exported, and no session is resumed, because
// sessions always have it. RFC 7627, Section 5.
func TestAttackG2ExtendedMasterSecret(t *testing.T) {
	wantNoSecret := func(t *testing.T, s *script) {
		t.Helper()
		s.wantAlert(AlertHandshakeFailure, ErrPeerIncompatible)
		if len(s.under.secrets) > 0 || slices.Contains(s.under.story, "InstallKey") {
			t.Errorf("a secret was given away: %q", s.under.story)
		}
	}
	client, server := resumingConfigs(tls.NoClientCert)
	newTestPair(t, client, server).handshake()

	t.Run("client", func(t *testing.T) {
		for _, resuming := range []bool{false, true} {
			s := newScriptedClient(t, server)
			s.clientHello(func(m *clientHello) {
				if m.extendedMasterSecret = false; resuming {
					data, _ := client.SessionCache.Get(testName)
					m.sessionTicket, m.sessionID = parseSession(data).ticket, make([]byte, maxSessionIDLen)
				}
			})
			wantNoSecret(t, s)
		}
	})
	t.Run("server", func(t *testing.T) {
		for _, resuming := range []bool{false, true} {
			s := newScriptedServer(t, client)
			s.readClientHello()
			if len(s.offer.sessionTicket) == 0 && resuming {
				t.Fatal("no session is offered")
			}
			s.serverHello(func(m *serverHello) {
				if m.extendedMasterSecret = false; resuming {
					m.sessionID = s.offer.sessionID
				}
			})
			wantNoSecret(t, s)
			newTestPair(t, client, server).handshake() // puts another session into the cache
		}
	})
}

// What a ClientHello may contain.
func TestClientHelloAccepted(t *testing.T) {
	tests := map[string]func(m *clientHello){
		"G1: no RFC 5746": func(m *clientHello) { m.renegotiationInfo = nil },
		"G1: signalling suite": func(m *clientHello) {
			m.renegotiationInfo = nil
			m.suites = append(m.suites, scsvRenegotiationInfo)
		},
		"better version": func(m *clientHello) { m.version = VersionDTLS13 },
		"supported_versions": func(m *clientHello) {
			m.supportedVersions = []uint16{0x1a1a, VersionDTLS12}
		},
		"session to resume":        func(m *clientHello) { m.sessionID = make([]byte, maxSessionIDLen) },
		"other compression too":    func(m *clientHello) { m.compressionMethods = []byte{1, 0} },
		"no point formats":         func(m *clientHello) { m.pointFormats = nil },
		"B3: fallback to our best": func(m *clientHello) { m.suites = append(m.suites, scsvFallback) },
		"no groups": func(m *clientHello) {
			m.supportedGroups = nil // RFC 8422, Section 4: the server chooses
		},
		"I5: GREASE": func(m *clientHello) { // RFC 8701
			m.suites = slices.Insert(m.suites, 0, 0x1a1a)
			m.supportedGroups = slices.Insert(m.supportedGroups, 0, 0x2a2a)
			m.signatureAlgorithms = slices.Insert(m.signatureAlgorithms, 0, 0x3a3a)
			m.alpn = []string{"\x4a\x4a"}
		},
	}
	for name, change := range tests {
		t.Run(name, func(t *testing.T) {
			s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
			s.clientHello(change)
			s.serverFlight()
			s.keyExchange()
			s.finish()
			s.readFinished()
			s.wantComplete()
		})
	}
}

// I5: GREASE extensions in a ClientHello, and what a server may grease.
func TestAttackI5Grease(t *testing.T) {
	s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
	hello := must((&Conn{config: testClientConfig()}).newClientHello())
	raw := must(appendMessage(nil, 0, hello))[handshakeHeaderLen:]
	at := len(raw) - greaseInto(raw, hello)
	raw = slices.Insert(raw, at, 0x5a, 0x5a, 0, 1, 0, 0x6a, 0x6a, 0, 0)
	raw[at-2], raw[at-1] = byte((len(raw)-at)>>8), byte(len(raw)-at)
	s.sendMessage(typeClientHello, raw)
	s.wantAlive("unknown extensions of a client are ignored")
	s.read(new(serverHello))

	s = newScriptedServer(t, testClientConfig())
	s.readClientHello()
	s.serverHello()
	s.certificate()
	s.serverKeyExchange()
	s.request = &certificateRequest12{
		types:   []uint8{0x0b, certRequestECDSASign},
		schemes: append([]tls.SignatureScheme{0x1a1a}, defaultSignatureAlgorithms()...),
	}
	s.send(s.request)
	s.send(new(serverHelloDone))
	s.clientFlight()
	s.finish()
	s.wantComplete()
}

// greaseInto returns the size of the extensions of a hello message, without their length field.
func greaseInto(raw []byte, hello *clientHello) int {
	fixed := 2 + randomLen + 1 + len(hello.sessionID) + 1 + len(hello.cookie) + 2 +
		2*len(hello.suites) + 1 + len(hello.compressionMethods) + 2
	return len(raw) - fixed
}

// I7: the version in the headers of unprotected records, after it is negotiated.
func TestAttackI7RecordVersion13(t *testing.T) {
	for _, version := range []uint16{versionDTLS10, VersionDTLS13, tls.VersionTLS12} {
		s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
		s.clientHello()
		record := noProtection{}.seal(nil, contentAlert, 7,
			appendAlert(nil, levelFatal, AlertInternalError))
		record[1], record[2] = byte(version>>8), byte(version)
		s.under.receive(testRecord{record, true})
		s.wantAlert(AlertProtocolVersion, ErrPeerMisbehaved)
	}
}

// I7: the version in record headers.
func TestAttackI7RecordVersion(t *testing.T) {
	for _, version := range []uint16{versionDTLS10, VersionDTLS12, 0xfe00} {
		s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
		s.conn.pushRecord(contentHandshake, must(appendMessage(nil, 0,
			must((&Conn{config: testClientConfig()}).newClientHello()))))
		record := s.conn.NextEvent().Data
		record[1], record[2] = byte(version>>8), byte(version)
		s.under.receive(testRecord{record, true})
		s.wantAlive("any DTLS version is fine in the first record")
		s.read(new(serverHello))
	}
	for _, version := range []uint16{versionDTLS10, 0xfe00, tls.VersionTLS12} {
		s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
		s.clientHello()
		s.serverFlight()
		s.conn.pushRecord(contentAlert, appendAlert(nil, levelWarning, AlertUserCanceled))
		record := s.conn.NextEvent().Data
		record[1], record[2] = byte(version>>8), byte(version)
		s.under.receive(testRecord{record, true})
		s.wantAlert(AlertProtocolVersion, ErrPeerMisbehaved)
	}
}

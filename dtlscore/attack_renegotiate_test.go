package dtlscore

import (
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// G1: a renegotiation without the verify_data of the previous handshake. RFC 5746, Section 3.5.
func TestAttackG1RenegotiationNotBound(t *testing.T) {
	server := func(t *testing.T) *script {
		config := testServerConfig(tls.NoClientCert)
		config.Renegotiation = RenegotiateFreely
		s := newScriptedClient(t, config)
		s.completeClient()
		s.again()
		return s
	}
	for name, test := range map[string]struct {
		change func(m *clientHello)
		fault  error
	}{
		"nothing": {func(m *clientHello) { m.renegotiationInfo = nil }, ErrPeerIncompatible},
		"empty":   {func(m *clientHello) { m.renegotiationInfo = []byte{} }, ErrPeerMisbehaved},
		"wrong":   {func(m *clientHello) { m.renegotiationInfo[3] ^= 1 }, ErrPeerMisbehaved},
		"short": {func(m *clientHello) { m.renegotiationInfo = m.renegotiationInfo[:11] },
			ErrPeerMisbehaved},
		"signal only": {func(m *clientHello) {
			m.renegotiationInfo, m.suites = nil, append(m.suites, scsvRenegotiationInfo)
		}, ErrPeerIncompatible},
		"signal and binding": {func(m *clientHello) {
			m.suites = append(m.suites, scsvRenegotiationInfo)
		}, ErrPeerMisbehaved},
	} {
		t.Run("client: "+name, func(t *testing.T) {
			s := server(t)
			s.clientHello(test.change)
			s.wantAlert(AlertHandshakeFailure, test.fault)
		})
	}
	for name, test := range map[string]struct {
		change func(m *serverHello)
		fault  error
	}{
		"nothing": {func(m *serverHello) { m.renegotiationInfo = nil }, ErrPeerIncompatible},
		"empty":   {func(m *serverHello) { m.renegotiationInfo = []byte{} }, ErrPeerMisbehaved},
		"wrong":   {func(m *serverHello) { m.renegotiationInfo[3] ^= 1 }, ErrPeerMisbehaved},
		"of the peer": {func(m *serverHello) { m.renegotiationInfo = m.renegotiationInfo[:12] },
			ErrPeerMisbehaved},
		"the wrong way round": {func(m *serverHello) {
			m.renegotiationInfo = slices.Concat(m.renegotiationInfo[12:], m.renegotiationInfo[:12])
		}, ErrPeerMisbehaved},
	} {
		t.Run("server: "+name, func(t *testing.T) {
			s := renegotiatingClient(t)
			s.serverHello(test.change)
			s.wantAlert(AlertHandshakeFailure, test.fault)
		})
	}
}

// G1: a client that does not support RFC 5746, such as wolfSSL, can connect, gets no
// renegotiation_info, and cannot renegotiate. RFC 5746, Sections 3.6 and 4.4.
func TestAttackG1ClientWithoutRFC5746(t *testing.T) {
	connected := func(t *testing.T) *script {
		config := testServerConfig(tls.NoClientCert)
		config.Renegotiation = RenegotiateFreely
		s := newScriptedClient(t, config)
		s.clientHello(func(m *clientHello) { m.renegotiationInfo = nil })
		s.serverFlight()
		s.keyExchange()
		s.finish()
		s.readFinished()
		s.wantComplete()
		return s
	}
	wantRefusal := func(t *testing.T, s *script) {
		t.Helper()
		if got := s.readRecord(contentAlert); !slices.Equal(got,
			appendAlert(nil, levelWarning, AlertNoRenegotiation)) {
			t.Errorf("alert %x, want no_renegotiation", got)
		}
		s.wantAlive("the connection goes on as it was")
	}
	for name, change := range map[string]func(m *clientHello){
		"without": func(m *clientHello) { m.renegotiationInfo = nil },
		"empty":   func(m *clientHello) { m.renegotiationInfo = []byte{} },
		"bound":   func(m *clientHello) {},
		"signalling suite ": func(m *clientHello) {
			m.renegotiationInfo, m.suites = nil, append(m.suites, scsvRenegotiationInfo)
		},
	} {
		t.Run("client begins: "+name, func(t *testing.T) {
			s := connected(t)
			s.again()
			s.clientHello(change)
			wantRefusal(t, s)
		})
	}
	t.Run("server begins", func(t *testing.T) {
		s := connected(t)
		if err := s.under.conn.Renegotiate(); !errors.Is(err, ErrPeerIncompatible) {
			t.Errorf("Renegotiate: %v", err)
		}
		s.wantAlive("the error does not end the connection")
		// The same holds for a client that begins without being asked.
		s.again()
		s.clientHello()
		wantRefusal(t, s)
	})
	t.Run("answer", func(t *testing.T) {
		s := newScriptedClient(t, testServerConfig(tls.NoClientCert))
		s.clientHello(func(m *clientHello) { m.renegotiationInfo = nil })
		answer := new(serverHello)
		s.read(answer)
		if answer.renegotiationInfo != nil {
			t.Error("the server answers with renegotiation_info, which was not asked for")
		}
	})
}

// A client that does not support RFC 5746 can resume a session.
func TestResumptionWithoutRFC5746(t *testing.T) {
	client, server := resumingConfigs(tls.NoClientCert)
	newTestPair(t, client, server).handshake()
	server.Renegotiation = RenegotiateFreely
	data, _ := client.SessionCache.Get(testName)
	s := newScriptedClient(t, server)
	s.clientHello(func(m *clientHello) {
		m.renegotiationInfo = nil
		m.sessionTicket, m.sessionID = parseSession(data).ticket, make([]byte, maxSessionIDLen)
	})
	answer := new(serverHello)
	s.read(answer)
	if len(answer.sessionID) == 0 || answer.renegotiationInfo != nil {
		t.Errorf("ServerHello with session %x and renegotiation_info %v", answer.sessionID,
			answer.renegotiationInfo)
	}
}

// renegotiatingClient returns a scripted client whose second ClientHello has been read.
func renegotiatingClient(t *testing.T) *script {
	config := testClientConfig()
	config.Renegotiation = RenegotiateFreely
	s := newScriptedServer(t, config)
	s.completeServer(false)
	s.again()
	s.under.renegotiate()
	s.readClientHello()
	return s
}

// B5: a renegotiation cannot weaken the connection.
func TestAttackB5RenegotiationDowngrade(t *testing.T) {
	config := testServerConfig(tls.NoClientCert)
	config.Renegotiation = RenegotiateFreely
	config.CipherSuites = []uint16{TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}
	for name, test := range map[string]struct {
		change func(m *clientHello)
		alert  Alert
		fault  error
	}{
		"version": {func(m *clientHello) { m.version = versionDTLS10 },
			AlertProtocolVersion, ErrPeerMisbehaved},
		"another version": {func(m *clientHello) {
			m.supportedVersions = []uint16{VersionDTLS13}
		}, AlertProtocolVersion, ErrPeerMisbehaved},
		"no extended master secret": {func(m *clientHello) { m.extendedMasterSecret = false },
			AlertHandshakeFailure, ErrPeerIncompatible},
		"suite": {func(m *clientHello) {
			m.suites = []uint16{TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}
		}, AlertHandshakeFailure, ErrPeerIncompatible},
	} {
		t.Run("client: "+name, func(t *testing.T) {
			s := newScriptedClient(t, config)
			s.completeClient()
			s.again()
			s.clientHello(test.change)
			s.wantAlert(test.alert, test.fault)
		})
	}
	for name, test := range map[string]struct {
		change func(m *serverHello)
		alert  Alert
		fault  error
	}{
		"version": {func(m *serverHello) { m.version = versionDTLS10 },
			AlertProtocolVersion, ErrPeerMisbehaved},
		"another version": {func(m *serverHello) {
			m.supportedVersions = []uint16{VersionDTLS13}
		}, AlertIllegalParameter, ErrPeerMisbehaved},
		"no extended master secret": {func(m *serverHello) { m.extendedMasterSecret = false },
			AlertHandshakeFailure, ErrPeerIncompatible},
		"suite": {func(m *serverHello) { m.suite = 0xc009 }, AlertIllegalParameter,
			ErrPeerMisbehaved},
	} {
		t.Run("server: "+name, func(t *testing.T) {
			s := renegotiatingClient(t)
			if slices.Contains(s.offer.supportedVersions, VersionDTLS13) || len(s.offer.keyShares) > 0 {
				t.Error("version 1.3 is offered in a renegotiation")
			}
			s.serverHello(test.change)
			s.wantAlert(test.alert, test.fault)
		})
	}
}

// G3: the peer keeps its identity, unless the caller allows a change. RFC 5746, Section 3.5.
func TestAttackG3IdentityChange(t *testing.T) {
	certs := testCerts()
	refusal := errors.New("not this one")
	serverChanges := func(client, server *Config) {
		server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if server.Certificates != nil {
				server.Certificates = nil
				return &certs.ecdsa, nil
			}
			return &certs.rsa, nil
		}
	}
	clientChanges := func(client, server *Config) {
		server.ClientAuth = tls.RequireAnyClientCert
		first := true
		client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if first {
				first = false
				return &certs.client, nil
			}
			return &certs.rsa, nil
		}
	}
	clientVanishes := func(client, server *Config) {
		server.ClientAuth = tls.RequestClientCert
		first := true
		client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if first {
				first = false
				return &certs.client, nil
			}
			return new(tls.Certificate), nil
		}
	}
	for name, change := range map[string]func(client, server *Config){
		"server": serverChanges, "client": clientChanges, "client without a certificate": clientVanishes,
	} {
		observer := func(p *testPair) *testEnd {
			if name == "server" {
				return p.client
			}
			return p.server
		}
		t.Run(name+" refused", func(t *testing.T) {
			p := renegotiating(t, change)
			p.client.renegotiate()
			p.run()
			if e := observer(p); e.done != 1 || !errors.Is(e.err, ErrPeerUntrusted) {
				t.Errorf("%d handshakes, error %v", e.done, e.err)
			}
		})
		t.Run(name+" asked", func(t *testing.T) {
			for _, answer := range []error{nil, refusal} {
				calls := 0
				ask := func(old, new ConnectionState) error {
					calls++
					if len(old.PeerCertificates) == 0 ||
						len(new.PeerCertificates) > 0 && old.PeerCertificates[0].Equal(new.PeerCertificates[0]) {
						t.Error("the states are not those of two peers")
					}
					return answer
				}
				p := renegotiating(t, change, func(client, server *Config) {
					client.OnPeerChanged, server.OnPeerChanged = ask, ask
				})
				p.server.renegotiate()
				p.run()
				if calls != 1 {
					t.Errorf("OnPeerChanged was called %d times", calls)
				}
				if answer == nil {
					p.wantHandshakes(2)
					p.exchangeData()
				} else {
					wantDead(t, observer(p), AlertBadCertificate, refusal)
				}
			}
		})
	}
}

// G3: a renegotiation does not change what the application has seen. OpenSSL, which sends ALPN only
// in the first handshake, is accepted.
func TestAttackG3ProtocolChange(t *testing.T) {
	for _, test := range []struct {
		name  string
		again []string
		ok    bool
	}{{"the same", []string{"ngap"}, true}, {"not said again", nil, true},
		{"another", []string{"f1ap"}, false}} {
		t.Run(test.name, func(t *testing.T) {
			p := renegotiating(t, func(client, server *Config) {
				client.NextProtos, server.NextProtos = []string{"ngap"}, []string{"ngap", "f1ap"}
			})
			p.client.conn.config.NextProtos = test.again
			p.client.renegotiate()
			p.run()
			if !test.ok {
				wantDead(t, p.client, AlertIllegalParameter, ErrPeerMisbehaved)
				return
			}
			p.wantHandshakes(2)
			for _, e := range []*testEnd{p.client, p.server} {
				if s := e.conn.ConnectionState(); s.NegotiatedProtocol != "ngap" || s.ServerName != testName {
					t.Errorf("%s: protocol %q, server %q", e.name, s.NegotiatedProtocol, s.ServerName)
				}
			}
		})
	}
}

// E5: who may begin a renegotiation. RFC 6083, Section 4.6.
func TestAttackE5WhoMayRenegotiate(t *testing.T) {
	for _, byClient := range []bool{true, false} {
		for own := RenegotiateNever; own <= RenegotiateFreely; own++ {
			for other := RenegotiateNever; other <= RenegotiateFreely; other++ {
				p := renegotiating(t, func(client, server *Config) {
					client.Renegotiation, server.Renegotiation = other, own
					if byClient {
						client.Renegotiation, server.Renegotiation = own, other
					}
				})
				e := p.server
				if byClient {
					e = p.client
				}
				for n := 1; n <= 2; n++ {
					err := e.conn.Renegotiate()
					if own == RenegotiateNever {
						if !errors.Is(err, ErrMisuse) {
							t.Errorf("Renegotiate without leave: %v", err)
						}
						continue
					}
					e.obey()
					p.run()
					if other == RenegotiateFreely {
						p.wantHandshakes(n + 1)
					} else if p.wantHandshakes(1); e.story[len(e.story)-1] != "RenegotiationRefused" {
						t.Errorf("own policy %d, peer's %d: %q", own, other, e.story)
					}
					p.exchangeData()
				}
			}
		}
	}
}

// E5: too many renegotiations end the connection, whether they are refused or not.
func TestAttackE5RenegotiationFlood(t *testing.T) {
	now := testTime
	clock := func(client, server *Config) {
		client.Time = func() time.Time { return now }
		server.Time = client.Time
	}
	for _, byClient := range []bool{true, false} {
		p := renegotiating(t, clock)
		begins, suffers := p.server, p.client
		if byClient {
			begins, suffers = p.client, p.server
		}
		for n := range 100_000 {
			begins.conn.begun = rateLimit{} // an attacker does not limit its rate
			if err := begins.conn.Renegotiate(); err != nil {
				break
			}
			begins.obey()
			p.run()
			if n < 3*renegotiationBurst {
				now = now.Add(renegotiationInterval) // slowly enough
			}
		}
		wantDead(t, suffers, AlertUnexpectedMessage, ErrPeerMisbehaved)
		if suffers.done != 1+4*renegotiationBurst-1 && suffers.done != 1+4*renegotiationBurst {
			t.Errorf("%d handshakes", suffers.done)
		}
	}
	t.Run("HelloRequests without a handshake", func(t *testing.T) {
		config := testClientConfig()
		config.Renegotiation = RenegotiateFreely
		s := newScriptedServer(t, config)
		s.completeServer(false)
		for n := range 100_000 {
			if s.under.err != nil {
				if n > 2*maxWarnings {
					t.Errorf("%d were suffered", n)
				}
				break
			}
			s.sendMessage(typeHelloRequest, nil)
		}
		s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
	})
}

// E6: in DTLS 1.2, epochs end at 2^16-1, and sequence numbers never wrap around. Keys that are used
// up protect only the handshake that replaces them.
func TestAttackE6EndOfEpochs(t *testing.T) {
	p := renegotiating(t)
	for _, e := range []*testEnd{p.client, p.server} {
		e.conn.in.epoch, e.conn.in.read.epoch = maxEpoch12-1, maxEpoch12-1
		e.conn.written.number = maxEpoch12 - 1
		e.conn.written.sealer.(*protection12).epoch = maxEpoch12 - 1
	}
	p.client.renegotiate()
	p.run()
	for _, e := range []*testEnd{p.client, p.server} {
		if e.err != nil || e.conn.in.epoch != maxEpoch12 || e.conn.written.number != maxEpoch12 {
			t.Fatalf("%s: epoch %d, error %v", e.name, e.conn.in.epoch, e.err)
		}
		if err := e.conn.Renegotiate(); !errors.Is(err, ErrKeysUsedUp) {
			t.Errorf("%s: Renegotiate in the last epoch: %v", e.name, err)
		}
	}
	p.exchangeData()
	// A peer that asks nevertheless is refused.
	raw := must(appendMessage(nil, 0, new(helloRequest)))
	p.server.conn.pushRecord(contentHandshake, raw)
	p.server.obey()
	p.run()
	if got := strings.Join(p.client.story[len(p.client.story)-2:], ", "); !strings.Contains(got,
		"Send alert no_renegotiation") {
		t.Errorf("answer to HelloRequest in the last epoch: %s", got)
	}
	p.exchangeData()
}

func TestAttackE6EndOfSequenceNumbers(t *testing.T) {
	p := renegotiating(t)
	p.client.conn.written.limits.records = controlReserve + 10
	for range 10 {
		p.client.conn.Seal(nil, nil)
	}
	if _, err := p.client.conn.Seal(nil, nil); !errors.Is(err, ErrKeysUsedUp) {
		t.Fatalf("Seal: %v", err)
	}
	p.client.renegotiate()
	p.run()
	p.wantHandshakes(2)
	p.exchangeData()
}

// D1, A4, A7: every state of a renegotiation with every message, including ChangeCipherSpec.
func TestAttackD1StateTableOfRenegotiation(t *testing.T) {
	for _, c := range stateCases {
		if strings.HasPrefix(c.state, "serverWait") || strings.Contains(c.how, "pre-shared") ||
			strings.Contains(c.how, "resumed") {
			continue // not used in a renegotiation, or not in one with certificates
		}
		first := c.config
		c.config = func(t *testing.T) *Config {
			config := first(t)
			config.Renegotiation = RenegotiateFreely
			return config
		}
		lead := c.lead
		c.lead = func(s *script) {
			if !c.client {
				s.completeClient()
			} else {
				s.completeServer(false)
			}
			s.again()
			if c.state == "open12" {
				return
			}
			if c.client {
				s.sendMessage(typeHelloRequest, nil)
			}
			lead(s)
		}
		if c.state == "open12" {
			c.allowed, c.ignored = c.ignored, nil
		}
		c.run(t)
	}
}

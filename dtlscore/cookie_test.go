package dtlscore

import (
	"crypto/tls"
	"slices"
	"testing"
)

func cookieConfig() *Config {
	server := testServerConfig(tls.NoClientCert)
	server.CookieExchange = true
	return server
}

// RFC 6347, Section 4.2.1: a server can be configured to request a cookie.
func TestCookieExchange(t *testing.T) {
	p := newTestPair(t, testClientConfig(), cookieConfig())
	p.handshake()
	if got := p.server.story[:2]; !slices.Equal(got,
		[]string{"Send HelloVerifyRequest", "Send ServerHello"}) {
		t.Errorf("server: %q", got)
	}
	p.exchangeData()
}

// E8: an invalid cookie is treated like a missing one, but not an unlimited number of times.
func TestAttackE8CookieOfSomebodyElse(t *testing.T) {
	changes := map[string]func(m *clientHello){
		"none":            func(m *clientHello) { m.cookie = nil },
		"wrong":           func(m *clientHello) { m.cookie[0] ^= 1 },
		"short":           func(m *clientHello) { m.cookie = m.cookie[:cookieLen-1] },
		"255 bytes":       func(m *clientHello) { m.cookie = make([]byte, 255) },
		"in other random": func(m *clientHello) { m.random[0] ^= 1 },
		"in other suites": func(m *clientHello) { m.suites = m.suites[:len(m.suites)-1] },
		"in a session":    func(m *clientHello) { m.sessionID = []byte{1} },
		"in compression":  func(m *clientHello) { m.compressionMethods = []byte{0, 1} },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			s := newScriptedClient(t, cookieConfig())
			s.clientHello()
			for range maxCookies - 1 {
				request := new(helloVerifyRequest)
				s.read(request)
				s.offer.cookie = request.cookie
				change(s.offer)
				s.send(s.offer)
				s.wantAlive("counts as none")
			}
			// The valid cookie is still accepted.
			request := new(helloVerifyRequest)
			s.read(request)
			s.hs.transcript.restart()
			s.offer.cookie = request.cookie
			s.send(s.offer)
			s.serverFlight()
			s.keyExchange()
			s.finish()
			s.wantComplete()
		})
	}
	s := newScriptedClient(t, cookieConfig())
	for range maxCookies {
		s.clientHello()
		s.read(new(helloVerifyRequest))
	}
	s.clientHello()
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
}

// RFC 6347, Section 4.2.1: the ClientHello with the cookie must have the same version, random,
// session_id, cipher_suites and compression_methods; extensions may differ.
func TestCookieWithOtherExtensions(t *testing.T) {
	for name, change := range map[string]func(m *editedHello){
		"in another order": func(m *editedHello) { slices.Reverse(m.extensions) },
		"one more":         func(m *editedHello) { m.add(extGREASE, 1) },
		"one less":         func(m *editedHello) { m.remove(extPointFormats) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScriptedClient(t, cookieConfig())
			s.clientHello()
			request := new(helloVerifyRequest)
			s.read(request)
			s.hs.transcript.restart()
			s.offer.cookie = request.cookie
			second := editHello(s.offer)
			change(second)
			s.send(second)
			s.serverFlight()
			s.keyExchange()
			s.finish()
			s.wantComplete()
		})
	}
}

// RFC 9147, Section 5.3: with the cookie of a HelloVerifyRequest, DTLS 1.3 must not be negotiated.
func TestCookieThenClientOffers13(t *testing.T) {
	server := testServerConfig(tls.NoClientCert)
	server.CookieExchange, server.MaxVersion = true, VersionDTLS13
	s := newScriptedClient(t, server)
	s.clientHello(func(m *clientHello) { m.suites = append(m.suites, TLS_AES_128_GCM_SHA256) })
	request := new(helloVerifyRequest)
	s.read(request)
	s.offer.cookie = request.cookie
	s.offer.supportedVersions = []uint16{VersionDTLS13}
	s.offer.keyShares = []keyShare{newShare(tls.X25519)}
	s.send(s.offer)
	s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
}

// A client that supports only DTLS 1.0 is rejected immediately.
func TestCookieVersion(t *testing.T) {
	s := newScriptedClient(t, cookieConfig())
	s.clientHello(func(m *clientHello) { m.version = versionDTLS10 })
	s.wantAlert(AlertProtocolVersion, ErrPeerIncompatible)
}

// DTLS 1.3 has no HelloVerifyRequest, so a server that sent one cannot choose DTLS 1.3.
func TestCookieThenVersion13(t *testing.T) {
	client := testClientConfig()
	client.MinVersion, client.MaxVersion = VersionDTLS12, VersionDTLS13
	s := newScriptedServer13(t, client)
	s.readClientHello()
	s.send(&helloVerifyRequest{VersionDTLS12, []byte{1}})
	s.wantAlive("the server may be one of 1.2")
	s.readClientHello()
	s.serverHello()
	s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
}

func cookieConfig13() *Config {
	server := testServerConfig13(tls.NoClientCert)
	server.CookieExchange = true
	return server
}

// RFC 9147, Section 5.1: in DTLS 1.3 the cookie is in the HelloRetryRequest, which may request
// another key share too.
func TestCookieExchange13(t *testing.T) {
	for _, group := range []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP384} {
		t.Run(group.String(), func(t *testing.T) {
			server := cookieConfig13()
			server.CurvePreferences = []tls.CurveID{group}
			p := newTestPair(t, testClientConfig13(), server)
			p.handshake()
			if got := p.server.story[:3]; !slices.Equal(got,
				[]string{"Send ServerHello", "Send ServerHello", "Send EncryptedExtensions"}) {
				t.Errorf("server: %q", got)
			}
			if got := p.client.conn.ConnectionState().CurveID; got != group {
				t.Errorf("agreed on %v, want %v", got, group)
			}
			p.exchangeData()
		})
	}
}

// E8: an invalid cookie ends a DTLS 1.3 handshake.
func TestAttackE8Cookie13(t *testing.T) {
	changes := map[string]func(m *clientHello){
		"none":         func(m *clientHello) { m.cookie13 = nil },
		"wrong":        func(m *clientHello) { m.cookie13[0] ^= 1 },
		"short":        func(m *clientHello) { m.cookie13 = m.cookie13[:cookieLen-1] },
		"other random": func(m *clientHello) { m.random[0] ^= 1 },
		"other share":  func(m *clientHello) { m.keyShares[0].data[0] ^= 1 },
		"one share more": func(m *clientHello) {
			m.keyShares = append(m.keyShares, newShare(tls.CurveP256))
		},
		"no share": func(m *clientHello) { m.keyShares = []keyShare{} },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			s := newScriptedClient13(t, cookieConfig13())
			s.clientHello()
			s.readRetry()
			s.offer.cookie13 = s.answer.cookie13
			change(s.offer)
			s.send(s.offer)
			s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
		})
	}
	s := newScriptedClient13(t, testServerConfig13(tls.NoClientCert))
	s.clientHello(func(m *clientHello) { m.cookie13 = make([]byte, cookieLen) })
	s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)

	s = newScriptedClient13(t, retryingServer13())
	s.clientHello()
	s.readRetry()
	s.secondHello(func(m *clientHello) { m.cookie13 = make([]byte, cookieLen) })
	s.wantAlert(AlertIllegalParameter, ErrPeerMisbehaved)
}

func newShare(g tls.CurveID) keyShare { return keyShare{g, must(generateKey(g)).share()} }

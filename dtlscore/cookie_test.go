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

// Requirement 4.18: the server asks for a cookie, by option.
func TestCookieExchange(t *testing.T) {
	p := newTestPair(t, testClientConfig(), cookieConfig())
	p.handshake()
	if got := p.server.story[:2]; !slices.Equal(got, []string{"Send HelloVerifyRequest", "Send ServerHello"}) {
		t.Errorf("server: %q", got)
	}
	p.exchangeData()
}

// Attack E8: a cookie that is not ours counts as none, and not for ever.
func TestAttackE8CookieOfSomebodyElse(t *testing.T) {
	changes := map[string]func(m *clientHello){
		"none":            func(m *clientHello) { m.cookie = nil },
		"wrong":           func(m *clientHello) { m.cookie[0] ^= 1 },
		"short":           func(m *clientHello) { m.cookie = m.cookie[:cookieLen-1] },
		"255 bytes":       func(m *clientHello) { m.cookie = make([]byte, 255) },
		"in other random": func(m *clientHello) { m.random[0] ^= 1 },
		"in other suites": func(m *clientHello) { m.suites = m.suites[:len(m.suites)-1] },
		"in another name": func(m *clientHello) { m.serverName = "other" },
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
			// The one that is ours still does.
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

// Who cannot do better than 1.0 is told so at once.
func TestCookieVersion(t *testing.T) {
	s := newScriptedClient(t, cookieConfig())
	s.clientHello(func(m *clientHello) { m.version = versionDTLS10 })
	s.wantAlert(AlertProtocolVersion, ErrPeerIncompatible)
}

// 3.19: version 1.3 has no HelloVerifyRequest, so that a server which sent one
// cannot choose it.
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

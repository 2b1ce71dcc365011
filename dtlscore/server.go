package dtlscore

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/internal/legible"
)

// serverWaitClientHello is where the version is chosen.
type serverWaitClientHello struct {
	cookie  []byte       // of our last HelloVerifyRequest; nil if there was none
	first   *clientHello // that it answered
	cookies int          // that were asked for
}

func (s *serverWaitClientHello) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	hello, ok := m.(*clientHello)
	if !ok {
		return nil, unexpectedMessage(m, typeClientHello)
	}
	if c.config.CookieExchange && !s.returns(hello) {
		version, err := c.serverVersion(hello)
		if err != nil {
			return nil, err
		}
		if version == VersionDTLS12 {
			return s.askForCookie(c, hello)
		}
	}
	if err := c.chooseConfig(hello); err != nil {
		return nil, err
	}
	version, err := c.serverVersion(hello)
	if err != nil {
		return nil, err
	}
	if version == VersionDTLS13 {
		return startServer13(c, hello, raw)
	}
	return startServer12(c, hello, raw)
}

const cookieLen = 32

// askForCookie sends a HelloVerifyRequest. A cookie that is not ours counts as
// none. RFC 6347, Section 4.2.1.
func (s *serverWaitClientHello) askForCookie(c *Conn, hello *clientHello) (state, error) {
	if s.cookies == maxCookies {
		return nil, unexpected("ClientHello without our cookie for the %dth time", s.cookies+1)
	}
	next := &serverWaitClientHello{make([]byte, cookieLen), hello, s.cookies + 1}
	rand.Read(next.cookie)
	// The version is 1.0 whatever will be chosen.
	_, err := c.send(&helloVerifyRequest{versionDTLS10, next.cookie})
	return next, err
}

// returns reports whether the client sends our cookie, in a ClientHello with
// the parameters of the one before. They are those that RFC 6347, Section
// 4.2.1, names: extensions may change.
func (s *serverWaitClientHello) returns(hello *clientHello) bool {
	return s.cookie != nil && hmac.Equal(s.cookie, hello.cookie) &&
		s.first.version == hello.version && s.first.random == hello.random &&
		bytes.Equal(s.first.sessionID, hello.sessionID) && slices.Equal(s.first.suites, hello.suites) &&
		bytes.Equal(s.first.compressionMethods, hello.compressionMethods)
}

// chooseConfig lets the Config give another one for this client.
func (c *Conn) chooseConfig(hello *clientHello) error {
	if c.config.GetConfigForClient == nil {
		return nil
	}
	config, err := c.config.GetConfigForClient(c.clientHelloInfo(hello, false))
	if err != nil {
		return misuse("Config.GetConfigForClient: %w", err)
	}
	if config != nil {
		if err := config.check(false); err != nil {
			return err
		}
		c.config = config
	}
	return c.config.checkComplete(false)
}

// chooseProtocol is RFC 7301, Section 3.2: the first of ours that the client
// has too.
func (c *Config) chooseProtocol(offered []string) (string, error) {
	if len(offered) == 0 || len(c.NextProtos) == 0 {
		return "", nil
	}
	for _, p := range c.NextProtos {
		if slices.Contains(offered, p) {
			return p, nil
		}
	}
	return "", incompatible(AlertNoApplicationProtocol, "client offers protocols %q only",
		legible.List[string](offered))
}

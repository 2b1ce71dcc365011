package dtlscore

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/internal/legible"
)

// serverWaitClientHello waits for the ClientHello, which determines the version.
type serverWaitClientHello struct {
	cookie  []byte       // of the last HelloVerifyRequest; nil if none was sent
	first   *clientHello // the ClientHello that it answered
	cookies int          // HelloVerifyRequests sent
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

// askForCookie sends a HelloVerifyRequest. An invalid cookie is treated like a missing one. See RFC
// 6347, Section 4.2.1.
func (s *serverWaitClientHello) askForCookie(c *Conn, hello *clientHello) (state, error) {
	if s.cookies == maxCookies {
		return nil, unexpected("%d ClientHellos without a valid cookie", s.cookies+1)
	}
	next := &serverWaitClientHello{make([]byte, cookieLen), hello, s.cookies + 1}
	rand.Read(next.cookie)
	// The version field is that of DTLS 1.0, whatever will be negotiated.
	_, err := c.send(&helloVerifyRequest{versionDTLS10, next.cookie})
	return next, err
}

// returns reports whether the client returned the cookie, in a ClientHello with the same parameters
// as before. RFC 6347, Section 4.2.1, lists these; extensions may change.
func (s *serverWaitClientHello) returns(hello *clientHello) bool {
	return s.cookie != nil && hmac.Equal(s.cookie, hello.cookie) &&
		s.first.version == hello.version && s.first.random == hello.random &&
		bytes.Equal(s.first.sessionID, hello.sessionID) && slices.Equal(s.first.suites, hello.suites) &&
		bytes.Equal(s.first.compressionMethods, hello.compressionMethods)
}

// chooseConfig calls Config.GetConfigForClient.
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

// chooseProtocol returns the first of the server's protocols that the client supports. See RFC
// 7301, Section 3.2.
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

package dtlscore

import (
	"crypto/tls"
	"crypto/x509"
	"slices"
	"time"
)

// maxTicketLen is the largest ticket that fits into a ClientHello together with other extensions.
const maxTicketLen = 1<<16 - 1 - 1<<12

// The following is the client's side of resumption. See RFC 5077, Section 3.

// sessionKey returns the cache key of sessions with the server. It is "" without a server name:
// such sessions cannot be assigned to a server and are not cached.
func (c *Conn) sessionKey() string {
	if c.config.SessionCache == nil {
		return ""
	}
	return c.config.ServerName
}

// offerSession adds the last session with the server to the ClientHello.
func (c *Conn) offerSession(hello *clientHello) *session {
	key := c.sessionKey()
	if key == "" {
		return nil
	}
	versions := c.clientVersions()
	if slices.Contains(versions, VersionDTLS12) {
		hello.sessionTicket = []byte{} // an empty ticket requests a new one
	}
	if c.agreed.HandshakeComplete {
		return nil // the purpose of a renegotiation is new keys
	}
	n, own, ok := c.config.cachedSession(key)
	if !ok {
		return nil
	}
	if n == nil || !slices.Contains(versions, n.version) || !slices.Contains(hello.suites, n.suite) ||
		n.serverName != hello.serverName || n.expired(c.config.time()) ||
		!c.config.trustsServerOf(n, own) {
		n.forget()
		c.config.SessionCache.Put(key, nil)
		return nil
	}
	if n.version == VersionDTLS13 {
		c.resuming = key
		return n // offerPSKs adds it
	}
	// The server accepts the ticket by returning the session_id. RFC 5077, Section 3.4.
	hello.sessionID = make([]byte, maxSessionIDLen)
	if c.readRandom(hello.sessionID) != nil {
		return nil
	}
	hello.sessionTicket = n.ticket
	c.resuming = key
	return n
}

// trustsServerOf reports whether the server of a session would be accepted today. own means that
// this process created the session, so its certificates have been verified: only what may have
// changed since then is checked, which makes resumption fast. Otherwise they are verified as in a
// full handshake, because the session could come from anywhere.
func (c *Config) trustsServerOf(n *session, own bool) bool {
	var s ConnectionState
	if n.restore(&s) != nil {
		return false
	}
	if s.PeerRawKey != nil {
		return c.trustsRawKey(&s)
	}
	if len(s.PeerCertificates) == 0 || c.expired(s.PeerCertificates[0]) {
		return false
	}
	if c.InsecureSkipVerify {
		return true
	}
	if len(s.VerifiedChains) == 0 {
		return false
	}
	name := hostOf(c.ServerName)
	if own && s.PeerCertificates[0].VerifyHostname(name) == nil &&
		c.stillVerified(s.VerifiedChains, c.RootCAs, x509.ExtKeyUsageServerAuth) {
		return true
	}
	if c.verifyChain(&s, c.RootCAs, name, x509.ExtKeyUsageServerAuth) != nil {
		return false
	}
	n.chain = rawCertificates(s.VerifiedChains[0])
	return true
}

// resume handles a ServerHello that accepts the offered session.
func (s *clientHandshake12) resume(c *Conn) (state, error) {
	if s.suite.id != s.session.suite {
		return nil, illegal("server resumes a session with another cipher suite")
	}
	s.resumed = true
	s.state.DidResume = true
	s.transcript.release()
	if err := s.session.restore(&s.state); err != nil {
		return nil, misuse("session of Config.SessionCache: %w", err)
	}
	if err := s.authenticated(c); err != nil {
		return nil, err
	}
	s.master = s.session.secret
	return s.waitTicket(), s.useMaster(c)
}

// keepSession caches the session of a complete handshake if the server sent a ticket.
func (s *clientHandshake12) keepSession(c *Conn) {
	c.resuming = ""
	if len(s.ticket) == 0 {
		return
	}
	now := c.config.time()
	n, err := newSession(&s.state, s.master, now)
	if err != nil {
		return
	}
	n.ticket, n.lifetime = s.ticket, s.ticketLife
	if s.resumed {
		n.created = s.session.created
	}
	c.config.cacheSession(c.sessionKey(), n)
}

// The following is the server's side.

// sessionToResume returns the session of the client's ticket, or nil if a full handshake is needed.
func (s *serverHandshake12) sessionToResume(c *Conn) *session {
	if c.config.TicketKeys == nil || len(s.offer.sessionTicket) == 0 || c.agreed.HandshakeComplete {
		return nil
	}
	now := c.config.time()
	n, renew := c.config.TicketKeys.open(s.offer.sessionTicket, now)
	if n == nil || n.version != VersionDTLS12 || n.expired(now) ||
		n.serverName != s.offer.serverName ||
		n.protocol != s.hello.protocol() || !slices.Contains(s.offer.suites, n.suite) ||
		!slices.Contains(c.config.suites(VersionDTLS12, false), n.suite) {
		n.forget()
		return nil
	}
	if n.restore(&s.state) != nil || !c.config.trustsClientOf(n, &s.state) {
		s.state = ConnectionState{}
		n.forget()
		return nil
	}
	if renew {
		s.ticketed = n
	}
	return n
}

// protocol returns the selected ALPN protocol, or "".
func (m *serverHello) protocol() string {
	if len(m.alpn) == 0 {
		return ""
	}
	return m.alpn[0]
}

// trustsClientOf reports whether the client of a session would be accepted today.
func (c *Config) trustsClientOf(n *session, s *ConnectionState) bool {
	switch c.ClientAuth {
	case tls.NoClientCert:
		return len(n.peer) == 0
	case tls.RequireAnyClientCert, tls.RequireAndVerifyClientCert:
		if len(n.peer) == 0 {
			return false
		}
	}
	switch {
	case len(n.peer) == 0:
		return true
	case n.rawKey:
		return c.trustsRawKey(s)
	case c.expired(s.PeerCertificates[0]):
		return false
	case c.ClientAuth < tls.VerifyClientCertIfGiven:
		return true
	case c.ClientCAs == nil:
		return false // only raw public keys are accepted here; another Config accepted certificates
	}
	return c.stillVerified(s.VerifiedChains, c.ClientCAs, x509.ExtKeyUsageClientAuth)
}

// resume answers a ClientHello by resuming a session. See RFC 5077, Section 3.1.
func (s *serverHandshake12) resume(c *Conn, n *session) (state, error) {
	s.resumed = true
	s.state.DidResume = true
	s.hello.suite = n.suite
	s.hello.sessionID = s.offer.sessionID
	s.hello.serverNameUsed = false // RFC 6066, Section 3
	if s.ticketed != nil {
		s.hello.sessionTicket = []byte{}
	}
	s.hellos(c, s.offer, s.hello, suiteByID(n.suite, VersionDTLS12))
	s.transcript.release()
	if err := s.authenticated(c); err != nil {
		return nil, err
	}
	s.master = n.secret
	if err := s.send(c, s.hello); err != nil {
		return nil, err
	}
	c.pushThen(func() error { // meanwhile the client does the same
		if err := s.useMaster(c); err != nil {
			return err
		}
		s.switchSecret(c)
		if err := s.sendTicket(c); err != nil {
			return err
		}
		return s.finish(c)
	})
	return &server12WaitChangeCipherSpec{s}, nil
}

// sendTicket sends the ticket that the ServerHello announced.
func (s *serverHandshake12) sendTicket(c *Conn) error {
	if s.ticketed == nil {
		return nil
	}
	now := c.config.time()
	n := s.ticketed
	if !s.resumed {
		var err error
		if n, err = newSession(&s.state, s.master, now); err != nil {
			return misuse("session: %w", err)
		}
	}
	ticket, err := c.config.TicketKeys.seal(n, now)
	if err != nil {
		return err
	}
	if len(ticket) > maxTicketLen {
		ticket = nil // the server must send the announced ticket, but it may be empty
	}
	left := sessionLifetime - now.Sub(time.Unix(n.created, 0))
	return s.send(c, &newSessionTicket12{lifetime: uint32(left / time.Second), ticket: ticket})
}

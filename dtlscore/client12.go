package dtlscore

import (
	"crypto/tls"
	"slices"
)

// clientHandshake12 is the client's side of a DTLS 1.2 handshake. Its states, in order:
//
//	client12WaitCertificate          omitted with a pre-shared key
//	client12WaitServerKeyExchange    CertificateStatus may come first
//	client12WaitServerHelloDone      CertificateRequest may come first
//	client12WaitNewSessionTicket     only if the server announced it
//	client12WaitChangeCipherSpec
//	client12WaitFinished
//
// See RFC 5246, Section 7.3. A resumed session (resume12.go) skips the first three.
type clientHandshake12 struct {
	handshake12
	offer   *clientHello
	session *session // offered for resumption, or nil

	rawKey      bool // the client authenticates with a raw public key, if at all
	awaitStatus bool // the server announced CertificateStatus, which has not arrived
	awaitTicket bool // the same for NewSessionTicket
	peer        *peerCredential
	exchange    *serverKeyExchange // nil with a pre-shared key and no hint
	request     *certificateRequest12
	ticket      []byte
	ticketLife  uint32
}

// startClient12 handles a ServerHello of DTLS 1.2.
func startClient12(c *Conn, offered *clientWaitServerHello, m *serverHello,
	raw handshakeMessage) (state, error) {
	offer := offered.hello
	// 1. Check that the server chose from what was offered.
	suite := suiteByID(m.suite, VersionDTLS12)
	if suite == nil || !slices.Contains(offer.suites, m.suite) {
		return nil, illegal("server chose cipher suite %#04x, which was not offered", m.suite)
	}
	if err := m.unsolicited(&offer.extensions, inClientHello); err != nil {
		return nil, err
	}
	if len(m.alpn) > 0 && !slices.Contains(offer.alpn, m.alpn[0]) {
		return nil, illegal("server chose protocol %q, which was not offered", m.alpn[0])
	}
	// 2. Require the extensions that make the handshake safe: RFC 7627, Section 5.2, and RFC 5746,
	// Sections 3.4 and 3.5.
	if !m.extendedMasterSecret {
		return nil, incompatible(AlertHandshakeFailure,
			"server does not support the extended master secret")
	}
	if m.renegotiationInfo == nil {
		return nil, incompatible(AlertHandshakeFailure, "server does not support secure renegotiation")
	}
	if err := boundTo(c.finished.both(), m.renegotiationInfo); err != nil {
		return nil, err
	}
	hs := &clientHandshake12{
		handshake12: newHandshake12(offered.transcript), offer: offer, session: offered.session,
		awaitStatus: m.statusRequest, awaitTicket: m.sessionTicket != nil,
	}
	hs.hellos(c, offer, m, suite)
	hs.received(raw)
	if len(m.sessionID) > 0 && slices.Equal(m.sessionID, offer.sessionID) {
		return hs.resume(c)
	}
	offered.session.forget()
	if suite.kx.hasPSK() {
		return &client12WaitServerKeyExchange{hs}, nil
	}
	// 3. Determine the certificate types. RFC 7250, Section 4.
	var err error
	if c.form.rawPublicKeys, err = answeredType(offer.serverCertificateTypes,
		m.serverCertificateTypes); err != nil {
		return nil, err
	}
	if len(m.clientCertificateTypes) > 0 {
		if hs.rawKey, err = answeredType(offer.clientCertificateTypes,
			m.clientCertificateTypes); err != nil {
			return nil, err
		}
	}
	return &client12WaitCertificate{hs}, nil
}

// client12WaitCertificate waits for the server's certificates or raw public key.
type client12WaitCertificate struct{ *clientHandshake12 }

func (s *client12WaitCertificate) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	cert, ok := m.(*certificate12)
	if !ok {
		return nil, unexpectedMessage(m, typeCertificate)
	}
	s.received(raw)
	if len(cert.chain) == 0 {
		return nil, malformed("server sent no certificate")
	}
	var err error
	if s.peer, err = parsePeerCredential(cert.rawPublicKey, cert.chain); err != nil {
		return nil, err
	}
	if key := s.peer.key(); !s.suite.kx.allowsKey(key) {
		return nil, illegal("certificate of the server has a %T, which does not match the cipher suite",
			key)
	}
	return &client12WaitServerKeyExchange{s.clientHandshake12}, nil
}

// client12WaitServerKeyExchange waits for the server's key share. It verifies the server before any
// other part of the handshake depends on it.
type client12WaitServerKeyExchange struct{ *clientHandshake12 }

func (s *client12WaitServerKeyExchange) handle(c *Conn, m message, raw handshakeMessage) (state,
	error) {
	switch m := m.(type) {
	case *certificateStatus:
		if s.awaitStatus && s.peer != nil {
			s.received(raw)
			s.awaitStatus = false
			s.state.OCSPResponse = m.response
			return s, nil
		}
	case *serverHelloDone:
		if s.suite.kx == kxPSK { // the hint is optional: RFC 4279, Section 2
			return (&client12WaitServerHelloDone{s.clientHandshake12}).handle(c, m, raw)
		}
	case *serverKeyExchange:
		s.received(raw)
		s.exchange = m
		if s.suite.kx.hasECDHE() {
			if !slices.Contains(s.offer.supportedGroups, m.group) ||
				!groupInVersion(m.group, VersionDTLS12) {
				return nil, illegal("server chose group %v, which was not offered", m.group)
			}
			s.state.CurveID = m.group
		}
		if s.peer != nil {
			if err := s.verifyServer(c); err != nil {
				return nil, err
			}
		}
		return &client12WaitServerHelloDone{s.clientHandshake12}, nil
	}
	return nil, unexpectedMessage(m, typeServerKeyExchange)
}

// verifyServer verifies in this order:
//  1. the server's credential,
//  2. its signature,
//  3. what Config.VerifyConnection returns.
func (s *clientHandshake12) verifyServer(c *Conn) error {
	if err := c.config.verifyServer(s.peer, &s.state); err != nil {
		return err
	}
	err := verifySignature(s.peer.key(), s.exchange.scheme, s.offer.signatureAlgorithms, VersionDTLS12,
		s.exchange.signed(&s.clientRandom, &s.serverRandom), s.exchange.signature)
	if err != nil {
		return err
	}
	return s.authenticated(c)
}

// client12WaitServerHelloDone waits for the end of the server's flight.
type client12WaitServerHelloDone struct{ *clientHandshake12 }

func (s *client12WaitServerHelloDone) handle(c *Conn, m message, raw handshakeMessage) (state,
	error) {
	// A server without a certificate must not request one: RFC 5246, Section 7.4.4.
	if request, ok := m.(*certificateRequest12); ok && s.request == nil && s.peer != nil {
		s.received(raw)
		s.request = request
		return s, nil
	}
	if _, ok := m.(*serverHelloDone); !ok {
		return nil, unexpectedMessage(m, typeServerHelloDone)
	}
	s.received(raw)
	return s.sendFlight(c)
}

// sendFlight answers the server's flight. ClientKeyExchange leaves before the client derives its
// own secrets: the server's transport drops what is sent under the new endpoint pair shared secret
// until the server has derived that secret too. See RFC 6083, Section 4.8.
func (s *clientHandshake12) sendFlight(c *Conn) (state, error) {
	// 1. Certificate, which is empty if the client has none that the server accepts.
	var own *credential
	var scheme tls.SignatureScheme
	if s.request != nil {
		var err error
		if own, err = c.clientCredential(s.rawKey, requestInfo12(s.request)); err != nil {
			return nil, err
		}
		shown := new(certificate12)
		if own != nil {
			if scheme, err = own.chooseSignature(s.request.schemes, VersionDTLS12); err != nil {
				return nil, err
			}
			shown = &certificate12{own.rawKey, own.chain}
		}
		if err := s.send(c, shown); err != nil {
			return nil, err
		}
	}
	// 2. ClientKeyExchange.
	exchange, preMaster, err := s.keyExchange(c)
	if err != nil {
		return nil, err
	}
	if err := s.send(c, exchange); err != nil {
		return nil, err
	}
	c.pushThen(func() error {
		// 3. The master secret and the keys.
		secret, err := preMaster()
		if err != nil {
			return err
		}
		if err := s.deriveMaster(c, secret); err != nil {
			return err
		}
		c.pushThen(func() error {
			// 4. CertificateVerify and Finished.
			if own != nil {
				signature, err := sign(own.signer, scheme, s.transcript.messages())
				if err != nil {
					return err
				}
				if err := s.send(c, &certificateVerify{scheme, signature}); err != nil {
					return err
				}
			}
			s.transcript.release()
			s.switchSecret(c)
			return s.finish(c)
		})
		return nil
	})
	return s.waitTicket(), nil
}

// keyExchange returns the ClientKeyExchange, and a function that computes the premaster secret.
func (s *clientHandshake12) keyExchange(c *Conn) (*clientKeyExchange, func() ([]byte, error),
	error) {
	m := &clientKeyExchange{kx: s.suite.kx}
	var psk *PSK
	if s.suite.kx.hasPSK() {
		var hint []byte
		if s.exchange != nil {
			hint = s.exchange.hint
		}
		var err error
		if psk, err = c.config.clientPSK(hint); err != nil {
			return nil, nil, err
		}
		m.identity, s.state.PSKIdentity = psk.Identity, psk.Identity
	}
	var key *ephemeralKey
	if s.suite.kx.hasECDHE() {
		var err error
		if key, err = generateKey(s.exchange.group); err != nil {
			return nil, nil, err
		}
		m.public = key.share()
	}
	return m, func() (secret []byte, err error) {
		if key != nil {
			if secret, err = key.agree(s.exchange.public); err != nil {
				return nil, err
			}
		}
		if psk != nil {
			secret = pskPreMaster(secret, psk.Key)
		}
		return secret, nil
	}, nil
}

func (s *clientHandshake12) waitTicket() state {
	if s.awaitTicket {
		return &client12WaitNewSessionTicket{s}
	}
	return &client12WaitChangeCipherSpec{s}
}

// client12WaitNewSessionTicket waits for the ticket that the server announced. See RFC 5077,
// Section 3.3.
type client12WaitNewSessionTicket struct{ *clientHandshake12 }

func (s *client12WaitNewSessionTicket) handle(_ *Conn, m message, raw handshakeMessage) (state,
	error) {
	ticket, ok := m.(*newSessionTicket12)
	if !ok {
		return nil, unexpectedMessage(m, typeNewSessionTicket)
	}
	s.received(raw)
	s.ticket, s.ticketLife = ticket.ticket, ticket.lifetime
	return &client12WaitChangeCipherSpec{s.clientHandshake12}, nil
}

// client12WaitChangeCipherSpec waits until the server switches to the new keys.
type client12WaitChangeCipherSpec struct{ *clientHandshake12 }

func (s *client12WaitChangeCipherSpec) handle(_ *Conn, m message, _ handshakeMessage) (state,
	error) {
	return nil, unexpected("%v before ChangeCipherSpec", m.typ())
}

func (s *client12WaitChangeCipherSpec) handleChangeCipherSpec(*Conn) state {
	return &client12WaitFinished{s.clientHandshake12}
}

// client12WaitFinished waits for the server's Finished.
type client12WaitFinished struct{ *clientHandshake12 }

func (s *client12WaitFinished) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	if err := s.peerFinished(c, m, raw); err != nil {
		return nil, err
	}
	if s.suite.kx.hasPSK() {
		// With a pre-shared key, Finished proves that the server knows the key, and nothing else
		// authenticates it.
		if err := s.authenticated(c); err != nil {
			return nil, err
		}
	}
	c.pushPeerFinished()
	if s.resumed {
		s.switchSecret(c)
		if err := s.finish(c); err != nil {
			return nil, err
		}
	}
	s.complete(c)
	c.pushThen(func() error { s.keepSession(c); return nil })
	return &open12{}, nil
}

package dtlscore

import (
	"crypto/tls"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/internal/legible"
)

// serverHandshake12 is the server's side of a DTLS 1.2 handshake. Its states, in order:
//
//	server12WaitCertificate          only if requested
//	server12WaitClientKeyExchange
//	server12WaitCertificateVerify    only if the client sent a certificate
//	server12WaitChangeCipherSpec
//	server12WaitFinished
//
// See RFC 5246, Section 7.3. A resumed session (resume12.go) skips the first three.
type serverHandshake12 struct {
	handshake12
	offer *clientHello
	hello *serverHello

	own      *credential // nil with a pre-shared key
	scheme   tls.SignatureScheme
	key      *ephemeralKey // nil without ECDHE
	asks     bool          // a client certificate is requested
	ticketed *session      // the session to issue a ticket for, or nil
	peer     *peerCredential
}

// startServer12 handles a ClientHello of DTLS 1.2.
func startServer12(c *Conn, offer *clientHello, raw handshakeMessage) (state, error) {
	// 1. Require the extensions that make the handshake safe: RFC 7627, Section 5.2, and RFC 5746,
	// Sections 3.6 and 3.7.
	if !offer.extendedMasterSecret {
		return nil, incompatible(AlertHandshakeFailure,
			"client does not support the extended master secret")
	}
	scsv := slices.Contains(offer.suites, scsvRenegotiationInfo)
	if c.agreed.HandshakeComplete && offer.renegotiationInfo == nil {
		return nil, incompatible(AlertHandshakeFailure, "client does not support secure renegotiation")
	}
	if scsv && c.agreed.HandshakeComplete {
		return nil, misbehaved(AlertHandshakeFailure, "renegotiation with a signal for first handshakes")
	}
	if err := boundTo(c.finished.client, offer.renegotiationInfo); err != nil {
		return nil, err
	}
	hs := &serverHandshake12{handshake12: newHandshake12(newTranscript()), offer: offer}
	hs.unbound = offer.renegotiationInfo == nil && !scsv
	hs.received(raw)

	// 2. Build the parts of the ServerHello that do not depend on the keys.
	hs.hello = &serverHello{version: VersionDTLS12}
	hs.hello.extendedMasterSecret = true
	if !hs.unbound {
		hs.hello.renegotiationInfo = append([]byte{}, c.finished.both()...)
	}
	hs.hello.serverNameUsed = offer.serverName != ""
	if offer.pointFormats != nil {
		hs.hello.pointFormats = []byte{pointFormatUncompressed}
	}
	if err := c.readRandom(hs.hello.random[:]); err != nil {
		return nil, err
	}
	if c.config.versions(false)[0] == VersionDTLS13 {
		copy(hs.hello.random[randomLen-len(downgradeTLS12):], downgradeTLS12) // RFC 8446, Section 4.1.3
	}
	protocol, err := c.config.chooseProtocol(offer.alpn)
	if err != nil {
		return nil, err
	}
	if protocol != "" {
		hs.hello.alpn = []string{protocol}
	}

	// 3. Resume a session, or begin a full handshake.
	if session := hs.sessionToResume(c); session != nil {
		return hs.resume(c, session)
	}
	if err := hs.choose(c); err != nil {
		return nil, err
	}
	return hs.sendFlight(c)
}

// choose chooses the cipher suite, the group and the server's credential.
func (s *serverHandshake12) choose(c *Conn) error {
	group := c.config.chooseGroup12(s.offer)
	var suites []*cipherSuite // supported by both sides
	for _, id := range c.config.suites(VersionDTLS12, false) {
		suite := suiteByID(id, VersionDTLS12)
		if slices.Contains(s.offer.suites, id) && (group != 0 || !suite.kx.hasECDHE()) {
			suites = append(suites, suite)
		}
	}
	if len(suites) == 0 {
		return incompatible(AlertHandshakeFailure,
			"no cipher suite or no group in common with the client, which has %04x and %v",
			legible.List[uint16](s.offer.suites), legible.List[tls.CurveID](s.offer.supportedGroups))
	}
	var unfit error // why no certificate is suitable
	if slices.ContainsFunc(suites, func(suite *cipherSuite) bool { return !suite.kx.hasPSK() }) {
		needs := &certificateNeeds{
			version: VersionDTLS12, schemes: s.offer.signatureAlgorithms, serverName: s.offer.serverName,
			authorities: s.offer.certificateAuthorities, suites: suites, groups: s.offer.supportedGroups,
		}
		if err := s.chooseCredential(c, needs); err != nil {
			return err
		}
		unfit = needs.check(s.own)
	}
	i := slices.IndexFunc(suites, func(suite *cipherSuite) bool {
		return suite.kx.hasPSK() || unfit == nil && suite.kx.allowsKey(s.own.signer.Public())
	})
	if i < 0 {
		return unfit
	}
	suite := suites[i]
	s.hello.suite = suite.id
	if suite.kx.hasPSK() {
		s.own = nil
	} else if err := s.chooseSignature(c); err != nil {
		return err
	}
	if s.offer.sessionTicket != nil && c.config.TicketKeys != nil && !suite.kx.hasPSK() {
		s.hello.sessionTicket = []byte{}
		s.ticketed = new(session)
	}
	s.hellos(c, s.offer, s.hello, suite)
	if suite.kx.hasECDHE() {
		s.state.CurveID = group
	}
	return nil
}

// chooseCredential chooses the server's credential, to which the cipher suite must fit.
func (s *serverHandshake12) chooseCredential(c *Conn, needs *certificateNeeds) error {
	serverType, err := chooseType(s.offer.serverCertificateTypes, c.config.RawKey != nil,
		c.config.hasCertificates())
	if err != nil {
		return err
	}
	s.own, err = c.serverCredential(serverType == certTypeRawPublicKey, needs, s.offer, false)
	return err
}

// chooseSignature chooses what only handshakes with certificates need.
func (s *serverHandshake12) chooseSignature(c *Conn) (err error) {
	if s.scheme, err = s.own.chooseSignature(s.offer.signatureAlgorithms, VersionDTLS12); err != nil {
		return err
	}
	s.hello.statusRequest = s.offer.statusRequest && len(s.own.staple) > 0
	if s.offer.serverCertificateTypes != nil {
		s.hello.serverCertificateTypes = []uint8{certTypeX509}
		if s.own.rawKey {
			s.hello.serverCertificateTypes = []uint8{certTypeRawPublicKey}
		}
	}
	if s.asks = c.config.ClientAuth != tls.NoClientCert; !s.asks {
		return nil
	}
	clientType, err := c.config.chooseClientType(s.offer)
	if err != nil {
		return err
	}
	if s.offer.clientCertificateTypes != nil {
		s.hello.clientCertificateTypes = []uint8{clientType}
	}
	return nil
}

// chooseClientType returns the type of certificate to request from the client.
func (c *Config) chooseClientType(offer *clientHello) (uint8, error) {
	return chooseType(offer.clientCertificateTypes, c.VerifyRawKey != nil,
		c.ClientAuth < tls.VerifyClientCertIfGiven || c.ClientCAs != nil)
}

// chooseGroup12 returns the first of the server's groups that the client supports, or 0 if there is
// none.
func (c *Config) chooseGroup12(offer *clientHello) tls.CurveID {
	theirs := offer.supportedGroups
	if theirs == nil {
		// RFC 8422, Section 4: the server may choose any group. P-256 is the one that a client
		// without the extension most likely supports.
		theirs = []tls.CurveID{tls.CurveP256}
	}
	for _, g := range c.groups(VersionDTLS12) {
		if slices.Contains(theirs, g) {
			return g
		}
	}
	return 0
}

// sendFlight sends the flight from ServerHello to ServerHelloDone.
func (s *serverHandshake12) sendFlight(c *Conn) (state, error) {
	c.quiet()
	flight := []message{s.hello}
	if s.own != nil {
		flight = append(flight, &certificate12{s.own.rawKey, s.own.chain})
	}
	if s.hello.statusRequest {
		flight = append(flight, &certificateStatus{response: s.own.staple})
	}
	if s.suite.kx.hasECDHE() {
		var err error
		if s.key, err = generateKey(s.state.CurveID); err != nil {
			return nil, err
		}
		exchange := &serverKeyExchange{kx: s.suite.kx, group: s.state.CurveID, public: s.key.share(),
			scheme: s.scheme}
		if s.own != nil {
			exchange.signature, err = sign(s.own.signer, s.scheme,
				exchange.signed(&s.clientRandom, &s.serverRandom))
			if err != nil {
				return nil, err
			}
		}
		flight = append(flight, exchange)
	}
	rawKey := slices.Equal(s.hello.clientCertificateTypes, []uint8{certTypeRawPublicKey})
	if s.asks {
		request := &certificateRequest12{
			types:   []uint8{certRequestECDSASign, certRequestRSASign},
			schemes: defaultSignatureAlgorithms(),
		}
		if !rawKey {
			request.authorities = c.config.authorities()
		}
		flight = append(flight, request)
	}
	for _, m := range append(flight, new(serverHelloDone)) {
		if err := s.send(c, m); err != nil {
			return nil, err
		}
	}
	if s.asks {
		c.form.rawPublicKeys = rawKey
		return &server12WaitCertificate{s}, nil
	}
	s.transcript.release()
	return &server12WaitClientKeyExchange{s}, nil
}

// server12WaitCertificate waits for the client's credential, which may be empty.
type server12WaitCertificate struct{ *serverHandshake12 }

func (s *server12WaitCertificate) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	cert, ok := m.(*certificate12)
	if !ok {
		return nil, unexpectedMessage(m, typeCertificate)
	}
	s.received(raw)
	if len(cert.chain) == 0 {
		s.transcript.release()
		return &server12WaitClientKeyExchange{s.serverHandshake12}, c.config.verifyClient(nil, &s.state)
	}
	var err error
	if s.peer, err = parsePeerCredential(cert.rawPublicKey, cert.chain); err != nil {
		return nil, err
	}
	return &server12WaitClientKeyExchange{s.serverHandshake12}, nil
}

// server12WaitClientKeyExchange waits for the client's key share. It does nothing slow before the
// driver has the endpoint pair shared secret: until then SCTP discards what the client sends under
// that secret, and the client has to retransmit it. See RFC 6083, Section 4.8.
type server12WaitClientKeyExchange struct{ *serverHandshake12 }

func (s *server12WaitClientKeyExchange) handle(c *Conn, m message, raw handshakeMessage) (state,
	error) {
	exchange, ok := m.(*clientKeyExchange)
	if !ok {
		return nil, unexpectedMessage(m, typeClientKeyExchange)
	}
	s.received(raw)
	var preMaster []byte
	var err error
	if s.key != nil {
		if preMaster, err = s.key.agree(exchange.public); err != nil {
			return nil, err
		}
		s.key = nil
	}
	if s.suite.kx.hasPSK() {
		psk, err := c.config.serverPSK(exchange.identity)
		if err != nil {
			return nil, err
		}
		s.state.PSKIdentity = exchange.identity
		preMaster = pskPreMaster(preMaster, psk.Key)
	}
	if err := s.deriveMaster(c, preMaster); err != nil {
		return nil, err
	}
	if s.peer != nil {
		return &server12WaitCertificateVerify{s.serverHandshake12}, nil
	}
	return &server12WaitChangeCipherSpec{s.serverHandshake12}, nil
}

// server12WaitCertificateVerify waits for the signature that proves that the client owns its
// credential.
type server12WaitCertificateVerify struct{ *serverHandshake12 }

func (s *server12WaitCertificateVerify) handle(c *Conn, m message, raw handshakeMessage) (state,
	error) {
	verify, ok := m.(*certificateVerify)
	if !ok {
		return nil, unexpectedMessage(m, typeCertificateVerify)
	}
	// Verify the signature, which covers everything before it, and then the credential.
	err := verifySignature(s.peer.key(), verify.scheme, defaultSignatureAlgorithms(),
		VersionDTLS12, s.transcript.messages(), verify.signature)
	if err != nil {
		return nil, err
	}
	s.transcript.release()
	s.received(raw)
	if err := c.config.verifyClient(s.peer, &s.state); err != nil {
		return nil, err
	}
	return &server12WaitChangeCipherSpec{s.serverHandshake12}, nil
}

// server12WaitChangeCipherSpec waits until the client switches to the new keys.
type server12WaitChangeCipherSpec struct{ *serverHandshake12 }

func (s *server12WaitChangeCipherSpec) handle(_ *Conn, m message, _ handshakeMessage) (state,
	error) {
	return nil, unexpected("%v before ChangeCipherSpec", m.typ())
}

func (s *server12WaitChangeCipherSpec) handleChangeCipherSpec(*Conn) state {
	return &server12WaitFinished{s.serverHandshake12}
}

// server12WaitFinished waits for the client's Finished.
type server12WaitFinished struct{ *serverHandshake12 }

func (s *server12WaitFinished) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	if err := s.peerFinished(c, m, raw); err != nil {
		return nil, err
	}
	if !s.resumed {
		if err := s.authenticated(c); err != nil {
			return nil, err
		}
	}
	c.pushPeerFinished()
	if !s.resumed {
		s.switchSecret(c)
		if err := s.sendTicket(c); err != nil {
			return nil, err
		}
		if err := s.finish(c); err != nil {
			return nil, err
		}
	}
	s.complete(c)
	return &open12{}, nil
}

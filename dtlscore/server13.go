package dtlscore

import (
	"crypto"
	"crypto/tls"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/internal/legible"
)

// serverHandshake13 is the server's side of a DTLS 1.3 handshake. Its states, in order:
//
//	server13WaitClientHello          only after a HelloRetryRequest
//	server13WaitCertificate          only if requested
//	server13WaitCertificateVerify    only if the client sent a certificate
//	server13WaitFinished
//
// See RFC 8446, Appendix A.2.
type serverHandshake13 struct {
	handshake13
	offer *clientHello

	asks       bool // a client certificate is requested
	peerRawKey bool // the client authenticates with a raw public key
	peer       *peerCredential
}

// startServer13 handles the first ClientHello.
func startServer13(c *Conn, offer *clientHello, raw handshakeMessage) (state, error) {
	if err := offer.check13(); err != nil {
		return nil, err
	}
	if len(offer.cookie13) > 0 {
		return nil, illegal("cookie in a first ClientHello") // RFC 9147, Section 5.1
	}
	c.in.v13.earlyData = offer.earlyData
	hs := &serverHandshake13{handshake13: handshake13{transcript: newTranscript()}, offer: offer}
	c.handshake = hs
	protocol, err := c.config.chooseProtocol(offer.alpn)
	if err != nil {
		return nil, err
	}
	hs.state.NegotiatedProtocol = protocol
	suite, err := hs.chooseSuite(c, raw)
	if err != nil {
		return nil, err
	}
	hs.choose(c, offer, suite)

	group, share := c.config.chooseGroup13(offer)
	switch {
	case group == 0:
		return nil, incompatible(AlertHandshakeFailure, "client offers groups %v only",
			legible.List[tls.CurveID](offer.supportedGroups))
	case share == nil || c.config.CookieExchange:
		return hs.retry(c, group, share != nil, raw)
	}
	return hs.answer(c, group, share, raw)
}

// chooseSuite returns the first of the server's cipher suites that the client supports, preferably
// one that fits a pre-shared key that both have.
func (s *serverHandshake13) chooseSuite(c *Conn, raw handshakeMessage) (*cipherSuite, error) {
	var common []*cipherSuite
	var hashes []crypto.Hash
	for _, id := range c.config.suites(VersionDTLS13, false) {
		if slices.Contains(s.offer.suites, id) {
			suite := suiteByID(id, VersionDTLS13)
			common = append(common, suite)
			hashes = append(hashes, suite.hash)
		}
	}
	if common == nil {
		return nil, incompatible(AlertHandshakeFailure, "no cipher suite in common with the client")
	}
	if err := s.choosePSK(c, raw, hashes...); err != nil || s.psk == nil {
		return common[0], err
	}
	return common[slices.Index(hashes, s.psk.hash)], nil
}

// check13 checks what a ClientHello of DTLS 1.3 must contain. See RFC 8446, Sections 4.1.2 and 9.2,
// and RFC 9147, Section 5.3.
func (m *clientHello) check13() error {
	switch {
	case len(m.cookie) > 0:
		return illegal("ClientHello of version 1.3 with a legacy_cookie")
	case !slices.Equal(m.compressionMethods, []byte{compressionNull}):
		return illegal("ClientHello of version 1.3 with compression")
	case m.supportedGroups == nil && (m.keyShares != nil || m.identities == nil):
		return misbehaved(AlertMissingExtension, "ClientHello without %v", extSupportedGroups)
	case m.keyShares == nil && (m.supportedGroups != nil || m.identities == nil):
		return misbehaved(AlertMissingExtension, "ClientHello without %v", extKeyShare)
	case m.signatureAlgorithms == nil && m.identities == nil:
		return misbehaved(AlertMissingExtension, "ClientHello without %v", extSignatureAlgorithms)
	case m.identities != nil && m.pskModes == nil:
		return misbehaved(AlertMissingExtension, "ClientHello with %v and without %v", extPreSharedKey,
			extPSKKeyExchangeModes)
	}
	for _, share := range m.keyShares {
		if !slices.Contains(m.supportedGroups, share.group) {
			return illegal("key share for group %v, which is not offered", share.group)
		}
	}
	return nil
}

// chooseGroup13 returns the first of the server's groups for which the client sent a key share, and
// that share. If there is none, it returns the first group that the client supports, or 0.
func (c *Config) chooseGroup13(offer *clientHello) (tls.CurveID, []byte) {
	groups := c.groups(VersionDTLS13)
	for _, g := range groups {
		for _, share := range offer.keyShares {
			if share.group == g {
				return g, share.data
			}
		}
	}
	for _, g := range groups {
		if slices.Contains(offer.supportedGroups, g) {
			return g, nil
		}
	}
	return 0, nil
}

// answer sends the server's flight.
func (s *serverHandshake13) answer(c *Conn, group tls.CurveID, share []byte,
	raw handshakeMessage) (state, error) {
	// 1. The state of the connection.
	s.state.CurveID = group
	s.received(raw)
	hello := &serverHello{version: VersionDTLS12, suite: s.suite.id}
	if err := c.readRandom(hello.random[:]); err != nil {
		return nil, err
	}
	hello.supportedVersions = []uint16{VersionDTLS13}
	if s.psk != nil {
		hello.pskSelected, hello.selectedIdentity = true, s.psk.position
	}
	ee := new(encryptedExtensions)
	var own *credential
	var scheme tls.SignatureScheme
	var err error
	if s.psk == nil {
		ee.serverNameUsed = s.offer.serverName != ""
		if own, scheme, err = s.chooseCredential(c, ee); err != nil {
			return nil, err
		}
	}
	if s.state.NegotiatedProtocol != "" {
		ee.alpn = []string{s.state.NegotiatedProtocol}
	}
	if limit := c.config.largeLimit(); limit != nil && s.offer.largeRecordSizeLimit != nil {
		ee.largeRecordSizeLimit = limit
		if err := s.agreeOnLarge(c, s.offer.largeRecordSizeLimit); err != nil {
			return nil, err
		}
	}
	// 2. ServerHello, and the keys of epoch 2.
	ours, shared, err := respond(group, share)
	if err != nil {
		return nil, err
	}
	hello.keyShares = []keyShare{{group, ours}}
	if err := s.send(c, hello); err != nil {
		return nil, err
	}
	if err := s.deriveHandshake(c, shared); err != nil {
		return nil, err
	}
	// 3. EncryptedExtensions, and the server's credential.
	if err := s.send(c, ee); err != nil {
		return nil, err
	}
	if s.asks {
		request := new(certificateRequest13)
		request.signatureAlgorithms = defaultSignatureAlgorithms()
		if !s.peerRawKey {
			request.certificateAuthorities = c.config.authorities()
		}
		if err := s.send(c, request); err != nil {
			return nil, err
		}
	}
	if own != nil {
		if err := s.prove(c, own, scheme, s.offer.statusRequest, contextServerSignature); err != nil {
			return nil, err
		}
	}
	// 4. Finished.
	c.pushStep(func() error { return s.finish(c) })
	if s.asks {
		return &server13WaitCertificate{s}, nil
	}
	return &server13WaitFinished{s}, nil
}

// chooseCredential chooses the credentials of both sides.
func (s *serverHandshake13) chooseCredential(c *Conn, ee *encryptedExtensions) (own *credential,
	scheme tls.SignatureScheme, err error) {
	if !c.config.hasCertificates() && c.config.RawKey == nil {
		return nil, 0, incompatible(AlertHandshakeFailure,
			"client has no pre-shared key, and we have no certificate")
	}
	if s.offer.signatureAlgorithms == nil {
		return nil, 0, misbehaved(AlertMissingExtension, "ClientHello without %v", extSignatureAlgorithms)
	}
	serverType, err := chooseType(s.offer.serverCertificateTypes, c.config.RawKey != nil,
		c.config.hasCertificates())
	if err != nil {
		return nil, 0, err
	}
	if s.offer.serverCertificateTypes != nil {
		ee.serverCertificateTypes = []uint8{serverType}
	}
	needs := &certificateNeeds{
		version: VersionDTLS13, schemes: s.offer.signatureAlgorithms,
		serverName: s.offer.serverName, authorities: s.offer.certificateAuthorities,
	}
	if own, err = c.serverCredential(serverType == certTypeRawPublicKey, needs, s.offer,
		s.state.HelloRetryRequest); err != nil {
		return nil, 0, err
	}
	if scheme, err = own.chooseSignature(s.offer.signatureAlgorithms, VersionDTLS13); err != nil {
		return nil, 0, err
	}
	if s.asks = c.config.ClientAuth != tls.NoClientCert; s.asks {
		clientType, err := c.config.chooseClientType(s.offer)
		if err != nil {
			return nil, 0, err
		}
		if s.offer.clientCertificateTypes != nil {
			ee.clientCertificateTypes = []uint8{clientType}
		}
		s.peerRawKey = clientType == certTypeRawPublicKey
	}
	return own, scheme, nil
}

// finish sends Finished. The client may use the endpoint pair shared secret as soon as it has
// received that, so the driver gets the secret first.
func (s *serverHandshake13) finish(c *Conn) error {
	m := s.finished(false)
	s.transcript.add(m.typ(), c.nextSendSeq, m.verifyData)
	if err := s.deriveMaster(c); err != nil {
		return err
	}
	if _, err := c.send(m); err != nil {
		return err
	}
	write, err := s.writeEpoch(c, epochApplication)
	if err != nil {
		return err
	}
	c.writeIn(write)
	return nil
}

// server13WaitCertificate waits for the client's credential, which may be empty.
type server13WaitCertificate struct{ *serverHandshake13 }

func (s *server13WaitCertificate) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	cert, ok := m.(*certificate13)
	if !ok {
		return nil, unexpectedMessage(m, typeCertificate)
	}
	s.received(raw)
	if len(cert.entries) == 0 {
		return &server13WaitFinished{s.serverHandshake13}, c.config.verifyClient(nil, &s.state)
	}
	var err error
	if s.peer, err = cert.chain(s.peerRawKey, new(extensions), inCertificateRequest); err != nil {
		return nil, err
	}
	return &server13WaitCertificateVerify{s.serverHandshake13}, nil
}

// server13WaitCertificateVerify waits for the signature that proves that the client owns its
// credential.
type server13WaitCertificateVerify struct{ *serverHandshake13 }

func (s *server13WaitCertificateVerify) handle(c *Conn, m message, raw handshakeMessage) (state,
	error) {
	verify, ok := m.(*certificateVerify)
	if !ok {
		return nil, unexpectedMessage(m, typeCertificateVerify)
	}
	// Verify the signature, which covers everything before it, and then the credential.
	err := verifySignature(s.peer.key(), verify.scheme, defaultSignatureAlgorithms(), VersionDTLS13,
		signed13(contextClientSignature, s.transcript.sum()), verify.signature)
	if err != nil {
		return nil, err
	}
	s.received(raw)
	return &server13WaitFinished{s.serverHandshake13}, c.config.verifyClient(s.peer, &s.state)
}

// server13WaitFinished waits for the client's Finished.
type server13WaitFinished struct{ *serverHandshake13 }

func (s *server13WaitFinished) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	if err := s.peerFinished(c, m, raw); err != nil {
		return nil, err
	}
	if err := c.config.verifyConnection(&s.state); err != nil {
		return nil, err
	}
	read, err := s.readEpoch(c, epochApplication)
	if err != nil {
		return nil, err
	}
	c.in.v13.epochs = []*protection13{read}
	c.pushPeerFinished()
	c.push(EventAwaitDry) // a client also waits before it switches to the new secret
	c.push(EventActivateKey)
	if err := c.sendACK(); err != nil {
		return nil, err
	}
	open := s.open(c)
	if err := s.sendTicket(c, &open); err != nil {
		return nil, err
	}
	clear(open.resumption) // a connection has one ticket only
	open.resumption = nil
	s.complete(c)
	return &open, nil
}

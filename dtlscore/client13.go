package dtlscore

import (
	"crypto/tls"
	"slices"
)

// clientHandshake13 is the client's side of a DTLS 1.3 handshake. Its states, in order:
//
//	client13WaitServerHello          only after a HelloRetryRequest
//	client13WaitEncryptedExtensions
//	client13WaitCertificate          CertificateRequest may come first
//	client13WaitCertificateVerify
//	client13WaitFinished
//
// See RFC 8446, Appendix A.1. With a pre-shared key, including that of a ticket, there are no
// certificates.
type clientHandshake13 struct {
	handshake13
	offer   *clientHello
	offered []*offeredPSK // offered in the ClientHello, in its order
	keys    []*ephemeralKey

	peerRawKey, rawKey bool // whether the server and the client use raw public keys
	peer               *peerCredential
	request            *certificateRequest13 // nil if none was received
}

// offer13 adds the DTLS 1.3 extensions to the ClientHello. It sends a key share of the preferred
// group. If that is a hybrid group, it also sends a share with the same X25519 key, for servers
// that do not support the hybrid group. See RFC 8446, Section 4.2.8, and
// draft-ietf-tls-hybrid-design, Section 3.2.
func (s *clientWaitServerHello) offer13(c *Conn) error {
	groups := c.config.groups(VersionDTLS13)
	key, err := generateKey(groups[0])
	if err != nil {
		return err
	}
	s.keys = []*ephemeralKey{key}
	if key.kem != nil && slices.Contains(groups, tls.X25519) {
		s.keys = append(s.keys, &ephemeralKey{group: tls.X25519, ecdh: key.ecdh})
	}
	for _, k := range s.keys {
		s.hello.keyShares = append(s.hello.keyShares, keyShare{k.group, k.share()})
	}
	return s.offerPSKs(c)
}

// startClient13 handles the first message of a server of DTLS 1.3.
func startClient13(c *Conn, offered *clientWaitServerHello, m *serverHello,
	raw handshakeMessage) (state, error) {
	hs := &clientHandshake13{
		handshake13: handshake13{transcript: offered.transcript},
		offer:       offered.hello, offered: offered.psks, keys: offered.keys,
	}
	if offered.session != nil && offered.session.version != VersionDTLS13 {
		offered.session.forget()
	}
	if err := hs.checkServerHello(m); err != nil {
		return nil, err
	}
	hs.choose(c, hs.offer, suiteByID(m.suite, VersionDTLS13))
	if m.isRetry() {
		return hs.retry(c, m, raw)
	}
	return hs.serverHello(c, m, raw)
}

// checkServerHello makes the checks that apply to both a ServerHello and a HelloRetryRequest.
func (s *clientHandshake13) checkServerHello(m *serverHello) error {
	if m.version != VersionDTLS12 {
		return illegal("ServerHello with legacy_version %#04x", m.version)
	}
	if len(m.sessionID) > 0 { // RFC 9147, Section 5.4
		return illegal("ServerHello with a legacy_session_id_echo")
	}
	if suiteByID(m.suite, VersionDTLS13) == nil || !slices.Contains(s.offer.suites, m.suite) {
		return illegal("server chose cipher suite %#04x, which was not offered", m.suite)
	}
	if m.isRetry() {
		return m.unsolicited(&s.offer.extensions, inClientHello, extCookie)
	}
	return m.unsolicited(&s.offer.extensions, inClientHello)
}

// retry answers a HelloRetryRequest with a second ClientHello. See RFC 8446, Sections 4.1.2 and
// 4.1.4.
func (s *clientHandshake13) retry(c *Conn, m *serverHello, raw handshakeMessage) (state, error) {
	if m.keyShares == nil && m.cookie13 == nil {
		return nil, illegal("HelloRetryRequest that requests no change")
	}
	if !c.in.messages.empty() {
		return nil, unexpected("handshake data in the same record after HelloRetryRequest")
	}
	s.transcript.retry()
	s.received(raw)
	s.state.HelloRetryRequest = true
	if m.keyShares != nil {
		group := m.keyShares[0].group
		if !slices.Contains(s.offer.supportedGroups, group) || !groupInVersion(group, VersionDTLS13) {
			return nil, illegal("HelloRetryRequest for group %v, which was not offered", group)
		}
		if slices.ContainsFunc(s.keys, func(k *ephemeralKey) bool { return k.group == group }) {
			return nil, illegal("HelloRetryRequest for group %v, which was in the ClientHello", group)
		}
		key, err := generateKey(group)
		if err != nil {
			return nil, err
		}
		s.keys = []*ephemeralKey{key}
		s.offer.keyShares = []keyShare{{group, key.share()}}
	}
	s.offer.cookie13 = m.cookie13
	if err := s.rebind(c); err != nil {
		return nil, err
	}
	return &client13WaitServerHello{s}, s.send(c, s.offer)
}

// client13WaitServerHello waits for the ServerHello after a HelloRetryRequest.
type client13WaitServerHello struct{ *clientHandshake13 }

func (s *client13WaitServerHello) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	hello, ok := m.(*serverHello)
	if !ok || hello.isRetry() {
		return nil, unexpectedMessage(m, typeServerHello)
	}
	if !slices.Equal(hello.supportedVersions, []uint16{VersionDTLS13}) {
		return nil, illegal("server changed the version after a HelloRetryRequest")
	}
	if err := s.checkServerHello(hello); err != nil {
		return nil, err
	}
	if hello.suite != s.suite.id {
		return nil, illegal("server changed the cipher suite after a HelloRetryRequest")
	}
	return s.serverHello(c, hello, raw)
}

// serverHello handles the ServerHello and installs the keys of epoch 2.
func (s *clientHandshake13) serverHello(c *Conn, m *serverHello, raw handshakeMessage) (state,
	error) {
	s.received(raw)
	if m.keyShares == nil {
		// The client offers psk_dhe_ke only, so every handshake has a key share.
		return nil, misbehaved(AlertMissingExtension, "ServerHello without %v", extKeyShare)
	}
	share := m.keyShares[0]
	i := slices.IndexFunc(s.keys, func(k *ephemeralKey) bool { return k.group == share.group })
	if i < 0 {
		return nil, illegal("server chose group %v, for which it has no key share", share.group)
	}
	if err := s.acceptPSK(m); err != nil {
		return nil, err
	}
	s.state.CurveID = share.group
	shared, err := s.keys[i].agree(share.data)
	if err != nil {
		return nil, err
	}
	s.keys = nil
	return &client13WaitEncryptedExtensions{s}, s.deriveHandshake(c, shared)
}

// client13WaitEncryptedExtensions waits for the server's EncryptedExtensions.
type client13WaitEncryptedExtensions struct{ *clientHandshake13 }

func (s *client13WaitEncryptedExtensions) handle(c *Conn, m message, raw handshakeMessage) (state,
	error) {
	ee, ok := m.(*encryptedExtensions)
	if !ok {
		return nil, unexpectedMessage(m, typeEncryptedExtensions)
	}
	s.received(raw)
	if err := ee.onlyOneLimit(); err != nil {
		return nil, err
	}
	if err := ee.unsolicited(&s.offer.extensions, inClientHello); err != nil {
		return nil, err
	}
	if ee.largeRecordSizeLimit != nil {
		if err := s.agreeOnLarge(c, ee.largeRecordSizeLimit); err != nil {
			return nil, err
		}
	}
	if len(ee.alpn) > 0 {
		if !slices.Contains(s.offer.alpn, ee.alpn[0]) {
			return nil, illegal("server chose protocol %q, which was not offered", ee.alpn[0])
		}
		s.state.NegotiatedProtocol = ee.alpn[0]
	}
	if s.psk != nil {
		return &client13WaitFinished{s.clientHandshake13}, nil
	}
	if !c.config.verifiesServers() && c.config.VerifyRawKey == nil {
		return nil, incompatible(AlertHandshakeFailure, "server does not know our pre-shared key")
	}
	var err error
	if s.peerRawKey, err = answeredType(s.offer.serverCertificateTypes,
		ee.serverCertificateTypes); err != nil {
		return nil, err
	}
	if len(ee.clientCertificateTypes) > 0 {
		if s.rawKey, err = answeredType(s.offer.clientCertificateTypes,
			ee.clientCertificateTypes); err != nil {
			return nil, err
		}
	}
	return &client13WaitCertificate{s.clientHandshake13}, nil
}

// client13WaitCertificate waits for the server's credential, and for the request for a client's
// credential that may precede it.
type client13WaitCertificate struct{ *clientHandshake13 }

func (s *client13WaitCertificate) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	if request, ok := m.(*certificateRequest13); ok && s.request == nil {
		if len(request.context) > 0 {
			return nil, illegal("CertificateRequest in a handshake has a context")
		}
		s.received(raw)
		s.request = request
		return s, nil
	}
	cert, ok := m.(*certificate13)
	if !ok {
		return nil, unexpectedMessage(m, typeCertificate)
	}
	s.received(raw)
	if len(cert.entries) == 0 {
		return nil, malformed("server sent no certificate")
	}
	var err error
	if s.peer, err = cert.chain(s.peerRawKey, &s.offer.extensions, inClientHello); err != nil {
		return nil, err
	}
	s.state.OCSPResponse = cert.entries[0].ocspResponse
	// The client verifies the chain while the server still computes its signature.
	if err := c.config.verifyServer(s.peer, &s.state); err != nil {
		return nil, err
	}
	return &client13WaitCertificateVerify{s.clientHandshake13}, nil
}

// client13WaitCertificateVerify waits for the signature that proves that the server owns its
// credential.
type client13WaitCertificateVerify struct{ *clientHandshake13 }

func (s *client13WaitCertificateVerify) handle(c *Conn, m message, raw handshakeMessage) (state,
	error) {
	verify, ok := m.(*certificateVerify)
	if !ok {
		return nil, unexpectedMessage(m, typeCertificateVerify)
	}
	err := verifySignature(s.peer.key(), verify.scheme, s.offer.signatureAlgorithms, VersionDTLS13,
		signed13(contextServerSignature, s.transcript.sum()), verify.signature)
	if err != nil {
		return nil, err
	}
	s.received(raw)
	return &client13WaitFinished{s.clientHandshake13}, nil
}

// client13WaitFinished waits for the end of the server's flight.
type client13WaitFinished struct{ *clientHandshake13 }

func (s *client13WaitFinished) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	if err := s.peerFinished(c, m, raw); err != nil {
		return nil, err
	}
	if err := c.config.verifyConnection(&s.state); err != nil {
		return nil, err
	}
	// From here on the server accepts the new endpoint pair shared secret, which it had before it
	// sent Finished. The server can release the old secret once everything sent under it is
	// acknowledged and it sees that the client uses the new one.
	if err := s.deriveMaster(c); err != nil {
		return nil, err
	}
	c.pushPeerFinished()
	c.push(EventAwaitDry)
	c.push(EventActivateKey)
	if s.request != nil {
		if err := s.certify(c); err != nil {
			return nil, err
		}
	}
	open := new(open13)
	c.pushStep(func() error { return s.finish(c, open) })
	return open, nil
}

// finish sends the end of the client's flight.
func (s *clientHandshake13) finish(c *Conn, open *open13) error {
	raw, err := c.sendNumbered(s.finished(true), &open.finishedIn)
	if err != nil {
		return err
	}
	s.addMessages(raw)
	read, err := s.readEpoch(c, epochApplication)
	if err != nil {
		return err
	}
	c.in.v13.epochs = append(c.in.v13.epochs, read)
	c.in.v13.unacked = nil // the flight acknowledges them
	write, err := s.writeEpoch(c, epochApplication)
	if err != nil {
		return err
	}
	c.writeIn(write)
	*open = s.open(c)
	open.unconfirmed = true
	c.resuming = ""
	s.complete(c)
	return nil
}

// certify sends the credential that the server requested, or an empty Certificate.
func (s *clientHandshake13) certify(c *Conn) error {
	own, err := c.clientCredential(s.rawKey, &tls.CertificateRequestInfo{
		AcceptableCAs:    s.request.certificateAuthorities,
		SignatureSchemes: s.request.signatureAlgorithms,
		Version:          tls.VersionTLS13,
	})
	if err != nil {
		return err
	}
	if own == nil {
		return s.send(c, new(certificate13))
	}
	scheme, err := own.chooseSignature(s.request.signatureAlgorithms, VersionDTLS13)
	if err != nil {
		return err
	}
	return s.prove(c, own, scheme, s.request.statusRequest, contextClientSignature)
}

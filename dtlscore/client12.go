package dtlscore

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"slices"
)

// clientHandshake12 is a client's side of a DTLS 1.2 handshake.
//
//	client12WaitCertificate
//	client12WaitServerKeyExchange    CertificateStatus may come before
//	client12WaitServerHelloDone      CertificateRequest may come before
//	client12WaitChangeCipherSpec
//	client12WaitFinished
//
// RFC 5246, Section 7.3.
type clientHandshake12 struct {
	handshake12
	offer *clientHello

	awaitStatus bool                // CertificateStatus was announced, and has not come
	chain       []*x509.Certificate // not verified before ServerKeyExchange
	server      *serverKeyExchange
	request     *certificateRequest12 // nil if none came
}

// startClient12 handles the ServerHello of version 1.2.
func startClient12(c *Conn, offer *clientHello, t *transcript, m *serverHello, raw handshakeMessage) (state, error) {
	// 1. What was chosen was offered.
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
	// 2. What makes the handshake safe is there. RFC 7627, Section 5.2, and
	// RFC 5746, Section 3.4.
	if !m.extendedMasterSecret {
		return nil, incompatible(AlertHandshakeFailure, "server has no extended master secret")
	}
	if m.renegotiationInfo == nil {
		return nil, incompatible(AlertHandshakeFailure, "server has no secure renegotiation")
	}
	if len(m.renegotiationInfo) != 0 {
		return nil, misbehaved(AlertHandshakeFailure, "renegotiation_info in a first handshake is not empty")
	}
	hs := &clientHandshake12{handshake12: handshake12{transcript: t}, offer: offer, awaitStatus: m.statusRequest}
	hs.hello(c, offer, m, suite)
	hs.received(raw)
	hs.state.ServerName = offer.serverName
	if len(m.alpn) > 0 {
		hs.state.NegotiatedProtocol = m.alpn[0]
	}
	return &client12WaitCertificate{hs}, nil
}

// client12WaitCertificate waits for the server's chain.
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
	if s.chain, err = parseChain(cert.chain); err != nil {
		return nil, err
	}
	if public := s.chain[0].PublicKey; !s.suite.kx.allowsKey(public) {
		return nil, illegal("certificate of the server has a %T, which does not fit the cipher suite", public)
	}
	return &client12WaitServerKeyExchange{s.clientHandshake12}, nil
}

// client12WaitServerKeyExchange waits for the server's share, and verifies who
// it is before anything else of the handshake depends on it.
type client12WaitServerKeyExchange struct{ *clientHandshake12 }

func (s *client12WaitServerKeyExchange) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	if status, ok := m.(*certificateStatus); ok && s.awaitStatus {
		s.received(raw)
		s.awaitStatus = false
		s.state.OCSPResponse = status.response
		return s, nil
	}
	ske, ok := m.(*serverKeyExchange)
	if !ok {
		return nil, unexpectedMessage(m, typeServerKeyExchange)
	}
	s.received(raw)
	if !slices.Contains(s.offer.supportedGroups, ske.group) || !groupInVersion(ske.group, VersionDTLS12) {
		return nil, illegal("server chose group %v, which was not offered", ske.group)
	}
	s.state.CurveID = ske.group

	// 1. The chain. 2. The signature with its key. 3. What the caller says.
	if err := c.config.verifyServer(s.chain, &s.state); err != nil {
		return nil, err
	}
	err := verifySignature(s.chain[0].PublicKey, ske.scheme, s.offer.signatureAlgorithms, VersionDTLS12,
		ske.signed(&s.clientRandom, &s.serverRandom), ske.signature)
	if err != nil {
		return nil, err
	}
	if err := c.config.verifyConnection(&s.state); err != nil {
		return nil, err
	}
	s.server = ske
	return &client12WaitServerHelloDone{s.clientHandshake12}, nil
}

// client12WaitServerHelloDone waits for the end of the server's flight.
type client12WaitServerHelloDone struct{ *clientHandshake12 }

func (s *client12WaitServerHelloDone) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	if request, ok := m.(*certificateRequest12); ok && s.request == nil {
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

// sendFlight answers the server. Its ClientKeyExchange leaves before we begin
// our own calculations: until it has made the same secret of it, the server's
// transport drops what we send with that. RFC 6083, Section 4.8.
func (s *clientHandshake12) sendFlight(c *Conn) (state, error) {
	// 1. Certificate, empty if there is none that the server would take.
	var signer crypto.Signer
	var scheme tls.SignatureScheme
	if s.request != nil {
		cert, err := c.config.clientCertificate(s.request.info())
		if err != nil {
			return nil, err
		}
		chain := &certificate12{}
		if cert != nil {
			var public crypto.PublicKey
			if signer, public, err = publicKey(cert); err != nil {
				return nil, err
			}
			scheme, err = chooseSignature(public, cert.SupportedSignatureAlgorithms, s.request.schemes, VersionDTLS12)
			if err != nil {
				return nil, err
			}
			chain.chain = cert.Certificate
		}
		if err := s.send(c, chain); err != nil {
			return nil, err
		}
	}
	// 2. ClientKeyExchange.
	key, err := generateKey(s.server.group)
	if err != nil {
		return nil, err
	}
	if err := s.send(c, &clientKeyExchange{kx: s.suite.kx, public: key.share()}); err != nil {
		return nil, err
	}
	c.pushThen(func() error {
		// 3. The keys.
		preMaster, err := key.agree(s.server.public)
		if err != nil {
			return err
		}
		if err := s.deriveMaster(c, preMaster); err != nil {
			return err
		}
		c.pushThen(func() error {
			// 4. CertificateVerify and Finished.
			if signer != nil {
				signature, err := sign(signer, scheme, s.transcript.messages())
				if err != nil {
					return err
				}
				if err := s.send(c, &certificateVerify{scheme, signature}); err != nil {
					return err
				}
			}
			s.transcript.release()
			return s.finish(c)
		})
		return nil
	})
	return &client12WaitChangeCipherSpec{s}, nil
}

// info tells callbacks written for crypto/tls what the server asks for.
func (m *certificateRequest12) info() *tls.CertificateRequestInfo {
	info := &tls.CertificateRequestInfo{AcceptableCAs: m.authorities, Version: tls.VersionTLS12}
	// RFC 5246, Section 7.4.4: the schemes are limited by the types of keys.
	for _, scheme := range m.schemes {
		s, ok := lookupSignature(scheme)
		rsa := ok && s.hash != 0 && s.curve == nil
		if ok && (rsa && slices.Contains(m.types, certRequestRSASign) || !rsa && slices.Contains(m.types, certRequestECDSASign)) {
			info.SignatureSchemes = append(info.SignatureSchemes, scheme)
		}
	}
	return info
}

// client12WaitChangeCipherSpec waits for the server to use the new keys.
type client12WaitChangeCipherSpec struct{ *clientHandshake12 }

func (s *client12WaitChangeCipherSpec) handle(_ *Conn, m message, _ handshakeMessage) (state, error) {
	return nil, unexpected("%v came before ChangeCipherSpec", m.typ())
}

func (s *client12WaitChangeCipherSpec) handleChangeCipherSpec(*Conn) state {
	return &client12WaitFinished{s.clientHandshake12}
}

// client12WaitFinished waits for the end of the handshake.
type client12WaitFinished struct{ *clientHandshake12 }

func (s *client12WaitFinished) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	if err := s.peerFinished(c, m, raw); err != nil {
		return nil, err
	}
	c.push(EventPeerFinished)
	s.complete(c)
	return &open12{}, nil
}

package dtlscore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"slices"
)

// serverHandshake12 is a server's side of a DTLS 1.2 handshake. The states:
//
//	server12WaitCertificate          if the client was asked for one
//	server12WaitClientKeyExchange
//	server12WaitCertificateVerify    if the client sent one
//	server12WaitChangeCipherSpec
//	server12WaitFinished
//
// RFC 5246, Section 7.3.
type serverHandshake12 struct {
	handshake12
	offer *clientHello
	key   *ephemeralKey
	chain []*x509.Certificate // of the client; not verified before CertificateVerify
}

// startServer12 answers the ClientHello of version 1.2.
func startServer12(c *Conn, offer *clientHello, info *tls.ClientHelloInfo, raw handshakeMessage) (state, error) {
	// 1. What makes the handshake safe is there. RFC 7627, Section 5.2, and
	// RFC 5746, Section 3.6.
	if !offer.extendedMasterSecret {
		return nil, incompatible(AlertHandshakeFailure, "client has no extended master secret")
	}
	if offer.renegotiationInfo == nil && !slices.Contains(offer.suites, scsvRenegotiationInfo) {
		return nil, incompatible(AlertHandshakeFailure, "client has no secure renegotiation")
	}
	if len(offer.renegotiationInfo) != 0 {
		return nil, misbehaved(AlertHandshakeFailure, "renegotiation_info in a first handshake is not empty")
	}
	hs := &serverHandshake12{handshake12: handshake12{transcript: newTranscript()}, offer: offer}
	hs.received(raw)

	// 2. Choose.
	hello := &serverHello{version: VersionDTLS12}
	hello.extendedMasterSecret = true
	hello.renegotiationInfo = []byte{}
	if offer.pointFormats != nil {
		hello.pointFormats = []byte{pointFormatUncompressed}
	}
	if _, err := io.ReadFull(c.config.rand(), hello.random[:]); err != nil {
		return nil, misuse("Config.Rand: %w", err)
	}
	if c.config.versions()[0] == VersionDTLS13 {
		copy(hello.random[randomLen-len(downgradeTLS12):], downgradeTLS12) // RFC 8446, Section 4.1.3
	}
	protocol, err := c.config.chooseProtocol(offer.alpn)
	if err != nil {
		return nil, err
	}
	if protocol != "" {
		hello.alpn = []string{protocol}
	}
	group, err := c.config.chooseGroup12(offer)
	if err != nil {
		return nil, err
	}
	cert, err := c.config.serverCertificate(info)
	if err != nil {
		return nil, err
	}
	signer, public, err := publicKey(cert)
	if err != nil {
		return nil, err
	}
	suite, err := c.config.chooseSuite12(offer, public)
	if err != nil {
		return nil, err
	}
	scheme, err := chooseSignature(public, cert.SupportedSignatureAlgorithms, offer.signatureAlgorithms, VersionDTLS12)
	if err != nil {
		return nil, err
	}
	hello.suite = suite.id
	hello.statusRequest = offer.statusRequest && len(cert.OCSPStaple) > 0
	hello.serverNameUsed = offer.serverName != ""

	hs.hello(c, offer, hello, suite)
	hs.state.ServerName = offer.serverName
	hs.state.NegotiatedProtocol = protocol
	hs.state.CurveID = group
	if c.config.ClientAuth == tls.NoClientCert {
		hs.transcript.release()
	}
	return hs.sendFlight(c, hello, cert, signer, scheme)
}

// chooseGroup12 returns the first group of ours that the client has too.
func (c *Config) chooseGroup12(offer *clientHello) (tls.CurveID, error) {
	theirs := offer.supportedGroups
	if theirs == nil {
		// The server may choose, RFC 8422, Section 4. Who does not know the
		// extension most likely knows this one.
		theirs = []tls.CurveID{tls.CurveP256}
	}
	for _, g := range c.groups(VersionDTLS12) {
		if slices.Contains(theirs, g) {
			return g, nil
		}
	}
	return 0, incompatible(AlertHandshakeFailure, "client offers groups %v only", offer.supportedGroups)
}

// chooseSuite12 returns the first suite of ours that the client has too, and
// that fits our certificate.
func (c *Config) chooseSuite12(offer *clientHello, public crypto.PublicKey) (*cipherSuite, error) {
	// RFC 8422, Section 5.1: the list is for the keys in certificates as well.
	if key, ok := public.(*ecdsa.PublicKey); ok && offer.supportedGroups != nil {
		if g := groupOf(key.Curve); g != 0 && !slices.Contains(offer.supportedGroups, g) {
			return nil, incompatible(AlertHandshakeFailure, "client has no group %v, which our certificate is for", g)
		}
	}
	for _, id := range c.suites(VersionDTLS12) {
		s := suiteByID(id, VersionDTLS12)
		if slices.Contains(offer.suites, id) && s.kx.allowsKey(public) {
			return s, nil
		}
	}
	return nil, incompatible(AlertHandshakeFailure, "no cipher suite in common with the client for a %T", public)
}

// sendFlight sends everything from ServerHello to ServerHelloDone.
func (s *serverHandshake12) sendFlight(c *Conn, hello *serverHello, cert *tls.Certificate, signer crypto.Signer, scheme tls.SignatureScheme) (state, error) {
	var err error
	if s.key, err = generateKey(s.state.CurveID); err != nil {
		return nil, err
	}
	exchange := &serverKeyExchange{kx: s.suite.kx, group: s.state.CurveID, public: s.key.share(), scheme: scheme}
	exchange.signature, err = sign(signer, scheme, exchange.signed(&s.clientRandom, &s.serverRandom))
	if err != nil {
		return nil, err
	}
	flight := []message{hello, &certificate12{chain: cert.Certificate}}
	if hello.statusRequest {
		flight = append(flight, &certificateStatus{response: cert.OCSPStaple})
	}
	flight = append(flight, exchange)
	if c.config.ClientAuth != tls.NoClientCert {
		flight = append(flight, &certificateRequest12{
			types:   []uint8{certRequestECDSASign, certRequestRSASign},
			schemes: defaultSignatureAlgorithms(),
		})
	}
	for _, m := range append(flight, new(serverHelloDone)) {
		if err := s.send(c, m); err != nil {
			return nil, err
		}
	}
	if c.config.ClientAuth != tls.NoClientCert {
		return &server12WaitCertificate{s}, nil
	}
	return &server12WaitClientKeyExchange{s}, nil
}

// server12WaitCertificate waits for the chain of a client, which may be empty.
type server12WaitCertificate struct{ *serverHandshake12 }

func (s *server12WaitCertificate) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	cert, ok := m.(*certificate12)
	if !ok {
		return nil, unexpectedMessage(m, typeCertificate)
	}
	s.received(raw)
	if len(cert.chain) == 0 {
		s.transcript.release()
		if err := c.config.verifyClient(nil, &s.state); err != nil {
			return nil, err
		}
		return &server12WaitClientKeyExchange{s.serverHandshake12}, nil
	}
	var err error
	if s.chain, err = parseChain(cert.chain); err != nil {
		return nil, err
	}
	return &server12WaitClientKeyExchange{s.serverHandshake12}, nil
}

// server12WaitClientKeyExchange waits for the client's share. Nothing slow is
// done before the secret is with the driver: what the client sends under it
// before that is lost, until it is sent again. RFC 6083, Section 4.8.
type server12WaitClientKeyExchange struct{ *serverHandshake12 }

func (s *server12WaitClientKeyExchange) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	exchange, ok := m.(*clientKeyExchange)
	if !ok {
		return nil, unexpectedMessage(m, typeClientKeyExchange)
	}
	s.received(raw)
	preMaster, err := s.key.agree(exchange.public)
	if err != nil {
		return nil, err
	}
	s.key = nil
	if err := s.deriveMaster(c, preMaster); err != nil {
		return nil, err
	}
	if len(s.chain) > 0 {
		return &server12WaitCertificateVerify{s.serverHandshake12}, nil
	}
	return &server12WaitChangeCipherSpec{s.serverHandshake12}, nil
}

// server12WaitCertificateVerify waits for the proof that the chain is the
// client's.
type server12WaitCertificateVerify struct{ *serverHandshake12 }

func (s *server12WaitCertificateVerify) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	verify, ok := m.(*certificateVerify)
	if !ok {
		return nil, unexpectedMessage(m, typeCertificateVerify)
	}
	// 1. The signature, over everything before. 2. The chain.
	err := verifySignature(s.chain[0].PublicKey, verify.scheme, defaultSignatureAlgorithms(),
		VersionDTLS12, s.transcript.messages(), verify.signature)
	if err != nil {
		return nil, err
	}
	s.transcript.release()
	s.received(raw)
	if err := c.config.verifyClient(s.chain, &s.state); err != nil {
		return nil, err
	}
	return &server12WaitChangeCipherSpec{s.serverHandshake12}, nil
}

// server12WaitChangeCipherSpec waits for the client to use the new keys.
type server12WaitChangeCipherSpec struct{ *serverHandshake12 }

func (s *server12WaitChangeCipherSpec) handle(_ *Conn, m message, _ handshakeMessage) (state, error) {
	return nil, unexpected("%v came before ChangeCipherSpec", m.typ())
}

func (s *server12WaitChangeCipherSpec) handleChangeCipherSpec(*Conn) state {
	return &server12WaitFinished{s.serverHandshake12}
}

// server12WaitFinished waits for the end of the client's part.
type server12WaitFinished struct{ *serverHandshake12 }

func (s *server12WaitFinished) handle(c *Conn, m message, raw handshakeMessage) (state, error) {
	if err := s.peerFinished(c, m, raw); err != nil {
		return nil, err
	}
	if err := c.config.verifyConnection(&s.state); err != nil {
		return nil, err
	}
	c.push(EventPeerFinished)
	if err := s.finish(c); err != nil {
		return nil, err
	}
	s.complete(c)
	return &open12{}, nil
}

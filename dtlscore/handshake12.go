package dtlscore

import (
	"crypto/hmac"
	"crypto/tls"
	"slices"
)

// endpointSecretLen is the size of an endpoint pair shared secret in bytes. See RFC 6083, Section
// 4.8.
const endpointSecretLen = 64

// secrets12 holds what the exporter needs of a DTLS 1.2 handshake.
type secrets12 struct {
	suite        *cipherSuite
	clientRandom [randomLen]byte
	serverRandom [randomLen]byte
	master       []byte
}

// exporter returns an exporter that takes ownership of the master secret.
func (s *secrets12) exporter() *exporter {
	hash, client, server := s.suite.hash, s.clientRandom, s.serverRandom
	return &exporter{secret: s.master,
		derive: func(master []byte, label string, context []byte, length int) ([]byte, error) {
			return export12(newPRF12(hash, master), &client, &server, label, context, length)
		}}
}

// handshake12 is the state that both sides of a DTLS 1.2 handshake share.
type handshake12 struct {
	*secrets12
	*transcript
	prf      prf12 // with the master secret
	keys     keyBlock
	resumed  bool
	finished finishedPair
	unbound  bool // the client does not support RFC 5746, so there is no renegotiation

	state ConnectionState // becomes that of the connection when the handshake is complete
}

// A finishedPair holds the verify_data of both sides, to which the next handshake is bound. See RFC
// 5746, Section 3.1.
type finishedPair struct{ client, server []byte }

func (f finishedPair) both() []byte { return slices.Concat(f.client, f.server) }

// forget implements [forgetter].
func (hs *handshake12) forget() {
	clear(hs.master)
	clear(hs.keys.whole)
	hs.prf = prf12{}
}

func newHandshake12(t *transcript) handshake12 {
	return handshake12{secrets12: new(secrets12), transcript: t}
}

// hellos stores the values of the two hello messages.
func (hs *handshake12) hellos(c *Conn, client *clientHello, server *serverHello,
	suite *cipherSuite) {
	hs.suite = suite
	hs.clientRandom, hs.serverRandom = client.random, server.random
	hs.state.Version, hs.state.CipherSuite = VersionDTLS12, suite.id
	hs.state.MaxRead, hs.state.MaxWrite = maxPlaintext, maxPlaintext
	hs.state.ServerName = client.serverName
	if len(server.alpn) > 0 {
		hs.state.NegotiatedProtocol = server.alpn[0]
	}
	hs.transcript.choose(VersionDTLS12, suite.hash)
	c.handshake = hs
	c.form = messageForm{version: VersionDTLS12, kx: suite.kx}
}

// deriveMaster derives the master secret from the transcript up to ClientKeyExchange. See RFC 7627,
// Section 4.
func (hs *handshake12) deriveMaster(c *Conn, preMaster []byte) error {
	hs.master = extendedMasterSecret(hs.suite.hash, preMaster, hs.transcript.sum())
	clear(preMaster)
	return hs.useMaster(c)
}

// useMaster passes the next endpoint pair shared secret to the driver, because the peer may use it
// from now on (RFC 6083, Section 4.8), and derives the keys of the next epoch.
func (hs *handshake12) useMaster(c *Conn) error {
	hs.prf = newPRF12(hs.suite.hash, hs.master)
	label := c.config.endpointSecretLabel(VersionDTLS12)
	secret, err := export12(hs.prf, &hs.clientRandom, &hs.serverRandom, label, nil, endpointSecretLen)
	if err != nil {
		return err
	}
	c.pushData(EventInstallKey, secret)
	if err := c.config.logSecret("CLIENT_RANDOM", hs.clientRandom[:], hs.master); err != nil {
		return misuse("Config.KeyLogWriter: %w", err)
	}
	hs.keys = newKeyBlock(hs.suite, hs.prf, &hs.clientRandom, &hs.serverRandom)
	key, iv := hs.keys.serverKey, hs.keys.serverIV
	if !c.isClient {
		key, iv = hs.keys.clientKey, hs.keys.clientIV
	}
	c.in.next, err = newProtection12(hs.suite.aead, c.in.epoch+1, key, iv)
	return err
}

// switchSecret queues what RFC 6083, Sections 4.7 and 4.8, requires before ChangeCipherSpec. It
// comes before a NewSessionTicket too: the peer can then release the old secret as soon as it has
// received Finished, without waiting for another acknowledgement.
func (hs *handshake12) switchSecret(c *Conn) {
	if c.closing {
		return // see Conn.send
	}
	c.push(EventAwaitDry)
	c.push(EventActivateKey)
}

// finish queues ChangeCipherSpec and Finished, after switchSecret.
func (hs *handshake12) finish(c *Conn) error {
	if c.closing {
		return nil // see Conn.send
	}
	key, iv := hs.keys.clientKey, hs.keys.clientIV
	if !c.isClient {
		key, iv = hs.keys.serverKey, hs.keys.serverIV
	}
	epoch, err := newWriteEpoch12(hs.suite, c.written.number+1, key, iv)
	clear(hs.keys.whole) // the keys of the other direction are in use already
	if err != nil {
		return err
	}
	c.pushRecord(contentChangeCipherSpec, []byte{1})
	c.written = epoch
	return hs.send(c, &finished{hs.verifyData(c.isClient)})
}

// verifyData returns the verify_data of the next Finished message.
func (hs *handshake12) verifyData(byClient bool) []byte {
	data := finished12(hs.prf, byClient, hs.transcript.sum())
	if byClient {
		hs.finished.client = data
	} else {
		hs.finished.server = data
	}
	return data
}

// peerFinished verifies the peer's Finished message.
func (hs *handshake12) peerFinished(c *Conn, m message, raw handshakeMessage) error {
	f, ok := m.(*finished)
	if !ok {
		return unexpectedMessage(m, typeFinished)
	}
	if !c.in.messages.empty() {
		return unexpected("handshake data after Finished")
	}
	if !hmac.Equal(f.verifyData, hs.verifyData(!c.isClient)) {
		return misbehaved(AlertDecryptError, "Finished does not match the handshake")
	}
	hs.received(raw)
	return nil
}

// authenticated is called once in each handshake, as soon as the peer is authenticated.
func (hs *handshake12) authenticated(c *Conn) error {
	if c.agreed.HandshakeComplete {
		if err := hs.samePeer(c); err != nil {
			return err
		}
	}
	return c.config.verifyConnection(&hs.state)
}

// samePeer enforces in a renegotiation that the peer keeps its identity, unless the caller allows a
// change, and that the values which the application has seen do not change. A value that the hello
// messages omit stays as it is: OpenSSL sends ALPN only in the first handshake.
func (hs *handshake12) samePeer(c *Conn) error {
	old, new := &c.agreed, &hs.state
	if new.ServerName == "" {
		new.ServerName = old.ServerName
	}
	if new.NegotiatedProtocol == "" {
		new.NegotiatedProtocol = old.NegotiatedProtocol
	}
	if new.ServerName != old.ServerName || new.NegotiatedProtocol != old.NegotiatedProtocol {
		return illegal("peer changed the server name or the protocol in a renegotiation")
	}
	if old.identity() == new.identity() {
		return nil
	}
	if c.config.OnPeerChanged == nil {
		return untrusted(AlertIllegalParameter, "peer changed its identity in a renegotiation")
	}
	if err := c.config.OnPeerChanged(*old, *new); err != nil {
		return untrusted(AlertBadCertificate, "Config.OnPeerChanged: %w", err)
	}
	return nil
}

// complete queues the end of the handshake. The negotiated state takes effect once everything that
// this side sends has been handed out. The side that sends the last Finished waits until it has
// arrived: the peer must buffer application data that arrives earlier on another stream, and
// OpenSSL drops most of it.
func (hs *handshake12) complete(c *Conn) {
	if c.isClient == hs.resumed {
		c.push(EventAwaitDry)
	}
	c.pushThen(func() error {
		hs.state.HandshakeComplete = true
		hs.state.Handshakes = c.agreed.Handshakes + 1
		hs.state.DidResume = hs.resumed
		hs.state.export = hs.exporter()
		c.agreed.export.forget()
		c.agreed, c.finished, c.handshake, c.unbound = hs.state, hs.finished, nil, hs.unbound
		return c.completeHandshake()
	})
}

// boundTo checks the peer's renegotiation_info against the previous handshake, if there was one.
// See RFC 5746, Sections 3.4 to 3.7.
func boundTo(previous, info []byte) error {
	if !hmac.Equal(previous, info) {
		return misbehaved(AlertHandshakeFailure,
			"renegotiation_info does not match the previous handshake")
	}
	return nil
}

// requestInfo12 converts a CertificateRequest for callbacks of crypto/tls.
func requestInfo12(m *certificateRequest12) *tls.CertificateRequestInfo {
	info := &tls.CertificateRequestInfo{AcceptableCAs: m.authorities, Version: tls.VersionTLS12}
	// RFC 5246, Section 7.4.4: certificate_types restricts the signature schemes.
	for _, scheme := range m.schemes {
		s, ok := lookupSignature(scheme)
		rsa := ok && s.hash != 0 && s.curve == nil
		if ok && (rsa && slices.Contains(m.types, certRequestRSASign) ||
			!rsa && slices.Contains(m.types, certRequestECDSASign)) {
			info.SignatureSchemes = append(info.SignatureSchemes, scheme)
		}
	}
	return info
}

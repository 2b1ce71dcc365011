package dtlscore

import (
	"crypto/hmac"
	"crypto/tls"
)

// handshake13 is the state that both sides of a DTLS 1.3 handshake share. See RFC 9147, Section 5,
// and RFC 8446, Section 7.1.
type handshake13 struct {
	keySchedule
	*transcript
	suite        *cipherSuite
	clientRandom [randomLen]byte

	psk       *offeredPSK // nil if certificates authenticate
	handshake handshakeSecret
	master    masterSecret
	traffic   trafficPair // of epoch 2

	application trafficPair // of epoch 3
	read, write recordForm  // of epoch 3, from and to the peer
	export      *exporter

	state ConnectionState // becomes that of the connection when the handshake is complete
}

// A trafficPair holds the traffic secrets of both directions.
type trafficPair struct{ client, server *expander }

func (p *trafficPair) forget() {
	p.client.forget()
	p.server.forget()
}

func (p *trafficPair) of(client bool) *expander {
	if client {
		return p.client
	}
	return p.server
}

// forget implements [forgetter].
func (hs *handshake13) forget() {
	hs.forgetStages()
	hs.application.forget()
	hs.export.forget()
}

// forgetStages overwrites the secrets that are needed during the handshake only.
func (hs *handshake13) forgetStages() {
	hs.psk.forget()
	hs.handshake.forget()
	hs.master.forget()
	hs.traffic.forget()
}

// choose stores what the server's first message determines.
func (hs *handshake13) choose(c *Conn, client *clientHello, suite *cipherSuite) {
	hs.suite, hs.keySchedule = suite, newKeySchedule(suite.hash)
	hs.clientRandom = client.random
	hs.agree(client, suite)
	c.handshake = hs
	hs.transcript.choose(VersionDTLS13, suite.hash)
	c.form = messageForm{version: VersionDTLS13}
}

func (hs *handshake13) agree(client *clientHello, suite *cipherSuite) {
	hs.state.Version, hs.state.CipherSuite = VersionDTLS13, suite.id
	hs.state.ServerName = client.serverName
	hs.read, hs.write = usualForm, usualForm
	hs.state.MaxRead, hs.state.MaxWrite = maxPlaintext, maxPlaintext
}

// deriveHandshake derives the keys of epoch 2 from the hello messages, for both directions. shared
// is the result of the key exchange.
func (hs *handshake13) deriveHandshake(c *Conn, shared []byte) error {
	early := hs.early(hs.psk.secret())
	hs.handshake = early.handshake(shared)
	early.forget()
	clear(shared)
	sum := hs.transcript.sum()
	hs.traffic = trafficPair{hs.keyed(hs.handshake.clientTraffic(sum)),
		hs.keyed(hs.handshake.serverTraffic(sum))}
	if err := hs.log(c, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", hs.traffic.client.secret); err != nil {
		return err
	}
	if err := hs.log(c, "SERVER_HANDSHAKE_TRAFFIC_SECRET", hs.traffic.server.secret); err != nil {
		return err
	}
	// A handshake message must not span a key change. RFC 8446, Section 5.1.
	if !c.in.messages.empty() {
		return unexpected("handshake data after the last plaintext message in its record")
	}
	read, err := hs.readEpoch(c, epochHandshake)
	if err != nil {
		return err
	}
	c.in.v13.epochs = []*protection13{read}
	write, err := hs.writeEpoch(c, epochHandshake)
	if err != nil {
		return err
	}
	c.writeIn(write)
	return nil
}

// readEpoch returns the keys of an epoch in which the peer sends.
func (hs *handshake13) readEpoch(c *Conn, number uint64) (*protection13, error) {
	keys, form := hs.epochKeys(number, !c.isClient), usualForm
	defer keys.forget()
	if number == epochApplication {
		form = hs.read
	}
	p, err := newProtection13(hs.suite.aead, number, keys, form)
	if err != nil {
		return nil, misuse("%w", err)
	}
	return p, nil
}

// writeEpoch returns the keys of an epoch in which this side sends.
func (hs *handshake13) writeEpoch(c *Conn, number uint64) (*writeEpoch, error) {
	keys, form := hs.epochKeys(number, c.isClient), usualForm
	defer keys.forget()
	if number == epochApplication {
		form = hs.write
	}
	return newWriteEpoch13(hs.suite, number, keys, form)
}

func (hs *handshake13) epochKeys(number uint64, ofClient bool) trafficKeys {
	secrets := hs.traffic
	if number == epochApplication {
		secrets = hs.application
	}
	return secrets.of(ofClient).trafficKeys(hs.suite.aead)
}

func (hs *handshake13) log(c *Conn, label string, secret []byte) error {
	if err := c.config.logSecret(label, hs.clientRandom[:], secret); err != nil {
		return misuse("Config.KeyLogWriter: %w", err)
	}
	return nil
}

// finished returns the Finished message of one side. The transcript must end just before it.
func (hs *handshake13) finished(byClient bool) *finished {
	return &finished{hs.traffic.of(byClient).finished(hs.transcript.sum())}
}

// peerFinished verifies the peer's Finished message.
func (hs *handshake13) peerFinished(c *Conn, m message, raw handshakeMessage) error {
	f, ok := m.(*finished)
	if !ok {
		return unexpectedMessage(m, typeFinished)
	}
	if !c.in.messages.empty() {
		return unexpected("handshake data in the same record after Finished")
	}
	if !hmac.Equal(f.verifyData, hs.finished(!c.isClient).verifyData) {
		return misbehaved(AlertDecryptError, "Finished does not match the handshake")
	}
	hs.received(raw)
	c.in.maxRecord = maxUnifiedHeaderLen + hs.read.maxCiphertext()
	return nil
}

// deriveMaster derives the secrets that follow the server's Finished, and passes the endpoint pair
// shared secret to the driver: the peer may use it as soon as it has received that Finished. See
// RFC 6083, Section 4.8.
func (hs *handshake13) deriveMaster(c *Conn) error {
	hs.master = hs.handshake.master()
	hs.handshake.forget()
	sum := hs.transcript.sum()
	hs.application = trafficPair{hs.keyed(hs.master.clientTraffic(sum)),
		hs.keyed(hs.master.serverTraffic(sum))}
	if err := hs.log(c, "CLIENT_TRAFFIC_SECRET_0", hs.application.client.secret); err != nil {
		return err
	}
	if err := hs.log(c, "SERVER_TRAFFIC_SECRET_0", hs.application.server.secret); err != nil {
		return err
	}
	hs.export = &exporter{secret: hs.master.exporter(sum), derive: hs.keySchedule.export13}
	if err := hs.log(c, "EXPORTER_SECRET", hs.export.secret); err != nil {
		return err
	}
	endpoint, err := hs.export.export(c.config.endpointSecretLabel(VersionDTLS13), nil,
		endpointSecretLen)
	if err != nil {
		return err
	}
	c.pushData(EventInstallKey, endpoint)
	return nil
}

// prove sends Certificate and CertificateVerify. See RFC 8446, Section 4.4.
func (hs *handshake13) prove(c *Conn, own *credential, scheme tls.SignatureScheme, withStaple bool,
	context string) error {
	shown := new(certificate13)
	for _, der := range own.chain {
		shown.entries = append(shown.entries, certificateEntry{data: der})
	}
	if withStaple {
		shown.entries[0].ocspResponse = own.staple
	}
	if err := hs.send(c, shown); err != nil {
		return err
	}
	c.pushStep(func() error {
		signature, err := sign(own.signer, scheme, signed13(context, hs.transcript.sum()))
		if err != nil {
			return err
		}
		return hs.send(c, &certificateVerify{scheme, signature})
	})
	return nil
}

// chain returns the credential in the peer's Certificate message. requested are the extensions of
// the message that requested it, which limit the extensions in the answer.
func (m *certificate13) chain(rawKey bool, requested *extensions, in place) (*peerCredential,
	error) {
	if len(m.context) > 0 {
		return nil, illegal("Certificate in a handshake has a context")
	}
	var der [][]byte
	for i := range m.entries {
		if err := m.entries[i].unsolicited(requested, in); err != nil {
			return nil, err
		}
		der = append(der, m.entries[i].data)
	}
	if rawKey && len(der) > 1 {
		return nil, illegal("%d raw public keys in place of one", len(der))
	}
	return parsePeerCredential(rawKey, der)
}

// complete queues the end of the handshake. The negotiated state takes effect once everything that
// this side sends has been handed out.
func (hs *handshake13) complete(c *Conn) {
	hs.forgetStages()
	c.pushThen(func() error {
		c.handshake = nil
		hs.state.HandshakeComplete = true
		hs.state.Handshakes = 1
		hs.state.export = hs.export
		c.agreed = hs.state
		c.handshaking = false
		c.in.warnings = 0
		if !c.isClient { // confirm does this for a client
			c.pushComplete()
		}
		c.pushThen(c.receiveHeld)
		return nil
	})
}

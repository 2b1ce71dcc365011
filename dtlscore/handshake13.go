package dtlscore

import (
	"crypto/hmac"
	"crypto/tls"
)

// handshake13 is what both sides of a DTLS 1.3 handshake have. RFC 9147,
// Section 5; RFC 8446, Section 7.1.
type handshake13 struct {
	keySchedule
	*transcript
	suite        *cipherSuite
	clientRandom [randomLen]byte

	psk       *offeredPSK // that was agreed on, nil if certificates authenticate
	handshake handshakeSecret
	master    masterSecret
	traffic   trafficPair // of epoch 2

	application trafficPair // of epoch 3
	read, write recordForm  // likewise, from and to the peer
	export      *exporter

	state ConnectionState // becomes the connection's when the handshake is complete
}

// A trafficPair is the traffic secrets of both directions.
type trafficPair struct{ client, server []byte }

func (p *trafficPair) forget() {
	clear(p.client)
	clear(p.server)
}

func (p *trafficPair) of(client bool) []byte {
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

// forgetStages overwrites what nothing is derived from after the handshake.
func (hs *handshake13) forgetStages() {
	hs.psk.forget()
	hs.handshake.forget()
	hs.master.forget()
	hs.traffic.forget()
}

// choose takes what the first answer of the server settles.
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

// deriveHandshake goes from the hellos to epoch 2, in both directions. shared
// is the result of the key agreement.
func (hs *handshake13) deriveHandshake(c *Conn, shared []byte) error {
	early := hs.early(hs.psk.secret())
	hs.handshake = early.handshake(shared)
	early.forget()
	clear(shared)
	sum := hs.transcript.sum()
	hs.traffic = trafficPair{hs.handshake.clientTraffic(sum), hs.handshake.serverTraffic(sum)}
	if err := hs.log(c, "CLIENT_HANDSHAKE_TRAFFIC_SECRET", hs.traffic.client); err != nil {
		return err
	}
	if err := hs.log(c, "SERVER_HANDSHAKE_TRAFFIC_SECRET", hs.traffic.server); err != nil {
		return err
	}
	// Bytes before and after a change of keys must not become one message.
	if !c.in.messages.empty() {
		return unexpected("more of the handshake in the record with the last plaintext message")
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

// readEpoch makes the keys with which the peer writes in an epoch.
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

// writeEpoch makes the keys with which we write in an epoch.
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
	return hs.trafficKeys(hs.suite.aead, secrets.of(ofClient))
}

func (hs *handshake13) log(c *Conn, label string, secret []byte) error {
	if err := c.config.logSecret(label, hs.clientRandom[:], secret); err != nil {
		return misuse("Config.KeyLogWriter: %w", err)
	}
	return nil
}

// finished is the Finished message of one side, in the place of the
// transcript where it stands.
func (hs *handshake13) finished(byClient bool) *finished {
	return &finished{hs.finished13(hs.traffic.of(byClient), hs.transcript.sum())}
}

// peerFinished checks the Finished message of the peer.
func (hs *handshake13) peerFinished(c *Conn, m message, raw handshakeMessage) error {
	f, ok := m.(*finished)
	if !ok {
		return unexpectedMessage(m, typeFinished)
	}
	if !c.in.messages.empty() {
		return unexpected("more of the handshake in the record with Finished")
	}
	if !hmac.Equal(f.verifyData, hs.finished(!c.isClient).verifyData) {
		return misbehaved(AlertDecryptError, "Finished does not fit the handshake")
	}
	hs.received(raw)
	c.in.maxRecord = maxUnifiedHeaderLen + hs.read.maxCiphertext()
	return nil
}

// deriveMaster goes on from the server's Finished, and gives the driver the
// secret that both ends export: the peer may use it as soon as it has that
// Finished. RFC 6083, Section 4.8.
func (hs *handshake13) deriveMaster(c *Conn) error {
	hs.master = hs.handshake.master()
	hs.handshake.forget()
	sum := hs.transcript.sum()
	hs.application = trafficPair{hs.master.clientTraffic(sum), hs.master.serverTraffic(sum)}
	if err := hs.log(c, "CLIENT_TRAFFIC_SECRET_0", hs.application.client); err != nil {
		return err
	}
	if err := hs.log(c, "SERVER_TRAFFIC_SECRET_0", hs.application.server); err != nil {
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

// prove sends Certificate and CertificateVerify. RFC 8446, Section 4.4.
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

// chain returns what a Certificate of the peer shows. requested is the message
// that had to ask for what is in its extensions.
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

// complete queues the end of the handshake: what is agreed holds from when all
// of our part has been handed out.
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
		if !c.isClient { // for a client, confirm says when
			c.pushComplete()
		}
		c.pushThen(c.receiveHeld)
		return nil
	})
}

package dtlscore

import (
	"crypto/hmac"
)

// handshake12 is what both sides of a DTLS 1.2 handshake agree on.
type handshake12 struct {
	transcript   *transcript
	suite        *cipherSuite
	clientRandom [randomLen]byte
	serverRandom [randomLen]byte
	master       []byte
	keys         keyBlock

	state ConnectionState // becomes the connection's when the handshake is complete
}

// hello takes what the two hello messages say.
func (hs *handshake12) hello(c *Conn, client *clientHello, server *serverHello, suite *cipherSuite) {
	hs.suite = suite
	hs.clientRandom, hs.serverRandom = client.random, server.random
	hs.state.Version, hs.state.CipherSuite = VersionDTLS12, suite.id
	hs.transcript.choose(VersionDTLS12, suite.hash)
	c.form = messageForm{version: VersionDTLS12, kx: suite.kx}
}

// received takes a message of the peer into the transcript.
func (hs *handshake12) received(raw handshakeMessage) {
	hs.transcript.add(raw.typ, raw.seq, raw.body)
}

// send queues a message, and takes it into the transcript.
func (hs *handshake12) send(c *Conn, m message) error {
	raw, err := c.send(m)
	if err != nil {
		return err
	}
	hs.transcript.addMessages(raw)
	return nil
}

// deriveMaster makes the master secret from the handshake up to
// ClientKeyExchange, and gives the driver the secret that both ends export
// from it: the peer may use it from now on. RFC 7627, Section 4; RFC 6083,
// Section 4.8.
func (hs *handshake12) deriveMaster(c *Conn, preMaster []byte) error {
	hs.master = extendedMasterSecret(hs.suite.hash, preMaster, hs.transcript.sum())
	clear(preMaster)
	return hs.useMaster(c)
}

// useMaster makes everything that comes from the master secret, for new keys
// in the next epoch.
func (hs *handshake12) useMaster(c *Conn) error {
	if c.in.epoch == maxEpoch12 {
		return misuse("epoch %d cannot be followed by another", c.in.epoch)
	}
	secret, err := hs.export(c.config.endpointSecretLabel(), nil, endpointSecretLen)
	if err != nil {
		return err
	}
	c.pushData(EventSecret, secret)
	if err := c.config.logSecret("CLIENT_RANDOM", hs.clientRandom[:], hs.master); err != nil {
		return misuse("Config.KeyLogWriter: %w", err)
	}
	hs.keys = newKeyBlock(hs.suite, hs.master, &hs.clientRandom, &hs.serverRandom)
	key, iv := hs.keys.serverKey, hs.keys.serverIV
	if !c.isClient {
		key, iv = hs.keys.clientKey, hs.keys.clientIV
	}
	c.in.next, err = newProtection12(hs.suite.aead, c.in.epoch+1, key, iv)
	return err
}

// endpointSecretLen is RFC 6083, Section 4.8.
const endpointSecretLen = 64

func (hs *handshake12) export(label string, context []byte, length int) ([]byte, error) {
	return export12(hs.suite.hash, hs.master, &hs.clientRandom, &hs.serverRandom, label, context, length)
}

// finish queues our ChangeCipherSpec and Finished, and before them what
// RFC 6083, Sections 4.7 and 4.8, asks for.
func (hs *handshake12) finish(c *Conn) error {
	key, iv := hs.keys.clientKey, hs.keys.clientIV
	if !c.isClient {
		key, iv = hs.keys.serverKey, hs.keys.serverIV
	}
	epoch, err := newWriteEpoch12(hs.suite, c.written.number+1, key, iv)
	if err != nil {
		return err
	}
	c.push(EventFlush)
	c.push(EventActivate)
	c.pushRecord(contentChangeCipherSpec, []byte{1})
	c.written = epoch
	return hs.send(c, &finished{hs.verifyData(c.isClient)})
}

func (hs *handshake12) verifyData(byClient bool) []byte {
	return finished12(hs.suite.hash, hs.master, byClient, hs.transcript.sum())
}

// peerFinished checks the Finished message of the peer.
func (hs *handshake12) peerFinished(c *Conn, m message, raw handshakeMessage) error {
	f, ok := m.(*finished)
	if !ok {
		return unexpectedMessage(m, typeFinished)
	}
	if !c.in.messages.empty() {
		return unexpected("more of the handshake after Finished")
	}
	if !hmac.Equal(f.verifyData, hs.verifyData(!c.isClient)) {
		return misbehaved(AlertDecryptError, "Finished does not fit the handshake")
	}
	hs.received(raw)
	return nil
}

// complete queues the end of the handshake: what is agreed holds from when all
// of our part has been handed out.
func (hs *handshake12) complete(c *Conn) {
	c.pushThen(func() error {
		hs.state.HandshakeComplete = true
		hs.state.Handshakes = c.agreed.Handshakes + 1
		hs.state.export = hs.export
		c.agreed = hs.state
		return c.completeHandshake()
	})
}

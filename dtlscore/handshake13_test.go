package dtlscore

import (
	"crypto/tls"
	"testing"
)

func testClientConfig13() *Config {
	c := testClientConfig()
	c.MinVersion, c.MaxVersion = VersionDTLS13, VersionDTLS13
	return c
}

func testServerConfig13(auth tls.ClientAuthType) *Config {
	c := testServerConfig(auth)
	c.MinVersion, c.MaxVersion = VersionDTLS13, VersionDTLS13
	return c
}

// RFC 6083, Section 4.8: the server's flight is sent under the previous key, and everything after
// the server's Finished under the new one.
func TestEventOrderFullHandshake13(t *testing.T) {
	t.Run("mutual", func(t *testing.T) {
		p := newTestPair(t, testClientConfig13(), testServerConfig13(tls.RequireAndVerifyClientCert))
		p.handshake()
		wantStory(t, p.client, []string{
			"Send ClientHello",
			"InstallKey", "PeerFinished", "AwaitDry", "ActivateKey",
			"Send Certificate", "Send CertificateVerify", "Send Finished",
			"HandshakeComplete", // by the ACK
		})
		wantStory(t, p.server, []string{
			"Send ServerHello", "Send EncryptedExtensions", "Send CertificateRequest", "Send Certificate",
			"Send CertificateVerify",
			"InstallKey", // before the client can use it, which is when it has Finished
			"Send Finished",
			"PeerFinished", "AwaitDry", "ActivateKey",
			"Send ack", // at once
			"HandshakeComplete",
		})
	})
	t.Run("server only", func(t *testing.T) {
		p := newTestPair(t, testClientConfig13(), testServerConfig13(tls.NoClientCert))
		p.handshake()
		wantStory(t, p.client, []string{
			"Send ClientHello", "InstallKey", "PeerFinished", "AwaitDry", "ActivateKey", "Send Finished",
			"HandshakeComplete",
		})
		wantStory(t, p.server, []string{
			"Send ServerHello", "Send EncryptedExtensions", "Send Certificate", "Send CertificateVerify",
			"InstallKey", "Send Finished", "PeerFinished", "AwaitDry", "ActivateKey", "Send ack",
			"HandshakeComplete",
		})
	})
	t.Run("retry", func(t *testing.T) {
		server := testServerConfig13(tls.NoClientCert)
		server.CurvePreferences = []tls.CurveID{tls.CurveP384}
		p := newTestPair(t, testClientConfig13(), server)
		p.handshake()
		wantStory(t, p.client, []string{
			"Send ClientHello", "Send ClientHello", "InstallKey", "PeerFinished", "AwaitDry", "ActivateKey",
			"Send Finished", "HandshakeComplete",
		})
		wantStory(t, p.server, []string{
			"Send ServerHello", "Send ServerHello", "Send EncryptedExtensions", "Send Certificate",
			"Send CertificateVerify",
			"InstallKey", "Send Finished", "PeerFinished", "AwaitDry", "ActivateKey", "Send ack",
			"HandshakeComplete",
		})
	})
}

// D12: fragments that overlap with a complete message may arrive after a key change, in a record
// that contains nothing else.
func TestAttackD12RepeatedAfterKeyChange(t *testing.T) {
	plain := func(typ handshakeType, seq uint16) testRecord {
		message := append(handshakeHeader{typ: typ, length: 100, seq: seq, fragmentLength: 1}.append(nil),
			0)
		h := recordHeader{contentHandshake, VersionDTLS12, 0, 77, len(message)}
		return testRecord{append(h.append(nil), message...), true}
	}
	start := func() *script13 {
		s := newScriptedServer13(t, testClientConfig13())
		s.readClientHello()
		s.serverHello()
		return s
	}
	s := start()
	s.under.receive(plain(typeServerHello, 0))
	s.wantAlive("of a message that was handled")

	s.under.receive(plain(typeEncryptedExtensions, 1))
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)

	s = start()
	both := plain(typeServerHello, 0)
	next := plain(typeEncryptedExtensions, 1)
	both.bytes = append(both.bytes, next.bytes[recordHeaderLen:]...)
	both.bytes[recordHeaderLen-1] *= 2
	s.under.receive(both)
	s.wantAlert(AlertUnexpectedMessage, ErrPeerMisbehaved)
}

// Two messages in one record get one ACK.
func TestOneACKForOneRecord(t *testing.T) {
	s := newScriptedServer13(t, testClientConfig13())
	s.completeServer(false)
	var content []byte
	for range 2 {
		content = must(appendMessage(content, s.conn.nextSendSeq,
			&newSessionTicket13{lifetime: 1, ticket: []byte{1}}))
		s.conn.nextSendSeq++
	}
	s.sendRecord(contentHandshake, content)
	s.wantAlive("tickets are welcome")
	s.wantACK(s.last())
	if n := len(s.under.sent) - s.seen; n > 0 {
		t.Errorf("%d records more were sent", n)
	}
}

package dtlscore

import (
	"crypto/tls"
	"testing"
)

// resumingConfigs are for connections that follow each other.
func resumingConfigs(auth tls.ClientAuthType) (client, server *Config) {
	client, server = testClientConfig(), testServerConfig(auth)
	client.SessionCache = NewSessionCache(10)
	server.TicketKeys = new(TicketKeys)
	return client, server
}

// Requirements 1.54, 1.60, 4.34.
func TestEventOrderResumption(t *testing.T) {
	client, server := resumingConfigs(tls.RequireAndVerifyClientCert)
	p := newTestPair(t, client, server)
	p.handshake()
	wantStory(t, p.client, []string{
		"Send ClientHello", "Send Certificate", "Send ClientKeyExchange", "Secret", "Send CertificateVerify",
		"Flush", "Activate", "Send ChangeCipherSpec", "Send Finished", "Drain", "PeerFinished", "HandshakeComplete",
	})
	wantStory(t, p.server, []string{
		"Send ServerHello", "Send Certificate", "Send ServerKeyExchange", "Send CertificateRequest", "Send ServerHelloDone",
		"Secret", "Drain", "PeerFinished",
		"Send NewSessionTicket", // before the flush
		"Flush", "Activate", "Send ChangeCipherSpec", "Send Finished", "HandshakeComplete",
	})
	p = newTestPair(t, client, server)
	p.handshake()
	wantStory(t, p.client, []string{
		"Send ClientHello",
		"Secret", // with the ServerHello
		"Drain", "PeerFinished",
		"Flush", "Activate", "Send ChangeCipherSpec", "Send Finished", "HandshakeComplete",
	})
	wantStory(t, p.server, []string{
		"Send ServerHello",
		"Secret", // before ChangeCipherSpec
		"Flush", "Activate", "Send ChangeCipherSpec", "Send Finished",
		"Drain", "PeerFinished", "HandshakeComplete",
	})
	p.exchangeData()
}

package dtlscore

import (
	"crypto/tls"
	"slices"
	"testing"
)

func TestHandshake12(t *testing.T) {
	p := newTestPair(t, testClientConfig(), testServerConfig(tls.RequireAndVerifyClientCert))
	p.handshake()
	t.Logf("%q", p.client.story)
	t.Logf("%q", p.server.story)
	p.client.write("ping")
	p.run()
	p.server.write("pong")
	p.run()
	t.Logf("%q %q", p.client.data, p.server.data)
	if len(p.client.data) != 1 || len(p.server.data) != 1 {
		t.Fatal("data lost")
	}
	if !slices.Equal(p.client.secrets[0], p.server.secrets[0]) {
		t.Fatal("secrets differ")
	}
}

package dtlscore

import (
	"crypto/tls"
	"testing"
)

func TestRenegotiation(t *testing.T) {
	client, server := testClientConfig(), testServerConfig(tls.RequireAndVerifyClientCert)
	client.Renegotiation, server.Renegotiation = RenegotiateFreely, RenegotiateFreely
	p := newTestPair(t, client, server)
	p.handshake()
	for i, e := range []*testEnd{p.client, p.server, p.client} {
		if err := e.conn.Renegotiate(); err != nil {
			t.Fatal(err)
		}
		e.obey()
		p.run()
		if p.client.done != i+2 || p.server.done != i+2 {
			t.Fatalf("%v %v %q %q", p.client.err, p.server.err, p.client.story, p.server.story)
		}
		p.exchangeData()
	}
}

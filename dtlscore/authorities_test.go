package dtlscore

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"testing"
)

// A server sends the names of the authorities that it accepts, so that a client with certificates
// of two operators chooses the right one: RFC 5246, Section 7.4.4; RFC 8446, Section 4.2.4.
func TestAuthoritiesOfClients(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	others := testCerts().ca.pool()
	for i := range 100 {
		others.AddCert(newTestAuthority(fmt.Sprintf(
			"authority %d with a name as long as those of authorities are wont to be", i)).cert)
	}
	for _, v := range eachVersion {
		t.Run(v.name, func(t *testing.T) {
			client, server := v.configs(tls.RequireAndVerifyClientCert)
			foreign := newTestAuthority("another operator").issue(key, nil)
			client.Certificates = []tls.Certificate{foreign, testCerts().client}
			p := newTestPair(t, client, server)
			p.handshake()
			state := p.server.conn.ConnectionState()
			if got := state.PeerCertificates[0].Subject.CommonName; got != "client" {
				t.Errorf("the client showed the certificate of %q", got)
			}

			var names [][]byte
			client.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
				names = info.AcceptableCAs
				return &testCerts().client, nil
			}
			newTestPair(t, client, server).handshake()
			if len(names) != 1 || string(names[0]) != string(testCerts().ca.cert.RawSubject) {
				t.Errorf("the server names %q", names)
			}
			// The names of a pool as large as the host's are not sent, because they do not fit into
			// a record.
			server.ClientCAs = others
			newTestPair(t, client, server).handshake()
			if len(names) != 0 {
				t.Errorf("the server names %d of 101 authorities", len(names))
			}
		})
	}
}

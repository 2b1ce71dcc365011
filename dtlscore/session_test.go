package dtlscore

import (
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"
)

// I1: a session that is truncated, or followed by other bytes, is invalid.
func TestAttackI1Session(t *testing.T) {
	for _, data := range fuzzSessions() {
		for n := range data {
			if parseSession(data[:n]) != nil {
				t.Fatalf("%d of %d bytes are taken", n, len(data))
			}
		}
		if parseSession(append(data[:len(data):len(data)], 0)) != nil {
			t.Error("one byte more is taken")
		}
	}
}

// A client whose certificate does not fit into a ticket gets none, and the handshake succeeds. RFC
// 5077, Section 3.3.
func TestTicketTooLarge(t *testing.T) {
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		client, server := resumingConfigs(tls.RequireAndVerifyClientCert)
		for _, c := range []*Config{client, server} {
			c.MinVersion, c.MaxVersion = version, version
		}
		key := goldenECDSA(elliptic.P256(), 6)
		client.Certificates = []tls.Certificate{testCerts().ca.issue(key, func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3},
				Value: make([]byte, maxTicketLen)}}
		})}
		for range 2 {
			p := newTestPair(t, client, server)
			p.handshake()
			if p.client.conn.ConnectionState().DidResume {
				t.Errorf("%#x: resumed", version)
			}
			p.exchangeData()
		}
		if s, ok := client.SessionCache.Get(client.ServerName); ok {
			t.Errorf("%#x: a session of %d bytes was kept", version, len(s))
		}
	}
}

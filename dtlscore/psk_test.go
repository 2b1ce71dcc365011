package dtlscore

import (
	"bytes"
	"testing"
)

var testPSK = PSK{Identity: []byte("client 1"), Key: bytes.Repeat([]byte{0xa5}, minPSKLen)}

// pskConfigs know each other by a pre-shared key alone.
func pskConfigs() (client, server *Config) {
	client = &Config{
		MaxVersion: VersionDTLS12, Time: testNow,
		GetPSK: func([]byte) (*PSK, error) { return &testPSK, nil },
	}
	server = &Config{
		MaxVersion: VersionDTLS12, Time: testNow,
		LookupPSK: func(identity []byte) (*PSK, error) {
			if !bytes.Equal(identity, testPSK.Identity) {
				return nil, nil
			}
			return &testPSK, nil
		},
	}
	return client, server
}

// Requirements 4.36, 4.37.
func TestPSK12(t *testing.T) {
	for _, suite := range []uint16{
		TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256, TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384, TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256,
		TLS_PSK_WITH_AES_128_GCM_SHA256, TLS_PSK_WITH_AES_256_GCM_SHA384,
	} {
		client, server := pskConfigs()
		client.CipherSuites, server.CipherSuites = []uint16{suite}, []uint16{suite}
		p := newTestPair(t, client, server)
		p.handshake()
		for _, e := range []*testEnd{p.client, p.server} {
			s := e.conn.ConnectionState()
			if s.CipherSuite != suite || !bytes.Equal(s.PSKIdentity, testPSK.Identity) || s.PeerCertificates != nil {
				t.Errorf("%s: %+v", e.name, s)
			}
			if hasECDHE := suiteByID(suite, VersionDTLS12).kx.hasECDHE(); hasECDHE != (s.CurveID != 0) {
				t.Errorf("%s: group %v", e.name, s.CurveID)
			}
		}
		p.exchangeData()
	}
}

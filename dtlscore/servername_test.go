package dtlscore

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"slices"
	"testing"
)

// An IPv6 address may be written as in a URL, and with a zone. Neither is part of what is verified,
// and addresses are not sent in server_name: RFC 6066, Section 3.
func TestServerNames(t *testing.T) {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	cert := testCerts().ca.issue(key, func(c *x509.Certificate) {
		c.DNSNames = []string{testName}
		for _, ip := range []string{"::1", "fe80::1", "192.0.2.1"} {
			c.IPAddresses = append(c.IPAddresses, net.ParseIP(ip))
		}
	})
	for _, tt := range []struct{ name, sni string }{
		{"::1", ""}, {"[::1]", ""}, {"fe80::1%eth0", ""}, {"[fe80::1%eth0]", ""},
		{"[fe80::1%25eth0]", ""}, {"fe80::1", ""},
		{"192.0.2.1", ""}, {"[192.0.2.1]", ""}, {"::ffff:192.0.2.1", ""}, {testName, testName},
		{testName + ".", testName},
	} {
		for _, v := range eachVersion {
			client, server := resumingConfigs(tls.NoClientCert)
			v.set(client, server)
			client.ServerName, server.Certificates = tt.name, []tls.Certificate{cert}
			for _, resumed := range []bool{false, true} {
				p := newTestPair(t, client, server)
				p.start()
				p.run()
				s := p.server.conn.ConnectionState()
				if p.client.err != nil || p.server.err != nil || s.ServerName != tt.sni ||
					s.DidResume != resumed {
					t.Errorf("%s, %q: client %v, server %v, server_name %q, resumed %v", v.name, tt.name,
						p.client.err, p.server.err, s.ServerName, s.DidResume)
				}
			}
		}
	}
	for name, want := range map[string]string{
		"192.0.2.1.": "", "192.0.2.1%1": "", "a%b": "a%b", "[a]": "[a]", "[::1": "", "::1]": "::1]",
		"%": "%", "": "", ".": "", "a..": "a",
	} {
		if got := sniName(name); got != want {
			t.Errorf("server_name for %q is %q, want %q", name, got, want)
		}
	}
	client := testClientConfig()
	client.ServerName = "[fe80::2%eth0]"
	p := newTestPair(t, client, &Config{Certificates: []tls.Certificate{cert}, Time: testNow})
	p.start()
	p.run()
	wantDead(t, p.client, AlertBadCertificate, ErrPeerUntrusted)
}

// RFC 6066, Section 3: a server that resumes a session does not answer server_name.
func TestServerNameAnswer(t *testing.T) {
	for _, v := range eachVersion {
		client, server := resumingConfigs(tls.NoClientCert)
		v.set(client, server)
		for _, resumed := range []bool{false, true} {
			p := newTestPair(t, client, server)
			var answered bool
			p.server.before = func(a *action) {
				hello, ee := new(serverHello), new(encryptedExtensions)
				switch {
				case a.content != contentHandshake:
				case handshakeType(a.data[0]) == typeServerHello &&
					hello.parse(a.data[handshakeHeaderLen:]) == nil:
					answered = answered || hello.serverNameUsed
				case handshakeType(a.data[0]) == typeEncryptedExtensions &&
					ee.parse(a.data[handshakeHeaderLen:]) == nil:
					answered = answered || ee.serverNameUsed
				}
			}
			p.handshake()
			if answered == resumed {
				t.Errorf("%s, resumed %v: server_name was answered: %v", v.name, resumed, answered)
			}
		}
	}
}

// A11: a client that authenticates its server with a pre-shared key or a raw public key does not
// accept a certificate of the host's authorities, although it has a name for server_name and the
// session cache.
func TestAttackA11HostAuthoritiesForPSK(t *testing.T) {
	key := &PSK{Identity: []byte("client"), Key: bytes.Repeat([]byte{1}, 32)}
	for name, only := range map[string]func(*Config){
		"GetPSK":       func(c *Config) { c.GetPSK = func([]byte) (*PSK, error) { return key, nil } },
		"VerifyRawKey": func(c *Config) { c.VerifyRawKey = trusts(testCerts().rsa.Leaf.PublicKey) },
		"both, and VerifyConnection": func(c *Config) {
			c.GetPSK = func([]byte) (*PSK, error) { return key, nil }
			c.VerifyRawKey = trusts(testCerts().rsa.Leaf.PublicKey)
			c.VerifyConnection = func(ConnectionState) error { return nil }
		},
	} {
		for _, v := range eachVersion {
			client, server := v.configs(tls.NoClientCert)
			client.RootCAs, client.Certificates = nil, nil
			only(client)
			p := newTestPair(t, client, server)
			p.start()
			p.run()
			if p.client.err == nil || errors.Is(p.client.err, ErrPeerUntrusted) {
				t.Errorf("%s, %s: a certificate was looked at: %v", name, v.name, p.client.err)
			}
			client.RootCAs = testCerts().ca.pool() // a client with authorities wants certificates too
			newTestPair(t, client, server).handshake()
		}
	}
	if !slices.Equal((&Config{ServerName: testName}).versions(true), implementedVersions) {
		t.Error("the host's authorities are not for anybody")
	}
}

package dtlscore

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
)

// startNaming starts the pair with a client that names authorities in its ClientHello.
func (p *testPair) startNaming(authorities ...[]byte) {
	p.t.Helper()
	c := p.client.conn
	hello := must(c.newClientHello())
	hello.certificateAuthorities = authorities
	s := &clientWaitServerHello{hello: hello}
	if hello.supportedVersions != nil {
		if err := s.offer13(c); err != nil {
			p.t.Fatal(err)
		}
	}
	c.started, c.handshaking, c.state = true, true, s
	if err := errors.Join(s.sendHello(c), p.server.conn.Start()); err != nil {
		p.t.Fatal(err)
	}
	p.client.obey()
}

// testKinds are a P-256 certificate of each of two authorities, and certificates that differ from
// the first one in one respect.
type testKinds struct {
	other                           *testAuthority
	own, foreign, otherName, p384   tls.Certificate
	pssOnly, byIntermediate, broken tls.Certificate
}

func newTestKinds() *testKinds {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	k := &testKinds{other: newTestAuthority("another operator")}
	k.own, k.foreign = testCerts().ecdsa, k.other.issue(key, nil)
	k.otherName = testCerts().ca.issue(key,
		func(c *x509.Certificate) { c.DNSNames = []string{"other.example"} })
	k.p384 = testCerts().p384
	k.pssOnly = testCerts().rsa
	k.pssOnly.SupportedSignatureAlgorithms = []tls.SignatureScheme{tls.PSSWithSHA512}
	intermediateKey := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	intermediate := &testAuthority{newTestCertificate(intermediateKey, k.other,
		func(c *x509.Certificate) {
			c.Subject.CommonName, c.IsCA, c.KeyUsage = "intermediate", true, x509.KeyUsageCertSign
		}), intermediateKey}
	k.byIntermediate = intermediate.issue(key, nil)
	k.byIntermediate.Certificate = append(k.byIntermediate.Certificate, intermediate.cert.Raw)
	k.broken = tls.Certificate{Certificate: k.own.Certificate} // without a key
	return k
}

// A server with several certificates sends one that the client can use and prefers, or else one
// that it can use.
func TestCertificateChoice(t *testing.T) {
	k := newTestKinds()
	own, foreign := testCerts().ca.cert.RawSubject, k.other.cert.RawSubject
	anybody := func(c *Config) { c.InsecureSkipVerify = true }
	only := func(schemes ...uint16) func(*Config) {
		return func(c *Config) { c.CipherSuites = schemes }
	}
	type certificates []*tls.Certificate
	for _, tt := range []struct {
		name           string
		versions       []uint16 // nil: both
		client, server func(*Config)
		authorities    [][]byte
		certificates   certificates
		want           *tls.Certificate
	}{
		{name: "the first", certificates: certificates{&k.own, &k.foreign}, want: &k.own},
		{name: "for the name", certificates: certificates{&k.otherName, &k.own}, want: &k.own},
		{name: "none for the name", certificates: certificates{&k.otherName}, want: &k.otherName},
		{name: "by the authority", authorities: [][]byte{foreign},
			certificates: certificates{&k.own, &k.foreign}, want: &k.foreign},
		{name: "by one of the authorities", authorities: [][]byte{[]byte("?"), foreign},
			certificates: certificates{&k.own, &k.foreign}, want: &k.foreign},
		{name: "the first by an authority", authorities: [][]byte{foreign, own},
			certificates: certificates{&k.own, &k.foreign}, want: &k.own},
		{name: "through an intermediate", authorities: [][]byte{foreign},
			certificates: certificates{&k.own, &k.byIntermediate}, want: &k.byIntermediate},
		{name: "by no authority", authorities: [][]byte{[]byte("?")},
			certificates: certificates{&k.own, &k.foreign}, want: &k.own},
		{name: "the name before the authority", authorities: [][]byte{own},
			certificates: certificates{&k.otherName, &k.foreign}, want: &k.foreign},
		{name: "one with a key", certificates: certificates{&k.broken, &k.own}, want: &k.own},
		{name: "a server of RSA suites", versions: []uint16{VersionDTLS12},
			server:       only(TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
			certificates: certificates{&k.own, &k.pssOnly}, want: &k.pssOnly},
		{name: "a client of RSA suites", versions: []uint16{VersionDTLS12},
			client:       only(TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
			certificates: certificates{&k.own, &k.pssOnly}, want: &k.pssOnly},
		{name: "what can be used before the name", versions: []uint16{VersionDTLS12},
			client:       only(TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
			certificates: certificates{&k.pssOnly, &k.otherName}, want: &k.otherName},
		{name: "a client without the curve", versions: []uint16{VersionDTLS12},
			client:       func(c *Config) { c.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256} },
			certificates: certificates{&k.p384, &k.own}, want: &k.own},
		{name: "1.3 leaves the curve open", versions: []uint16{VersionDTLS13},
			client:       func(c *Config) { c.CurvePreferences = []tls.CurveID{tls.X25519} },
			certificates: certificates{&k.p384, &k.own}, want: &k.p384},
	} {
		for _, v := range eachVersion {
			if tt.versions != nil && tt.versions[0] != v.number {
				continue
			}
			t.Run(tt.name+"/"+v.name, func(t *testing.T) {
				client, server := v.configs(tls.NoClientCert)
				client.MinVersion, client.MaxVersion = 0, 0 // the server's versions matter
				if tt.client != nil {
					v.set(client)
					tt.client(client)
				}
				if tt.server != nil {
					tt.server(server)
				}
				anybody(client)
				server.Certificates = nil
				for _, cert := range tt.certificates {
					server.Certificates = append(server.Certificates, *cert)
				}
				p := newTestPair(t, client, server)
				p.startNaming(tt.authorities...)
				p.run()
				if p.client.err != nil || p.server.err != nil {
					t.Fatalf("client %v, server %v", p.client.err, p.server.err)
				}
				if got := p.client.conn.ConnectionState().PeerCertificates[0].Raw; string(got) != string(
					tt.want.Certificate[0]) {
					t.Errorf("the server showed certificate %x", got[:64])
				}
			})
		}
	}
}

// A client that can use none of the certificates can still negotiate a cipher suite with a
// pre-shared key.
func TestNoCertificateButPSK(t *testing.T) {
	key := &PSK{Identity: []byte("client"), Key: make([]byte, 32)}
	client, server := testClientConfig(), testServerConfig(tls.NoClientCert)
	client.GetPSK = func([]byte) (*PSK, error) { return key, nil }
	server.LookupPSK = func([]byte) (*PSK, error) { return key, nil }
	client.CurvePreferences = []tls.CurveID{tls.X25519} // without the certificate's curve
	p := newTestPair(t, client, server)
	p.handshake()
	if id := p.server.conn.ConnectionState().PSKIdentity; string(id) != "client" {
		t.Errorf("the client is %q", id)
	}
}

// As documented in crypto/tls, Context and SupportsCertificate of ClientHelloInfo work in
// callbacks, and the latter considers the server's own versions, suites and groups. AcceptableCAs
// returns the authorities that the client names.
func TestClientHelloInfo(t *testing.T) {
	k := newTestKinds()
	type key struct{}
	for _, v := range eachVersion {
		t.Run(v.name, func(t *testing.T) {
			client, server := v.configs(tls.NoClientCert)
			client.MinVersion, client.MaxVersion, client.InsecureSkipVerify = 0, 0, true
			server.CipherSuites = []uint16{TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256}
			certificates := []tls.Certificate{k.own, testCerts().rsa}
			calls := 0
			look := func(info *tls.ClientHelloInfo) (supported []bool) {
				calls++
				for _, cert := range certificates {
					supported = append(supported, info.SupportsCertificate(&cert) == nil)
				}
				if info.Context().Value(key{}) != "driver's" {
					t.Error("Context is not that of the driver")
				}
				if names := AcceptableCAs(info); len(names) != 1 || string(names[0]) != "operator" {
					t.Errorf("AcceptableCAs: %q", names)
				}
				return supported
			}
			server.GetConfigForClient = func(info *tls.ClientHelloInfo) (*Config, error) {
				look(info)
				return nil, nil
			}
			server.Certificates = nil
			server.GetCertificate = func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
				supported := look(info)
				if want := v.number == VersionDTLS13; supported[0] != want || !supported[1] {
					t.Errorf("SupportsCertificate of ECDSA and RSA with RSA suites: %v", supported)
				}
				return &certificates[1], nil
			}
			p := newTestPair(t, client, server)
			p.server.conn.SetContext(context.WithValue(context.Background(), key{}, "driver's"), nil)
			p.startNaming([]byte("operator"))
			p.run()
			if p.client.err != nil || p.server.err != nil || calls != 2 {
				t.Errorf("client %v, server %v, %d calls", p.client.err, p.server.err, calls)
			}
		})
	}
	if AcceptableCAs(new(tls.ClientHelloInfo)) != nil {
		t.Error("authorities of nobody")
	}
}

// Context of a CertificateRequestInfo is never nil.
func TestCertificateRequestInfo(t *testing.T) {
	for _, v := range eachVersion {
		client, server := v.configs(tls.RequireAndVerifyClientCert)
		called := false
		client.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
			called = info.Context() != nil && info.SupportsCertificate(&testCerts().client) == nil
			return &testCerts().client, nil
		}
		newTestPair(t, client, server).handshake()
		if !called {
			t.Errorf("%s: GetClientCertificate was not called, or without a context", v.name)
		}
	}
}

package dtlscore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
)

const testName = "server.example"

// testTime is a time at which all test certificates are valid.
var testTime = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

// A testAuthority issues certificates.
type testAuthority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

var serials struct {
	sync.Mutex
	next int64
}

// newTestCertificate returns a signed certificate, which is self-signed if issuer is nil.
func newTestCertificate(key crypto.Signer, issuer *testAuthority,
	change func(*x509.Certificate)) *x509.Certificate {
	serials.Lock()
	serials.next++
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(serials.next),
		Subject:               pkix.Name{CommonName: testName},
		NotBefore:             testTime.Add(-24 * time.Hour),
		NotAfter:              testTime.Add(24 * time.Hour),
		BasicConstraintsValid: true,
	}
	serials.Unlock()
	if change != nil {
		change(template)
	}
	var by *tls.Certificate
	if issuer != nil {
		by = &tls.Certificate{Leaf: issuer.cert, PrivateKey: issuer.key}
	}
	return testpki.Issue(by, key, *template).Leaf
}

func newTestAuthority(name string) *testAuthority {
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	cert := newTestCertificate(key, nil, func(c *x509.Certificate) {
		c.Subject.CommonName = name
		c.IsCA = true
		c.KeyUsage = x509.KeyUsageCertSign
	})
	return &testAuthority{cert, key}
}

func (a *testAuthority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// issue issues a certificate for both clients and servers.
func (a *testAuthority) issue(key crypto.Signer, change func(*x509.Certificate)) tls.Certificate {
	cert := newTestCertificate(key, a, func(c *x509.Certificate) {
		c.DNSNames = []string{testName}
		c.KeyUsage = x509.KeyUsageDigitalSignature
		c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		if change != nil {
			change(c)
		}
	})
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// testCertificates has a certificate of each kind.
type testCertificates struct {
	ca                        *testAuthority
	ecdsa, p384, rsa, ed25519 tls.Certificate
	client                    tls.Certificate
}

// testCerts generates them once, because RSA is slow.
var testCerts = sync.OnceValue(func() *testCertificates {
	c := &testCertificates{ca: newTestAuthority("test CA")}
	c.ecdsa = c.ca.issue(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), nil)
	c.p384 = c.ca.issue(must(ecdsa.GenerateKey(elliptic.P384(), rand.Reader)), nil)
	c.rsa = c.ca.issue(must(rsa.GenerateKey(rand.Reader, minRSABits)), nil)
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	c.ed25519 = c.ca.issue(must(edKey, err), nil)
	c.client = c.ca.issue(must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)),
		func(c *x509.Certificate) {
			c.Subject.CommonName = "client"
		})
	return c
})

func testNow() time.Time { return testTime }

// testClientConfig returns a client that verifies the server and has a certificate.
func testClientConfig() *Config {
	return &Config{
		RootCAs:      testCerts().ca.pool(),
		ServerName:   testName,
		Certificates: []tls.Certificate{testCerts().client},
		MaxVersion:   VersionDTLS12,
		Time:         testNow,
	}
}

func testServerConfig(auth tls.ClientAuthType) *Config {
	return &Config{
		Certificates: []tls.Certificate{testCerts().ecdsa},
		ClientCAs:    testCerts().ca.pool(),
		ClientAuth:   auth,
		MaxVersion:   VersionDTLS12,
		Time:         testNow,
	}
}

// A testVersion is what a test of both versions needs to know about one.
type testVersion struct {
	name   string
	number uint16
}

var eachVersion = []testVersion{{"DTLS1.2", VersionDTLS12}, {"DTLS1.3", VersionDTLS13}}

// set restricts configurations to the version.
func (v testVersion) set(configs ...*Config) {
	for _, c := range configs {
		c.MinVersion, c.MaxVersion = v.number, v.number
	}
}

func (v testVersion) configs(auth tls.ClientAuthType) (client, server *Config) {
	client, server = testClientConfig(), testServerConfig(auth)
	v.set(client, server)
	return client, server
}

// tls returns the number of the TLS version.
func (v testVersion) tls() uint16 {
	if v.number == VersionDTLS13 {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

// Package testpki has certificates for tests: one authority, a server called “server.example”
// and a client. They live from the beginning of synctest's time to long after.
package testpki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"sync"
	"time"
)

// ServerName is the name in the server's certificates.
const ServerName = "server.example"

// A PKI is one authority and what it has issued.
type PKI struct {
	Roots                   *x509.CertPool
	Server, Renewed, Client tls.Certificate // Renewed is another one of the server

	ca     *x509.Certificate
	caKey  *ecdsa.PrivateKey
	serial int64
}

// Get returns the same PKI always. With testing/synctest it has to be called outside of a bubble
// first, for it is shared.
var Get = sync.OnceValue(func() *PKI {
	p := &PKI{Roots: x509.NewCertPool(), caKey: newKey()}
	ca := p.template("authority")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	p.ca = ca
	var err error
	if p.ca, err = x509.ParseCertificate(p.sign(ca, p.caKey)); err != nil {
		panic(err)
	}
	p.Roots.AddCert(p.ca)
	p.Server = p.Issue(ServerName, x509.ExtKeyUsageServerAuth)
	p.Renewed = p.Issue(ServerName, x509.ExtKeyUsageServerAuth)
	p.Client = p.Issue("client.example", x509.ExtKeyUsageClientAuth)
	return p
})

func newKey() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
}

func (p *PKI) template(name string) *x509.Certificate {
	p.serial++
	return &x509.Certificate{
		SerialNumber: big.NewInt(p.serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC),
		DNSNames:     []string{name},
	}
}

func (p *PKI) sign(t *x509.Certificate, k *ecdsa.PrivateKey) []byte {
	der, err := x509.CreateCertificate(rand.Reader, t, p.ca, &k.PublicKey, p.caKey)
	if err != nil {
		panic(err)
	}
	return der
}

// Issue returns a certificate for a name. It must not be called concurrently.
func (p *PKI) Issue(name string, usage x509.ExtKeyUsage) tls.Certificate {
	k, t := newKey(), p.template(name)
	t.KeyUsage, t.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{usage}
	return tls.Certificate{Certificate: [][]byte{p.sign(t, k)}, PrivateKey: k}
}

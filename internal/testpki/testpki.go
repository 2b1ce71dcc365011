// Package testpki makes certificates for tests. Its functions panic where they cannot.
package testpki

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
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"os"
	"sync/atomic"
	"time"
)

// NewKey makes a key of a kind: "P-224", "P-256", "P-384", "P-521", "Ed25519", "RSA 1024",
// "RSA 2048" or "RSA 4096".
func NewKey(kind string) (key crypto.Signer) {
	var err error
	switch kind {
	case "RSA 1024":
		key, err = rsa.GenerateKey(rand.Reader, 1024)
	case "RSA 2048":
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	case "RSA 4096":
		key, err = rsa.GenerateKey(rand.Reader, 4096)
	case "Ed25519":
		_, key, err = ed25519.GenerateKey(rand.Reader)
	default:
		curve := map[string]elliptic.Curve{"P-224": elliptic.P224(), "P-256": elliptic.P256(),
			"P-384": elliptic.P384(), "P-521": elliptic.P521()}[kind]
		key, err = ecdsa.GenerateKey(curve, rand.Reader)
	}
	return must(key, err)
}

// CA returns the template of an authority.
func CA(name string) x509.Certificate {
	return x509.Certificate{
		Subject:               pkix.Name{CommonName: name},
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
}

// End returns the template of a client and server. Each name is a DNS name or an IP address; the
// first is also the common name.
func End(names ...string) x509.Certificate {
	template := x509.Certificate{
		Subject:               pkix.Name{CommonName: names[0]},
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return template
}

var serial atomic.Int64

// Issue returns a certificate for key, with its Leaf. The issuer is the certificate itself if nil,
// the key a new one on P-256 if nil. A template without a serial number gets another one each time;
// one without an end of validity is valid from before the start of synctest's clock, 2000, to 2099.
func Issue(issuer *tls.Certificate, key crypto.Signer, template x509.Certificate) tls.Certificate {
	if key == nil {
		key = NewKey("P-256")
	}
	if template.SerialNumber == nil {
		template.SerialNumber = big.NewInt(time.Now().UnixNano() + serial.Add(1))
	}
	if template.NotAfter.IsZero() {
		template.NotBefore = time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)
		template.NotAfter = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if issuer == nil {
		issuer = &tls.Certificate{Leaf: &template, PrivateKey: key}
	}
	der := must(x509.CreateCertificate(rand.Reader, &template, issuer.Leaf, key.Public(),
		issuer.PrivateKey))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key,
		Leaf: must(x509.ParseCertificate(der))}
}

// SelfSigned returns a certificate for both roles that is its own authority, and a pool of it.
func SelfSigned(names ...string) (tls.Certificate, *x509.CertPool) {
	template := End(names...)
	template.IsCA = true
	template.KeyUsage |= x509.KeyUsageCertSign
	c := Issue(nil, nil, template)
	return c, Pool(c)
}

// Pool returns a pool of certificates.
func Pool(certs ...tls.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c.Leaf)
	}
	return pool
}

// CertPEM returns the chain of a certificate in PEM.
func CertPEM(c tls.Certificate) (b []byte) {
	for _, der := range c.Certificate {
		b = append(b, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	return b
}

// KeyPEM returns the private key of a certificate in PEM.
func KeyPEM(c tls.Certificate) []byte {
	der := must(x509.MarshalPKCS8PrivateKey(c.PrivateKey))
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// WriteFiles writes the chain of a certificate to certFile, and its key to keyFile.
func WriteFiles(c tls.Certificate, certFile, keyFile string) {
	err := os.WriteFile(certFile, CertPEM(c), 0o600)
	must(struct{}{}, errors.Join(err, os.WriteFile(keyFile, KeyPEM(c), 0o600)))
}

// PublicKey returns a new public key on P-256, and its encoding as a SubjectPublicKeyInfo.
func PublicKey() (key crypto.PublicKey, spki []byte) {
	key = NewKey("P-256").Public()
	return key, must(x509.MarshalPKIXPublicKey(key))
}

// URI parses a URI for a template.
func URI(s string) *url.URL { return must(url.Parse(s)) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

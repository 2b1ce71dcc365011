// Package certs makes the certificates of both ends, with keys on P-256.
package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

// Name is what the server's certificate is for.
const Name = "server.test"

// A Set is an authority and the certificates that it issued.
type Set struct {
	CA             *x509.CertPool
	Client, Server tls.Certificate

	ca []byte
}

// New makes a Set.
func New() (*Set, error) {
	ca, err := issue("ca", nil)
	if err != nil {
		return nil, err
	}
	s := &Set{CA: x509.NewCertPool(), ca: ca.Certificate[0]}
	s.CA.AddCert(ca.Leaf)
	var failed [2]error
	s.Client, failed[0] = issue("client", &ca)
	s.Server, failed[1] = issue(Name, &ca)
	return s, errors.Join(failed[:]...)
}

func issue(name string, by *tls.Certificate) (c tls.Certificate, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: name},
		DNSNames:              []string{name},
		NotBefore:             time.Now().AddDate(0, 0, -2), // a guest's clock may be late
		NotAfter:              time.Now().AddDate(0, 1, 0),
		IsCA:                  by == nil,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	issuer := &tls.Certificate{PrivateKey: key, Leaf: template}
	if by == nil {
		template.KeyUsage = x509.KeyUsageCertSign
	} else {
		issuer = by
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.Leaf, &key.PublicKey,
		issuer.PrivateKey)
	if err != nil {
		return c, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// Write leaves the Set in folder as ca.pem, client.pem and server.pem, the last two with their
// keys.
func (s *Set) Write(folder string) error {
	write := func(name string, blocks ...*pem.Block) error {
		var b []byte
		for _, block := range blocks {
			b = append(b, pem.EncodeToMemory(block)...)
		}
		return os.WriteFile(filepath.Join(folder, name), b, 0o600)
	}
	certificate := func(der []byte) *pem.Block { return &pem.Block{Type: "CERTIFICATE", Bytes: der} }
	failed := []error{write("ca.pem", certificate(s.ca))}
	for name, c := range map[string]tls.Certificate{"client.pem": s.Client, "server.pem": s.Server} {
		key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
		failed = append(failed, err, write(name, certificate(c.Certificate[0]),
			&pem.Block{Type: "PRIVATE KEY", Bytes: key}))
	}
	return errors.Join(failed...)
}

// Read returns what Write has left in folder.
func Read(folder string) (*Set, error) {
	s := &Set{CA: x509.NewCertPool()}
	ca, err := os.ReadFile(filepath.Join(folder, "ca.pem"))
	if err != nil {
		return nil, err
	}
	if !s.CA.AppendCertsFromPEM(ca) {
		return nil, errors.New("certs: no certificate in ca.pem")
	}
	read := func(name string) (tls.Certificate, error) {
		file := filepath.Join(folder, name)
		return tls.LoadX509KeyPair(file, file)
	}
	var failed [2]error
	s.Client, failed[0] = read("client.pem")
	s.Server, failed[1] = read("server.pem")
	return s, errors.Join(failed[:]...)
}

// Package certs generates certificates of both ends, with P-256 keys.
package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"

	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
)

// Name is the host name in the server's certificate.
const Name = "server.test"

// A Set is an authority and the certificates that it issued.
type Set struct {
	CA             *x509.CertPool
	Client, Server tls.Certificate

	ca tls.Certificate
}

// New generates a Set.
func New() *Set {
	ca := testpki.Issue(nil, nil, testpki.CA("ca"))
	return &Set{
		CA:     testpki.Pool(ca),
		Client: testpki.Issue(&ca, nil, testpki.End("client")),
		Server: testpki.Issue(&ca, nil, testpki.End(Name)),
		ca:     ca,
	}
}

// Write writes the Set to folder as ca.pem, client.pem and server.pem, the last two with private
// keys.
func (s *Set) Write(folder string) error {
	failed := []error{os.WriteFile(filepath.Join(folder, "ca.pem"), testpki.CertPEM(s.ca), 0o600)}
	for name, c := range map[string]tls.Certificate{"client.pem": s.Client, "server.pem": s.Server} {
		b := append(testpki.CertPEM(c), testpki.KeyPEM(c)...)
		failed = append(failed, os.WriteFile(filepath.Join(folder, name), b, 0o600))
	}
	return errors.Join(failed...)
}

// Read reads a Set that Write has written.
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

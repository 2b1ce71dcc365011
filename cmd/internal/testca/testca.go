// Package testca issues certificates for trying things out, from a CA whose key is discarded.
package testca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"time"
)

// Options say which certificates to issue.
type Options struct {
	Hosts []string // names and addresses in the server's certificate
	Days  int      // validity of the certificates in days
	RSA   bool     // 2048-bit RSA keys instead of P-256
}

// A File is a file to write.
type File struct {
	// “ca.pem”, “server.pem”, “server-key.pem”, “client.pem” or “client-key.pem”
	Name string
	Mode fs.FileMode
	PEM  []byte
}

// Make returns the files of a CA, a server and a client. They are valid from an hour before now,
// because clocks differ.
func Make(o Options, now time.Time) ([]File, error) {
	m := certMaker{
		notBefore: now.Add(-time.Hour),
		notAfter:  now.AddDate(0, 0, o.Days),
		rsa:       o.RSA,
	}

	// CAs created in the same second have different names: a client looks for the names that a
	// server accepts.
	ca := &x509.Certificate{
		Subject: pkix.Name{
			CommonName: fmt.Sprintf("sctp-echo test CA %s %s", now.UTC().Format(time.DateTime),
				rand.Text()[:8]),
		},
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	server := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "sctp-echo server"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range o.Hosts {
		if ip := net.ParseIP(strings.Trim(h, "[]")); ip != nil {
			server.IPAddresses = append(server.IPAddresses, ip)
		} else {
			server.DNSNames = append(server.DNSNames, h)
		}
	}
	client := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "sctp-echo client"},
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}

	var files []File
	var caKey crypto.Signer
	for _, c := range []struct {
		name     string
		template *x509.Certificate
	}{{"ca", ca}, {"server", server}, {"client", client}} {
		cert, key, err := m.issue(c.template, ca, caKey)
		if err != nil {
			return nil, fmt.Errorf("making the certificate of the %s: %w", c.name, err)
		}
		files = append(files, File{c.name + ".pem", 0o644,
			pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})})
		if c.template == ca {
			ca, caKey = cert, key // including the key identifier that CreateCertificate added
			continue
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		files = append(files, File{c.name + "-key.pem", 0o600,
			pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})})
	}
	return files, nil
}

// A certMaker issues certificates of the same validity and type of key.
type certMaker struct {
	notBefore, notAfter time.Time
	rsa                 bool
}

// issue creates a key and signs template for it with the key of parent, or with the new key if
// parentKey is nil.
func (m certMaker) issue(template, parent *x509.Certificate,
	parentKey crypto.Signer) (cert *x509.Certificate, key crypto.Signer, err error) {
	if m.rsa {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		return nil, nil, err
	}
	if parentKey == nil {
		parentKey = key
	}
	template.NotBefore, template.NotAfter = m.notBefore, m.notAfter
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), parentKey)
	if err != nil {
		return nil, nil, err
	}
	cert, err = x509.ParseCertificate(der)
	return cert, key, err
}

package main

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v3"
)

type certsOptions struct {
	hosts []string
	days  int
	rsa   bool
	force bool
}

func (p *program) certsCommand() *cli.Command {
	var o certsOptions
	return &cli.Command{
		Name:            "certs",
		Usage:           "make a small test CA with a server and a client certificate",
		ArgsUsage:       "DIR",
		HideHelpCommand: true,
		Description: `Writes ca.pem, server.pem, server-key.pem, client.pem and client-key.pem to DIR.
The key of the CA is thrown away, so that nobody can make more certificates of it.
These certificates are for trying things out. Production needs a real CA.

Examples:
   sctp-echo certs demo
   sctp-echo certs -host amf.example.org -host 192.0.2.1 -days 7 amf`,
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "host", Usage: "`NAME` or IP address that the server's certificate is for; may be repeated",
				Value: []string{"localhost", "127.0.0.1", "::1"}, Destination: &o.hosts},
			&cli.IntFlag{Name: "days", Usage: "make certificates that are valid for `N` days", Value: 365, Destination: &o.days,
				Validator: atLeast(1)},
			&cli.BoolFlag{Name: "rsa", Usage: "use RSA keys of 2048 bits instead of ECDSA P-256", Destination: &o.rsa},
			&cli.BoolFlag{Name: "force", Usage: "overwrite files that exist", Destination: &o.force},
		},
		Action: func(_ context.Context, c *cli.Command) error {
			dir, err := onlyArg(c)
			if err != nil {
				return err
			}
			return p.certs(dir, o)
		},
	}
}

func (p *program) certs(dir string, o certsOptions) error {
	files, err := makeCerts(o, time.Now())
	if err != nil {
		return err
	}
	if err := writeCerts(dir, files, o.force); err != nil {
		return err
	}
	for _, f := range files {
		p.printf("wrote %s\n", filepath.Join(dir, f.name))
	}
	p.printf(`
a server: sctp-echo serve -cert %[1]s/server.pem -key %[1]s/server-key.pem -ca %[1]s/ca.pem :5868
a client: sctp-echo connect -cert %[1]s/client.pem -key %[1]s/client-key.pem -ca %[1]s/ca.pem %[2]s
`, filepath.Clean(dir), net.JoinHostPort(o.hosts[0], "5868"))
	return nil
}

// A certFile is one file to write.
type certFile struct {
	name string
	mode fs.FileMode
	pem  []byte
}

// makeCerts makes the files of a CA, a server and a client, valid from an hour
// before now, because clocks differ.
func makeCerts(o certsOptions, now time.Time) ([]certFile, error) {
	m := certMaker{notBefore: now.Add(-time.Hour), notAfter: now.AddDate(0, 0, o.days), rsa: o.rsa}

	// Two CAs made in the same second do not have the same name: a client goes by the names that a
	// server knows.
	ca := &x509.Certificate{
		Subject:               pkix.Name{CommonName: fmt.Sprintf("sctp-echo test CA %s %s", now.UTC().Format(time.DateTime), rand.Text()[:8])},
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
	for _, h := range o.hosts {
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

	var files []certFile
	var caKey crypto.Signer
	for _, c := range []struct {
		name     string
		template *x509.Certificate
	}{{"ca", ca}, {"server", server}, {"client", client}} {
		cert, key, err := m.issue(c.template, ca, caKey)
		if err != nil {
			return nil, fmt.Errorf("making the certificate of the %s: %w", c.name, err)
		}
		files = append(files, certFile{c.name + ".pem", 0o644,
			pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})})
		if c.template == ca {
			ca, caKey = cert, key // with the key identifier that CreateCertificate added
			continue
		}
		der, err := x509.MarshalPKCS8PrivateKey(key)
		if err != nil {
			return nil, err
		}
		files = append(files, certFile{c.name + "-key.pem", 0o600,
			pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})})
	}
	return files, nil
}

// A certMaker issues certificates that have a time and a kind of key in common.
type certMaker struct {
	notBefore, notAfter time.Time
	rsa                 bool
}

// issue makes a key and signs template for it, with the key of parent, or with the
// new one if parentKey is nil.
func (m certMaker) issue(template, parent *x509.Certificate, parentKey crypto.Signer) (cert *x509.Certificate, key crypto.Signer, err error) {
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

// writeCerts writes all files, or none if one exists and force is not set.
func writeCerts(dir string, files []certFile, force bool) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return &statusError{exitUsage, err}
	}
	for _, f := range files {
		name := filepath.Join(dir, f.name)
		if _, err := os.Lstat(name); err == nil && !force {
			return usagef("%s exists: give another directory, or -force to overwrite", name)
		}
	}
	for _, f := range files {
		name := filepath.Join(dir, f.name)
		// A new file, because one that exists would keep its own mode, and its links.
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return &statusError{exitUsage, err}
		}
		w, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode)
		if err != nil {
			return &statusError{exitUsage, err}
		}
		_, err = w.Write(f.pem)
		if err := errors.Join(err, w.Close()); err != nil {
			return &statusError{exitUsage, err}
		}
	}
	return nil
}

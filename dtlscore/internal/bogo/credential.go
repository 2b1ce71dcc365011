package main

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// A credential is one of the identities that a test gives the shim. The first
// is what -cert-file and -key-file are about; each -new-x509-credential and
// -new-rpk-credential begins another, which the runner counts from zero.
type credential struct {
	rawKey            bool
	mustMatchIssuer   bool
	certFile, keyFile string
	signingPrefs      []uint16
	ocspResponse      []byte

	used bool // it has signed
}

// credentialFlags are about the credential that was begun last.
func (o *options) credentialFlags(fs *flag.FlagSet) {
	last := func() *credential { return o.credentials[len(o.credentials)-1] }
	fs.BoolFunc("new-x509-credential", "", func(string) error {
		o.credentials = append(o.credentials, new(credential))
		return nil
	})
	fs.BoolFunc("new-rpk-credential", "", func(string) error {
		o.credentials = append(o.credentials, &credential{rawKey: true})
		return nil
	})
	fs.BoolFunc("must-match-issuer", "", func(string) error {
		last().mustMatchIssuer = true
		return nil
	})
	fs.Func("cert-file", "", func(s string) error { last().certFile = s; return nil })
	fs.Func("key-file", "", func(s string) error { last().keyFile = s; return nil })
	fs.Func("signing-prefs", "", func(s string) error { return appendUint16(&last().signingPrefs)(s) })
	fs.Func("ocsp-response", "", func(s string) error { return base64Into(&last().ocspResponse)(s) })
}

// certificates loads the credentials with certificates. BoringSSL prefers
// those with numbers to the default one.
func (o *options) certificates() ([]tls.Certificate, error) {
	var certs []tls.Certificate
	for _, c := range o.inOrder() {
		cert := tls.Certificate{OCSPStaple: c.ocspResponse}
		for _, id := range c.signingPrefs {
			cert.SupportedSignatureAlgorithms = append(cert.SupportedSignatureAlgorithms,
				tls.SignatureScheme(id))
		}
		var err error
		if cert.Certificate, err = loadPEM(c.certFile); err != nil {
			return nil, err
		}
		if cert.PrivateKey, err = c.key(); err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

// inOrder returns the credentials with certificates in the order of preference.
func (o *options) inOrder() []*credential {
	return slices.DeleteFunc(slices.Concat(o.credentials[1:], o.credentials[:1]),
		func(c *credential) bool { return c.certFile == "" })
}

// issuersMatter reports whether there is a credential that may only be used if
// the peer names its issuer. A Config knows no such thing: a callback does.
func (o *options) issuersMatter() bool {
	return slices.ContainsFunc(o.credentials, func(c *credential) bool { return c.mustMatchIssuer })
}

// errNoCredential is what a callback returns that has nothing for the peer.
var errNoCredential = &dtlscore.AlertError{Alert: dtlscore.AlertHandshakeFailure, Local: true,
	Err: errors.New("no credential is for the peer")}

// forClient is a Config.GetCertificate that obeys the issuers that a client
// names for those credentials alone that ask for it.
func (o *options) forClient(certs []tls.Certificate) func(*tls.ClientHelloInfo) (*tls.Certificate,
	error) {
	return func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
		for i, c := range o.inOrder() {
			if c.mustMatchIssuer && !issuedBy(&certs[i], dtlscore.AcceptableCAs(info)) {
				continue
			}
			if info.SupportsCertificate(&certs[i]) == nil {
				return &certs[i], nil
			}
		}
		return nil, errNoCredential
	}
}

// forServer is its like for a client, which BoringSSL has give up if it has
// credentials and none is for the server. RFC 5246, Section 7.4.6, has it go on.
func (o *options) forServer(certs []tls.Certificate) func(*tls.CertificateRequestInfo) (
	*tls.Certificate, error) {
	return func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		any := *info
		any.AcceptableCAs = nil
		for i, c := range o.inOrder() {
			if c.mustMatchIssuer && !issuedBy(&certs[i], info.AcceptableCAs) {
				continue
			}
			if any.SupportsCertificate(&certs[i]) == nil {
				return &certs[i], nil
			}
		}
		return nil, errNoCredential
	}
}

// issuedBy reports whether one of the authorities issued a certificate of the chain.
func issuedBy(cert *tls.Certificate, authorities [][]byte) bool {
	return slices.ContainsFunc(cert.Certificate, func(der []byte) bool {
		c, err := x509.ParseCertificate(der)
		return err == nil && slices.ContainsFunc(authorities,
			func(name []byte) bool { return bytes.Equal(name, c.RawIssuer) })
	})
}

// rawKey loads the credential without certificates, of which a Config has one.
func (o *options) rawKey() (key crypto.Signer, err error) {
	for _, c := range o.credentials {
		if !c.rawKey {
			continue
		}
		other := key
		if key, err = c.key(); err != nil {
			return nil, err
		}
		same := other == nil ||
			key.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(other.Public())
		if !same || c.signingPrefs != nil {
			return nil, unimplemented("choosing between raw public keys")
		}
	}
	return key, nil
}

func (c *credential) key() (crypto.Signer, error) {
	keys, err := loadPEM(c.keyFile)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(keys[0])
	if err != nil {
		return nil, err
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s has a %T, which does not sign", c.keyFile, key)
	}
	return &watchedSigner{signer, c}, nil
}

// A watchedSigner remembers that a credential was used.
type watchedSigner struct {
	crypto.Signer
	credential *credential
}

func (s *watchedSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte,
	error) {
	s.credential.used = true
	return s.Signer.Sign(rand, digest, opts)
}

// checkCredential compares the credential that was used with what the runner
// expects, -1 being the default one.
func (o *options) checkCredential() error {
	if !o.checkSelectedCredential {
		return nil
	}
	for i, c := range o.credentials {
		if c.used && i-1 != o.expectSelectedCredential {
			return fmt.Errorf("credential %d was used, not %d", i-1, o.expectSelectedCredential)
		}
	}
	if !o.credentials[o.expectSelectedCredential+1].used {
		return fmt.Errorf("credential %d was not used", o.expectSelectedCredential)
	}
	return nil
}

// loadPEM returns the blocks of a file.
func loadPEM(name string) (blocks [][]byte, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, b = pem.Decode(b); block == nil {
			break
		}
		blocks = append(blocks, block.Bytes)
	}
	if len(blocks) == 0 {
		return nil, fmt.Errorf("%s: nothing in PEM form in it", strconv.Quote(name))
	}
	return blocks, nil
}

// loadRoots returns the certificates to trust, none if there is no file.
func loadRoots(name string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if name == "" {
		return pool, nil
	}
	blocks, err := loadPEM(name)
	if err != nil {
		return nil, err
	}
	for _, der := range blocks {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		pool.AddCert(cert)
	}
	return pool, nil
}

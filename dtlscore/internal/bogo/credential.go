package main

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
)

// A credential is one of the identities that a test gives the shim. The first
// is what -cert-file and -key-file are about; each -new-x509-credential and
// -new-rpk-credential begins another, which the runner counts from zero.
type credential struct {
	rawKey            bool
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
	fs.Func("cert-file", "", func(s string) error { last().certFile = s; return nil })
	fs.Func("key-file", "", func(s string) error { last().keyFile = s; return nil })
	fs.Func("signing-prefs", "", func(s string) error { return appendUint16(&last().signingPrefs)(s) })
	fs.Func("ocsp-response", "", func(s string) error { return base64Into(&last().ocspResponse)(s) })
}

// certificates loads the credentials with certificates. BoringSSL prefers
// those with numbers to the default one.
func (o *options) certificates() ([]tls.Certificate, error) {
	var certs []tls.Certificate
	for i := range o.credentials {
		c := o.credentials[(i+1)%len(o.credentials)]
		if c.certFile == "" {
			continue
		}
		cert := tls.Certificate{OCSPStaple: c.ocspResponse}
		for _, id := range c.signingPrefs {
			cert.SupportedSignatureAlgorithms = append(cert.SupportedSignatureAlgorithms, tls.SignatureScheme(id))
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

// rawKey loads the credential without certificates, of which a Config has one.
func (o *options) rawKey() (key crypto.Signer, err error) {
	for _, c := range o.credentials {
		if !c.rawKey {
			continue
		}
		if key != nil || c.signingPrefs != nil {
			return nil, unimplemented("choosing between raw public keys")
		}
		if key, err = c.key(); err != nil {
			return nil, err
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

func (s *watchedSigner) Sign(rand io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
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

package interop

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// keyMakers are the kinds of certificates there are.
var keyMakers = map[string]func() (crypto.Signer, error){
	"p256": func() (crypto.Signer, error) {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	},
	"p384": func() (crypto.Signer, error) {
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	},
	"rsa": func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) },
	"ed25519": func() (crypto.Signer, error) {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		return k, err
	},
	// A chain of which parts do not fit into one packet of an ordinary network.
	"chain": func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 4096) },
}

// makeCertificates writes ca.pem, and KIND.pem and KIND.key for each kind, into buildDir.
var makeCertificates = sync.OnceValue(func() error {
	root, err := issue(nil, "ca", func() (crypto.Signer, error) {
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	})
	if err != nil {
		return err
	}
	if err := root.write(root); err != nil {
		return err
	}
	intermediate, err := issue(root, "intermediate", keyMakers["chain"])
	if err != nil {
		return err
	}
	for kind, newKey := range keyMakers {
		issuer, chain := root, []*identity(nil)
		if kind == "chain" {
			issuer, chain = intermediate, []*identity{intermediate}
		}
		leaf, err := issue(issuer, kind, newKey)
		if err != nil {
			return err
		}
		if err := leaf.write(append([]*identity{leaf}, chain...)...); err != nil {
			return err
		}
	}
	return nil
})

// An identity is a certificate with its key.
type identity struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// issue makes an identity: of an authority if it has no issuer or is called
// intermediate, of an end otherwise.
func issue(issuer *identity, name string, newKey func() (crypto.Signer, error)) (*identity, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		BasicConstraintsValid: true,
	}
	if issuer == nil || name == "intermediate" {
		template.IsCA = true
		template.KeyUsage = x509.KeyUsageCertSign
	} else {
		template.DNSNames = []string{"localhost"}
		template.KeyUsage = x509.KeyUsageDigitalSignature
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		if _, isRSA := key.(*rsa.PrivateKey); isRSA {
			template.KeyUsage |= x509.KeyUsageKeyEncipherment // NSS wants it
		}
	}
	if issuer == nil {
		issuer = &identity{template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, issuer.cert, key.Public(), issuer.key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &identity{cert, key}, err
}

// write writes the files of an identity.
func (id *identity) write(chain ...*identity) error {
	var certs []byte
	for _, c := range chain {
		certs = append(certs, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.cert.Raw})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(id.key)
	if err != nil {
		return err
	}
	file := filepath.Join(buildDir, id.cert.Subject.CommonName)
	if err := os.WriteFile(file+".pem", certs, 0o600); err != nil {
		return err
	}
	return os.WriteFile(file+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		0o600)
}

// trust are the options of an end that verifies the other.
func trust(t *testing.T) []string {
	t.Helper()
	if err := makeCertificates(); err != nil {
		t.Fatal(err)
	}
	return []string{"--ca", filepath.Join(buildDir, "ca.pem")}
}

// own are the options of an end that has a certificate.
func own(t *testing.T, kind string) []string {
	t.Helper()
	if _, ok := keyMakers[kind]; !ok {
		t.Fatalf("no certificates of kind %s", kind)
	}
	return fileOptions(t, kind)
}

func fileOptions(t *testing.T, name string) []string {
	t.Helper()
	file := filepath.Join(buildDir, name)
	return append(trust(t), "--cert", file+".pem", "--key", file+".key")
}

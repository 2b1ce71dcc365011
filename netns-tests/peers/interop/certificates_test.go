package interop

import (
	"crypto/tls"
	"crypto/x509"
	"path/filepath"
	"sync"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
)

// keyKinds are the kinds of certificates there are, with their keys.
var keyKinds = map[string]string{"p256": "P-256", "p384": "P-384", "rsa": "RSA 2048",
	"ed25519": "Ed25519",
	// A chain of which parts do not fit into one packet of an ordinary network.
	"chain": "RSA 4096"}

// makeCertificates writes ca.pem, and KIND.pem and KIND.key for each kind, into buildDir.
var makeCertificates = sync.OnceFunc(func() {
	root := testpki.Issue(nil, nil, testpki.CA("ca"))
	writeFiles("ca", root)
	intermediate := testpki.Issue(&root, testpki.NewKey("RSA 4096"), testpki.CA("intermediate"))
	for name, kind := range keyKinds {
		template := testpki.End("localhost")
		template.Subject.CommonName = name
		if name == "rsa" || name == "chain" {
			template.KeyUsage |= x509.KeyUsageKeyEncipherment // NSS requires it
		}
		issuer := &root
		if name == "chain" {
			issuer = &intermediate
		}
		leaf := testpki.Issue(issuer, testpki.NewKey(kind), template)
		if name == "chain" {
			leaf.Certificate = append(leaf.Certificate, intermediate.Certificate...)
		}
		writeFiles(name, leaf)
	}
})

func writeFiles(name string, c tls.Certificate) {
	file := filepath.Join(buildDir, name)
	testpki.WriteFiles(c, file+".pem", file+".key")
}

// trust are the options of an end that verifies the other.
func trust(t *testing.T) []string {
	t.Helper()
	makeCertificates()
	return []string{"--ca", filepath.Join(buildDir, "ca.pem")}
}

// own are the options of an end that has a certificate.
func own(t *testing.T, kind string) []string {
	t.Helper()
	if _, ok := keyKinds[kind]; !ok {
		t.Fatalf("no certificates of kind %s", kind)
	}
	return fileOptions(t, kind)
}

func fileOptions(t *testing.T, name string) []string {
	t.Helper()
	file := filepath.Join(buildDir, name)
	return append(trust(t), "--cert", file+".pem", "--key", file+".key")
}

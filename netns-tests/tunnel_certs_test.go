//go:build kernel

package netns

import (
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A tunnelCA issues certificates that have expired, and revokes others. Its files are in the folder
// of a tunnelPair.
type tunnelCA struct {
	*tunnelPair
	ca    tls.Certificate
	certs map[string]tls.Certificate
}

// newCA makes “ca.pem”, and “server” and “client” of it, in place of those there.
func (p *tunnelPair) newCA() *tunnelCA {
	template := testpki.CA("tests")
	template.KeyUsage |= x509.KeyUsageCRLSign
	c := &tunnelCA{p, testpki.Issue(nil, nil, template), make(map[string]tls.Certificate)}
	testpki.WriteFiles(c.ca, p.pem("ca"), p.pem("ca-key"))
	c.issue("server", time.Now().Add(time.Hour))
	c.issue("client", time.Now().Add(time.Hour))
	return c
}

// issue makes a certificate, and its key, for either role.
func (c *tunnelCA) issue(name string, until time.Time) {
	template := testpki.End("core.example.org")
	template.NotBefore, template.NotAfter = time.Now().Add(-2*time.Hour), until
	c.certs[name] = testpki.Issue(&c.ca, nil, template)
	testpki.WriteFiles(c.certs[name], c.pem(name), c.pem(name+"-key"))
}

// config is that of an end with one of the certificates, which verifies the other.
func (c *tunnelCA) config(name string) *sctpdtls.Config {
	roots := testpki.Pool(c.ca)
	return &sctpdtls.Config{
		Certificates: []tls.Certificate{c.certs[name]}, RootCAs: roots, ClientCAs: roots,
		ClientAuth: tls.RequireAndVerifyClientCert, ServerName: "core.example.org",
		HandshakeTimeout: Patience,
	}
}

// revoke makes “crl.pem”, with these on it.
func (c *tunnelCA) revoke(t *testing.T, names ...string) {
	t.Helper()
	list := &x509.RevocationList{
		Number:     big.NewInt(time.Now().UnixNano()),
		ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
	}
	for _, name := range names {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
			x509.RevocationListEntry{
				SerialNumber:   c.certs[name].Leaf.SerialNumber,
				RevocationTime: time.Now().Add(-time.Minute),
			})
	}
	key := c.ca.PrivateKey.(crypto.Signer)
	der, err := x509.CreateRevocationList(rand.Reader, list, c.ca.Leaf, key)
	if err == nil {
		err = os.WriteFile(c.pem("crl"), pem.EncodeToMemory(
			&pem.Block{Type: "X509 CRL", Bytes: der}), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

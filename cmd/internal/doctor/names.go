package doctor

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// PeerName describes the identity that the peer has proved: a certificate, a raw public key or a
// pre-shared key.
func PeerName(s sctpdtls.ConnectionState) string {
	switch {
	case len(s.PeerCertificates) > 0:
		c := s.PeerCertificates[0]
		return fmt.Sprintf(
			"%s (%s, until %s)",
			CertificateName(c),
			KeyKind(c.PublicKey),
			c.NotAfter.UTC().Format(time.DateOnly),
		)
	case s.PeerRawKey != nil:
		der, err := x509.MarshalPKIXPublicKey(s.PeerRawKey)
		if err != nil {
			return "a raw public key" // it was parsed from DER
		}
		return fmt.Sprintf("raw public key %s (%s)", fingerprint(der), KeyKind(s.PeerRawKey))
	case s.PSKIdentity != nil:
		return "pre-shared key " + strconv.Quote(Shorten(string(s.PSKIdentity), longestName))
	}
	return "anonymous"
}

// Sizes in bytes: the largest name that is shown, and the size of a list after which no further
// name is added.
const (
	longestName = 96
	enoughNames = 160
)

// CertificateName returns the name in a certificate: its subject, or its other names too if the
// subject has no common name, as with network functions of the 5G core and with SPIFFE.
func CertificateName(c *x509.Certificate) string {
	var names []string
	if subject := c.Subject.String(); subject != "" {
		names = append(names, quoteOdd(subject, `\"();`))
	}
	if c.Subject.CommonName == "" {
		others := slices.Concat(c.DNSNames, c.EmailAddresses)
		for _, u := range c.URIs {
			others = append(others, u.String())
		}
		for _, ip := range c.IPAddresses {
			others = append(others, ip.String())
		}
		for _, name := range others {
			names = append(names, quoteOdd(name, `\"();, `))
		}
	}
	if len(names) == 0 {
		return "certificate " + fingerprint(c.Raw)
	}
	all := names[0]
	for i, name := range names[1:] {
		if len(all) > enoughNames {
			return fmt.Sprintf("%s and %d more", all, len(names)-1-i)
		}
		all += "," + name
	}
	return all
}

// quoteOdd returns the beginning of a name that the peer chose. The name is quoted if it contains
// characters that are not printable, or that could be taken for surrounding text.
func quoteOdd(name, odd string) string {
	name = Shorten(name, longestName)
	if strings.ContainsAny(name, odd) || name != Printable(name) {
		return strconv.Quote(name)
	}
	return name
}

// fingerprint returns what "openssl x509 -fingerprint -sha256" prints, without the colons. For a
// raw public key it is the hash of the SubjectPublicKeyInfo: RFC 7250, Section 3.
func fingerprint(der []byte) string { return fmt.Sprintf("SHA-256 %x", sha256.Sum256(der)) }

// KeyKind returns the name of the type of a public key.
func KeyKind(public crypto.PublicKey) string {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		return "ECDSA " + k.Curve.Params().Name
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", k.N.BitLen())
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return fmt.Sprintf("%T", public)
}

// Shorten returns the first n bytes of s, or all of it.
func Shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// Printable replaces what is not printable in s, which the peer may have chosen, so that it cannot
// forge lines or control the terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

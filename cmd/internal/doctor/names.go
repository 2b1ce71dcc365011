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

// PeerName says who the peer has proved to be: by a certificate, a raw public key or a pre-shared
// key.
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
			return "a raw public key" // it was parsed from one
		}
		return fmt.Sprintf("raw public key %s (%s)", fingerprint(der), KeyKind(s.PeerRawKey))
	case s.PSKIdentity != nil:
		return "pre-shared key " + strconv.Quote(Shorten(string(s.PSKIdentity), longestName))
	}
	return "anonymous"
}

// Sizes in bytes of the names that are shown: of each, and of how much there may be before
// another.
const (
	longestName = 96
	enoughNames = 160
)

// CertificateName names who a certificate is for: by its subject, or if that has no common name,
// as with network functions of the 5G
// core and with SPIFFE, by its other names too.
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

// quoteOdd returns the beginning of a name that the peer has chosen; quoted, if there is anything
// in it that does not
// print, or that could be taken for what is written around it.
func quoteOdd(name, odd string) string {
	name = Shorten(name, longestName)
	if strings.ContainsAny(name, odd) || name != Printable(name) {
		return strconv.Quote(name)
	}
	return name
}

// fingerprint is what “openssl x509 -fingerprint -sha256” shows of a certificate, without the
// colons. That of a raw
// public key is of its SubjectPublicKeyInfo: RFC 7250, Section 3.
func fingerprint(der []byte) string { return fmt.Sprintf("SHA-256 %x", sha256.Sum256(der)) }

// KeyKind names the kind of a public key.
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

// Printable replaces what does not print in s, which the peer may have chosen: it
// must not forge lines or steer the terminal.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if strconv.IsPrint(r) {
			return r
		}
		return '?'
	}, s)
}

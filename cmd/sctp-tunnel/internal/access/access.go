// Package access decides which peers may use a service, and which daemon each of them reaches. It
// depends on what a peer has proved in the handshake: its certificate, a raw public key or a
// pre-shared key.
package access

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A Rule matches peers. A peer matches if it has one of the names of each kind in the Rule: one of
// those in DNS and one of those in OU, if both are given. The zero Rule matches nobody.
type Rule struct {
	DNS  []Pattern // subjectAltName, DNS; a wildcard such as "*.example.org" is allowed
	URI  []Pattern // subjectAltName, URI, such as SPIFFE IDs
	CN   []string  // common name of the subject
	OU   []string  // organizational unit of the subject
	SPKI []Pin     // public keys
	PSK  []string  // identities of pre-shared keys

	// Target is the daemon that these peers reach, instead of that of the service.
	Target string
}

// A Policy says who may use a service.
type Policy struct {
	// All admits every peer that the handshake has authenticated.
	All bool
	// Rules admit the peers that match one of them. The first matching rule determines which daemon
	// a peer reaches.
	Rules []Rule
}

// A NotAllowedError reports that a peer may not use a service.
type NotAllowedError struct {
	Peer string // the identity that it has proved
}

func (e *NotAllowedError) Error() string {
	return "no rule of allow matches the peer " + e.Peer
}

// Allow returns nil if a peer may use the service, and otherwise a [NotAllowedError].
func (p *Policy) Allow(state sctpdtls.ConnectionState) error {
	if p.All || p.find(state) != nil {
		return nil
	}
	return &NotAllowedError{doctor.PeerName(state)}
}

// Route returns the daemon that a peer reaches, or "" for that of the service.
func (p *Policy) Route(state sctpdtls.ConnectionState) string {
	if r := p.find(state); r != nil {
		return r.Target
	}
	return ""
}

func (p *Policy) find(state sctpdtls.ConnectionState) *Rule {
	for i := range p.Rules {
		if p.Rules[i].fits(state) {
			return &p.Rules[i]
		}
	}
	return nil
}

// fits checks only the peer's own certificate: its chain has been verified.
func (r *Rule) fits(state sctpdtls.ConnectionState) bool {
	cert := new(x509.Certificate)
	var spki []byte
	switch {
	case len(state.PeerCertificates) > 0:
		cert = state.PeerCertificates[0]
		spki = cert.RawSubjectPublicKeyInfo
	case state.PeerRawKey != nil:
		spki, _ = x509.MarshalPKIXPublicKey(state.PeerRawKey) // it was parsed from DER
	}
	var uris []string
	for _, u := range cert.URIs {
		uris = append(uris, u.String())
	}
	given := 0
	has := func(n int, one bool) bool {
		if n == 0 {
			return true
		}
		given++
		return one
	}
	return has(len(r.DNS), matchesAny(r.DNS, cert.DNSNames)) &&
		has(len(r.URI), matchesAny(r.URI, uris)) &&
		has(len(r.CN), cert.Subject.CommonName != "" && slices.Contains(r.CN, cert.Subject.CommonName)) &&
		has(len(r.OU), slices.ContainsFunc(cert.Subject.OrganizationalUnit, func(ou string) bool {
			return slices.Contains(r.OU, ou)
		})) &&
		has(len(r.SPKI), spki != nil && slices.Contains(r.SPKI, Pin(sha256.Sum256(spki)))) &&
		has(len(r.PSK), state.PSKIdentity != nil && slices.Contains(r.PSK, string(state.PSKIdentity))) &&
		given > 0
}

func matchesAny(patterns []Pattern, names []string) bool {
	return slices.ContainsFunc(patterns, func(p Pattern) bool {
		return slices.ContainsFunc(names, p.Matches)
	})
}

// A Pin is the SHA-256 hash of a SubjectPublicKeyInfo (RFC 7469, Section 2.4).
type Pin [sha256.Size]byte

// UnmarshalText parses 64 hexadecimal digits, with or without colons, or base64 as "openssl enc
// -base64" prints it, optionally after "sha256/" or "sha256:".
func (p *Pin) UnmarshalText(text []byte) error {
	s := strings.TrimPrefix(strings.TrimPrefix(string(text), "sha256/"), "sha256:")
	b, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil {
		b, err = base64.StdEncoding.DecodeString(s)
	}
	if err != nil || len(b) != len(p) {
		return fmt.Errorf("invalid SHA-256 hash of a public key %.80q: use the output of "+
			"\"openssl x509 -in CERT -noout -pubkey | "+
			"openssl pkey -pubin -outform DER | openssl sha256\"", text)
	}
	*p = Pin(b)
	return nil
}

package access

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

func pattern(t *testing.T, make func(string) (Pattern, error), text string) Pattern {
	t.Helper()
	p, err := make(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		kind         func(string) (Pattern, error)
		pattern      string
		match, other string // names, separated by spaces
	}{
		{DNSPattern, "mme.example.org", "mme.example.org MME.Example.org mme.example.org.",
			"mme.example.com a.mme.example.org example.org *.example.org"},
		{DNSPattern, "*.example.org", "mme.example.org *.example.org",
			"example.org a.b.example.org .example.org mme.example.com"},
		{URIPattern, "spiffe://example.org/ns/core/amf", "spiffe://example.org/ns/core/amf",
			"spiffe://example.org/ns/core/amf/ spiffe://example.org/ns/core/amf1 " +
				"spiffe://example.org/ns/core"},
		{URIPattern, "SPIFFE://example.org/amf", "spiffe://example.org/amf", "spiffe://example.com/amf"},
		{URIPattern, "spiffe://example.org/ns/*/amf", "spiffe://example.org/ns/core/amf",
			"spiffe://example.org/ns/a/b/amf spiffe://example.org/ns//amf spiffe://example.org/ns/amf " +
				"spiffe://evil.example/ns/core/amf spiffe://example.org/ns/../amf " +
				"spiffe://example.org/ns/?/amf"},
		{URIPattern, "spiffe://example.org/**",
			"spiffe://example.org/amf spiffe://example.org/ns/core/amf",
			"spiffe://example.org spiffe://example.org/ spiffe://example.org.evil.example/amf " +
				"spiffe://example.org/a/../b spiffe://example.org/a?b spiffe://example.org/a%2fb"},
		{URIPattern, "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
			"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6",
			"urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf7"},
	} {
		p := pattern(t, tt.kind, tt.pattern)
		for name := range strings.FieldsSeq(tt.match) {
			if !p.Matches(name) {
				t.Errorf("%s does not match %s", p, name)
			}
		}
		for name := range strings.FieldsSeq(tt.other + " x") {
			if p.Matches(name) {
				t.Errorf("%s matches %s", p, name)
			}
		}
		if p.Matches("") {
			t.Errorf("%s matches nothing", p)
		}
	}
}

func TestBadPatterns(t *testing.T) {
	for _, text := range []string{"", ".", "*", "*.org", "a.*.example.org", "m*.example.org",
		"a b.example.org",
		"a..example.org", "spiffe://example.org/amf", "host:5868"} {
		if _, err := DNSPattern(text); err == nil {
			t.Errorf("%q is taken as a host name", text)
		}
	}
	for _, text := range []string{"", "amf", "/amf", "spiffe://*/amf", "spiffe://*.example.org/amf",
		"*://example.org/amf",
		"spiffe://example.org/am*", "spiffe://example.org/**/amf", "urn:uuid:*",
		"spiffe://exa mple.org/%zz"} {
		if _, err := URIPattern(text); err == nil {
			t.Errorf("%q is taken as a URI", text)
		}
	}
}

func TestPins(t *testing.T) {
	sum := sha256.Sum256([]byte("key"))
	digits := fmt.Sprintf("%x", sum)
	b64 := base64.StdEncoding.EncodeToString(sum[:])
	var colons []string
	for _, b := range sum {
		colons = append(colons, fmt.Sprintf("%02X", b))
	}
	for _, text := range []string{digits, strings.ToUpper(digits), b64, "sha256/" + b64, "sha256:" +
		digits,
		strings.Join(colons, ":")} {
		var p Pin
		if err := p.UnmarshalText([]byte(text)); err != nil || p != sum {
			t.Errorf("%s: %x, %v", text, p, err)
		}
	}
	for _, text := range []string{"", digits[2:], digits + "00", b64[4:], "sha1/" + b64,
		strings.Repeat("z", 1000)} {
		var p Pin
		if err := p.UnmarshalText([]byte(text)); err == nil || len(err.Error()) > 300 ||
			!strings.Contains(err.Error(), "openssl") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A peer shows a certificate, a raw key or the name of a pre-shared key.
func TestPolicy(t *testing.T) {
	key, spki := testpki.PublicKey()
	var cert, raw, psk, nobody sctpdtls.ConnectionState
	subject := pkix.Name{CommonName: "mme1", OrganizationalUnit: []string{"core", "lab"}}
	cert.PeerCertificates = []*x509.Certificate{{
		Subject:                 subject,
		DNSNames:                []string{"mme1.example.org", "mme.example.org"},
		URIs:                    []*url.URL{testpki.URI("spiffe://example.org/mme/1")},
		RawSubjectPublicKeyInfo: spki,
	}, {Subject: pkix.Name{CommonName: "CA"}, DNSNames: []string{"ca.example.org"}}}
	raw.PeerRawKey = key
	psk.PSKIdentity = []byte("gnb-17")

	dns := func(s string) []Pattern {
		return []Pattern{pattern(t, DNSPattern, "none.example.org"),
			pattern(t, DNSPattern, s)}
	}
	uris := func(s string) []Pattern { return []Pattern{pattern(t, URIPattern, s)} }
	pin := []Pin{{1}, sha256.Sum256(spki)}
	for _, tt := range []struct {
		name   string
		state  sctpdtls.ConnectionState
		policy Policy
		want   string // the daemon; “-” if it is refused
	}{
		{"nothing said", cert, Policy{}, "-"},
		{"an empty rule", cert, Policy{Rules: []Rule{{Target: "a"}}}, "-"},
		{"an empty rule, nobody", nobody, Policy{Rules: []Rule{{Target: "a"}}}, "-"},
		{"all", cert, Policy{All: true}, ""},
		{"all, with another daemon for one", cert, Policy{All: true, Rules: []Rule{{CN: []string{"mme1"},
			Target: "a"}}}, "a"},
		{"DNS", cert, Policy{Rules: []Rule{{DNS: dns("mme.example.org")}}}, ""},
		{"another DNS", cert, Policy{Rules: []Rule{{DNS: dns("hss.example.org")}}}, "-"},
		{"the CA's DNS", cert, Policy{Rules: []Rule{{DNS: dns("ca.example.org")}}}, "-"},
		{"URI", cert, Policy{Rules: []Rule{{URI: uris("spiffe://example.org/mme/*"), Target: "b"}}}, "b"},
		{"URI as DNS", cert, Policy{Rules: []Rule{{DNS: uris("spiffe://example.org/mme/*")}}}, "-"},
		{"CN", cert, Policy{Rules: []Rule{{CN: []string{"x", "mme1"}}}}, ""},
		{"CN is no DNS", cert, Policy{Rules: []Rule{{CN: []string{"mme.example.org"}}}}, "-"},
		{"the CA's CN", cert, Policy{Rules: []Rule{{CN: []string{"CA"}}}}, "-"},
		{"OU", cert, Policy{Rules: []Rule{{OU: []string{"lab"}}}}, ""},
		{"OU and CN", cert, Policy{Rules: []Rule{{OU: []string{"lab"}, CN: []string{"mme1"}}}}, ""},
		{"OU and another CN", cert, Policy{Rules: []Rule{{OU: []string{"lab"}, CN: []string{"mme2"}}}},
			"-"},
		{"pin", cert, Policy{Rules: []Rule{{SPKI: pin}}}, ""},
		{"another pin", cert, Policy{Rules: []Rule{{SPKI: pin[:1]}}}, "-"},
		{"the first that fits", cert, Policy{Rules: []Rule{{CN: []string{"x"}, Target: "x"},
			{CN: []string{"mme1"}, Target: "a"},
			{SPKI: pin, Target: "b"}}}, "a"},
		{"raw key", raw, Policy{Rules: []Rule{{SPKI: pin}}}, ""},
		{"raw key without a name", raw, Policy{Rules: []Rule{{CN: []string{""}}}}, "-"},
		{"PSK", psk, Policy{Rules: []Rule{{PSK: []string{"gnb-17"}}}}, ""},
		{"another PSK", psk, Policy{Rules: []Rule{{PSK: []string{"gnb-18", ""}}}}, "-"},
		{"no PSK", cert, Policy{Rules: []Rule{{PSK: []string{""}}}}, "-"},
		{"no certificate", psk, Policy{Rules: []Rule{{CN: []string{""}}}}, "-"},
		{"nobody", nobody, Policy{Rules: []Rule{{CN: []string{""}, PSK: []string{""}},
			{PSK: []string{""}}}}, "-"},
	} {
		err := tt.policy.Allow(tt.state)
		if refused := tt.want == "-"; refused != (err != nil) {
			t.Errorf("%s: %v", tt.name, err)
		} else if refused {
			var not *NotAllowedError
			if !errors.As(err, &not) || not.Peer == "" {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if got := tt.policy.Route(tt.state); got != tt.want {
			t.Errorf("%s: goes to %q, want %q", tt.name, got, tt.want)
		}
	}
}

package doctor

import (
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// Who has proved something is never anonymous.
func TestPeerName(t *testing.T) {
	key, spki := testpki.PublicKey()
	const nf = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6" // 3GPP TS 33.310
	certificate := func(c x509.Certificate) sctpdtls.ConnectionState {
		c.PublicKey = key
		return withPeer(func(s *sctpdtls.ConnectionState) {
			s.PeerCertificates = []*x509.Certificate{&c}
		})
	}
	psk := func(identity string) sctpdtls.ConnectionState {
		return withPeer(func(s *sctpdtls.ConnectionState) { s.PSKIdentity = []byte(identity) })
	}
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprintf("host%d.example.org", i)
	}
	for _, tt := range []struct {
		name  string
		state sctpdtls.ConnectionState
		want  string // the beginning, or all if it ends with "$"
	}{
		{"nothing", withPeer(func(*sctpdtls.ConnectionState) {}), "anonymous$"},
		{"key", psk("gnb-17"), `pre-shared key "gnb-17"$`},
		{"key of a binary name", psk("\x00\xff\n"), `pre-shared key "\x00\xff\n"$`},
		{"key without a name", psk(""), `pre-shared key ""$`},
		{"key of a long name", psk(strings.Repeat("k", 1<<16)), `pre-shared key "` + strings.Repeat("k",
			longestName) + `…"$`},
		{"raw key", withPeer(func(s *sctpdtls.ConnectionState) { s.PeerRawKey = key }),
			fmt.Sprintf("raw public key SHA-256 %x (ECDSA P-256)$", sha256.Sum256(spki))},
		{"subject", certificate(x509.Certificate{Subject: pkix.Name{CommonName: "amf",
			Organization: []string{"PLMN"}}, URIs: []*url.URL{testpki.URI(nf)}}),
			"CN=amf,O=PLMN (ECDSA P-256, until "},
		{"subject without a " +
			"name", certificate(x509.Certificate{Subject: pkix.Name{Organization: []string{"PLMN"}},
			URIs: []*url.URL{testpki.URI(nf)}}), "O=PLMN," + nf + " (ECDSA"},
		{"URI", certificate(x509.Certificate{URIs: []*url.URL{testpki.URI(nf)}}), nf + " ("},
		{"SPIFFE", certificate(x509.Certificate{
			URIs: []*url.URL{testpki.URI("spiffe://example.org/amf")}}),
			"spiffe://example.org/amf ("},
		{"address", certificate(x509.Certificate{IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1),
			net.ParseIP("2001:db8::1")}}), "192.0.2.1,2001:db8::1 ("},
		{"mail", certificate(x509.Certificate{EmailAddresses: []string{"noc@example.org"}}),
			"noc@example.org ("},
		{"all kinds", certificate(x509.Certificate{DNSNames: []string{"a.example"},
			URIs: []*url.URL{testpki.URI(nf)}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}}),
			"a.example," + nf + ",192.0.2.1 ("},
		{"many names", certificate(x509.Certificate{DNSNames: many}),
			"host0.example.org,host1.example.org,"},
		{"no name", certificate(x509.Certificate{Raw: []byte("DER")}),
			fmt.Sprintf("certificate SHA-256 %x (", sha256.Sum256([]byte("DER")))},

		// A name must not forge lines, steer a terminal, or pass for what is written around it.
		{"lines", certificate(x509.Certificate{Subject: pkix.Name{CommonName: "x\nconnected to " +
			"bank.example.org\x1b[2J"}}), `"CN=x\nconnected to bank.example.org\x1b[2J" (`},
		{"other facts", certificate(x509.Certificate{Subject: pkix.Name{CommonName: "x (ECDSA P-256, " +
			"until 2100-01-01), session resumed"}}), `"CN=x (ECDSA P-256\\, until`},
		{"other facts in a name", certificate(x509.Certificate{DNSNames: []string{"x, session resumed",
			"b"}}), `"x, session resumed",b (`},
		{"the other direction", certificate(x509.Certificate{DNSNames: []string{"\u202egro.elpmaxe"}}),
			`"\u202egro.elpmaxe" (`},
		{"a name of no characters", certificate(x509.Certificate{DNSNames: []string{"\xff\xfe"}}),
			`"\xff\xfe" (`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := PeerName(tt.state)
			if want, all := strings.CutSuffix(tt.want, "$"); all && got != want ||
				!strings.HasPrefix(got, want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if len(got) > 1024 || got != Printable(got) {
				t.Errorf("%d bytes: %q", len(got), got)
			}
		})
	}
}

// withPeer returns a state of a connection whose peer is what set says.
func withPeer(set func(*sctpdtls.ConnectionState)) (s sctpdtls.ConnectionState) {
	set(&s)
	return s
}

package interop

import (
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
)

// A refusal is a connection that dtlscore, or because of it the other end, must
// refuse.
type refusal struct {
	name                   string
	weAre                  string // "server" or "client"
	serverArgs, clientArgs []string
	want                   string // in our ERROR line
}

// certificateRefusals are those of both versions. A server without a certificate of its client says
// noCertificate.
func certificateRefusals(t *testing.T, noCertificate string) []refusal {
	otherName := append(trust(t), "--name", "example.com")
	stranger := strangersOwn(t)
	return []refusal{
		{"no client certificate", "server", append(own(t, "p256"), "--verify"), trust(t),
			noCertificate},
		{"certificate of an unknown authority", "server", append(own(t, "p256"), "--verify"), stranger,
			"peer not trusted"},
		{"server with another name", "client", own(t, "p256"), otherName,
			"valid for localhost, not example.com"},
		{"server of an unknown authority", "client", stranger, trust(t), "unknown authority"},
		{"server with another name, for the client", "server", own(t, "p256"), otherName,
			"peer sent alert"},
		{"server of an unknown authority, for the client", "server", stranger, trust(t),
			"peer sent alert"},
	}
}

func TestRefusal(t *testing.T) {
	refusals := append(certificateRefusals(t, "alert handshake_failure"), []refusal{
		{"no client certificate, for the server", "client", append(own(t, "p256"), "--verify"), trust(t),
			""},
		{"no common suite", "server", append(own(t, "p256"), "--cipher", allSuites[0]),
			append(trust(t), "--cipher", allSuites[2]), "alert handshake_failure"},
		{"no common suite, for the server", "client", append(own(t, "p256"), "--cipher", allSuites[0]),
			append(trust(t), "--cipher", allSuites[2]), ""},
	}...)
	for _, r := range refusals {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			for _, lib := range libraries {
				t.Run(lib.name, func(t *testing.T) { r.check(t, lib.name, "1.2") })
			}
		})
	}
}

// TestRefusal13 is the same with DTLS 1.3, in which a client is complete before
// the server knows it.
func TestRefusal13(t *testing.T) {
	for _, r := range append(certificateRefusals(t, "alert certificate_required"), []refusal{
		{"no client certificate, for the server", "client", append(own(t, "p256"), "--verify"), trust(t),
			"peer sent alert"},
		{"certificate of an unknown authority, for the server", "client",
			append(own(t, "p256"), "--verify"), strangersOwn(t), "peer sent alert"},
		{"no common suite", "server", append(own(t, "p256"), "--cipher", "0x1301"),
			append(trust(t), "--cipher", "0x1303"), "alert handshake_failure"},
		{"no common suite, for the server", "client", append(own(t, "p256"), "--cipher", "0x1301"),
			append(trust(t), "--cipher", "0x1303"), "peer sent alert handshake_failure"},
		{"no common group", "server", append(own(t, "p256"), "--group", "P-384"),
			append(trust(t), "--group", "X25519"), "alert handshake_failure"},
		{"no common group, for the server", "client", append(own(t, "p256"), "--group", "P-384"),
			append(trust(t), "--group", "X25519"), "peer sent alert handshake_failure"},
	}...) {

		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.check(t, "nss", "1.3")
		})
	}
}

func (r *refusal) check(t *testing.T, other, version string) {
	both := []string{"--version", version}
	server, client := other, ours
	if r.weAre == "server" {
		server, client = ours, other
	}
	s, c := runPair(t, server, append(both, r.serverArgs...), client, append(both, r.clientArgs...))
	for _, e := range []*end{s, c} {
		if errors := e.all("ERROR"); e.err == nil || len(errors) != 1 ||
			strings.Contains(errors[0], "no packet within") {
			t.Errorf("%s: %v, ERROR %q; want one at once", e.name, e.err, errors)
		} else if strings.HasPrefix(e.name, ours) && !strings.Contains(errors[0], r.want) {
			t.Errorf("%s: ERROR %q, want %q", e.name, errors[0], r.want)
		}
	}
}

// strangersOwn are the options of an end whose certificate comes from an
// authority that the other does not know.
func strangersOwn(t *testing.T) []string {
	t.Helper()
	authority := testpki.Issue(nil, nil, testpki.CA("other ca"))
	writeFiles("stranger", testpki.Issue(&authority, nil, testpki.End("localhost")))
	return fileOptions(t, "stranger")
}

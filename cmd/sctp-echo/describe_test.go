package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

func TestFacts(t *testing.T) {
	dir := certsIn(t)
	server := certificate(t, dir, "server.pem")
	until := server.NotAfter.UTC().Format(time.DateOnly)

	mutual := fakeState()
	mutual.PeerCertificates = []*x509.Certificate{server, certificate(t, dir, "ca.pem")}
	mutual.NegotiatedProtocol = "diameter"
	mutual.DidResume = true
	mutual.InStreams = 64

	nameless := fakeState()
	nameless.PeerCertificates = []*x509.Certificate{{DNSNames: []string{"a.example.org",
		"b.example.org"}, PublicKey: ed25519.PublicKey{}}}
	nameless.CurveID, nameless.CipherSuite, nameless.Version = 0, 0x9999, 0x1234

	for _, tt := range []struct {
		name          string
		state         sctpdtls.ConnectionState
		columns, line string
	}{
		{"mutual", mutual, `  version    DTLS 1.2
  suite      TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
  group      X25519
  peer       CN=sctp-echo server (ECDSA P-256, until ` + until + `)
  alpn       diameter
  session    resumed
  SCTP-AUTH  key id 1
  streams    10 out, 64 in
`,
			"DTLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, X25519, peer CN=sctp-echo server " +
				"(ECDSA P-256, until " + until + "), alpn diameter, session resumed, " +
				"SCTP-AUTH key id 1, streams 10 out, 64 in"},
		{"what has no name", nameless, `  version    0x1234
  suite      0x9999
  peer       a.example.org,b.example.org (Ed25519, until 0001-01-01)
  SCTP-AUTH  key id 1
  streams    10 out, 10 in
`,
			"0x1234, 0x9999, peer a.example.org,b.example.org (Ed25519, until 0001-01-01), " +
				"SCTP-AUTH key id 1, streams 10 out, 10 in"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := inColumns(facts(tt.state)); got != tt.columns {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.columns)
			}
			if got := inLine(facts(tt.state)); got != tt.line {
				t.Errorf("got:\n%s\nwant:\n%s", got, tt.line)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for _, v := range versions {
		if n, err := parseVersion(v.name); err != nil || n != v.version ||
			sctpdtls.VersionName(n) != "DTLS "+v.name {
			t.Errorf("%s: %x, %v, %s", v.name, n, err, sctpdtls.VersionName(n))
		}
	}
	for _, g := range groups {
		if n, err := parseGroup(strings.ToLower(g.name)); err != nil || n != g.group ||
			groupName(n) != g.name {
			t.Errorf("%s: %v, %v, %s", g.name, n, err, groupName(n))
		}
	}
	for _, id := range sctpdtls.CipherSuites() {
		name := sctpdtls.CipherSuiteName(id)
		if n, err := parseSuite(strings.ToLower(name)); err != nil || n != id ||
			!strings.HasPrefix(name, "TLS_") {
			t.Errorf("suite %#04x is %s, which is %#04x, %v", id, name, n, err)
		}
	}
	if got := groupName(0x1234); got != "group 0x1234" {
		t.Error(got)
	}
}

package interop

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ours is the program around dtlscore.
const ours = "seqpeer"

// A library is another one, and what it has of DTLS 1.2.
type library struct {
	name       string
	maxMessage int      // bytes
	suites     []string // of those that dtlscore has; with certificates
}

var libraries = []library{
	{name: "openssl", maxMessage: 16384, suites: allSuites},
	// its MTU counts header and tag: 16384-13-8-16
	{name: "gnutls", maxMessage: 16347, suites: allSuites},
	{name: "mbedtls", maxMessage: 16384, suites: allSuites},
	// has no exporter with SHA-384
	{name: "nss", maxMessage: 16384, suites: slices.DeleteFunc(slices.Clone(allSuites), isSHA384)},
	// its MTU is that of a network
	{name: "wolfssl", maxMessage: 1300, suites: allSuites},
}

var allSuites = []string{
	"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
	"TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
	"TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
	"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
	"TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
	"TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
}

func isSHA384(suite string) bool { return suite[len(suite)-3:] == "384" }

// certificatesFor are the kinds of certificates that a suite can have.
func certificatesFor(suite string) []string {
	if suite[len("TLS_ECDHE_")] == 'R' {
		return []string{"rsa"}
	}
	return []string{"p256", "p384"}
}

// TestDTLS12 has dtlscore in both roles with every library, in every
// combination of suite, certificate, group, and a client certificate or none.
func TestDTLS12(t *testing.T) {
	for _, lib := range libraries {
		for _, roles := range [][2]string{{ours, lib.name}, {lib.name, ours}} {
			t.Run(fmt.Sprintf("server %s client %s", roles[0], roles[1]), func(t *testing.T) {
				t.Parallel()
				n := 0
				for _, suite := range lib.suites {
					for _, cert := range certificatesFor(suite) {
						for _, group := range []string{"X25519", "P-256", "P-384"} {
							if roles[0] == "nss" && strings.Contains(suite, "CHACHA20") && cert == "p384" &&
								group != "P-384" {
								continue // as a server, it takes a group as strong as cipher and key are
							}
							// No need to multiply by these as well: each occurs often.
							size := []int{1, 64, 1300, lib.maxMessage}[n%4]
							clientCert := []string{"p256", "", "rsa", "p384", ""}[n%5]
							n++
							if roles[0] == "wolfssl" && clientCert != "" {
								clientCert = cert // as a server with one suite, it asks for this kind only
							}
							t.Run(fmt.Sprintf("%s %s %s client %q size %d", suite, cert, group, clientCert, size),
								func(t *testing.T) {
									connect12(t, roles, suite, group, cert, clientCert, size)
								})
						}
					}
				}
			})
		}
	}
}

func connect12(t *testing.T, roles [2]string, suite, group, serverCert, clientCert string,
	size int) {
	const count = 3
	both := []string{"--version", "1.2", "--cipher", suite, "--group", group, "--count",
		strconv.Itoa(count), "--size", strconv.Itoa(size)}
	server, client := slices.Concat(both, own(t, serverCert)), slices.Concat(both, trust(t))
	if clientCert != "" {
		server, client = append(server, "--verify"), slices.Concat(both, own(t, clientCert))
	}
	s, c := runPair(t, roles[0], server, roles[1], client)
	want{
		version: "DTLSv1.2", cipher: suite, group: group, serverCert: serverCert, clientCert: clientCert,
		messages: count, size: size,
	}.check(t, s, c)
}

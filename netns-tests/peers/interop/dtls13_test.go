package interop

import (
	"fmt"
	"slices"
	"strconv"
	"testing"
)

// pairs13 are the servers and clients that have DTLS 1.3.
var pairs13 = [][2]string{{ours, ours}, {ours, "nss"}, {"nss", ours}, {"nss", "nss"}}

// TestDTLS13 has every combination of suite, group and certificate, with a client
// certificate or none, and key updates of either side or both.
func TestDTLS13(t *testing.T) {
	for _, roles := range pairs13 {
		t.Run(fmt.Sprintf("server %s client %s", roles[0], roles[1]), func(t *testing.T) {
			t.Parallel()
			n := 0
			for _, suite := range []string{"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
				"TLS_CHACHA20_POLY1305_SHA256"} {
				for _, group := range []string{"X25519MLKEM768", "X25519", "P-256", "P-384"} {
					for _, cert := range []string{"p256", "p384", "rsa", "chain"} {
						// No need to multiply by these as well: each occurs often.
						w := want{
							version: "DTLSv1.3", cipher: suite, group: group, serverCert: cert,
							clientCert:    []string{"", "p256", "rsa", "p384", "chain"}[n%5],
							messages:      4,
							size:          []int{1, 64, 1300, 16384}[n/2%4],
							serverUpdates: n % 3,
							clientUpdates: n / 3 % 3,
						}
						n++
						t.Run(fmt.Sprintf("%s %s %s client %q size %d updates %d %d", suite, group, cert,
							w.clientCert, w.size, w.serverUpdates, w.clientUpdates), func(t *testing.T) {
							w.connect13(t, roles)
						})
					}
				}
			}
		})
	}
}

// connect13 makes the connection that is wanted.
func (w want) connect13(t *testing.T, roles [2]string) {
	both := []string{"--version", "1.3", "--cipher", w.cipher, "--group", w.group, "--count",
		strconv.Itoa(w.messages), "--size", strconv.Itoa(w.size)}
	server := slices.Concat(both, own(t, w.serverCert),
		[]string{"--key-update", strconv.Itoa(w.serverUpdates)})
	client := slices.Concat(both, trust(t),
		[]string{"--key-update", strconv.Itoa(w.clientUpdates), "--key-update-request"})
	if w.clientCert != "" {
		server, client = append(server, "--verify"), append(client, own(t, w.clientCert)...)
	}
	s, c := runPair(t, roles[0], server, roles[1], client)
	w.check(t, s, c)
}

// TestManyRecords13 has more records in one epoch than the 16 bits of a
// record's number tell apart. RFC 9147, Section 4.2.2.
func TestManyRecords13(t *testing.T) {
	for _, roles := range [][2]string{{ours, "nss"}, {"nss", ours}} {
		t.Run(fmt.Sprintf("server %s client %s", roles[0], roles[1]), func(t *testing.T) {
			t.Parallel()
			w := want{version: "DTLSv1.3", serverCert: "p256", messages: 1<<16 + 1<<10, size: 10}
			both := []string{"--version", "1.3", "--count", strconv.Itoa(w.messages), "--size",
				strconv.Itoa(w.size)}
			s, c := runPair(t, roles[0], slices.Concat(both, own(t, w.serverCert)), roles[1],
				slices.Concat(both, trust(t)))
			w.check(t, s, c)
		})
	}
}

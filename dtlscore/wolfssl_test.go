package dtlscore

import (
	"crypto/tls"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"
)

// wolfSSLRecords returns the records of a conversation in testdata/wolfssl.txt.
func wolfSSLRecords(t *testing.T, conversation string) (records [][]byte) {
	text, err := os.ReadFile("testdata/wolfssl.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, digits, _ := strings.Cut(strings.TrimSpace(line), " "); name == conversation {
			records = append(records, must(hex.DecodeString(digits)))
		}
	}
	return records
}

// The server accepts the hello messages of wolfSSL, which changes the order of its extensions after
// a HelloRetryRequest (RFC 8446, Section 4.2), and does not send renegotiation_info (RFC 5746) in
// DTLS 1.2.
func TestWolfSSLHellos(t *testing.T) {
	server := testServerConfig13(tls.NoClientCert)
	server.CurvePreferences = []tls.CurveID{tls.X25519}
	for _, test := range []struct {
		conversation string
		server       *Config
		want         []string
	}{
		{"retry", server, []string{"Send ServerHello", "Send ServerHello", "Send EncryptedExtensions"}},
		{"1.2", testServerConfig(tls.NoClientCert),
			[]string{"Send ServerHello", "Send Certificate", "Send ServerKeyExchange"}},
	} {
		t.Run(test.conversation, func(t *testing.T) {
			e := &testEnd{t: t, name: "server", conn: must(Server(test.server))}
			if err := e.conn.Start(); err != nil {
				t.Fatal(err)
			}
			for _, record := range wolfSSLRecords(t, test.conversation) {
				e.receive(testRecord{record, true})
			}
			story := slices.DeleteFunc(e.story, func(s string) bool {
				return !strings.HasPrefix(s, "Send ")
			})
			if e.err != nil || !slices.Equal(story[:min(len(story), len(test.want))], test.want) {
				t.Errorf("%v\n%q", e.err, story)
			}
		})
	}
}

package sctpdtls

import (
	"crypto/fips140"
	"crypto/tls"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
)

// TestFIPS140 checks what docs/profiles.md says about GODEBUG=fips140=on and fips140=only: it runs
// the next test in a process with each.
func TestFIPS140(t *testing.T) {
	for _, mode := range []string{"on", "only"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			program, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), program, "-test.v", "-test.run=^TestFIPS140Handshake$")
			cmd.Env = append(os.Environ(), "GODEBUG=fips140="+mode)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "fips140="+mode) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// Handshakes of both versions with nothing but algorithms that FIPS 140-3 approves, data,
// resumption and new keys. In the mode “only” the standard library refuses AES-GCM with the
// nonces of DTLS, which has to be an error, not a panic.
func TestFIPS140Handshake(t *testing.T) {
	only := strings.Contains(os.Getenv("GODEBUG"), "fips140=only")
	t.Logf("GODEBUG=%s, FIPS 140-3 mode %v", os.Getenv("GODEBUG"), fips140.Enabled())
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		bubble(t, func(t *testing.T) {
			client, server := fipsConfig(clientConfig(), version), fipsConfig(serverConfig(), version)
			client.SessionCache, server.TicketKeys = NewSessionCache(1), new(TicketKeys)
			for _, resumed := range []bool{false, true} {
				p := newTestPair(t, assoctest.Options{}, client, server)
				cerr, serr := p.handshake()
				if only {
					t.Logf("%#x: client %v, server %v", version, cerr, serr)
					if cerr == nil || serr == nil || !strings.Contains(cerr.Error()+serr.Error(),
						"FIPS 140-only mode") {
						t.Error("want errors that name FIPS 140-only mode")
					}
					p.client.Abort()
					p.server.Abort()
					return
				}
				if cerr != nil || serr != nil {
					t.Fatalf("%#x: client %v, server %v", version, cerr, serr)
				}
				if got := p.client.ConnectionState().DidResume; got != resumed {
					t.Errorf("%#x: resumed %v, want %v", version, got, resumed)
				}
				if err := p.client.WriteMessage([]byte("approved"), MessageInfo{}); err != nil {
					t.Error(err)
				}
				b := make([]byte, 100)
				if n, _, err := p.server.ReadMessage(b); string(b[:n]) != "approved" {
					t.Errorf("read %q, %v", b[:n], err)
				}
				p.client.SetReadDeadline(past) // what the server has sent, such as tickets, is read by then
				p.client.ReadMessage(b)
				p.close()
			}
		})
	}
}

// fipsConfig leaves only what FIPS 140-3 approves: docs/profiles.md has the same.
func fipsConfig(config *Config, version uint16) *Config {
	config.MinVersion, config.MaxVersion = version, version
	config.CurvePreferences = []tls.CurveID{tls.CurveP256, tls.CurveP384}
	config.CipherSuites = []uint16{
		tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
	}
	return config
}

//go:build kernel

package netns

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// TestOpenSSLRenegotiation renegotiates with OpenSSL several times, started by either endpoint,
// with messages in between. It checks that DTLS and SCTP-AUTH have new keys each time. RFC 6083,
// Sections 4.6 and 4.8; RFC 5746, Section 3.5.
func TestOpenSSLRenegotiation(t *testing.T) {
	for _, ours := range []string{"client", "server"} {
		for _, begins := range []string{"we", "OpenSSL"} {
			t.Run(fmt.Sprintf("we are the %s, %s begin", ours, begins), func(t *testing.T) {
				p := newOpenSSLPair(t)
				config := p.config(t, ours, nil)
				config.Renegotiation = sctpdtls.RenegotiateFreely
				ctx, cancel := context.WithTimeout(t.Context(), Patience)
				defer cancel()
				var conn *sctpdtls.Conn
				var err error
				var other *Process
				command := "R\n" // of s_client
				if ours == "client" {
					command = "r\n" // of s_server
					other = p.openssl(t, "server", "-client_renegotiation")
					other.WaitFor("ACCEPT")
					conn, err = p.dial(t, config)
				} else {
					ln := p.listen(t, config)
					other = p.openssl(t, "client")
					conn, err = ln.AcceptConn(ctx)
				}
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { conn.Abort() })
				if ours == "server" {
					other.WaitFor(`Verify return code: 0 \(ok\)`)
				}
				for n := 2; n <= 5; n++ {
					start := time.Now()
					if begins == "we" {
						if err := conn.Renegotiate(ctx); err != nil {
							t.Fatalf("Renegotiate: %v", err)
						}
						t.Logf("renegotiation took %v", time.Since(start).Round(time.Millisecond))
					} else {
						other.Type(command)
						// s_server treats all that it reads at once as one command.
						time.Sleep(100 * time.Millisecond)
					}
					other.Type(fmt.Sprintf("from OpenSSL %d\n", n))
					says(t, conn, fmt.Sprintf("from OpenSSL %d\n", n))
					// s_server's message may arrive before the handshake; the library's cannot.
					if err := conn.WriteMessage(fmt.Appendf(nil, "from us %d\n", n),
						sctpdtls.MessageInfo{Stream: 2}); err != nil {
						t.Fatal(err)
					}
					other.WaitFor(fmt.Sprintf("(?m)^from us %d$", n))
					if s := conn.ConnectionState(); s.Handshakes != n || s.AuthKeyID != uint16(n) {
						t.Errorf("%d handshakes, key %d, want %d", s.Handshakes, s.AuthKeyID, n)
					}
				}
				if err := conn.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				other.EndInput()
			})
		}
	}
}

//go:build kernel

package netns

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// OpenSSL sends Finished under the old key as a client in a full handshake and as a server in a resumed one, and may have to send
// it again: key 0 stays until its next message. In the other two roles key 0 goes with the handshake. Requirements 1.53, 1.55, 1.57.
func TestOpenSSLOldKey(t *testing.T) {
	for _, ours := range []string{"client", "server"} {
		t.Run("we are the "+ours, func(t *testing.T) {
			p := newOpenSSLPair(t)
			deleted := make(chan uint16, 10)
			config := p.config(t, ours, nil)
			config.TicketKeys, config.SessionCache = new(sctpdtls.TicketKeys), sctpdtls.NewSessionCache(1)
			config.Trace = &sctpdtls.Trace{AuthKey: func(_ *sctpdtls.Conn, id uint16, what sctpdtls.AuthKeyChange) {
				if what == sctpdtls.AuthKeyDeleted {
					deleted <- id
				}
			}}
			session := filepath.Join(t.TempDir(), "session.pem")
			var connect func(resumed bool) (*sctpdtls.Conn, *Process)
			if ours == "client" {
				server := p.openssl(t, "server")
				server.WaitFor("ACCEPT")
				connect = func(bool) (*sctpdtls.Conn, *Process) {
					conn, err := p.dial(t, config)
					if err != nil {
						t.Fatal(err)
					}
					return conn, server
				}
			} else {
				ln := p.listen(t, config)
				connect = func(resumed bool) (*sctpdtls.Conn, *Process) {
					args := []string{"-sess_out", session}
					if resumed {
						args = []string{"-sess_in", session}
					}
					client := p.openssl(t, "client", args...)
					ctx, cancel := context.WithTimeout(t.Context(), Patience)
					defer cancel()
					conn, err := ln.AcceptConn(ctx)
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { conn.Abort() })
					client.WaitFor(`Verify return code: 0 \(ok\)`)
					return conn, client
				}
			}
			for _, resumed := range []bool{false, true} {
				conn, other := connect(resumed)
				if s := conn.ConnectionState(); s.DidResume != resumed {
					t.Fatalf("resumed %v, want %v", s.DidResume, resumed)
				}
				stays := resumed == (ours == "client")
				if (len(deleted) == 0) != stays {
					t.Errorf("resumed %v: %d keys were deleted after the handshake", resumed, len(deleted))
				}
				hello := fmt.Sprintf("from OpenSSL, resumed %v\n", resumed)
				other.Type(hello)
				says(t, conn, hello)
				select {
				case id := <-deleted:
					if id != 0 {
						t.Errorf("key %d was deleted", id)
					}
				default:
					t.Errorf("resumed %v: key 0 is still there", resumed)
				}
				if err := conn.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				if ours == "client" {
					other.WaitFor("(?m)^DONE$")
				}
			}
		})
	}
}

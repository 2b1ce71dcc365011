//go:build kernel

package netns

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// TestAttackC6H4H6OpenSSLKeyZero forges chunks under key 0 in connections with OpenSSL, which sends
// ChangeCipherSpec under it, and Finished too as a client in a full handshake and as a server in a
// resumed one. It may have to send them again, so that the key stays for ten seconds; nothing else
// is taken under it. RFC 6083, Section 4.8.
func TestAttackC6H4H6OpenSSLKeyZero(t *testing.T) {
	for _, ours := range []string{"client", "server"} {
		t.Run("we are the "+ours, func(t *testing.T) {
			p, a := newAttackedPair(t)
			for _, h := range []*Host{p.client, p.server} {
				h.Sysctl(t, "net.sctp.auth_enable", "1")
			}
			openssl := wire.Initiator
			if ours == "client" {
				openssl = wire.Responder
			}
			deleted := make(chan uint16, 10)
			config := p.config(t, ours, nil)
			config.TicketKeys, config.SessionCache = new(sctpdtls.TicketKeys), sctpdtls.NewSessionCache(1)
			config.Trace = &sctpdtls.Trace{AuthKey: func(_ *sctpdtls.Conn, id uint16,
				what sctpdtls.AuthKeyChange) {
				if what == sctpdtls.AuthKeyDeleted {
					deleted <- id
				}
			}}
			connect := p.resumable(t, ours, config)
			for _, resumed := range []bool{false, true} {
				var mu sync.Mutex
				var earlier *wire.Packet // the last of OpenSSL under key 0: Finished, or ChangeCipherSpec
				a.Intercept(func(p *wire.Packet) []*wire.Packet {
					mu.Lock()
					defer mu.Unlock()
					if _, ok := p.Find(wire.ChunkData); ok && p.From == openssl && keyOf(p) == 0 {
						earlier = p
					}
					return pass(p)
				})
				conn, other := connect(resumed)
				if s := conn.ConnectionState(); s.DidResume != resumed {
					t.Fatalf("resumed %v, want %v", s.DidResume, resumed)
				}
				before, _ := conn.Stats()
				mu.Lock()
				a.Send(earlier)
				mu.Unlock()
				for start := time.Now(); ; time.Sleep(time.Millisecond) {
					if now, _ := conn.Stats(); now.Duplicates > before.Duplicates {
						break
					}
					if time.Since(start) > Patience {
						t.Fatal("what OpenSSL sends again under key 0 is not taken")
					}
				}
				for _, f := range oldKeyForgeries {
					a.Intercept(func(p *wire.Packet) []*wire.Packet {
						c, ok := p.Find(wire.ChunkData)
						if !ok || p.From != openssl {
							return pass(p)
						}
						mu.Lock()
						defer mu.Unlock()
						forged := a.Sign(p.From, 0, nil, f.make(c, earlier))
						hidden := a.Forge(p.From, append([]wire.Chunk{{Type: wire.ChunkHeartbeatAck}},
							forged.Chunks...)...)
						behind := a.Sign(p.From, 0, nil, append([]wire.Chunk{earlier.Chunks[len(earlier.Chunks)-1]},
							f.make(c, earlier))...)
						return []*wire.Packet{forged, hidden, behind, p}
					})
					line := fmt.Sprintf("resumed %v, %s\n", resumed, f.name)
					other.Type(line)
					says(t, conn, line)
				}
				a.Intercept(nil)
				if n := len(deleted); n != 0 {
					t.Errorf("resumed %v: %d keys are deleted already", resumed, n)
				}
				select {
				case id := <-deleted:
					if id != 0 {
						t.Errorf("key %d was deleted", id)
					}
				case <-time.After(Patience):
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

// resumable starts OpenSSL as the other end, and returns what connects with it.
func (p *opensslPair) resumable(t *testing.T, ours string,
	config *sctpdtls.Config) func(resumed bool) (*sctpdtls.Conn, *Process) {
	if ours == "client" {
		server := p.openssl(t, "server")
		server.WaitFor("ACCEPT")
		return func(bool) (*sctpdtls.Conn, *Process) {
			conn, err := p.dial(t, config)
			if err != nil {
				t.Fatal(err)
			}
			return conn, server
		}
	}
	ln := p.listen(t, config)
	session := filepath.Join(t.TempDir(), "session.pem")
	return func(resumed bool) (*sctpdtls.Conn, *Process) {
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

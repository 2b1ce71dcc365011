//go:build kernel

package netns

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// TestAttackH4KeyZero forges a chunk under key 0, which everyone knows, while that key is in use:
// during a handshake, which then fails with an alert because the record is not valid.
func TestAttackH4KeyZero(t *testing.T) { // RFC 6083, Section 4.8
	p, a := newAttackedPair(t)
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		config := func(role string) *sctpdtls.Config { return p.attackedConfig(t, role, version) }
		t.Run(versionName(version), func(t *testing.T) {
			var forged atomic.Bool
			a.Intercept(func(p *wire.Packet) []*wire.Packet {
				c, ok := p.Find(wire.ChunkData)
				if !ok || p.From != wire.Responder || forged.Swap(true) {
					return pass(p)
				}
				c.Value = slices.Clone(c.Value) // the ServerHello
				c.Value[len(c.Value)-1] ^= 1
				return []*wire.Packet{a.Sign(p.From, 0, nil, c), p}
			})
			cerr, serr := p.refusedHandshake(t, config, Patience)
			for end, err := range map[string]error{"client": cerr, "server": serr} {
				if _, ok := errors.AsType[*sctpdtls.AlertError](err); !ok {
					t.Errorf("the handshake of the %s ended with %v", end, err)
				}
			}
		})
	}
}

// TestAttackC6H4H6OldKeys forges chunks under keys that were replaced, from the moment at which the
// handshake is complete: key 0, which everyone knows, and after a renegotiation also the previous
// key, which the attacker has. Each message is repeated, moved, or removed before it arrives. The
// attack has no effect, because an endpoint deletes the old key when the peer's Finished arrives
// under the new one.
func TestAttackC6H4H6OldKeys(t *testing.T) { // RFC 6083, Section 4.8
	p, a := newAttackedPair(t)
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		for _, renegotiated := range []bool{false, true} {
			if renegotiated && version == sctpdtls.VersionDTLS13 {
				continue
			}
			for _, f := range oldKeyForgeries {
				t.Run(fmt.Sprintf("%s/renegotiated %v/%s", versionName(version), renegotiated, f.name),
					func(t *testing.T) {
						a.Intercept(nil)
						client, server := p.bothEnds(t, func(role string) *sctpdtls.Config {
							return p.attackedConfig(t, role, version)
						})
						keys := [][]byte{nil}
						if renegotiated {
							keys = append(keys, authSecret(t, client))
							served := make(chan error, 1)
							go func() { served <- server.Renegotiate(t.Context()) }()
							if err := errors.Join(client.Renegotiate(t.Context()), <-served); err != nil {
								t.Fatal(err)
							}
						}
						var before [2]*wire.Packet
						a.Intercept(func(p *wire.Packet) (out []*wire.Packet) {
							c, ok := p.Find(wire.ChunkData)
							if !ok {
								return pass(p)
							}
							if old := before[p.From]; old != nil {
								for id, secret := range keys {
									out = append(out, a.Sign(p.From, uint16(id), secret, f.make(c, old)))
								}
							}
							before[p.From] = p
							return append(out, p)
						})
						talk := startTalk(t, client, server)
						talk.more(10)
						talk.end()
					})
			}
		}
	}
}

// TestAttackC6H4H6FirstMessages does the same to messages that an endpoint sends as early as it
// can. In DTLS 1.3 the attacker delays what tells the client that the server has switched until the
// server's first message has arrived: the client has key 0 until then, but accepts no new messages
// under it. For DTLS 1.2, in which the messages are the client's, see SECURITY.md.
func TestAttackC6H4H6FirstMessages(t *testing.T) { // RFC 6083, Section 4.8
	p, a := newAttackedPair(t)
	for _, tt := range []struct {
		version uint16
		sender  wire.Side
	}{{sctpdtls.VersionDTLS12, wire.Initiator}, {sctpdtls.VersionDTLS13, wire.Initiator},
		{sctpdtls.VersionDTLS13, wire.Responder}} {
		for _, f := range oldKeyForgeries {
			t.Run(fmt.Sprintf("%s/end %d/%s", versionName(tt.version), tt.sender, f.name),
				func(t *testing.T) {
					var held []*wire.Packet
					var before *wire.Packet
					a.Intercept(func(p *wire.Packet) []*wire.Packet {
						c, ok := p.Find(wire.ChunkData)
						if !ok || p.From != tt.sender {
							return pass(p)
						}
						old := before
						before = p
						if Stream(c) == 0 {
							if keyOf(p) == 0 || p.From == wire.Initiator {
								return pass(p)
							}
							held = append(held, p)
							return nil
						}
						out := append([]*wire.Packet{a.Sign(p.From, 0, nil, f.make(c, old))}, held...)
						held = nil
						return append(out, p)
					})
					const messages = 5
					write := func(c *sctpdtls.Conn) {
						for n := range messages {
							if err := c.WriteMessage([]byte{byte(n)}, sctpdtls.MessageInfo{Stream: 1}); err != nil {
								t.Errorf("message %d: %v", n, err)
							}
						}
					}
					config := func(role string) *sctpdtls.Config { return p.attackedConfig(t, role, tt.version) }
					ln := p.listen(t, config("server"))
					defer ln.Close()
					accepted := make(chan *sctpdtls.Conn, 1)
					go func() {
						c, err := ln.AcceptConn(t.Context())
						if err != nil {
							t.Errorf("Accept: %v", err)
						} else if tt.sender == wire.Responder {
							write(c)
						}
						accepted <- c
					}()
					client, err := p.dial(t, config("client"))
					if err != nil {
						t.Fatal(err)
					}
					if tt.sender == wire.Initiator {
						write(client)
					}
					reader := client
					server := <-accepted
					if tt.sender == wire.Initiator {
						reader = server
					}
					reader.SetReadDeadline(time.Now().Add(Patience))
					for n := range messages {
						buf := make([]byte, 10)
						size, info, err := reader.ReadMessage(buf)
						if err != nil || size != 1 || int(buf[0]) != n || info.Stream != 1 {
							t.Fatalf("message %d is %v with %+v, %v", n, buf[:size], info, err)
						}
					}
					a.Intercept(nil)
					closeBoth(t, client, server)
				})
		}
	}
}

// oldKeyForgeries are what an attacker inserts before the message in c; before is an earlier
// packet.
var oldKeyForgeries = []struct {
	name string
	make func(c wire.Chunk, before *wire.Packet) wire.Chunk
}{
	{"replayed", func(c wire.Chunk, before *wire.Packet) wire.Chunk {
		old, _ := before.Find(wire.ChunkData)
		c.Value = slices.Concat(c.Value[:12], old.Value[12:])
		return c
	}},
	{"moved to another stream and PPID", func(c wire.Chunk, _ *wire.Packet) wire.Chunk {
		c.Value = slices.Clone(c.Value)
		binary.BigEndian.PutUint16(c.Value[4:], 7)
		binary.BigEndian.PutUint32(c.Value[8:], 99)
		return c
	}},
	{"removed by a lone first fragment", func(c wire.Chunk, _ *wire.Packet) wire.Chunk {
		const begins = 2
		c.Flags, c.Value = begins, append(slices.Clone(c.Value[:12]), 0)
		return c
	}},
	{"removed by FORWARD-TSN", func(c wire.Chunk, _ *wire.Packet) wire.Chunk {
		return skipMessage(c)
	}},
}

// refusedHandshake attempts a handshake that must fail, and returns the errors of both endpoints.
// After the server has failed, the client has a short time to fail by itself.
func (p *opensslPair) refusedHandshake(t *testing.T, config func(role string) *sctpdtls.Config,
	moment time.Duration) (client, server error) {
	t.Helper()
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	served := config("server")
	served.Trace = &sctpdtls.Trace{HandshakeDone: func(_ net.Addr, _ sctpdtls.ConnectionState,
		err error) {
		done <- err
		time.AfterFunc(moment, cancel)
	}}
	ln := p.listen(t, served)
	defer ln.Close()
	var c *sctpdtls.Conn
	p.client.Do(t, func() {
		c, client = (&sctpdtls.Dialer{Config: config("client")}).DialConn(ctx, "sctp4", p.address())
	})
	if client == nil {
		// In DTLS 1.3 the client may complete the handshake before the server refuses it.
		defer c.Abort()
		defer context.AfterFunc(ctx, func() { c.Abort() })()
		_, client = c.Read(make([]byte, 1))
	}
	select {
	case server = <-done:
	case <-time.After(Patience):
		t.Fatal("the server's handshake does not end")
	}
	return client, server
}

package sctpdtls

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
)

// connected13 returns both ends of a DTLS 1.3 connection whose configurations change has changed.
func connected13(t *testing.T, o assoctest.Options, change func(client, server *Config)) *testPair {
	t.Helper()
	client, server := clientConfig(), serverConfig()
	for _, c := range []*Config{client, server} {
		c.MinVersion, c.MaxVersion = VersionDTLS13, VersionDTLS13
	}
	if change != nil {
		change(client, server)
	}
	p := newTestPair(t, o, client, server)
	if cerr, serr := p.handshake(); cerr != nil || serr != nil {
		t.Fatalf("handshake: client %v, server %v", cerr, serr)
	}
	return p
}

// The handshake of DTLS 1.3: the server's flight under key 0, the client's second flight under key
// 1, and the server's answer too. It waits for no timer. RFC 6083, Section 4.8.
func TestKeysOfTheHandshake13(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		p := connected13(t, assoctest.Options{}, nil)
		p.close()
		if d := time.Since(start); d > 14*time.Millisecond {
			t.Errorf("it took %v with a delay of 1ms", d)
		}
		if n, m := p.clientSCTP.Dropped(), p.sctp.Dropped(); n+m != 0 {
			t.Errorf("%d messages to the client and %d to the server came under a key that was not known", n,
				m)
		}
		// ClientHello is one record; the server's first flight is ServerHello and, in epoch 2,
		// EncryptedExtensions to Finished.
		for i, s := range p.clientSCTP.Sent() {
			if want := uint16(min(i, 1)); s.Key != want {
				t.Errorf("client: record %d under key %d, want %d", i, s.Key, want)
			}
		}
		switched := false
		for i, s := range p.sctp.Sent() {
			epoch := s.Data[0] & 3 // of a unified header
			switched = switched || s.Data[0]&0xe0 == 0x20 && epoch == 3
			if want := map[bool]uint16{false: 0, true: 1}[switched]; s.Key != want {
				t.Errorf("server: record %d under key %d, want %d", i, s.Key, want)
			}
		}
	})
}

// KeyUpdate by either side, by both at once, with someone reading and without: attack D11.
func TestKeyUpdate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected13(t, assoctest.Options{}, nil)
		if err := p.client.KeyUpdate(t.Context(), UpdateRequested); err != nil { // nobody reads
			t.Fatal(err)
		}
		stop := p.traffic(4, 200)
		for i := range 20 {
			var wg sync.WaitGroup
			for _, c := range []*Conn{p.client, p.server} {
				wg.Go(func() {
					if err := c.KeyUpdate(t.Context(), KeyUpdateRequest(i%2)); err != nil {
						t.Errorf("KeyUpdate %d: %v", i, err)
					}
				})
			}
			wg.Wait()
			time.Sleep(10 * time.Millisecond)
		}
		stop()
		p.close()
	})
}

// New keys of DTLS 1.2 come from renegotiation only: RFC 6083, Section 4.6.
func TestKeyUpdateOfDTLS12(t *testing.T) {
	bubble(t, func(t *testing.T) {
		client := clientConfig()
		client.MaxVersion = VersionDTLS12
		p := newTestPair(t, assoctest.Options{}, client, serverConfig())
		if cerr, serr := p.handshake(); cerr != nil || serr != nil {
			t.Fatal(cerr, serr)
		}
		if err := p.client.KeyUpdate(t.Context(), UpdateNotRequested); !errors.Is(err,
			dtlscore.ErrMisuse) {
			t.Errorf("KeyUpdate: %v, want ErrMisuse", err)
		}
		p.close()
	})
}

// The policy makes new keys by records, bytes and age, and nothing is lost: attack E7.
func TestAttackE7RekeyPolicy(t *testing.T) {
	for name, policy := range map[string]RekeyPolicy{
		"records": {Records: 10}, "bytes": {Bytes: 100}, "age": {Age: 20 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := connected13(t, assoctest.Options{}, func(client, server *Config) {
					client.RekeyAfter, server.RekeyAfter = policy, policy
				})
				before := len(p.clientSCTP.Sent())
				stop := p.traffic(4, 200)
				stop()
				if name != "age" {
					// Each KeyUpdate is a record, and so is its acknowledgement.
					if n := len(p.clientSCTP.Sent()) - before - 4*200; n < 10 {
						t.Errorf("%d control records among 800 messages: no new keys were made", n)
					}
				}
				p.close()
			})
		})
	}
}

// Trace reports once, in time, that a key of SCTP-AUTH is near its limit (RFC 4895, Section 9).
func TestKeyLife(t *testing.T) {
	bubble(t, func(t *testing.T) {
		called := make(chan *Conn, 2)
		p := connected13(t, assoctest.Options{}, func(client, _ *Config) {
			client.Trace = &Trace{AuthKey: func(c *Conn, _ uint16, what AuthKeyChange) {
				if what == AuthKeyNearLimit {
					called <- c
				}
			}}
		})
		p.client.counted.messagesSent.Add(keyLife/4*3 - 1)
		for range 5 {
			if err := p.client.WriteMessage([]byte("x"), MessageInfo{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		if len(called) != 1 || <-called != p.client {
			t.Errorf("AuthKeyNearLimit was told %d times", len(called)+1)
		}
		p.server.Abort()
		p.client.Close()
	})
}

// traffic sends messages both ways on so many streams, and checks that none is lost, twice there or
// out of order within its stream. The function that it returns waits for the end.
func (p *testPair) traffic(streams, each int) (wait func()) {
	var wg sync.WaitGroup
	for _, c := range []*Conn{p.client, p.server} {
		for s := range streams {
			wg.Go(func() {
				for i := range uint32(each) {
					if err := c.WriteMessage(binary.BigEndian.AppendUint32(nil, i),
						MessageInfo{Stream: uint16(s)}); err != nil {
						p.t.Errorf("stream %d, message %d: %v", s, i, err)
						return
					}
					time.Sleep(time.Millisecond) // of the false clock
				}
			})
		}
		wg.Go(func() {
			next := make([]uint32, streams)
			buf := make([]byte, 16)
			for range streams * each {
				n, info, err := c.ReadMessage(buf)
				if err != nil {
					p.t.Errorf("ReadMessage: %v", err)
					return
				}
				if got := binary.BigEndian.Uint32(buf[:n]); got != next[info.Stream] {
					p.t.Errorf("stream %d: message %d, want %d", info.Stream, got, next[info.Stream])
				}
				next[info.Stream]++
			}
		})
	}
	return wg.Wait
}

// However often new keys are wanted, this end begins no more than the peer takes without calling it
// an attack, and the connection goes on.
func TestKeysWantedTooOften(t *testing.T) {
	versions := []uint16{VersionDTLS12, VersionDTLS13}
	pair := func(t *testing.T, version uint16, p RekeyPolicy) *testPair {
		client, server := clientConfig(), serverConfig()
		for _, c := range []*Config{client, server} {
			c.MinVersion, c.MaxVersion, c.Renegotiation = version, version, RenegotiateFreely
		}
		client.RekeyAfter = p
		pair := newTestPair(t, assoctest.Options{}, client, server)
		if cerr, serr := pair.handshake(); cerr != nil || serr != nil {
			t.Fatalf("handshake: client %v, server %v", cerr, serr)
		}
		return pair
	}
	for _, version := range versions {
		t.Run(fmt.Sprintf("by the policy, %#x", version), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := pair(t, version, RekeyPolicy{Records: 5})
				for range 1000 {
					pingPong(t, p.client, p.server)
				}
				p.close()
			})
		})
		for i, who := range []string{"client", "server"} {
			t.Run(fmt.Sprintf("by calls of the %s, %#x", who, version), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					p := pair(t, version, RekeyPolicy{})
					c, call := []*Conn{p.client, p.server}[i], (*Conn).Renegotiate
					if version == VersionDTLS13 {
						call = func(c *Conn, ctx context.Context) error { return c.KeyUpdate(ctx, UpdateRequested) }
					}
					var refused int
					for range 200 {
						if err := call(c, t.Context()); errors.Is(err, dtlscore.ErrMisuse) {
							refused++
						} else if err != nil {
							t.Fatal(err)
						}
						time.Sleep(10 * time.Millisecond)
					}
					if refused == 0 {
						t.Error("all of them were begun")
					}
					time.Sleep(10 * time.Second)
					must(t, call(c, t.Context()))
					pingPong(t, p.client, p.server)
					p.close()
				})
			})
		}
	}
	t.Run("KeyUpdates with messages between", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p := pair(t, VersionDTLS13, RekeyPolicy{})
			for range 200 {
				must(t, p.client.KeyUpdate(t.Context(), UpdateNotRequested))
				pingPong(t, p.client, p.server)
			}
			p.close()
		})
	})
}

// A peer that refuses to renegotiate is not asked so often that it ends the connection. It is asked
// again when messages have been sent.
func TestRefusedTooOften(t *testing.T) {
	for _, who := range []string{"client", "server"} {
		t.Run(who, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client, server := clientConfig(), serverConfig()
				client.MaxVersion, server.MaxVersion = VersionDTLS12, VersionDTLS12
				asks := map[string]*Config{"client": client, "server": server}[who]
				asks.Renegotiation = RenegotiateWhenCalled
				p := newTestPair(t, assoctest.Options{}, client, server)
				if cerr, serr := p.handshake(); cerr != nil || serr != nil {
					t.Fatal(cerr, serr)
				}
				c := map[string]*Conn{"client": p.client, "server": p.server}[who]
				sent := func() int { return len(p.clientSCTP.Sent()) + len(p.sctp.Sent()) }
				for range 20 {
					for range 20 {
						want(t, "Renegotiate", c.Renegotiate(t.Context()), ErrRenegotiationRefused)
					}
					time.Sleep(time.Second)
					before := sent()
					pingPong(t, p.client, p.server)
					want(t, "Renegotiate", c.Renegotiate(t.Context()), ErrRenegotiationRefused)
					if n := sent() - before; n != 4 { // two messages, a wish and its refusal
						t.Errorf("%d records were sent", n)
					}
				}
				p.close()
			})
		})
	}
}

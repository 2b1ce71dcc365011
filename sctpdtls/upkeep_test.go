package sctpdtls

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
)

// The record numbers of DTLS 1.3 have 16 bits. However many messages are written, by one who reads
// or one who does not, all arrive, and nobody has to know: RFC 9147, Section 4.2.2.
func TestUpkeep(t *testing.T) {
	const messages = 40_000 // more than 2^15
	for _, reads := range []bool{false, true} {
		t.Run(fmt.Sprintf("writer reads %v", reads), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := connected(t, assoctest.Options{Buffer: 2000})
				if reads {
					go p.client.ReadMessage(nil)
				}
				done := make(chan error)
				go func() {
					buf := make([]byte, 10)
					for i := range messages {
						n, _, err := p.server.ReadMessage(buf)
						if err == nil && string(buf[:n]) != fmt.Sprint(i) {
							err = fmt.Errorf("message %q, want %d", buf[:n], i)
						}
						if err != nil {
							done <- err
							return
						}
					}
					done <- nil
				}()
				for i := range messages {
					if err := p.client.WriteMessage(fmt.Append(nil, i), MessageInfo{Stream: 1}); err != nil {
						t.Fatal(err)
					}
				}
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				halts := 0
				for _, s := range p.clientSCTP.Sent() {
					if s.Info.Stream == 0 {
						halts++
					}
				}
				if halts -= 4; halts < 2 || halts > 3 { // a handshake, and one every 2^14 or so
					t.Errorf("%d control records", halts)
				}
				p.close()
			})
		})
	}
}

// A writer that has to wait for new keys or record numbers still returns at its deadline, or when
// something else ends it, although the peer does not read and the flush before them never ends.
func TestUpkeepHeedsWriters(t *testing.T) {
	for name, policy := range map[string]RekeyPolicy{"record numbers": {}, "RekeyAfter": {Records: 3},
		"RekeyAfter bytes": {Bytes: 30000}} {
		for call, interrupt := range map[string]func(c *Conn, s *Stream){
			"deadline": func(*Conn, *Stream) {}, // set before
			"changed deadline": func(c *Conn, s *Stream) {
				c.SetWriteDeadline(past)
				s.SetWriteDeadline(past)
			},
			"Close":          func(c *Conn, _ *Stream) { go c.Close() },
			"CloseWrite":     func(c *Conn, _ *Stream) { go c.CloseWrite() },
			"Abort":          func(c *Conn, _ *Stream) { go c.Abort() },
			"Stream's Close": func(c *Conn, s *Stream) { c.SetWriteDeadline(past); s.Close() },
		} {
			t.Run(name+", "+call, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					p := connected13(t, assoctest.Options{Window: 10000, Buffer: 1 << 20, GiveUp: 24 * time.Hour},
						func(client, server *Config) {
							client.RekeyAfter, client.CloseTimeout = policy, time.Second
							server.ReadQueue = 1
						})
					if name == "record numbers" { // they are due soon: after 15,865 records
						batch := slices.Repeat([]Message{{Data: []byte("x")}}, 95)
						buf := make([]byte, 1)
						for range 15_865 / len(batch) {
							if n, err := p.client.WriteMessages(batch); err != nil {
								t.Fatalf("%d messages written: %v", n, err)
							}
							for range batch {
								if _, _, err := p.server.ReadMessage(buf); err != nil {
									t.Fatal(err)
								}
							}
						}
					}
					stream := p.client.Stream(1)
					start := time.Now()
					if call == "deadline" {
						p.client.SetWriteDeadline(start.Add(time.Minute))
						stream.SetWriteDeadline(start.Add(time.Minute))
					}
					var writers sync.WaitGroup
					for _, write := range []func([]byte) error{
						func(b []byte) error { _, err := stream.Write(b); return err },
						func(b []byte) error { return p.client.WriteMessage(b, MessageInfo{}) },
						func(b []byte) error {
							_, err := p.client.WriteMessages([]Message{{Data: b},
								{Data: b}})
							return err
						},
					} {
						writers.Go(func() {
							for range 200 { // more than the send buffer holds
								if err := write(make([]byte, 9000)); err != nil {
									return
								}
							}
							t.Error("all was written: nothing had to wait")
						})
					}
					time.Sleep(time.Minute)
					interrupt(p.client, stream)
					writers.Wait()
					if d := time.Since(start); d > time.Minute+2*time.Second {
						t.Errorf("the writers came back after %v, want a minute", d)
					}
					p.client.Abort()
					p.server.Abort()
				})
			})
		}
	}
}

// A policy that cannot be carried out wakes nobody: without renegotiation DTLS 1.2 has no new keys.
func TestRekeyPolicyWakesSeldom(t *testing.T) {
	const messages = 1000
	for name, test := range map[string]struct {
		version uint16
		most    int32 // calls of Recv of the reader
	}{"1.2": {VersionDTLS12, 3}, "1.3": {VersionDTLS13, 6 * messages / 100}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client := clientConfig()
				client.MaxVersion = test.version
				client.RekeyAfter = RekeyPolicy{Records: 100}
				p := newTestPair(t, assoctest.Options{}, client, serverConfig())
				if cerr, serr := p.handshake(); cerr != nil || serr != nil {
					t.Fatal(cerr, serr)
				}
				var calls atomic.Int32
				before := func() { calls.Add(1) }
				p.client.assoc.(*memAssociation).before.Store(&before)
				go p.client.ReadMessage(nil)
				go func() {
					for range messages {
						p.server.ReadMessage(make([]byte, 10))
					}
				}()
				sent := len(p.clientSCTP.Sent())
				for range messages {
					if err := p.client.WriteMessage([]byte("x"), MessageInfo{}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
				}
				// Each message is a call too.
				if n := calls.Load() - messages; n > test.most {
					t.Errorf("the reader looked %d times for messages that did not come, want %d at most", n,
						test.most)
				}
				if n := len(p.clientSCTP.Sent()) - sent - messages; test.version == VersionDTLS13 &&
					n < messages/100-1 {
					t.Errorf("new keys were made %d times, want %d", n, messages/100)
				}
				p.client.Abort()
				p.server.Abort()
			})
		})
	}
}

//go:build kernel

package netns

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// At 10 % loss each way nothing hangs although key 0 goes with the handshake, in either version:
// whoever changes keys has everything acknowledged before. RFC 6083, Section 4.8.
func TestHandshakesUnderLoss(t *testing.T) {
	p := &opensslPair{certs: t.TempDir()}
	p.client, p.server = NewPair(t)
	p.server.Run(t, "sctp-echo", "certs", "-host", p.server.Addrs[0].String(), p.certs)
	p.lose(t, "delay 1ms loss 10%")
	const workers, handshakes = 10, 80
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		t.Run(versionName(version), func(t *testing.T) {
			config := func(role string) *sctpdtls.Config {
				c := p.config(t, role, nil)
				c.MinVersion, c.MaxVersion = version, version
				c.HandshakeTimeout, c.CloseTimeout = Patience, Patience
				return c
			}
			client, ln := config("client"), p.listen(t, config("server"))
			defer ln.Close()
			var work sync.WaitGroup
			work.Go(func() {
				for range handshakes {
					c, err := ln.AcceptConn(t.Context())
					if err != nil {
						t.Errorf("Accept: %v", err)
						return
					}
					work.Go(func() {
						defer c.Close()
						if err := echoMessages(c); err != io.EOF {
							t.Errorf("the server's end: %v", err)
						}
					})
				}
			})
			var next atomic.Int64
			var took durations
			for range workers {
				work.Go(func() {
					for next.Add(1) <= handshakes {
						begin := time.Now()
						if err := p.exchange(t, client); err != nil {
							t.Errorf("after %v: %v", time.Since(begin).Round(time.Millisecond), err)
							ln.Close()
							return
						}
						took.add(time.Since(begin))
					}
				})
			}
			work.Wait()
			t.Logf("%d handshakes, each with a message both ways and its close: %v", handshakes, &took)
		})
	}
}

// echoMessages sends back what comes, and returns how that ends.
func echoMessages(c *sctpdtls.Conn) error {
	buf := make([]byte, 100)
	for {
		n, info, err := c.ReadMessage(buf)
		if err == nil {
			err = c.WriteMessage(buf[:n], info)
		}
		if err != nil {
			return err
		}
	}
}

// exchange connects, has a message echoed, and closes.
func (p *opensslPair) exchange(t *testing.T, config *sctpdtls.Config) error {
	var c *sctpdtls.Conn
	var err error
	p.client.Do(t, func() { c, err = sctpdtls.Dial("sctp4", p.address(), config) })
	if err != nil {
		return err
	}
	defer c.Abort()
	if err := echo(c, 0, Patience); err != nil {
		return err
	}
	return c.Close()
}

// What is lost, overtaken or given up is not taken for removed, at any change of keys and at the
// end, with messages of all sizes on many streams before and after each. RFC 6083, Section 4.9.
func TestNothingTakenForRemoved(t *testing.T) {
	p := &opensslPair{certs: t.TempDir()}
	p.client, p.server = NewPair(t)
	p.server.Run(t, "sctp-echo", "certs", "-host", p.server.Addrs[0].String(), p.certs)
	for _, h := range []*Host{p.client, p.server} {
		h.Netem(t, 0, "delay 5ms 3ms loss 5%")
	}
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		for _, partial := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/partial reliability %v", versionName(version), partial),
				func(t *testing.T) {
					client, server := p.bothEnds(t, func(role string) *sctpdtls.Config {
						c := p.attackedConfig(t, role, version)
						c.SCTP.PartialReliability = partial
						c.SCTP.RTOMin = 100 * time.Millisecond
						return c
					})
					var work, writers sync.WaitGroup
					for _, c := range []*sctpdtls.Conn{client, server} {
						c.SetDeadline(time.Now().Add(2 * Patience))
						work.Go(func() {
							buf := make([]byte, sctpdtls.MaxMessageSize)
							_, _, err := c.ReadMessage(buf)
							for ; err == nil; _, _, err = c.ReadMessage(buf) {
							}
							if err != io.EOF {
								t.Errorf("a reader's end: %v", err)
							}
						})
						writers.Go(func() {
							for n := range 5 {
								for i := range 40 {
									info := sctpdtls.MessageInfo{Stream: uint16(i % 10), Unordered: i%3 == 0}
									if partial && i%4 == 0 {
										info.Lifetime = 10 * time.Millisecond
									}
									size := 10
									if i%7 == 0 {
										size = 5000
									}
									if err := c.WriteMessage(make([]byte, size), info); err != nil {
										t.Errorf("message %d: %v", i, err)
										return
									}
								}
								var err error
								if version == sctpdtls.VersionDTLS13 {
									err = c.KeyUpdate(t.Context(), sctpdtls.KeyUpdateRequest(n%2))
								} else if c == client || n == 2 {
									err = c.Renegotiate(t.Context())
								}
								if err != nil {
									t.Errorf("new keys %d: %v", n, err)
									return
								}
							}
						})
					}
					writers.Wait()
					for _, c := range []*sctpdtls.Conn{client, server} {
						if err := c.CloseWrite(); err != nil {
							t.Errorf("CloseWrite: %v", err)
						}
					}
					work.Wait()
					closeBoth(t, client, server)
				})
		}
	}
}

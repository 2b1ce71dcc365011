//go:build kernel

package netns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// losePower makes the client's host forget its associations without a word, as one that loses its
// power, and boots it.
func (p *opensslPair) losePower(t *testing.T, conns ...*sctpdtls.Conn) {
	t.Helper()
	p.client.SetLink(t, 0, "down")
	for _, c := range conns {
		c.Abort() // nobody hears the ABORT
	}
	p.client.SetLink(t, 0, "up")
}

// A client that comes back after its host has lost its power dials from the same port, while the
// server still has the association of before. One Dial is enough, and the server learns that the
// old one is over: not by net.ErrClosed, which would be its own doing.
func TestPowerLoss(t *testing.T) {
	const rounds = 8
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		t.Run(fmt.Sprintf("%#x", version), func(t *testing.T) {
			p := newOpenSSLPair(t)
			ln := p.listen(t, p.faultConfig(t, "server", version))
			ends := make(chan error, rounds+1)
			var serving sync.WaitGroup
			serving.Go(func() {
				for {
					c, err := ln.AcceptConn(t.Context())
					if err != nil {
						return
					}
					serving.Go(func() {
						defer c.Abort()
						buf := make([]byte, sctpdtls.MaxMessageSize)
						for {
							n, info, err := c.ReadMessage(buf)
							if err == nil {
								err = c.WriteMessage(buf[:n], info)
							}
							if err != nil {
								ends <- err
								return
							}
						}
					})
				}
			})
			local := resolve(t, p.client.Addrs[0].String()+":38412")
			d := &sctpdtls.Dialer{Config: p.faultConfig(t, "client", version), LocalAddr: local}
			for i := range rounds {
				ctx, cancel := context.WithTimeout(t.Context(), Patience)
				var conn net.Conn
				var err error
				start := time.Now()
				p.client.Do(t, func() { conn, err = d.DialContext(ctx, "sctp4", p.address()) })
				cancel()
				if err != nil {
					t.Fatalf("round %d: after %v: %v", i, time.Since(start), err)
				}
				c := conn.(*sctpdtls.Conn)
				if err := c.WriteMessage([]byte("hello"), sctpdtls.MessageInfo{}); err != nil {
					t.Fatal(err)
				}
				says(t, c, "hello")
				if i == rounds-1 {
					if err := c.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
					break
				}
				p.losePower(t, c)
			}
			closed := 0
			for range rounds {
				if err := <-ends; err == io.EOF {
					closed++
				} else if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
					t.Errorf("an old connection ended with %v, want an io.ErrUnexpectedEOF", err)
				}
			}
			if closed != 1 {
				t.Errorf("%d connections ended with io.EOF, want the last one", closed)
			}
			ln.Close()
			serving.Wait()
		})
	}
}

// Close of a connection whose paths have all failed does not take CloseTimeout.
func TestCloseOfLostPaths(t *testing.T) {
	p := newOpenSSLPair(t)
	lost := make(chan struct{})
	var once sync.Once
	config := p.faultConfig(t, "server", sctpdtls.VersionDTLS13)
	config.SCTP.PathMaxRetrans, config.SCTP.AssocMaxRetrans, config.SCTP.RTOMax = 2, 1000,
		400*time.Millisecond
	config.CloseTimeout = Patience
	config.Trace = &sctpdtls.Trace{Event: func(_ *sctpdtls.Conn, ev sctpdtls.Event) {
		if e, ok := ev.(sctpdtls.PeerAddrChange); ok && e.Change == sctpdtls.AddrUnreachable {
			once.Do(func() { close(lost) })
		}
	}}
	ln := p.listen(t, config)
	if _, err := p.dial(t, p.faultConfig(t, "client", sctpdtls.VersionDTLS13)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	c, err := ln.AcceptConn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	p.client.SetLink(t, 0, "down")
	go c.ReadMessage(nil)
	if err := c.WriteMessage([]byte("lost"), sctpdtls.MessageInfo{}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-lost:
	case <-ctx.Done():
		t.Fatal("SCTP does not give the path up")
	}
	start := time.Now()
	if _, ok := c.Close().(*sctpdtls.CloseTimeoutError); !ok {
		t.Error("Close does not tell that a message was not delivered")
	}
	if d := time.Since(start); d > Patience/2 {
		t.Errorf("Close took %v", d)
	}
}

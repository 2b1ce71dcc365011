package sctpdtls

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
)

// panicsOf returns what f panics with, nil if it returns.
func panicsOf(f func()) (value any) {
	defer func() { value = recover() }()
	f()
	return nil
}

// A callback that panics in a goroutine of the application ends the connection. The application may
// recover from that: all calls return then, Close too.
func TestCallbackPanics(t *testing.T) {
	wantEnd := func(t *testing.T, p *testPair, c *Conn) {
		t.Helper()
		if _, _, err := c.ReadMessage(make([]byte, 10)); err == nil {
			t.Error("a message was read")
		}
		start := time.Now()
		c.Close()
		if d := time.Since(start); d > 2*alertTime {
			t.Errorf("Close took %v", d)
		}
		p.client.Abort()
		p.server.Abort()
	}
	for _, version := range bothVersions {
		for _, who := range []string{"client", "server"} {
			bubble(t, func(t *testing.T) { // in a handshake
				client, server := clientConfig(), serverConfig()
				client.MaxVersion = version
				configs := map[string]*Config{"client": client, "server": server}
				configs[who].VerifyConnection = func(ConnectionState) error { panic("mine") }
				p := newTestPair(t, assoctest.Options{}, client, server)
				conns := map[string]*Conn{"client": p.client, "server": p.server}
				c := conns[who]
				delete(conns, who)
				for _, other := range conns {
					go other.Handshake()
				}
				if v := panicsOf(func() { c.Handshake() }); v != "mine" {
					t.Errorf("%#x, %s: the handshake panics with %v", version, who, v)
				}
				wantEnd(t, p, c)
			})
		}
	}
	bubble(t, func(t *testing.T) { // in a renegotiation that a reader processes
		client, server := clientConfig(), serverConfig()
		client.MaxVersion = VersionDTLS12
		hellos := 0
		server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hellos++; hellos > 1 {
				panic("mine")
			}
			return nil, nil
		}
		client.Renegotiation, server.Renegotiation = RenegotiateFreely, RenegotiateFreely
		p := newTestPair(t, assoctest.Options{}, client, server)
		if cerr, serr := p.handshake(); cerr != nil || serr != nil {
			t.Fatal(cerr, serr)
		}
		p.lend()
		value := make(chan any, 1)
		go func() {
			value <- panicsOf(func() { p.server.ReadMessage(make([]byte, 10)) })
		}()
		p.wantTaken()
		if err := p.client.Renegotiate(context.Background()); err == nil {
			t.Error("new keys")
		}
		if v := <-value; v != "mine" {
			t.Errorf("the reader panics with %v", v)
		}
		wantEnd(t, p, p.server)
	})
}

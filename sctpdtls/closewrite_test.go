package sctpdtls

import (
	"io"
	"net"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// After CloseWrite nothing can be written, all that the peer has written can still be read, and
// then io.EOF: RFC 6083, Section 4.9.
func TestCloseWrite(t *testing.T) {
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		for _, reads := range []bool{false, true} {
			bubble(t, func(t *testing.T) {
				client := clientConfig()
				client.MinVersion, client.MaxVersion = version, version
				p := newTestPair(t, assoctest.Options{Delay: 10 * time.Millisecond}, client, serverConfig())
				if cerr, serr := p.handshake(); cerr != nil || serr != nil {
					t.Fatal(cerr, serr)
				}
				const messages = 50
				for _, c := range []*Conn{p.client, p.server} {
					for i := range messages {
						if err := c.WriteMessage([]byte{byte(i)}, MessageInfo{Stream: 1}); err != nil {
							t.Fatal(err)
						}
					}
				}
				read := func(c *Conn) <-chan error {
					done := make(chan error, 1)
					go func() {
						buf := make([]byte, 10)
						for i := 0; ; i++ {
							if _, _, err := c.ReadMessage(buf); err != nil || buf[0] != byte(i) {
								if i != messages {
									t.Errorf("%v: message %d: %v, %v", c.LocalAddr(), i, buf[0], err)
								}
								done <- err
								return
							}
						}
					}()
					return done
				}
				send := read(p.server)
				var cend <-chan error
				if reads {
					cend = read(p.client)
				}
				for range 2 { // the second time nothing is left to do
					if err := p.client.CloseWrite(); err != nil {
						t.Errorf("CloseWrite: %v", err)
					}
				}
				want(t, "WriteMessage", p.client.WriteMessage([]byte("x"), MessageInfo{}), net.ErrClosed)
				if !reads {
					cend = read(p.client)
				}
				want(t, "the server's reader", <-send, io.EOF)
				if err := p.server.CloseWrite(); err != nil { // without that the client's reader would wait
					t.Errorf("the server's CloseWrite: %v", err)
				}
				want(t, "the client's reader", <-cend, io.EOF)
				p.close()
			})
		}
	}
}

// CloseWrite is bounded when the peer does not read, and ends with the connection.
func TestCloseWriteTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		config := serverConfig()
		config.ReadQueue = 1
		p := newTestPair(t, assoctest.Options{Window: 20000}, clientConfig(), config)
		if cerr, serr := p.handshake(); cerr != nil || serr != nil {
			t.Fatalf("handshake: client %v, server %v", cerr, serr)
		}
		for range 4 { // of which the server keeps one
			if err := p.client.WriteMessage(make([]byte, 16000), MessageInfo{}); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		err := p.client.CloseWrite()
		if ne, ok := errtype.As[net.Error](err); !ok || !ne.Timeout() ||
			time.Since(start) != p.client.config.closeTimeout() {
			t.Errorf("CloseWrite: %v after %v", err, time.Since(start))
		}
		p.server.Abort()
		want(t, "CloseWrite", p.client.CloseWrite(), io.ErrUnexpectedEOF)
		p.client.Close()
	})
}

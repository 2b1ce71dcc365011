//go:build kernel

package sctpdtls

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// echoServer serves on the loopback until the test ends.
func echoServer(t *testing.T, config *Config) *Listener {
	t.Helper()
	ln, err := Listen("sctp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := ln.AcceptConn(context.Background())
			if err != nil {
				return
			}
			conns.Go(func() { echo(t, c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		conns.Wait()
	})
	return ln
}

func echo(t *testing.T, c *Conn) {
	defer c.Close()
	buf := make([]byte, MaxMessageSize)
	for {
		n, info, err := c.ReadMessage(buf)
		if err == io.EOF {
			return
		}
		if err == nil {
			err = c.WriteMessage(buf[:n], info)
		}
		if err != nil {
			t.Errorf("server: %v", err)
			return
		}
	}
}

// Messages of every size on every stream come back as they went.
func TestKernelEcho(t *testing.T) {
	ln := echoServer(t, serverConfig())
	c, err := Dial("sctp", ln.Addr().String(), clientConfig())
	if err != nil {
		t.Fatal(err)
	}
	if s := c.ConnectionState(); s.AuthKeyID != 1 || s.OutStreams != 10 {
		t.Errorf("state %+v", s)
	}
	buf := make([]byte, MaxMessageSize)
	for i, size := range []int{0, 1, 100, 1500, 9000, MaxMessageSize} {
		for stream := range uint16(10) {
			msg := bytes.Repeat([]byte{byte(i)}, size)
			want := MessageInfo{Stream: stream, PPID: PPIDNGAP + uint32(i), Unordered: i%2 == 1,
				Length: size}
			if err := c.WriteMessage(msg, want); err != nil {
				t.Fatal(err)
			}
			n, info, err := c.ReadMessage(buf)
			if err != nil || !bytes.Equal(buf[:n], msg) || info != want {
				t.Fatalf("%d bytes with %+v came back as %d with %+v, %v", size, want, n, info, err)
			}
		}
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// Messages in flight are delivered before the end: RFC 6083, Section 4.9, attack C7.
func TestKernelAttackC7CloseLosesNothing(t *testing.T) {
	ln, err := Listen("sctp", "127.0.0.1:0", serverConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	const messages = 200
	closed := make(chan error)
	go func() {
		c, err := Dial("sctp", ln.Addr().String(), clientConfig())
		for i := 0; err == nil && i < messages; i++ {
			err = c.WriteMessage(make([]byte, 5000), MessageInfo{Stream: uint16(i % 10)})
		}
		if err == nil {
			err = c.Close()
		}
		closed <- err
	}()
	c, err := ln.AcceptConn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, MaxMessageSize)
	for i := range messages {
		if _, _, err := c.ReadMessage(buf); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
	if _, _, err := c.ReadMessage(buf); err != io.EOF {
		t.Errorf("after the last: %v, want io.EOF", err)
	}
	if err := <-closed; err != nil {
		t.Errorf("client: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// An ABORT is a truncation: RFC 6083, Section 4.9, attacks C6, H11.
func TestKernelAttackH11Abort(t *testing.T) {
	ln, err := Listen("sctp", "127.0.0.1:0", serverConfig())
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := Dial("sctp", ln.Addr().String(), clientConfig())
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.AcceptConn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.Abort()
	_, _, err = s.ReadMessage(make([]byte, 100))
	if e, ok := errtype.As[*AssociationError](err); !ok || e.State != AssocAborted ||
		!errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("ReadMessage after an ABORT: %v", err)
	}
	s.Close()
}

// Deadlines and Close wake a reader.
func TestKernelReaderWakes(t *testing.T) {
	ln := echoServer(t, serverConfig())
	c, err := Dial("sctp", ln.Addr().String(), clientConfig())
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, _, err = c.ReadMessage(make([]byte, 10))
	want(t, "ReadMessage with a deadline", err, os.ErrDeadlineExceeded)
	c.SetReadDeadline(time.Time{})
	done := make(chan error)
	go func() {
		_, _, err := c.ReadMessage(make([]byte, 10))
		done <- err
	}()
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	want(t, "ReadMessage that Close wakes", <-done, net.ErrClosed)
}

// Many associations at once, and some whose peers fail, to one Listener: attack E15.
func TestKernelAttackE15ManyAssociations(t *testing.T) {
	server, friend, stranger := serverConfig(), clientConfig(), clientConfig()
	for _, c := range []*Config{server, friend, stranger} {
		c.HandshakeTimeout = time.Minute // an emulated machine needs seconds for forty of them
	}
	ln := echoServer(t, server)
	stranger.Certificates = nil
	var clients sync.WaitGroup
	for range 20 {
		clients.Go(func() {
			c, err := Dial("sctp", ln.Addr().String(), stranger)
			if err == nil { // DTLS 1.3: the client is through before the server has looked
				_, _, err = c.ReadMessage(nil)
				c.Abort()
			}
			if _, ok := errtype.As[*AlertError](err); !ok {
				t.Errorf("a client without a certificate: %v", err)
			}
		})
		clients.Go(func() {
			c, err := Dial("sctp", ln.Addr().String(), friend)
			if err != nil {
				t.Error(err)
				return
			}
			buf := make([]byte, 100)
			for i := range 10 {
				if err := c.WriteMessage([]byte{byte(i)}, MessageInfo{Stream: uint16(i)}); err != nil {
					t.Error(err)
				}
				if n, _, err := c.ReadMessage(buf); n != 1 || err != nil || buf[0] != byte(i) {
					t.Errorf("echo %d: %d bytes, %v", i, n, err)
				}
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	clients.Wait()
}

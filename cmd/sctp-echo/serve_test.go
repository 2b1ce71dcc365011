package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A serving is a server that runs in a test.
type serving struct {
	listener    *fakeListener
	config      *sctpdtls.Config
	interrupt   context.CancelFunc
	out, errors bytes.Buffer
	status      chan int
}

// startServe runs serve with args and waits until it listens. It must be called in a bubble
// of testing/synctest.
func startServe(t *testing.T, certs string, args ...string) *serving {
	t.Helper()
	s := &serving{listener: newFakeListener(), status: make(chan int, 1)}
	p := &program{stdout: &s.out, stderr: &s.errors, getenv: func(string) string { return "" },
		listen: func(_, _ string, c *sctpdtls.Config) (listener, error) {
			s.config = c
			return s.listener, nil
		}}
	ctx, cancel := context.WithCancel(t.Context())
	s.interrupt = cancel
	args = append([]string{"sctp-echo", "serve", "-cert", filepath.Join(certs, "server.pem"), "-key",
		filepath.Join(certs, "server-key.pem")}, args...)
	go func() { s.status <- p.run(ctx, append(args, ":5868")) }()
	synctest.Wait()
	if got := s.out.String(); got != "listening on 192.0.2.2:5868\n" {
		t.Fatalf("first line: %q", got)
	}
	return s
}

// connect hands a new client to the server.
func (s *serving) connect() *fakeSession {
	near, far := fakePair(time.Millisecond)
	s.listener.sessions <- far
	return near
}

func TestServeEcho(t *testing.T) {
	dir := certsIn(t)
	synctest.Test(t, func(t *testing.T) {
		s := startServe(t, dir, "-once", "2")
		for range 2 {
			near := s.connect()
			c := &echoClient{session: near, printf: t.Logf,
				echoOptions: echoOptions{count: 4, size: 100, streams: 2, ppid: 47, unordered: true,
					timeout: time.Second}}
			if err := c.run(t.Context()); err != nil || c.received != 4 {
				t.Errorf("%v, %d echoes", err, c.received)
			}
			near.Close()
			synctest.Wait()
		}
		if status := <-s.status; status != exitOK {
			t.Errorf("status %d", status)
		}
		client := "192.0.2.1:40001: connected: DTLS 1.2, TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, " +
			"X25519, peer anonymous, SCTP-AUTH key id 1, streams 10 out, 10 in\n" +
			"192.0.2.1:40001: closed by the client: 4 messages (400 bytes) in, 4 (400) out, " +
			"in 8.000 ms\n"
		if want := "listening on 192.0.2.2:5868\n" + client + client; s.out.String() != want ||
			s.errors.Len() != 0 {
			t.Errorf("got:\n%s%s\nwant:\n%s", &s.out, &s.errors, want)
		}
	})
}

// One client that breaks off or fails in its handshake does not disturb others.
func TestServeGoesOn(t *testing.T) {
	dir := certsIn(t)
	synctest.Test(t, func(t *testing.T) {
		s := startServe(t, dir)
		good := s.connect()

		near, far := fakePair(0)
		s.listener.sessions <- brokenSession{far}
		near.Close()
		s.config.Trace.HandshakeDone(fakeAddr("192.0.2.3:1"), sctpdtls.ConnectionState{},
			errors.New("no SCTP-AUTH"))
		s.config.Trace.HandshakeDone(nil, sctpdtls.ConnectionState{}, errors.New("too many open files"))

		c := &echoClient{session: good, printf: t.Logf,
			echoOptions: echoOptions{count: 1, size: 9, streams: 1, timeout: time.Second}}
		if err := c.run(t.Context()); err != nil {
			t.Errorf("the other client: %v", err)
		}
		good.Close()
		synctest.Wait()
		for _, want := range []string{
			"sctp-echo: 192.0.2.3:1: no connection: no SCTP-AUTH\n",
			"sctp-echo: a client: no connection: too many open files\n",
			"sctp-echo: 192.0.2.1:40001: torn\n",
		} {
			if !strings.Contains(s.errors.String(), want) {
				t.Errorf("standard error:\n%s\nlacks: %s", &s.errors, want)
			}
		}
		if !strings.Contains(s.out.String(),
			"192.0.2.1:40001: broken: 0 messages (0 bytes) in, 0 (0) out") {
			t.Errorf("standard output:\n%s", &s.out)
		}
		s.interrupt()
		if status := <-s.status; status != exitOK {
			t.Errorf("status %d", status)
		}
	})
}

// A brokenSession cannot read.
type brokenSession struct{ *fakeSession }

func (brokenSession) ReadMessage([]byte) (int, sctpdtls.MessageInfo, error) {
	return 0, sctpdtls.MessageInfo{}, errors.New("torn")
}

// A signal closes what is open, and is no failure.
func TestServeInterrupted(t *testing.T) {
	dir := certsIn(t)
	synctest.Test(t, func(t *testing.T) {
		s := startServe(t, dir)
		near := s.connect()
		synctest.Wait()
		s.interrupt()
		if status := <-s.status; status != exitOK {
			t.Errorf("status %d", status)
		}
		if _, _, err := near.ReadMessage(make([]byte, 10)); !errors.Is(err, io.EOF) {
			t.Errorf("the client reads %v, want a clean end", err)
		}
		if !strings.Contains(s.out.String(), ": closed by this server: ") || s.errors.Len() != 0 {
			t.Errorf("%s%s", &s.out, &s.errors)
		}
	})
}

// With -ca, and only then, clients must have a certificate.
func TestServeMutual(t *testing.T) {
	dir := certsIn(t)
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			args []string
			want tls.ClientAuthType
		}{{nil, tls.NoClientCert}, {[]string{"-ca", filepath.Join(dir, "ca.pem")},
			tls.RequireAndVerifyClientCert}} {
			s := startServe(t, dir, tt.args...)
			if s.config.ClientAuth != tt.want || (s.config.ClientCAs != nil) != (tt.args != nil) {
				t.Errorf("%q: client authentication %v", tt.args, s.config.ClientAuth)
			}
			s.interrupt()
			<-s.status
		}
	})
}

func TestServePPID(t *testing.T) {
	dir := certsIn(t)
	synctest.Test(t, func(t *testing.T) {
		s := startServe(t, dir, "-ppid", "66")
		near := s.connect()
		near.WriteMessage([]byte("x"), sctpdtls.MessageInfo{Stream: 3, PPID: 1})
		if _, info, err := near.ReadMessage(make([]byte, 10)); err != nil || info.PPID != 66 ||
			info.Stream != 3 {
			t.Errorf("%+v, %v", info, err)
		}
		near.Close()
		s.interrupt()
		<-s.status
	})
}

func TestServeDiscard(t *testing.T) {
	dir := certsIn(t)
	synctest.Test(t, func(t *testing.T) {
		s := startServe(t, dir, "-mode", "discard", "-once", "1", "-v")
		near := s.connect()
		for range 3 {
			near.WriteMessage(make([]byte, 7), sctpdtls.MessageInfo{Stream: 1, PPID: 9})
		}
		near.Close()
		<-s.status
		if got := s.out.String(); !strings.Contains(got, "3 messages (21 bytes) in, 0 (0) out") ||
			!strings.Contains(got, "192.0.2.1:40001: 7 bytes: stream=1 ppid=9 unordered=false\n") {
			t.Error(got)
		}
	})
}

func TestServeChargen(t *testing.T) {
	dir := certsIn(t)
	synctest.Test(t, func(t *testing.T) {
		s := startServe(t, dir, "-mode", "chargen", "-once", "1")
		near := s.connect()
		buf := make([]byte, 100)
		for i := range 96 {
			n, info, err := near.ReadMessage(buf)
			if err != nil || info.Stream != uint16(i%10) || !bytes.Equal(buf[:n], chargenLine(i)) {
				t.Fatalf("line %d on stream %d: %q, %v", i, info.Stream, buf[:n], err)
			}
		}
		near.Close()
		if status := <-s.status; status != exitOK || s.errors.Len() != 0 ||
			!strings.Contains(s.out.String(), "closed by the client") {
			t.Errorf("status %d, %s%s", status, &s.out, &s.errors)
		}
	})
}

// The first lines are those printed in RFC 864.
func TestChargenLine(t *testing.T) {
	for i, want := range map[int]string{
		0:  " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n",
		1:  "!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefgh\r\n",
		94: "~ !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdef\r\n",
		95: " !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n",
	} {
		if got := string(chargenLine(i)); got != want {
			t.Errorf("line %d: %q, want %q", i, got, want)
		}
	}
}

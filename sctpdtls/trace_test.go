package sctpdtls

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A story records the calls of a Trace, one line for each.
type story struct {
	mu    sync.Mutex
	lines []string
}

func (s *story) add(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *story) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	lines := s.lines
	s.lines = nil
	return lines
}

// trace tells s. Each function uses what it may of the connection.
func (s *story) trace() *Trace {
	look := func(c *Conn) {
		_, _, _ = c.ConnectionState(), c.RemoteAddr(),
			c.LocalAddr()
		c.Stats()
		c.Paths()
	}
	return &Trace{
		HandshakeDone: func(_ net.Addr, state ConnectionState, err error) {
			s.add("handshake %t %v", state.HandshakeComplete, err)
		},
		Alert: func(c *Conn, a *AlertError) {
			look(c)
			s.add("alert %v, local %t", a.Alert, a.Local)
		},
		KeysChanged: func(c *Conn, epoch uint64) { look(c); s.add("epoch %d", epoch) },
		AuthKey: func(c *Conn, id uint16, what AuthKeyChange) {
			look(c)
			s.add("key %d %v", id, what)
		},
		Event: func(c *Conn, ev Event) { look(c); s.add("%T%+v", ev, ev) },
	}
}

func wantStory(t *testing.T, who string, s *story, want ...string) {
	t.Helper()
	if got := s.take(); !slices.Equal(got, want) {
		t.Errorf("%s was told\n\t%s\nwant\n\t%s", who, strings.Join(got, "\n\t"),
			strings.Join(want, "\n\t"))
	}
}

// Trace reports everything in order: the keys of SCTP-AUTH and DTLS, handshakes, the end.
func TestTrace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var client, server story
		p := renegotiating(t, assoctest.Options{},
			func(c, s *Config) { c.Trace, s.Trace = client.trace(), server.trace() })
		first := []string{"key 1 installed", "key 1 active", "key 0 deleted", "epoch 1",
			"handshake true <nil>"}
		wantStory(t, "the client", &client, first...)
		wantStory(t, "the server", &server, first...)

		read := reader(p.server)
		if err := p.client.Renegotiate(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // until it is complete at the other end too
		again := []string{"key 2 installed", "key 2 active", "key 1 deleted", "epoch 2"}
		wantStory(t, "the client", &client, again...)
		wantStory(t, "the server", &server, again...)

		p.client.Abort()
		<-read
		wantStory(t, "the server", &server,
			"stream.AssocChange{State:aborted Cause:12 OutStreams:0 InStreams:0}")
		p.server.Close()
	})
}

// An update of keys of DTLS 1.3 changes no key of SCTP-AUTH.
func TestTraceKeyUpdate(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var client story
		p := connected13(t, assoctest.Options{}, func(c, s *Config) { c.Trace = client.trace() })
		client.take()
		read := reader(p.server)
		if err := p.client.KeyUpdate(t.Context(), UpdateNotRequested); err != nil {
			t.Fatal(err)
		}
		p.client.SetReadDeadline(time.Now().Add(time.Second)) // reads the answer
		p.client.ReadMessage(nil)
		wantStory(t, "the client", &client, "epoch 4")
		p.client.SetReadDeadline(time.Time{})
		p.client.Abort()
		<-read
		p.server.Close()
	})
}

// Both ends are notified of a fatal alert, and of the handshake that failed by it.
func TestTraceAlert(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var client, server story
		cc, sc := clientConfig(), serverConfig()
		cc.Trace, sc.Trace = client.trace(), server.trace()
		cc.ServerName = "another.example"
		p := newTestPair(t, assoctest.Options{}, cc, sc)
		cerr, serr := p.handshake()
		wantEnd := func(who string, s *story, alert string, err error) {
			t.Helper()
			lines := s.take()
			for _, want := range []string{alert, fmt.Sprintf("handshake false %v", err)} {
				if !slices.Contains(lines, want) {
					t.Errorf("%s was not told %q, but %q", who, want, lines)
				}
			}
		}
		wantEnd("the client", &client, "alert bad_certificate, local true", cerr)
		wantEnd("the server", &server, "alert bad_certificate, local false", serr)
	})
}

// A keeper remembers the keys of SCTP-AUTH.
type keeper struct {
	*memAssociation
	secrets *[][]byte
}

func (k keeper) SetAuthKey(id uint16, secret []byte) error {
	*k.secrets = append(*k.secrets, bytes.Clone(secret))
	return k.memAssociation.SetAuthKey(id, secret)
}

// Nothing that is logged or traced holds a secret of DTLS or SCTP-AUTH.
func TestAttackF13LogHasNoSecrets(t *testing.T) {
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		bubble(t, func(t *testing.T) {
			var told story
			var log, keyLog bytes.Buffer
			var secrets [][]byte
			logger := slog.New(slog.NewJSONHandler(&log,
				&slog.HandlerOptions{Level: slog.LevelDebug, AddSource: true}))
			client, server := clientConfig(), serverConfig()
			for _, c := range []*Config{client, server} {
				c.MinVersion, c.MaxVersion, c.Renegotiation = version, version, RenegotiateFreely
			}
			client.Trace, client.Logger, client.KeyLogWriter = told.trace(), logger, &keyLog
			p := newTestPair(t, assoctest.Options{}, client, server)
			core, err := dtlscore.Client(client.core())
			if err != nil {
				t.Fatal(err)
			}
			if p.client, err = newConn(keeper{p.client.assoc.(*memAssociation), &secrets}, client,
				core); err != nil {
				t.Fatal(err)
			}
			if cerr, serr := p.handshake(); cerr != nil || serr != nil {
				t.Fatalf("handshake: client %v, server %v", cerr, serr)
			}
			read := reader(p.server)
			if version == VersionDTLS12 {
				err = p.client.Renegotiate(t.Context())
			} else {
				err = p.client.KeyUpdate(t.Context(), UpdateRequested)
			}
			if err != nil {
				t.Fatal(err)
			}
			p.sctp.Abort()
			if _, _, err := p.client.ReadMessage(nil); err == nil {
				t.Error("no end")
			}
			<-read
			p.server.Close()
			p.client.Close() // after which nothing is logged

			for line := range strings.Lines(keyLog.String()) {
				fields := strings.Fields(line)
				secret, err := hex.DecodeString(fields[len(fields)-1])
				if err != nil || len(secret) < 32 {
					t.Fatalf("key log %q: %v", line, err)
				}
				secrets = append(secrets, secret)
			}
			all := log.String() + strings.Join(told.take(), "\n")
			for _, want := range []string{`"msg":"handshake done"`, `"msg":"key of SCTP-AUTH"`,
				`"msg":"new keys"`, `"msg":"association"`, `"peer":`} {
				if !strings.Contains(all, want) {
					t.Errorf("%s is not logged in\n%s", want, all)
				}
			}
			if len(secrets) < 2 {
				t.Errorf("only %d secrets to look for", len(secrets))
			}
			for _, secret := range secrets {
				for i := 0; i+8 <= len(secret); i += 8 { // any part of one is too much
					part := secret[i : i+8]
					for _, shape := range []string{
						string(part), hex.EncodeToString(part), strings.Trim(fmt.Sprint(part), "[]"),
						base64.StdEncoding.EncodeToString(secret)[:20],
					} {
						if strings.Contains(strings.ToLower(all), strings.ToLower(shape)) {
							t.Errorf("a secret is in what was logged:\n%s", all)
						}
					}
				}
			}
		})
	}
}

// Without a Trace, events cost nothing.
func TestNoTraceNoCost(t *testing.T) {
	p := newTestPair(t, assoctest.Options{}, clientConfig(), serverConfig())
	if cerr, serr := p.handshake(); cerr != nil || serr != nil {
		t.Fatalf("handshake: client %v, server %v", cerr, serr)
	}
	defer p.close()
	c, alert := p.client, error(&AlertError{})
	var event stream.Event = ErrorReceived{Cause: 3}
	if _, traced := c.authSocket().(tracedSocket); traced {
		t.Error("keys of SCTP-AUTH are traced")
	}
	if allocs := testing.AllocsPerRun(100, func() {
		c.owner.tellEvent(event)
		c.owner.tellKeys(1)
		c.owner.tellAlert(alert)
		c.owner.tellHandshake(nil)
	}); allocs != 0 {
		t.Errorf("%v allocations", allocs)
	}
	if events := (&Config{Trace: &Trace{}}).events(); len(events) != 1 {
		t.Errorf("the kernel is asked for %v", events)
	}
}

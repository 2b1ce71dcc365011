package sctpdtls

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
)

// A manyAddressed association has a peer with as many addresses as fit in an INIT.
type manyAddressed struct{ *memAssociation }

func (manyAddressed) RemoteAddr() net.Addr {
	a := &Addr{Port: 40001}
	for i := range 8000 {
		a.IPAddrs = append(a.IPAddrs, net.IPAddr{IP: net.IPv4(192, 0, byte(i>>8), byte(i))})
	}
	return a
}

// strangersCertificate is self-signed, and has names that forge lines.
func strangersCertificate() tls.Certificate {
	cert, _ := testpki.SelfSigned(strings.Repeat("x\nlevel=INFO ", 1000))
	return cert
}

// What a stranger sends does not fill the log or forge lines of it, whichever end it is.
func TestLogOfStranger(t *testing.T) {
	var names []string
	for i := range 240 {
		names = append(names, fmt.Sprintf("%d\nlevel=INFO %s", i, strings.Repeat("\x00", 230)))
	}
	for name, change := range map[string]func(stranger, ours *Config){
		"protocols": func(stranger, ours *Config) {
			stranger.NextProtos, ours.NextProtos = names, []string{"ours"}
		},
		"no versions": func(stranger, ours *Config) {
			stranger.MaxVersion, ours.MinVersion = VersionDTLS12, VersionDTLS13
		},
		"a certificate": func(stranger, ours *Config) {
			stranger.Certificates = []tls.Certificate{strangersCertificate()}
		},
		"nothing": func(stranger, ours *Config) {},
	} {
		for _, server := range []bool{true, false} {
			bubble(t, func(t *testing.T) {
				var log bytes.Buffer
				client, config := clientConfig(), serverConfig()
				ours := client
				if server {
					ours = config
				}
				ours.Logger = slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
				ours.Trace = &Trace{
					HandshakeDone: func(_ net.Addr, _ ConnectionState, err error) { wantLegible(t, err) },
					Alert:         func(_ *Conn, a *AlertError) { wantLegible(t, a) },
				}
				if server {
					change(client, config)
				} else {
					change(config, client)
				}
				p := newTestPair(t, assoctest.Options{}, client, config)
				if server {
					core, err := dtlscore.Server(config.core())
					if err != nil {
						t.Fatal(err)
					}
					if p.server, err = newConn(manyAddressed{p.server.assoc.(*memAssociation)}, config,
						core); err != nil {
						t.Fatal(err)
					}
				}
				cerr, serr := p.handshake()
				wantLegible(t, cerr)
				wantLegible(t, serr)
				p.client.Abort()
				p.server.Abort()
				if n := strings.Count(log.String(), "\n"); n == 0 || log.Len() > n*1024 {
					t.Errorf("%s: %d lines of log with %d bytes", name, n, log.Len())
				}
				for line := range strings.Lines(log.String()) {
					var attrs map[string]any
					if err := json.Unmarshal([]byte(line), &attrs); err != nil {
						t.Fatal(err)
					}
					for key, value := range attrs {
						if text := fmt.Sprint(value); len(text) > 512 || hasControls(text) {
							t.Errorf("%s: %s=%.600q", name, key, text)
						}
					}
				}
			})
		}
	}
}

func hasControls(s string) bool {
	return strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) })
}

func wantLegible(t *testing.T, err error) {
	t.Helper()
	if err != nil && (len(err.Error()) > 512 || hasControls(err.Error())) {
		t.Errorf("error of %d bytes: %.600q", len(err.Error()), err)
	}
}

// Whoever is on the path can have SCTP report errors and addresses without end, unauthenticated.
// They do not fill the log.
func TestLogOfEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log bytes.Buffer
		client, server := clientConfig(), serverConfig()
		client.Logger = slog.New(slog.NewTextHandler(&log, nil))
		p := newTestPair(t, assoctest.Options{}, client, server)
		if cerr, serr := p.handshake(); cerr != nil || serr != nil {
			t.Fatal(cerr, serr)
		}
		p.close()               // so that nobody else writes
		time.Sleep(logInterval) // and the events until here do not count
		lines := func(what string) int { return strings.Count(log.String(), what) }
		flood := func(want int) {
			t.Helper()
			log.Reset()
			for range 5000 {
				p.client.owner.logEvent(ErrorReceived{Cause: 1})
				p.client.owner.logEvent(PeerAddrChange{Change: AddrUnreachable})
			}
			if n := lines("error of the peer") + lines("msg=path"); n != want {
				t.Errorf("%d records of 10000 events, want %d", n, want)
			}
		}
		flood(logBurst)
		time.Sleep(3 * logInterval)
		flood(3)
		if n := lines(fmt.Sprintf("events=%d\n", 10000-logBurst)); n != 1 {
			t.Errorf("%d records of what was left out, want 1:\n%s", n, &log)
		}
		log.Reset()
		p.client.owner.logEvent(AssocChange{State: AssocLost})
		if lines("msg=association") != 1 {
			t.Error("the end of the association was left out")
		}
	})
}

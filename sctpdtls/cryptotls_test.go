package sctpdtls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
)

// Each sentence of crypto/tls's documentation of Config, ClientHelloInfo, ConnectionState and Conn
// that applies here is tried twice: with crypto/tls over a pipe, and with what FromTLS makes of the
// same tls.Config. What callbacks are called with, whether there is a connection, and its state
// must be the same. What cannot be the same is a line in docs/moving.md. The cases are in
// cryptotls_cases_test.go.

// A meeting is a client and a server, and what their callbacks were called with.
type meeting struct {
	version        uint16 // of TLS
	client, server *tls.Config

	mu    sync.Mutex // guards the following
	calls []string
}

func (m *meeting) called(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, fmt.Sprintf(format, args...))
}

// A tlsCase is a sentence, and what shows that it is true.
type tlsCase struct {
	says    string           // by crypto/tls's documentation
	version uint16           // 0: each
	rounds  int              // connections that follow each other, an hour apart; 0: one
	set     func(m *meeting) // from a client and a server with mutual authentication
	fails   bool             // there is no connection
	wants   string           // if not empty: the calls, beside that they are the same
}

// An account is what came of a meeting.
type account struct {
	made   []bool // in each round
	calls  []string
	states []string // client's and server's
}

func TestAsCryptoTLS(t *testing.T) {
	for i, c := range tlsCases {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			if c.version != 0 && c.version != version {
				continue
			}
			t.Run(fmt.Sprintf("%d/%s", i, tls.VersionName(version)), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					theirs := c.run(version, (*meeting).overTLS)
					ours := c.run(version, func(m *meeting, cache *any) (bool, [2]string) {
						return m.overSCTP(t, cache)
					})
					if !reflect.DeepEqual(ours, theirs) {
						t.Errorf("“%s”\ncrypto/tls: %+v\nhere:       %+v", c.says, theirs, ours)
					}
					if want := !c.fails; slices.Contains(theirs.made, !want) {
						t.Errorf("“%s”\nthe case is wrong, as crypto/tls connects: %v", c.says, theirs.made)
					}
					if c.wants != "" && strings.Join(ours.calls, "; ") != c.wants {
						t.Errorf("“%s”\ncalls %q, want %q", c.says, ours.calls, c.wants)
					}
				})
			})
		}
	}
}

func (c *tlsCase) run(version uint16, connect func(*meeting, *any) (made bool,
	states [2]string)) (a account) {
	m := &meeting{
		version: version,
		client: &tls.Config{
			Certificates: []tls.Certificate{pki().Client}, RootCAs: pki().Roots,
			ServerName: "server.example", MinVersion: version, MaxVersion: version,
		},
		server: tlsServer(version),
	}
	c.set(m)
	var kept any // from round to round
	for round := range max(1, c.rounds) {
		if round > 0 {
			time.Sleep(time.Hour) // by the false clock
		}
		made, states := connect(m, &kept)
		a.made = append(a.made, made)
		if made {
			a.states = append(a.states, states[:]...)
		}
	}
	// Whose callback is first is no matter where the two ends do not wait for each other.
	a.calls = slices.SortedStableFunc(slices.Values(m.calls),
		func(a, b string) int { return strings.Compare(end(a), end(b)) })
	return a
}

// end is whose call it was, if it is said.
func end(call string) string {
	who, _, _ := strings.Cut(call, ": ")
	return who
}

// overTLS has both ends of crypto/tls exchange a byte.
func (m *meeting) overTLS(_ *any) (made bool, states [2]string) {
	there, back := make(chan []byte, 100), make(chan []byte, 100) // more than either end writes unread
	a, b := &pipeEnd{in: back, out: there}, &pipeEnd{in: there, out: back}
	client, server := tls.Client(a, m.client), tls.Server(b, m.server)
	talk := func(c *tls.Conn, first bool) error {
		defer c.Close()
		if err := c.Handshake(); err != nil {
			return err
		}
		exchange := []func([]byte) (int, error){c.Write, c.Read}
		if !first {
			slices.Reverse(exchange)
		}
		_, err := exchange[0]([]byte{1})
		if err == nil {
			_, err = exchange[1](make([]byte, 1))
		}
		return err
	}
	done := make(chan error)
	go func() { done <- talk(server, false) }()
	err := errors.Join(talk(client, true), <-done)
	return err == nil, [2]string{summary(client.ConnectionState()), summary(server.ConnectionState())}
}

// A pipeEnd is an end of a pipe that, other than that of net.Pipe, keeps what nobody reads yet.
type pipeEnd struct {
	net.Conn // nil; the other methods are not called
	in       <-chan []byte
	out      chan<- []byte
	unread   []byte
	once     sync.Once
}

func (p *pipeEnd) Read(b []byte) (int, error) {
	if len(p.unread) == 0 {
		var ok bool
		if p.unread, ok = <-p.in; !ok {
			return 0, io.EOF
		}
	}
	n := copy(b, p.unread)
	p.unread = p.unread[n:]
	return n, nil
}

func (p *pipeEnd) Write(b []byte) (int, error) {
	p.out <- slices.Clone(b)
	return len(b), nil
}

func (p *pipeEnd) Close() error                   { p.once.Do(func() { close(p.out) }); return nil }
func (*pipeEnd) SetWriteDeadline(time.Time) error { return nil }

// overSCTP is the same with what FromTLS makes of the two.
func (m *meeting) overSCTP(t *testing.T, kept *any) (made bool, states [2]string) {
	if *kept == nil {
		theirs := m.client.Clone()
		theirs.ClientSessionCache = nil // which FromTLS names
		client, err := FromTLS(theirs)
		if err != nil {
			t.Fatal(err)
		}
		if m.client.ClientSessionCache != nil {
			client.SessionCache = NewSessionCache(1)
		}
		*kept = [2]*Config{client, fromTLS(t, m.server)}
	}
	configs := (*kept).([2]*Config)
	p := newTestPair(t, assoctest.Options{}, configs[0], configs[1])
	cerr, serr := p.handshake()
	if cerr != nil || serr != nil {
		p.client.Abort()
		p.server.Abort()
		return false, states
	}
	cs, ss := p.client.ConnectionState(), p.server.ConnectionState()
	p.close()
	return true, [2]string{summary(cs.tls()), summary(ss.tls())}
}

// summary is what has to be the same in a state. The suite of TLS 1.3 and the group are chosen by
// what is fast.
func summary(s tls.ConnectionState) string {
	suite := tls.CipherSuiteName(s.CipherSuite)
	if s.Version == tls.VersionTLS13 {
		suite = ""
	}
	var peers, chains []string
	for _, cert := range s.PeerCertificates {
		peers = append(peers, cert.Subject.CommonName)
	}
	for _, chain := range s.VerifiedChains {
		chains = append(chains, fmt.Sprintf("%d to %s", len(chain),
			chain[len(chain)-1].Subject.CommonName))
	}
	return fmt.Sprintf(
		"version %#x, complete %v, resumed %v, retried %v, suite %s, protocol %q %v, "+
			"name %q, peers %q, chains %q, OCSP %q",
		s.Version, s.HandshakeComplete, s.DidResume, hasRetried(s), suite, s.NegotiatedProtocol,
		*deprecated[bool](&s, "NegotiatedProtocolIsMutual"),
		s.ServerName, peers, chains, s.OCSPResponse)
}

// deprecated returns a field of a type of crypto/tls that new code should not use, and that still
// has a meaning there.
func deprecated[T any](of any, name string) *T {
	return reflect.ValueOf(of).Elem().FieldByName(name).Addr().Interface().(*T)
}

// hasRetried returns HelloRetryRequest of a ConnectionState or a ClientHelloInfo.
func hasRetried[T any](s T) bool {
	field := reflect.ValueOf(s).FieldByName("HelloRetryRequest") // since Go 1.26
	return field.IsValid() && field.Bool()
}

// The sentences of Conn, and of what makes one.
func TestConnAsCryptoTLS(t *testing.T) {
	hello := func(p *testPair, write, read *Conn) error {
		done := make(chan error)
		go func() { _, err := write.Write([]byte("hello")); done <- err }()
		b := make([]byte, 10)
		n, err := read.Read(b)
		if err == nil && string(b[:n]) != "hello" {
			err = fmt.Errorf("%q was read", b[:n])
		}
		return errors.Join(err, <-done)
	}
	pair := func(t *testing.T) *testPair {
		return newTestPair(t, assoctest.Options{}, clientConfig(), serverConfig())
	}
	for says, try := range map[string]func(t *testing.T) error{
		"the first Conn.Read or Conn.Write will call it automatically": func(t *testing.T) error {
			p := pair(t)
			defer p.close()
			return errors.Join(hello(p, p.client, p.server), hello(p, p.server, p.client))
		},
		"Handshake runs the client or server handshake protocol if " +
			"it has not yet been run.": func(t *testing.T) error {
			p := pair(t)
			defer p.close()
			cerr, serr := p.handshake()
			return errors.Join(cerr, serr, p.client.Handshake(), p.server.Handshake())
		},
		"If the context is canceled before the handshake is complete, " +
			"the handshake is interrupted and an error is returned.": func(t *testing.T) error {
			p := pair(t)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			if err := p.client.HandshakeContext(ctx); !errors.Is(err, context.DeadlineExceeded) {
				return fmt.Errorf("HandshakeContext: %w", err)
			}
			p.client.Abort()
			return p.server.Abort()
		},
		"Once the handshake has completed, cancellation of the context " +
			"will not affect the connection.": func(t *testing.T) error {
			p := pair(t)
			defer p.close()
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error)
			go func() { done <- p.server.HandshakeContext(ctx) }()
			err := errors.Join(p.client.HandshakeContext(ctx), <-done)
			cancel()
			return errors.Join(err, hello(p, p.client, p.server))
		},
		"A zero value for t means Conn.Read and Conn.Write will not time out.": func(t *testing.T) error {
			p := connected(t, assoctest.Options{})
			defer p.close()
			p.server.SetDeadline(time.Now().Add(-time.Second))
			_, rerr := p.server.Read(make([]byte, 1))
			_, werr := p.server.Write([]byte("x"))
			if !errors.Is(rerr, os.ErrDeadlineExceeded) || !errors.Is(werr, os.ErrDeadlineExceeded) {
				return fmt.Errorf("Read %v, Write %v after the deadline", rerr, werr)
			}
			p.server.SetReadDeadline(time.Time{})
			p.server.SetWriteDeadline(time.Time{})
			return errors.Join(hello(p, p.client, p.server), hello(p, p.server, p.client))
		},
		"LocalAddr returns the local network address. " +
			"RemoteAddr returns the remote network address.": func(t *testing.T) error {
			p := connected(t, assoctest.Options{})
			defer p.close()
			if p.client.LocalAddr().String() != p.server.RemoteAddr().String() ||
				p.client.RemoteAddr().String() != p.server.LocalAddr().String() {
				return errors.New("they differ")
			}
			return nil
		},
		"CloseWrite shuts down the writing side of the connection.": func(t *testing.T) error {
			p := connected(t, assoctest.Options{})
			defer p.close()
			done := make(chan error)
			go func() {
				_, err := p.client.Write([]byte("last"))
				done <- errors.Join(err,
					p.client.CloseWrite())
			}()
			b, err := io.ReadAll(p.server)
			if string(b) != "last" {
				err = errors.Join(err, fmt.Errorf("%q was read", b))
			}
			return errors.Join(err, <-done)
		},
		"ExportKeyingMaterial returns length bytes of exported key material " +
			"in a new slice as defined in RFC 5705.": func(t *testing.T) error {
			p := connected(t, assoctest.Options{})
			defer p.close()
			var exported [][]byte
			for _, c := range []*Conn{p.client, p.server, p.client} {
				s := c.ConnectionState()
				b, err := s.ExportKeyingMaterial("EXPORTER-Channel-Binding", nil, 32)
				if err != nil || len(b) != 32 {
					return fmt.Errorf("%d bytes, %v", len(b), err)
				}
				exported = append(exported, b)
			}
			exported[2][0]++ // the others are other slices
			if !slices.Equal(exported[0], exported[1]) || slices.Equal(exported[0], exported[2]) {
				return errors.New("not the same at both ends, or the same slice")
			}
			return nil
		},
		"A Config may be reused; the tls package will also not modify it.": func(t *testing.T) error {
			client, server := clientConfig(), serverConfig()
			server.TicketKeys, client.SessionCache = new(TicketKeys), NewSessionCache(1)
			c, s := *client, *server
			for range 2 {
				p := newTestPair(t, assoctest.Options{}, client, server)
				if cerr, serr := p.handshake(); cerr != nil || serr != nil {
					return errors.Join(cerr, serr)
				}
				p.close()
			}
			if !reflect.DeepEqual(*client, c) || !reflect.DeepEqual(*server, s) {
				return errors.New("it was modified")
			}
			return nil
		},
		"users must set either ServerName or InsecureSkipVerify in the config; " +
			"Server: must include at least one certificate": func(t *testing.T) error {
			_, cerr := dtlscore.Client((&Config{RootCAs: pki().Roots}).core())
			_, serr := dtlscore.Server(new(Config).core())
			if !errors.Is(cerr, dtlscore.ErrMisuse) || !errors.Is(serr, dtlscore.ErrMisuse) {
				return fmt.Errorf("client %v, server %v", cerr, serr)
			}
			return nil
		},
		"Dial interprets a nil configuration " +
			"as equivalent to the zero configuration": func(t *testing.T) error {
			_, err := FromTLS(nil)
			return err
		},
	} {
		t.Run(says, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				if err := try(t); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

package sctpdtls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

type contextKey struct{}

// Callbacks find the context of the handshake, with its values and its end, and the peer's address.
func TestCallbacksKnowTheConnection(t *testing.T) {
	for _, version := range bothVersions {
		bubble(t, func(t *testing.T) {
			client, server := clientConfig(), serverConfig()
			client.MaxVersion = version
			calls := 0
			check := func(what string, ctx context.Context) {
				calls++
				if ctx.Value(contextKey{}) != what {
					t.Errorf("%#x: the context of the %s's callback has %v", version, what,
						ctx.Value(contextKey{}))
				}
				if deadline, ok := ctx.Deadline(); !ok || time.Until(deadline) > 10*time.Second {
					t.Errorf("%#x: the context of the %s's callback has no deadline", version, what)
				}
			}
			hello := func(info *tls.ClientHelloInfo) {
				check("server", info.Context())
				if info.Conn == nil || info.Conn.RemoteAddr().String() != "192.0.2.1:5001" ||
					info.Conn.LocalAddr().String() != "192.0.2.2:5000" {
					t.Errorf("%#x: ClientHelloInfo.Conn is %v", version, info.Conn)
				}
				for _, err := range []error{second(info.Conn.Read(nil)), second(info.Conn.Write(nil)),
					info.Conn.SetDeadline(time.Time{})} {
					want(t, "use of the Conn", err, errors.ErrUnsupported)
				}
			}
			server.GetConfigForClient = func(info *tls.ClientHelloInfo) (*Config, error) {
				hello(info)
				return nil, nil
			}
			server.GetCertificate = func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
				hello(info)
				if names := AcceptableCAs(info); names != nil {
					t.Errorf("%#x: a client without certificate_authorities accepts %q", version, names)
				}
				return nil, nil
			}
			client.GetClientCertificate = func(info *tls.CertificateRequestInfo) (*tls.Certificate, error) {
				check("client", info.Context())
				cert := pki().Client
				return &cert, nil
			}
			p := newTestPair(t, assoctest.Options{}, client, server)
			done := make(chan error)
			go func() {
				done <- p.server.HandshakeContext(context.WithValue(t.Context(), contextKey{},
					"server"))
			}()
			if err := p.client.HandshakeContext(context.WithValue(t.Context(), contextKey{},
				"client")); err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil || calls != 3 {
				t.Errorf("%v, %d calls, want 3", err, calls)
			}
			p.close()
		})
	}
	bubble(t, func(t *testing.T) { // Close of the Conn ends the handshake, as with crypto/tls
		server := serverConfig()
		server.GetConfigForClient = func(info *tls.ClientHelloInfo) (*Config, error) {
			return nil, info.Conn.Close()
		}
		p := newTestPair(t, assoctest.Options{}, clientConfig(), server)
		if c, s := p.handshake(); c == nil || s == nil {
			t.Errorf("handshake: %v, %v", c, s)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// VerifyConnection may ask for keying material, also one that was made for crypto/tls: it gets an
// error, for the handshake is not complete.
func TestExportInVerifyConnection(t *testing.T) {
	for _, version := range bothVersions {
		bubble(t, func(t *testing.T) {
			calls := 0
			verify := func(s tls.ConnectionState) error {
				calls++
				if b, err := s.ExportKeyingMaterial("EXPORTER-test", nil, 32); b != nil ||
					!errors.Is(err, dtlscore.ErrMisuse) {
					t.Errorf("%#x: ExportKeyingMaterial: %x, %v", version, b, err)
				}
				return nil
			}
			moved, err := FromTLS(&tls.Config{VerifyConnection: verify, ServerName: "server.example",
				RootCAs: pki().Roots, Certificates: []tls.Certificate{pki().Client}})
			if err != nil {
				t.Fatal(err)
			}
			server := serverConfig()
			server.MaxVersion = version
			server.VerifyConnection = func(s ConnectionState) error {
				calls++
				_, err := s.ExportKeyingMaterial("EXPORTER-test", nil, 32)
				want(t, "ExportKeyingMaterial", err, dtlscore.ErrMisuse)
				return nil
			}
			p := newTestPair(t, assoctest.Options{}, moved, server)
			if c, s := p.handshake(); c != nil || s != nil || calls != 2 {
				t.Errorf("handshake: %v, %v; %d calls", c, s, calls)
			}
			p.close()
		})
	}
}

// withPaths is an association that knows the state of its paths.
type withPaths struct {
	association
	stream.Multihomed
	states []PathState
}

func (w *withPaths) Paths() (paths []Path, err error) {
	for _, s := range w.states {
		paths = append(paths, Path{State: s})
	}
	return paths, nil
}

// Close does not wait for a peer to which no path leads any more, unless some may.
func TestCloseOfLostPaths(t *testing.T) {
	const inactive, active, unconfirmed, failing = PathInactive, PathActive, PathUnconfirmed,
		PathPotentiallyFailed
	for _, test := range []struct {
		states []PathState
		short  bool
	}{
		{nil, false}, {[]PathState{inactive}, true}, {[]PathState{inactive, inactive}, true},
		{[]PathState{inactive, active}, false}, {[]PathState{failing}, false},
		{[]PathState{inactive, unconfirmed}, false},
	} {
		t.Run(fmt.Sprint(test.states), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := connected(t, assoctest.Options{GiveUp: time.Hour})
				put(p.client, func(a association) *withPaths {
					return &withPaths{association: a, states: test.states}
				})
				mustWrite(t, p.client, "lost", MessageInfo{})
				p.clientSCTP.Cut()
				mustWrite(t, p.client, "lost", MessageInfo{})
				start := time.Now()
				err := p.client.Close()
				if _, ok := err.(*CloseTimeoutError); !ok {
					t.Errorf("Close: %v", err)
				}
				if d := time.Since(start); (d < time.Second) != test.short ||
					d > p.client.config.closeTimeout() {
					t.Errorf("Close took %v", d)
				}
				p.server.Abort()
			})
		})
	}
}

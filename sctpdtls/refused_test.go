package sctpdtls

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// If the server refuses a client, the client's handshake returns the server's alert, in both
// versions.
func TestRefusedClient(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(client, server *Config)
		alert  map[uint16]dtlscore.Alert // by version
	}{
		{"by an unknown authority", func(_, server *Config) { server.ClientCAs = x509.NewCertPool() },
			map[uint16]dtlscore.Alert{VersionDTLS12: dtlscore.AlertUnknownCA,
				VersionDTLS13: dtlscore.AlertUnknownCA}},
		{"without a certificate", func(client, _ *Config) { client.Certificates = nil },
			map[uint16]dtlscore.Alert{VersionDTLS12: dtlscore.AlertHandshakeFailure,
				VersionDTLS13: dtlscore.AlertCertificateRequired}},
		{"by the application, without being asked for a certificate", func(_, server *Config) {
			server.ClientAuth = tls.NoClientCert
			server.VerifyConnection = func(ConnectionState) error { return errors.New("not today") }
		}, map[uint16]dtlscore.Alert{VersionDTLS12: dtlscore.AlertBadCertificate,
			VersionDTLS13: dtlscore.AlertBadCertificate}},
	} {
		for version, alert := range tt.alert {
			t.Run(tt.name+" in "+VersionName(version), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					client, server := clientConfig(), serverConfig()
					client.MinVersion, client.MaxVersion = version, version
					tt.change(client, server)
					p := newTestPair(t, assoctest.Options{}, client, server)
					cerr, serr := p.handshake()
					if a, ok := errtype.As[*AlertError](cerr); !ok || a.Local || a.Alert != alert {
						t.Errorf("client: %v, want the server's alert %v", cerr, alert)
					}
					if a, ok := errtype.As[*AlertError](serr); !ok || !a.Local {
						t.Errorf("server: %v, want an alert of its own", serr)
					}
					if p.client.ConnectionState().HandshakeComplete {
						t.Error("the handshake of the client is complete")
					}
				})
			})
		}
	}
}

// A deaf association loses the ACKs that its end sends in the epoch of application data.
type deafAssociation struct{ association }

func (a *deafAssociation) TrySend(b []byte, info stream.Info) error {
	if b[0]&0xe3 == 0x23 && info.Stream == 0 {
		return nil
	}
	return a.association.TrySend(b, info)
}

// A server that does not acknowledge Finished cannot make a client of DTLS 1.3 wait forever, nor
// at all when it sends something else: RFC 9147, Section 7.1.
func TestHandshakeWithoutACK13(t *testing.T) {
	begin := func(t *testing.T) (p *testPair, done chan error) {
		client := clientConfig()
		client.MinVersion = VersionDTLS13
		p = newTestPair(t, assoctest.Options{}, client, serverConfig())
		p.server.assoc = &deafAssociation{p.server.assoc.(association)}
		done = make(chan error, 1)
		go func() { done <- p.client.Handshake() }()
		if err := p.server.Handshake(); err != nil {
			t.Fatal(err)
		}
		return p, done
	}
	t.Run("nothing else", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, done := begin(t)
			start := time.Now()
			if _, ok := errtype.As[*HandshakeTimeoutError](<-done); !ok ||
				time.Since(start) > p.client.config.handshakeTimeout() {
				t.Errorf("no timeout, after %v", time.Since(start))
			}
			p.server.Abort()
		})
	})
	t.Run("data", func(t *testing.T) {
		bubble(t, func(t *testing.T) {
			p, done := begin(t)
			if err := p.server.WriteMessage([]byte("welcome"), MessageInfo{Stream: 3}); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 10)
			if n, info, err := p.client.ReadMessage(buf); err != nil || string(buf[:n]) != "welcome" ||
				info.Stream != 3 {
				t.Errorf("ReadMessage: %q on stream %d, %v", buf[:n], info.Stream, err)
			}
			p.client.Abort()
			p.server.Abort()
		})
	})
}

// A writer learns what ended the connection, although nobody reads: the peer's alert, or how the
// association ended. Messages that came before are not lost to a reader who comes later.
func TestWriterLearnsWhy(t *testing.T) {
	for _, tt := range []struct {
		name string
		end  func(p *testPair)
		want func(err error) bool
	}{
		{"alert", func(p *testPair) {
			p.sctp.InjectPart([]byte("no record at all"), stream.Info{}, true)
			p.server.ReadMessage(make([]byte, 100))
		}, func(err error) bool {
			a, ok := errtype.As[*AlertError](err)
			return ok && !a.Local && a.Alert == dtlscore.AlertUnexpectedMessage
		}},
		{"ABORT", func(p *testPair) { p.server.Abort() }, func(err error) bool {
			a, ok := errtype.As[*AssociationError](err)
			return ok && a.State == AssocAborted
		}},
		{"SHUTDOWN", func(p *testPair) { p.server.assoc.Close() }, func(err error) bool {
			a, ok := errtype.As[*AssociationError](err)
			return ok && a.State == AssocShutdown
		}},
	} {
		for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
			t.Run(tt.name+" in "+VersionName(version), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					client := clientConfig()
					client.MaxVersion = version
					p := newTestPair(t, assoctest.Options{}, client, serverConfig())
					if cerr, serr := p.handshake(); cerr != nil || serr != nil {
						t.Fatal(cerr, serr)
					}
					if err := p.server.WriteMessage([]byte("before"), MessageInfo{Stream: 1}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second) // an ABORT throws away what is on its way
					tt.end(p)
					time.Sleep(time.Second)
					for range 2 { // and ever after
						if err := p.client.WriteMessage([]byte("x"), MessageInfo{}); !tt.want(err) {
							t.Errorf("WriteMessage: %v", err)
						}
					}
					buf := make([]byte, 10)
					if n, _, err := p.client.ReadMessage(buf); err != nil || string(buf[:n]) != "before" {
						t.Errorf("ReadMessage: %q, %v", buf[:n], err)
					}
					if _, _, err := p.client.ReadMessage(buf); !tt.want(err) {
						t.Errorf("ReadMessage: %v", err)
					}
				})
			})
		}
	}
}

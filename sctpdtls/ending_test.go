package sctpdtls

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// All that was written before Close is read before io.EOF: RFC 6083, Section 4.9, attack C7.
func TestAttackC7CloseLosesNothing(t *testing.T) {
	for _, delay := range []time.Duration{time.Millisecond, 50 * time.Millisecond} {
		bubble(t, func(t *testing.T) {
			p := connected(t, assoctest.Options{Delay: delay})
			for range 100 {
				if err := p.client.WriteMessage(make([]byte, 1000), MessageInfo{Stream: 2}); err != nil {
					t.Fatal(err)
				}
			}
			closed := make(chan error)
			go func() { closed <- p.client.Close() }()
			buf := make([]byte, 1000)
			for i := range 100 {
				if _, _, err := p.server.ReadMessage(buf); err != nil {
					t.Fatalf("message %d: %v", i, err)
				}
			}
			for range 2 { // and ever after
				if _, _, err := p.server.ReadMessage(buf); err != io.EOF {
					t.Errorf("after the last message: %v, want io.EOF", err)
				}
			}
			if err := <-closed; err != nil {
				t.Errorf("Close: %v", err)
			}
			want(t, "WriteMessage after the peer's close", p.server.WriteMessage([]byte("x"), MessageInfo{}),
				ErrPeerClosed)
			p.close()
			want(t, "WriteMessage after Close", p.client.WriteMessage([]byte("x"), MessageInfo{}),
				net.ErrClosed)
			_, _, err := p.client.ReadMessage(buf)
			want(t, "ReadMessage after Close", err, net.ErrClosed)
		})
	}
}

// Close wakes those who wait, and several calls are one.
func TestCloseWakes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{Window: 20000})
		errs := make(chan error, 3)
		for range 2 {
			go func() {
				_, _, err := p.client.ReadMessage(make([]byte, 10))
				errs <- err
			}()
		}
		go func() {
			var err error
			for err == nil {
				err = p.client.WriteMessage(make([]byte, 16000), MessageInfo{})
			}
			errs <- err
		}()
		synctest.Wait()
		go p.client.Close()
		p.client.Close() // the server does not read: bounded by CloseTimeout
		for range 3 {
			want(t, "a call that Close wakes", <-errs, net.ErrClosed)
		}
		p.server.Abort()
	})
}

// A peer that never reads holds Close up no longer than CloseTimeout.
func TestCloseIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		start := time.Now()
		p.client.Close()
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("Close took %v", d)
		}
		if _, _, err := p.server.ReadMessage(nil); err != io.EOF {
			t.Errorf("the peer reads %v later, want io.EOF", err)
		}
		p.server.Close()
	})
}

// The end of the association without close_notify is a truncation: RFC 6083, Sections 4.2 and 4.9;
// attacks C6, H1, H11.
func TestAttackC6TruncationIsReported(t *testing.T) {
	for _, test := range []struct {
		name string
		do   func(p *testPair)
		end  AssocState
	}{
		{"SHUTDOWN", func(p *testPair) { p.clientSCTP.Shutdown() }, AssocShutdown},
		{"ABORT", func(p *testPair) { p.client.Abort() }, AssocAborted},
		{"lost", func(p *testPair) { p.sctp.Cut() }, AssocLost},
		{"restart", func(p *testPair) {
			p.sctp.Inject(stream.AssocChange{State: AssocRestarted})
			p.client.WriteMessage([]byte("of the new association"), MessageInfo{})
		}, AssocRestarted},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := connected(t, assoctest.Options{})
				if err := p.client.WriteMessage([]byte("before"), MessageInfo{}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second) // of the false clock: it arrives
				test.do(p)
				buf := make([]byte, 100)
				if n, _, err := p.server.ReadMessage(buf); err != nil || string(buf[:n]) != "before" {
					t.Errorf("ReadMessage = %q, %v: what came before is to be delivered", buf[:n], err)
				}
				for range 2 {
					_, _, err := p.server.ReadMessage(buf)
					if e, ok := errtype.As[*AssociationError](err); !ok || e.State != test.end ||
						!errors.Is(err, io.ErrUnexpectedEOF) {
						t.Errorf(
							"ReadMessage: %v, want an AssociationError with end %d that is an io.ErrUnexpectedEOF", err,
							test.end)
					}
				}
				wantPeersEnd(t, "WriteMessage", p.server.WriteMessage([]byte("x"), MessageInfo{}))
				p.server.Close()
				p.client.Close()
			})
		})
	}
}

// A silent peer: RFC 6083, Section 4.8; attack E12.
func TestAttackE12HandshakeTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := newTestPair(t, assoctest.Options{}, clientConfig(), serverConfig())
		start := time.Now()
		err := p.client.Handshake()
		if e, ok := errtype.As[*HandshakeTimeoutError](err); !ok || e.KeyInUse ||
			!errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Handshake with a silent peer: %v", err)
		}
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("it took %v, want 10s", d)
		}
		if len(p.clientSCTP.Sent()) != 1 {
			t.Errorf("%d records were sent, want one: nothing is sent again (1.4)", len(p.clientSCTP.Sent()))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err = p.server.HandshakeContext(ctx)
		if _, ok := errtype.As[*AssociationError](err); !ok {
			t.Errorf("the other end then: %v", err)
		}
	})
}

// A context that is done before the handshake begins ends the connection just as well: a Listener
// that is closed between accept and handshake leaves no association behind. Attack E12.
func TestHandshakeWithContextDone(t *testing.T) {
	for range 20 { // either branch of a select would be taken at times
		bubble(t, func(t *testing.T) {
			p := newTestPair(t, assoctest.Options{}, clientConfig(), serverConfig())
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			want(t, "HandshakeContext", p.server.HandshakeContext(ctx), context.Canceled)
			if _, _, closed, aborted := p.sctp.State(); !closed || !aborted {
				t.Errorf("the association is closed: %v, aborted: %v", closed, aborted)
			}
			p.client.Abort()
		})
	}
}

// Keys that differ show only as silence, and the error says what it may be: RFC 6083, Section 4.8.
func TestLegacyLabelMismatch(t *testing.T) {
	for _, both := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			config := clientConfig()
			config.LegacyLabel = true
			config.MaxVersion = VersionDTLS12
			server := serverConfig()
			server.LegacyLabel = both
			// SCTP gives the silent peer up later than DTLS.
			p := newTestPair(t, assoctest.Options{GiveUp: time.Minute}, config, server)
			err, serr := p.handshake()
			if both {
				if err != nil || serr != nil {
					t.Fatalf("with the label at both ends: %v, %v", err, serr)
				}
				p.close()
				return
			}
			if e, ok := errtype.As[*HandshakeTimeoutError](err); !ok || !e.KeyInUse {
				t.Errorf("with the label at one end: %v", err)
			}
		})
	}
}

// The draft's label for DTLS 1.3 is another one: RFC 6083, Section 5. The legacy label does not
// matter there.
func TestDraftLabel(t *testing.T) {
	for _, both := range []bool{false, true} {
		bubble(t, func(t *testing.T) {
			config, server := clientConfig(), serverConfig()
			config.DraftLabel, server.DraftLabel = true, both
			config.LegacyLabel = true
			// SCTP gives the silent peer up later than DTLS.
			p := newTestPair(t, assoctest.Options{GiveUp: time.Minute}, config, server)
			err, serr := p.handshake()
			if both {
				if err != nil || serr != nil || p.client.ConnectionState().Version != VersionDTLS13 {
					t.Fatalf("with the label at both ends: %v, %v", err, serr)
				}
				p.close()
				return
			}
			if _, ok := errtype.As[*HandshakeTimeoutError](serr); !ok { // the client was through
				t.Errorf("with the label at one end: %v", serr)
			}
		})
	}
}

// A handshake that fails tells the peer why: RFC 5280, Section 6.1, attack A2. In DTLS 1.3 the
// client is through with it before the server has seen its certificate.
func TestAttackA2NoClientCertificate(t *testing.T) {
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		bubble(t, func(t *testing.T) {
			config := clientConfig()
			config.Certificates, config.MaxVersion = nil, version
			p := newTestPair(t, assoctest.Options{}, config, serverConfig())
			cerr, serr := p.handshake()
			if e, ok := errtype.As[*AlertError](serr); !ok || !e.Local {
				t.Errorf("server: %v, want an alert of its own", serr)
			}
			if version == VersionDTLS13 && cerr == nil {
				_, _, cerr = p.client.ReadMessage(nil)
			}
			if e, ok := errtype.As[*AlertError](cerr); !ok || e.Local {
				t.Errorf("client: %v, want the alert of the server", cerr)
			}
		})
	}
}

// A server that refuses the client's certificate is heard, although its ABORT makes the
// calls fail that the client is about.
func TestAlertBeforeAbortIsHeard(t *testing.T) {
	bubble(t, func(t *testing.T) {
		strict := serverConfig()
		strict.ClientCAs = x509.NewCertPool()
		strict.MaxVersion = VersionDTLS12 // where the client still has a key to activate
		p := newTestPair(t, assoctest.Options{}, clientConfig(), strict)
		core, err := dtlscore.Client(p.client.config.core())
		if err != nil {
			t.Fatal(err)
		}
		if p.client, err = newConn(lateAssociation{&memAssociation{Assoc: p.clientSCTP}}, p.client.config,
			core); err != nil {
			t.Fatal(err)
		}
		cerr, serr := p.handshake()
		for _, err := range []error{cerr, serr} {
			if alert, ok := errtype.As[*AlertError](err); !ok || alert.Alert != dtlscore.AlertUnknownCA ||
				alert.Local != (err == serr) {
				t.Errorf("%v, want unknown_ca of the server", err)
			}
		}
	})
}

// A lateAssociation activates keys when the peer has gone.
type lateAssociation struct{ *memAssociation }

func (lateAssociation) SetActiveAuthKey(uint16) error {
	time.Sleep(3 * alertTime)
	return syscall.EINVAL
}

// What is not DTLS, or not in its place, ends the connection and is never delivered: RFC 6083,
// Sections 4.1, 4.2 and 4.4; attacks B10, C1, H3, H7.
func TestAttackB10ForeignMessages(t *testing.T) {
	alert := []byte{21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 1, 0}
	data := []byte{23, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 'h', 'i'}
	for _, test := range []struct {
		name string
		msg  []byte
		info stream.Info
	}{
		{"cleartext", []byte("no DTLS at all"), stream.Info{Stream: 1}},
		{"one byte", []byte{23}, stream.Info{Stream: 1}},
		{"application data of epoch 0", data, stream.Info{Stream: 1}},
		{"alert on another stream", alert, stream.Info{Stream: 1}},
		{"unordered alert", alert, stream.Info{Unordered: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := connected(t, assoctest.Options{})
				if err := p.clientSCTP.Send(test.msg, test.info); err != nil {
					t.Fatal(err)
				}
				if err := p.client.WriteMessage([]byte("after"), MessageInfo{}); err != nil {
					t.Fatal(err)
				}
				n, _, err := p.server.ReadMessage(make([]byte, 100))
				if e, ok := errtype.As[*AlertError](err); n != 0 || !ok || !e.Local {
					t.Errorf("ReadMessage = %d, %v, want an alert of our own", n, err)
				}
				_, _, err = p.client.ReadMessage(make([]byte, 100))
				if e, ok := errtype.As[*AlertError](err); !ok || e.Local {
					t.Errorf("the peer reads %v, want the alert", err)
				}
				p.server.Close()
				p.client.Close()
			})
		})
	}
}

// Without SCTP-AUTH no byte leaves: RFC 6083, Section 4.5, attack B8.
func TestAttackB8PeerWithoutAuth(t *testing.T) {
	a, _ := assoctest.Pair(t, assoctest.Options{})
	core, err := dtlscore.Client(clientConfig().core())
	if err != nil {
		t.Fatal(err)
	}
	_, err = newConn(withoutAuth{&memAssociation{Assoc: a}}, clientConfig(), core)
	if e, ok := errtype.As[*AuthUnsupportedError](err); !ok || !e.Peer {
		t.Errorf("newConn: %v, want an AuthUnsupportedError of the peer", err)
	}
	if n := len(a.Sent()); n != 0 {
		t.Errorf("%d messages were sent", n)
	}
}

type withoutAuth struct{ *memAssociation }

func (withoutAuth) AuthAgreement() (authchunk.Agreement, error) {
	return authchunk.Agreement{Local: authchunk.DefaultChunks()}, nil
}

// Context has the same end whether it was asked for before it or is asked for afterwards.
func TestContextAskedLate(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(c, peer *Conn)
		want error
	}{
		"the peer's close": {func(_, peer *Conn) { go peer.Close() }, io.EOF},
		"the peer's abort": {func(_, peer *Conn) { peer.Abort() }, io.ErrUnexpectedEOF},
		"Abort":            {func(c, _ *Conn) { c.Abort() }, net.ErrClosed},
	} {
		t.Run(name, func(t *testing.T) {
			for _, early := range []bool{true, false} {
				bubble(t, func(t *testing.T) {
					p := connected(t, assoctest.Options{})
					if early && p.client.Context().Err() != nil {
						t.Error("it is done from the beginning")
					}
					tt.end(p.client, p.server)
					time.Sleep(time.Second)
					if c := p.client.Context(); c.Err() == nil || c != p.client.Context() {
						t.Errorf("early %v: it is not done, or another one each time", early)
					}
					want(t, "its cause", context.Cause(p.client.Context()), tt.want)
					p.client.Abort()
					p.server.Abort()
				})
			}
		})
	}
}

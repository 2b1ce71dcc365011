package relay_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/relaytest"
	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls/relay"
)

func init() { testpki.Get() } // outside of synctest's bubbles

func clientConfig() *sctpdtls.Config {
	pki := testpki.Get()
	return &sctpdtls.Config{
		Certificates: []tls.Certificate{pki.Client}, RootCAs: pki.Roots, ServerName: testpki.ServerName,
	}
}

func serverConfig() *sctpdtls.Config {
	pki := testpki.Get()
	return &sctpdtls.Config{
		Certificates: []tls.Certificate{pki.Server}, ClientCAs: pki.Roots,
		ClientAuth: tls.RequireAndVerifyClientCert,
	}
}

// A testPair is two connections over an association in memory.
type testPair struct {
	client, server   *sctpdtls.Conn
	clientSCTP, sctp *assoctest.Assoc // sctp is the server's
}

// newTestPair returns both ends after their handshake.
func newTestPair(t *testing.T, version uint16) *testPair {
	t.Helper()
	p := new(testPair)
	o := assoctest.Options{Streams: 16, Delay: 2 * time.Millisecond}
	p.clientSCTP, p.sctp = assoctest.Pair(t, o)
	config := clientConfig()
	config.MinVersion, config.MaxVersion = version, version
	var err error
	if p.client, err = sctpdtls.Client(p.clientSCTP, config); err != nil {
		t.Fatal(err)
	}
	if p.server, err = sctpdtls.Server(p.sctp, serverConfig()); err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() { done <- p.server.Handshake() }()
	if err := errors.Join(p.client.Handshake(), <-done); err != nil {
		t.Fatal(err)
	}
	return p
}

// want is for tables of errors: it fails the test unless err is as wanted.
func want(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: error %v, want %v", what, err, target)
	}
}

// The methods of no Relay return EINVAL, as those of the other types do.
func TestNoRelay(t *testing.T) {
	for _, r := range []*relay.Relay{nil, new(relay.Relay)} {
		_, _, err := r.ReadMessage(nil)
		want(t, "ReadMessage", err, syscall.EINVAL)
		want(t, "WriteMessage", r.WriteMessage(nil, sctpdtls.MessageInfo{}), syscall.EINVAL)
		want(t, "Redial", r.Redial(t.Context(), nil), syscall.EINVAL)
		want(t, "Take", r.Take(nil), syscall.EINVAL)
		want(t, "Close", r.Close(), syscall.EINVAL)
		if r.Conn() != nil {
			t.Error("a connection of no Relay")
		}
	}
}

// The ends change over to one successor after the other while both write, and lose nothing:
// RFC 4895, Section 9.
func TestRelay(t *testing.T) {
	for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		for _, late := range []time.Duration{0, 5 * time.Millisecond, 50 * time.Millisecond} {
			t.Run(sctpdtls.VersionName(version)+" taken after "+late.String(), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					pair := func() *testPair { return newTestPair(t, version) }
					first := pair()
					ends := [2]*relay.Relay{relay.New(first.client), relay.New(first.server)}
					finish := relaytest.Traffic(t, ends, func() { time.Sleep(time.Millisecond) })
					pairs := []*testPair{first}
					for range 3 {
						taken := make(chan error, 1)
						err := ends[0].Redial(t.Context(), func(context.Context) (*sctpdtls.Conn, error) {
							next := pair()
							pairs = append(pairs, next)
							go func() {
								time.Sleep(late)
								taken <- ends[1].Take(next.server)
							}()
							time.Sleep(20 * time.Millisecond) // the old one may be closed before this returns
							return next.client, nil
						})
						if err := errors.Join(err, <-taken); err != nil {
							t.Error(err)
						}
					}
					failed := errors.New("no")
					want(t, "Redial", ends[0].Redial(t.Context(),
						func(context.Context) (*sctpdtls.Conn, error) { return nil, failed }), failed)
					time.Sleep(30 * time.Millisecond)
					finish()
					var closes sync.WaitGroup
					for _, r := range ends {
						closes.Go(func() {
							if err := r.Close(); err != nil {
								t.Error(err)
							}
						})
					}
					closes.Wait()
					for i, p := range pairs {
						for _, a := range []*assoctest.Assoc{p.clientSCTP, p.sctp} {
							if _, _, closed, aborted := a.State(); !closed || aborted {
								t.Errorf("association %d of %v: closed %v, aborted %v", i, a.LocalAddr(), closed, aborted)
							}
						}
					}
					want(t, "WriteMessage after Close", ends[0].WriteMessage([]byte("x"), sctpdtls.MessageInfo{}),
						net.ErrClosed)
				})
			})
		}
	}
}

// What cannot be sent is the error of the connection.
func TestRelayRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPair(t, sctpdtls.VersionDTLS13)
		r := relay.New(p.client)
		err := r.WriteMessage(make([]byte, sctpdtls.MaxMessageSize+1), sctpdtls.MessageInfo{})
		if large := new(sctpdtls.MessageTooLargeError); !errors.As(err, &large) {
			t.Errorf("a message that is too large: %v", err)
		}
		p.server.Abort()
		r.Close()
	})
}

// Without a successor the end of the connection is the end, and it is informed how it came.
func TestRelayEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			name        string
			end         func(c *sctpdtls.Conn)
			want, write error
		}{
			{"Close", func(c *sctpdtls.Conn) { c.Close() }, io.EOF, sctpdtls.ErrPeerClosed},
			{"Abort", func(c *sctpdtls.Conn) { c.Abort() }, io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
		} {
			p := newTestPair(t, sctpdtls.VersionDTLS13)
			r := relay.New(p.client)
			ended := make(chan struct{})
			go func() { tt.end(p.server); close(ended) }()
			_, _, err := r.ReadMessage(make([]byte, 10))
			want(t, tt.name+": ReadMessage", err, tt.want)
			<-ended
			want(t, tt.name+": WriteMessage", r.WriteMessage([]byte("x"), sctpdtls.MessageInfo{}), tt.write)
			r.Close()
		}
	})
}

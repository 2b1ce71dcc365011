package sctpdtls

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

var pki = testpki.Get // outside of a bubble first, for it is shared

func clientConfig() *Config {
	return &Config{Certificates: []tls.Certificate{pki().Client}, RootCAs: pki().Roots,
		ServerName: "server.example"}
}

func serverConfig() *Config {
	return &Config{Certificates: []tls.Certificate{pki().Server}, ClientCAs: pki().Roots,
		ClientAuth: tls.RequireAndVerifyClientCert}
}

var versions = []uint16{VersionDTLS12, VersionDTLS13}

// memAssociation is an association in memory.
type memAssociation struct {
	*assoctest.Assoc
	before atomic.Pointer[func()] // if not nil, called before each call that may wait
	more   atomic.Bool            // each message has the next one behind it
}

func (m *memAssociation) Recv(b stream.Buffer, wait bool) (stream.Part, error) {
	if before := m.before.Load(); before != nil {
		(*before)()
	}
	p, err := m.Assoc.Recv(b, wait)
	p.More = m.more.Load()
	return p, err
}

func (m *memAssociation) TrySend(b []byte, info stream.Info) error {
	if before := m.before.Load(); before != nil {
		(*before)()
	}
	return m.Assoc.TrySend(b, info)
}

// A testPair is two connections over an association in memory.
type testPair struct {
	t                testing.TB
	client, server   *Conn
	clientSCTP, sctp *assoctest.Assoc // sctp is the server's
}

// newTestPair returns both ends before their handshake. There is always a delay: computing takes
// no time of the false clock, so that nobody sends under a key before the other has it.
func newTestPair(t testing.TB, o assoctest.Options, client, server *Config) *testPair {
	t.Helper()
	o.Delay = max(o.Delay, time.Millisecond)
	o.Partial = client.SCTP.PartialReliability && server.SCTP.PartialReliability
	a, b := assoctest.Pair(t, o)
	cc, err := dtlscore.Client(client.core())
	if err != nil {
		t.Fatal(err)
	}
	sc, err := dtlscore.Server(server.core())
	if err != nil {
		t.Fatal(err)
	}
	p := &testPair{t: t, clientSCTP: a, sctp: b}
	if p.client, err = newConn(&memAssociation{Assoc: a}, client, cc); err != nil {
		t.Fatal(err)
	}
	if p.server, err = newConn(&memAssociation{Assoc: b}, server, sc); err != nil {
		t.Fatal(err)
	}
	return p
}

// at calls f once, in the n-th call from now on in which c may wait for its association.
func at(c *Conn, n int, f func()) (reached func() bool) {
	var calls atomic.Int32
	before := func() {
		if int(calls.Add(1)) == n {
			f()
		}
	}
	c.assoc.(*memAssociation).before.Store(&before)
	return func() bool { return int(calls.Load()) >= n }
}

// connected returns both ends after their handshake, in the false time of synctest.
func connected(t *testing.T, o assoctest.Options) *testPair {
	t.Helper()
	p := newTestPair(t, o, clientConfig(), serverConfig())
	if cerr, serr := p.handshake(); cerr != nil || serr != nil {
		t.Fatalf("handshake: client %v, server %v", cerr, serr)
	}
	return p
}

func (p *testPair) handshake() (client, server error) {
	done := make(chan error)
	go func() { done <- p.server.Handshake() }()
	client = p.client.Handshake()
	return client, <-done
}

// close ends both ends and checks that nothing is left over.
func (p *testPair) close() {
	p.t.Helper()
	done := make(chan error)
	go func() { done <- p.server.Close() }()
	if err := p.client.Close(); err != nil {
		p.t.Errorf("client's Close: %v", err)
	}
	if err := <-done; err != nil {
		p.t.Errorf("server's Close: %v", err)
	}
	for _, a := range []*assoctest.Assoc{p.clientSCTP, p.sctp} {
		if _, _, closed, _ := a.State(); !closed {
			p.t.Errorf("the association of %v was left open", a.LocalAddr())
		}
	}
}

// want is for tables of errors: it fails the test unless err is as wanted.
func want(t *testing.T, what string, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("%s: error %v, want %v", what, err, target)
	}
}

// wantPeersEnd wants the error of an end that was not this end's own. Programs take net.ErrClosed
// for their own Close.
func wantPeersEnd(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) {
		t.Errorf("%s: error %v, want an io.ErrUnexpectedEOF that is no net.ErrClosed", what, err)
	}
}

// bubble runs f with a false clock.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	pki() // outside, for it is shared
	synctest.Test(t, f)
}

// stop stops the goroutine of c, in whose place the test may do what it does, until the function
// that stop returns is called.
func (c *Conn) stop() (goOn func()) {
	c.closing.Store(true)
	c.alarm.ring()
	c.owner.lock()
	c.closing.Store(false)
	c.alarm.reset()
	return func() { go c.owner.run() }
}

// An association is what those in tests are.
type association interface {
	stream.Association
	stream.HandshakeTuner
	stream.KeyLimiter
}

// put puts another association under c, made of the one it has.
func put[A association](c *Conn, wrap func(association) A) A {
	defer c.stop()()
	a := wrap(c.assoc.(association))
	c.assoc, c.owner.messages = a, stream.NewReader(a)
	return a
}

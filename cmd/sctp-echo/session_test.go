package main

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A fakeSession is one end of a connection in memory. Its times are those of
// testing/synctest if it was made there.
type fakeSession struct {
	name    string
	in, out chan fakeMessage
	delay   time.Duration // of each message that is sent
	state   sctpdtls.ConnectionState
	next    *fakeMessage // taken from in, but not here yet; the reader's

	closed     chan struct{} // closed by Close
	peerClosed chan struct{}
	close      func()

	mu            sync.Mutex    // guards the following
	read, written time.Time     // deadlines
	changed       chan struct{} // closed when read changes
}

type fakeMessage struct {
	data []byte
	info sctpdtls.MessageInfo
	at   time.Time // when it arrives
}

// fakePair returns a client's and a server's end, with messages on their way for delay.
func fakePair(delay time.Duration) (client, server *fakeSession) {
	up, down := make(chan fakeMessage, 1000), make(chan fakeMessage, 1000)
	near, far := make(chan struct{}), make(chan struct{})
	end := func(name string, in, out chan fakeMessage, closed, peerClosed chan struct{}) *fakeSession {
		return &fakeSession{name: name, in: in, out: out, delay: delay, state: fakeState(),
			changed: make(chan struct{}),
			closed:  closed, peerClosed: peerClosed, close: sync.OnceFunc(func() { close(closed) })}
	}
	return end("192.0.2.1:40001", down, up, near, far), end("192.0.2.2:5868", up, down, far, near)
}

func fakeState() (s sctpdtls.ConnectionState) {
	s.Version = sctpdtls.VersionDTLS12
	s.CipherSuite = tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	s.CurveID = tls.X25519
	s.AuthKeyID = 1
	s.OutStreams, s.InStreams = 10, 10
	return s
}

func (f *fakeSession) ReadMessage(b []byte) (int, sctpdtls.MessageInfo, error) {
	for {
		f.mu.Lock()
		timeout, changed := after(f.read), f.changed
		f.mu.Unlock()
		in, end := f.in, f.peerClosed
		var arrival <-chan time.Time
		if f.next != nil || len(in) > 0 {
			end = nil // not before what was sent
		}
		if f.next != nil {
			in, arrival = nil, after(f.next.at)
		}
		select {
		case m := <-in:
			f.next = &m
		case <-arrival:
			m := f.next
			f.next = nil
			return copy(b, m.data), m.info, nil
		case <-end:
			return 0, sctpdtls.MessageInfo{}, io.EOF
		case <-timeout:
			return 0, sctpdtls.MessageInfo{}, os.ErrDeadlineExceeded
		case <-f.closed:
			return 0, sctpdtls.MessageInfo{}, net.ErrClosed
		case <-changed:
		}
	}
}

func (f *fakeSession) WriteMessage(b []byte, info sctpdtls.MessageInfo) error {
	m := fakeMessage{append([]byte(nil), b...), info, time.Now().Add(f.delay)}
	m.info.Length = len(b)
	f.mu.Lock()
	timeout := after(f.written)
	f.mu.Unlock()
	select {
	case <-f.closed:
		return net.ErrClosed
	case <-f.peerClosed:
		return net.ErrClosed
	default:
	}
	select {
	case f.out <- m:
		return nil
	case <-timeout:
		return os.ErrDeadlineExceeded
	case <-f.closed:
		return net.ErrClosed
	case <-f.peerClosed:
		return net.ErrClosed
	}
}

// after returns a channel that reports when t comes; never, if it is zero.
func after(t time.Time) <-chan time.Time {
	if t.IsZero() {
		return nil
	}
	return time.After(time.Until(t))
}

func (f *fakeSession) SetReadDeadline(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.read = t
	close(f.changed)
	f.changed = make(chan struct{})
	return nil
}

func (f *fakeSession) SetWriteDeadline(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.written = t
	return nil
}

func (f *fakeSession) Close() error {
	f.close()
	return nil
}

func (f *fakeSession) ConnectionState() sctpdtls.ConnectionState { return f.state }

func (f *fakeSession) LocalAddr() net.Addr { return fakeAddr(f.name) }

func (f *fakeSession) RemoteAddr() net.Addr {
	if f.name == "192.0.2.2:5868" {
		return fakeAddr("192.0.2.1:40001")
	}
	return fakeAddr("192.0.2.2:5868")
}

type fakeAddr string

func (a fakeAddr) Network() string { return "sctp" }
func (a fakeAddr) String() string  { return string(a) }

// A fakeListener accepts what is put into its channel.
type fakeListener struct {
	sessions chan session
	closed   chan struct{}
	once     sync.Once
}

func newFakeListener() *fakeListener {
	return &fakeListener{sessions: make(chan session), closed: make(chan struct{})}
}

func (l *fakeListener) accept(ctx context.Context) (session, error) {
	select {
	case s := <-l.sessions:
		return s, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *fakeListener) Addr() net.Addr { return fakeAddr("192.0.2.2:5868") }

func (l *fakeListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

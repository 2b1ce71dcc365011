package sctpdtls

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// fakeListener hands out the server's ends of associations that a test makes.
type fakeListener struct {
	assocs chan association
	once   sync.Once
	closed chan struct{}
}

func newFakeListener() *fakeListener {
	return &fakeListener{assocs: make(chan association), closed: make(chan struct{})}
}

func (l *fakeListener) Accept() (stream.Association, error) {
	select {
	case a := <-l.assocs:
		return a, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *fakeListener) Addr() net.Addr { return new(Addr) }
func (l *fakeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }

// dial makes an association and returns the client's end of it.
func (l *fakeListener) dial(t *testing.T, config *Config) *Conn {
	a, b := assoctest.Pair(t, assoctest.Options{Delay: time.Millisecond})
	l.assocs <- &memAssociation{Assoc: b}
	core, err := dtlscore.Client(config.core())
	if err != nil {
		t.Fatal(err)
	}
	c, err := newConn(&memAssociation{Assoc: a}, config, core)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// acceptHandshake makes the handshake of c, and returns the connection that the listener accepts.
func acceptHandshake(t *testing.T, l *Listener, c *Conn) *Conn {
	t.Helper()
	done := make(chan error)
	go func() { done <- c.Handshake() }()
	s, err := l.AcceptConn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return s
}

// Peers that stall or fail keep nobody out and do not come out of Accept: attacks E12, E15.
func TestAttackE15ListenerSurvivesItsPeers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		failed := map[bool]int{}
		config := serverConfig()
		config.Trace = &Trace{HandshakeDone: func(_ net.Addr, _ ConnectionState, err error) {
			mu.Lock()
			defer mu.Unlock()
			failed[err != nil]++
		}}
		socket := newFakeListener()
		l := newListener(socket, config)
		for range 100 {
			socket.dial(t, clientConfig()) // and says nothing
		}
		wrong := clientConfig()
		wrong.ServerName = "someone.else"
		for range 10 {
			if err := socket.dial(t, wrong).Handshake(); err == nil {
				t.Error("a handshake with the wrong name succeeded")
			}
		}
		start := time.Now()
		for range 10 {
			c := socket.dial(t, clientConfig())
			s := acceptHandshake(t, l, c)
			(&testPair{t: t, client: c, server: s, clientSCTP: c.assoc.(*memAssociation).Assoc,
				sctp: s.assoc.(*memAssociation).Assoc}).close()
		}
		if d := time.Since(start); d > time.Second {
			t.Errorf("good peers waited %v for bad ones", d)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		mu.Lock()
		if failed[true] != 110 || failed[false] != 10 {
			t.Errorf("Trace was told of %d failures and %d successes, want 110 and 10", failed[true],
				failed[false])
		}
		mu.Unlock()
		l.Close()
	})
}

// MaxHandshakes bounds those under way; the others wait in the kernel.
func TestAttackE12MaxHandshakes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		config := serverConfig()
		config.MaxHandshakes, config.MaxHandshakesPerHost = 2, 2
		socket := newFakeListener()
		l := newListener(socket, config)
		for range 2 {
			socket.dial(t, clientConfig())
		}
		_, b := assoctest.Pair(t, assoctest.Options{})
		select {
		case socket.assocs <- &memAssociation{Assoc: b}:
			t.Error("a third handshake was begun")
		case <-time.After(9 * time.Second):
		}
		select {
		case socket.assocs <- &memAssociation{Assoc: b}:
		case <-time.After(2 * time.Second):
			t.Error("nothing was accepted after the first two had timed out")
		}
		l.Close()
	})
}

func TestListenerEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		l := newListener(newFakeListener(), serverConfig())
		l.SetDeadline(time.Now().Add(time.Second))
		_, err := l.Accept()
		want(t, "Accept after the deadline", err, os.ErrDeadlineExceeded)
		l.SetDeadline(time.Time{})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = l.AcceptConn(ctx)
		want(t, "AcceptConn with a cancelled context", err, context.Canceled)
		done := make(chan error)
		go func() { _, err := l.Accept(); done <- err }()
		synctest.Wait()
		for range 2 {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		err = <-done
		want(t, "Accept that Close wakes", err, net.ErrClosed)
		if _, ok := errtype.As[*net.OpError](err); !ok {
			t.Errorf("Accept: %T, want a *net.OpError", err)
		}
	})
}

// A connection that nobody accepts keeps its place, and Close closes it in order.
func TestListenerCloseWithReadyConnections(t *testing.T) {
	bubble(t, func(t *testing.T) {
		config := serverConfig()
		config.MaxHandshakes, config.MaxHandshakesPerHost = 2, 2
		socket := newFakeListener()
		l := newListener(socket, config)
		ready, stalled := socket.dial(t, clientConfig()), socket.dial(t, clientConfig())
		if err := ready.Handshake(); err != nil {
			t.Fatal(err)
		}
		read := make(chan error)
		go func() {
			_, _, err := ready.ReadMessage(make([]byte, 10))
			read <- err
			read <- ready.Close()
		}()
		time.Sleep(time.Second) // until the server is through with it as well
		_, b := assoctest.Pair(t, assoctest.Options{})
		synctest.Wait()
		select {
		case socket.assocs <- &memAssociation{Assoc: b}:
			t.Error("a third was accepted")
		default:
		}
		closed := make(chan error)
		go func() { closed <- errors.Join(l.Close(), l.Close()) }()
		if err := <-read; err != io.EOF {
			t.Errorf("the client of a connection that was never accepted reads %v, want io.EOF", err)
		}
		for _, c := range []chan error{read, closed} {
			if err := <-c; err != nil {
				t.Error(err)
			}
		}
		err := stalled.Handshake()
		if _, ok := errtype.As[*AssociationError](err); !ok {
			t.Errorf("the client whose handshake Close has ended: %v", err)
		}
		_, err = l.Accept()
		want(t, "Accept after Close", err, net.ErrClosed)
	})
}

// A listener below that another closes does not let Accept wait forever.
func TestListenerClosedBelow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		socket := newFakeListener()
		l := newListener(socket, serverConfig())
		time.AfterFunc(time.Second, func() { socket.Close() })
		_, err := l.Accept()
		want(t, "Accept", err, net.ErrClosed)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

package sctpudp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/sctpcore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

var (
	_ stream.Association = (*Assoc)(nil)
	_ authchunk.Socket   = (*Assoc)(nil)
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// patience is when a test gives up. No test passes by waiting for it.
const patience = 20 * time.Second

func open(t *testing.T, port uint16) *Socket {
	t.Helper()
	s, err := Open("udp4", port, loopback)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func listen(t *testing.T, s *Socket, config *sctpcore.Config) *Listener {
	t.Helper()
	l, err := s.Listen(0, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// pair returns both ends of an association.
func pair(t *testing.T, config *sctpcore.Config) (client, server *Assoc) {
	t.Helper()
	l := listen(t, open(t, 0), config)
	client = dial(t, open(t, 0), l, config, 0)
	return client, accept(t, l)
}

func dial(t *testing.T, s *Socket, l *Listener, config *sctpcore.Config, port uint16) *Assoc {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	a, err := s.Dial(ctx, config, port, l.Port(), l.socket.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Abort() })
	return a
}

func accept(t *testing.T, l *Listener) *Assoc {
	t.Helper()
	a, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Abort() })
	a.SetReadDeadline(time.Now().Add(patience))
	return a
}

// next returns the next event, or the error at the end; messages that come before it fail the test.
func next(t *testing.T, a *Assoc) (stream.Event, error) {
	t.Helper()
	a.SetReadDeadline(time.Now().Add(patience))
	for {
		m, ev, err := stream.NewReader(a).Next(true)
		if _, other := ev.(stream.PeerAddrChange); other {
			continue
		}
		if ev == nil && err == nil {
			t.Fatalf("a message of %d bytes", len(m.Data))
		}
		return ev, err
	}
}

func wantEvent(t *testing.T, a *Assoc, want stream.Event) {
	t.Helper()
	if ev, err := next(t, a); ev != want {
		t.Fatalf("event %#v, error %v; want %#v", ev, err, want)
	}
}

func wantEnd(t *testing.T, a *Assoc, want error) {
	t.Helper()
	for range 2 { // and ever after
		if ev, err := next(t, a); !errors.Is(err, want) {
			t.Fatalf("event %#v, error %v; want %v", ev, err, want)
		}
	}
}

// echo sends back what comes until there is an end.
func echo(a *Assoc) error {
	r := stream.NewReader(a)
	for {
		m, ev, err := r.Next(true)
		if err != nil {
			return err
		}
		if ev != nil {
			continue
		}
		if err := a.Send(m.Data, stream.Info{Stream: m.Info.Stream, PPID: m.Info.PPID}); err != nil {
			return err
		}
	}
}

// exchange sends count messages on all streams and compares what comes back.
func exchange(a *Assoc, count int) error {
	out, _ := a.Streams()
	message := func(i int) []byte { return bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 1+i*i*17%9000) }
	sent := make(chan error, 1)
	go func() {
		for i := range count {
			if err := a.Send(message(i), stream.Info{Stream: uint16(i) % out, PPID: uint32(i)}); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	a.SetReadDeadline(time.Now().Add(patience))
	r := stream.NewReader(a)
	for seen := make(map[uint16]int); count > 0; {
		m, ev, err := r.Next(true)
		if err != nil {
			return fmt.Errorf("%d messages missing: %w", count, err)
		}
		if ev != nil {
			continue
		}
		s := m.Info.Stream
		i := seen[s]*int(out) + int(s)
		if m.Info.PPID != uint32(i) || !bytes.Equal(m.Data, message(i)) {
			return fmt.Errorf("stream %d: %d bytes, PPID %d; want message %d", s, len(m.Data), m.Info.PPID,
				i)
		}
		seen[s]++
		count--
	}
	return <-sent
}

// TestHandshaking checks that timers are short from the beginning of a handshake until it is
// complete: the first packet under a new key is sent after Handshaking(false).
func TestHandshaking(t *testing.T) {
	client, _ := pair(t, &sctpcore.Config{})
	type timers struct{ rtoMin, sackDelay time.Duration }
	get := func() (v timers) {
		client.do(func() error {
			c := client.core.Config()
			v = timers{c.RTOMin, c.SackDelay}
			return nil
		})
		return v
	}
	usual, short := get(), timers{handshakeRTO, 0}
	for range 2 {
		for _, on := range []bool{true, true, false} {
			if err := client.Handshaking(on); err != nil {
				t.Fatal(err)
			}
			if got := get(); got != short {
				t.Errorf("%+v after Handshaking(%t), want %+v", got, on, short)
			}
		}
		if err := client.Settled(); err != nil {
			t.Fatal(err)
		}
		if got := get(); got != usual {
			t.Errorf("%+v after Settled, want %+v", got, usual)
		}
	}
}

// TestEcho sends messages of all sizes on 10 streams under three keys of SCTP-AUTH.
func TestEcho(t *testing.T) {
	client, server := pair(t, &sctpcore.Config{Auth: true, OutStreams: 10})
	for _, a := range []*Assoc{client, server} {
		g, err := a.AuthAgreement()
		if err != nil || !g.Supported || g.Check() != nil {
			t.Fatalf("%+v, %v, %v", g, err, g.Check())
		}
		if out, in := a.Streams(); out != 10 || in != 10 {
			t.Errorf("%d and %d streams", out, in)
		}
	}
	done := make(chan error)
	go func() { done <- echo(server) }()
	for id := range uint16(3) {
		if id > 0 {
			for _, a := range []*Assoc{client, server} {
				if err := errors.Join(a.SetAuthKey(id, []byte{byte(id)}), a.SetActiveAuthKey(id),
					a.DeleteAuthKey(id-1)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := errors.Join(client.Handshaking(id == 1), exchange(client, 200),
			client.Settled()); err != nil {
			t.Fatal(err)
		}
		if err := client.AskDry(); err != nil {
			t.Fatal(err)
		}
		for ev := stream.Event(nil); ev != (stream.Dry{}); {
			var err error
			if ev, err = next(t, client); err != nil {
				t.Fatal(err)
			}
		}
		if missing, _, err := client.Missing(); missing != 0 || err != nil {
			t.Errorf("%d missing, %v", missing, err)
		}
	}
	s, err := client.Stats()
	if err != nil || s.ChunksSent < 600 || s.ChunksReceived < 600 {
		t.Errorf("%+v, %v", s, err)
	}
	if err := client.Shutdown(); err != nil {
		t.Fatal(err)
	}
	wantEvent(t, client, stream.AssocChange{State: stream.AssocShutdown})
	wantEnd(t, client, io.EOF)
	if err := <-done; err != io.EOF && !errors.Is(err, syscall.EPIPE) {
		t.Error(err)
	}
	if _, _, err := client.Missing(); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("Missing at the end: %v", err)
	}
}

// TestHundred has 100 associations between two sockets at the same time.
func TestHundred(t *testing.T) {
	config := &sctpcore.Config{Auth: true}
	l, s := listen(t, open(t, 0), config), open(t, 0)
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			a, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			defer a.Close()
			if err := echo(a); err != io.EOF && !errors.Is(err, syscall.EPIPE) {
				t.Error(err)
			}
		})
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			a, err := s.Dial(ctx, config, 0, l.Port(), l.socket.LocalAddr())
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(exchange(a, 20), a.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

func TestAbort(t *testing.T) {
	client, server := pair(t, nil)
	client.Abort()
	wantEvent(t, server, stream.AssocChange{State: stream.AssocAborted, Cause: 12})
	wantEnd(t, server, syscall.ECONNRESET)
	wantEnd(t, client, net.ErrClosed)
	if err := server.Send([]byte("x"), stream.Info{}); !errors.Is(err, syscall.EPIPE) {
		t.Errorf("Send after an ABORT: %v", err)
	}
	if err := client.Send([]byte("x"), stream.Info{}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Send after Abort: %v", err)
	}
}

// TestCloseUnread: Close aborts if something was not read, as in Linux.
func TestCloseUnread(t *testing.T) {
	client, server := pair(t, nil)
	if err := errors.Join(client.Send([]byte("x"), stream.Info{}), client.AskDry()); err != nil {
		t.Fatal(err)
	}
	wantEvent(t, client, stream.Dry{})
	server.Close()
	wantEvent(t, client, stream.AssocChange{State: stream.AssocAborted, Cause: 12})
	wantEnd(t, client, syscall.ECONNRESET)
}

// TestCloseBusy: what a peer still sends after Close is acknowledged and thrown away, however much
// it is, so that the association ends in order.
func TestCloseBusy(t *testing.T) {
	config := &sctpcore.Config{ReceiveWindow: 20000}
	client, server := pair(t, config)
	for client.TrySend(make([]byte, 10000), stream.Info{}) == nil { // 10 times the window
	}
	for server.Unread() == 0 {
		if _, err := server.Recv(new(buffer), true); err != nil {
			t.Fatal(err)
		}
	}
	for server.Unread() > 0 { // nothing unread for a moment
		if _, err := server.Recv(new(buffer), true); err != nil {
			t.Fatal(err)
		}
	}
	server.mu.Lock()
	server.core.Shutdown(server.socket.now())
	server.close()
	server.after()
	server.mu.Unlock()
	wantEvent(t, client, stream.PeerShutdown{})
	wantEvent(t, client, stream.AssocChange{State: stream.AssocShutdown})
	wantEnd(t, client, io.EOF)
}

type buffer [1 << 16]byte

func (b *buffer) Get() []byte { return b[:] }
func (b *buffer) Put()        {}

// TestLostPeer: a peer that has gone without a word is noticed.
func TestLostPeer(t *testing.T) {
	config := &sctpcore.Config{RTOInitial: 20 * time.Millisecond, RTOMin: 20 * time.Millisecond,
		RTOMax: 40 * time.Millisecond, AssociationMaxRetrans: 3}
	client, server := pair(t, config)
	server.socket.links[0].conn.Close()
	if err := client.Send([]byte("x"), stream.Info{}); err != nil {
		t.Fatal(err)
	}
	wantEvent(t, client, stream.AssocChange{State: stream.AssocLost})
	wantEnd(t, client, syscall.ETIMEDOUT)
}

func TestDialCancelled(t *testing.T) {
	silent, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	to := silent.LocalAddr().(*net.UDPAddr).AddrPort()
	s := open(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		silent.Read(make([]byte, 2000)) // INIT
		cancel()
	}()
	if a, err := s.Dial(ctx, nil, 0, 5000, to); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", a, err)
	}
	if a, err := s.Dial(ctx, nil, 0, 5000, to); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, %v", a, err)
	}
	config := &sctpcore.Config{RTOInitial: time.Millisecond, RTOMin: time.Millisecond,
		RTOMax: time.Millisecond, MaxInitRetrans: 2}
	if a, err := s.Dial(t.Context(), config, 0, 5000, to); !errors.Is(err, syscall.ETIMEDOUT) {
		t.Errorf("%v, %v", a, err)
	}
	other := open(t, 0) // nobody listens there
	if a, err := s.Dial(t.Context(), nil, 0, 5000, other.LocalAddr()); !errors.Is(err,
		syscall.ECONNRESET) {
		t.Errorf("%v, %v", a, err)
	}
}

// TestBackPressure: a sender waits for a receiver that does not read, until its deadline or until
// it does.
func TestBackPressure(t *testing.T) {
	client, server := pair(t, nil)
	message := make([]byte, 16384)
	n := 0
	for ; client.TrySend(message, stream.Info{}) != stream.ErrWouldBlock; n++ {
	}
	client.SetWriteDeadline(time.Now().Add(time.Millisecond))
	var err error
	for ; err == nil; n++ { // until the receiver's window is full as well
		err = client.Send(message, stream.Info{})
	}
	n--
	if err != os.ErrDeadlineExceeded {
		t.Fatal(err)
	}
	for { // a late acknowledgement may still make space
		sent, err := client.TrySendAll([][]byte{message, message}, make([]stream.Info, 2))
		n += sent
		if err == stream.ErrWouldBlock && sent < 2 {
			break
		}
		if err != nil {
			t.Fatalf("TrySendAll: %d, %v", sent, err)
		}
	}
	client.SetWriteDeadline(time.Time{})
	done := make(chan error)
	go func() { done <- client.Send(message, stream.Info{}) }()
	r := stream.NewReader(server)
	for range n + 1 {
		if m, ev, err := r.Next(true); err != nil || ev != nil || len(m.Data) != len(message) {
			t.Fatalf("%d bytes, %v, %v", len(m.Data), ev, err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestReadDeadline(t *testing.T) {
	client, _ := pair(t, nil)
	client.SetReadDeadline(time.Now().Add(time.Millisecond))
	if _, err := client.Recv(new(buffer), true); err != os.ErrDeadlineExceeded {
		t.Error(err)
	}
	if _, err := client.Recv(new(buffer), false); err != stream.ErrWouldBlock {
		t.Error(err)
	}
	client.SetReadDeadline(time.Time{})
	done := make(chan error)
	go func() {
		_, err := client.Recv(new(buffer), true)
		done <- err
	}()
	client.Close()
	if err := <-done; err != net.ErrClosed {
		t.Error(err)
	}
}

// TestRestart: a host that has lost its state starts over from the same ports.
func TestRestart(t *testing.T) {
	l := listen(t, open(t, 0), nil)
	s := open(t, 0)
	old := dial(t, s, l, nil, 6000)
	server := accept(t, l)
	s.links[0].conn.Close() // the host crashes
	again := dial(t, open(t, s.LocalAddr().Port()), l, nil, 6000)
	if err := server.Send([]byte("x"), stream.Info{}); err != ErrRestarted {
		t.Errorf("Send: %v", err)
	}
	wantEvent(t, server, stream.AssocChange{State: stream.AssocRestarted})
	wantEnd(t, server, ErrRestarted)
	server.Abort()
	wantEvent(t, again, stream.AssocChange{State: stream.AssocAborted, Cause: 12})
	_ = old
}

// TestListenerClose: what was not accepted is aborted, what was goes on.
func TestListenerClose(t *testing.T) {
	l := listen(t, open(t, 0), nil)
	s := open(t, 0)
	one := dial(t, s, l, nil, 0)
	server := accept(t, l)
	two := dial(t, s, l, nil, 0)
	if _, err := l.socket.Listen(l.Port(), nil); !errors.Is(err, sctpcore.ErrInUse) {
		t.Errorf("second listener: %v", err)
	}
	waiting := make(chan error)
	l.Close()
	wantEvent(t, two, stream.AssocChange{State: stream.AssocAborted, Cause: 12})
	go func() {
		_, err := l.Accept()
		waiting <- err
	}()
	if err := <-waiting; err != net.ErrClosed {
		t.Errorf("Accept: %v", err)
	}
	go echo(server)
	if err := exchange(one, 20); err != nil {
		t.Error(err)
	}
	if got := one.RemoteAddr().String(); got != fmt.Sprintf("127.0.0.1:%d", l.Port()) {
		t.Error(got)
	}
}

//go:build kernel && linux

package tunnel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// patience is how long a test waits for what others do: an emulated machine is slow.
const patience = 4 * time.Minute

// ports are those of the tests, all on 127.0.0.1.
var (
	farDaemon  = netip.MustParseAddrPort("127.0.0.1:3001") // the server tunnel dials it
	outer      = netip.MustParseAddrPort("127.0.0.1:3002") // of the server tunnel
	nearTunnel = netip.MustParseAddrPort("127.0.0.1:3003") // the near daemon dials it
)

// A chain is: near daemon, client tunnel, server tunnel, far daemon. The daemons are the test's.
type chain struct {
	t              *testing.T
	authority      *authority
	client, server *Service
	near, far      *events // of the tunnels
	daemon         *sctpsock.Listener
	stopClient     func() error
	stopServer     func() error
}

// An event of an Observer.
type event struct {
	what string // began, ended, refused
	a    *Association
	why  Reason
	err  error
}

// events collects the calls of an Observer.
type events struct {
	ch      chan event
	mu      sync.Mutex
	carried [2][2]int // messages, bytes by Direction
	keys    int
	took    time.Duration
}

func newEvents() *events { return &events{ch: make(chan event, 10_000)} }

func (e *events) Began(a *Association) { e.ch <- event{what: "began", a: a} }
func (e *events) Ended(a *Association, why Reason, err error) {
	e.ch <- event{"ended", a, why, err}
}
func (e *events) Refused(_ string, why Reason, err error) {
	e.ch <- event{what: "refused", why: why, err: err}
}
func (e *events) Handshake(_ string, took time.Duration) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.took = took
}
func (e *events) Carried(_ *Association, d Direction, messages, bytes int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.carried[d][0] += messages
	e.carried[d][1] += bytes
}
func (e *events) KeysChanged(*Association) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.keys++
}
func (e *events) changed() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.keys
}
func (e *events) MissingData(string) {}

// next waits for an event of that kind.
func (e *events) next(t *testing.T, what string) event {
	t.Helper()
	timeout := time.After(patience)
	for {
		select {
		case ev := <-e.ch:
			if ev.what == what {
				return ev
			}
			t.Logf("%s: %s %v", ev.what, ev.why, ev.err)
		case <-timeout:
			t.Fatalf("nothing was %s", what)
		}
	}
}

// newChain makes the tunnels, which change may alter before they run.
func newChain(t *testing.T, change func(client, server *Service)) *chain {
	c := &chain{t: t, authority: newAuthority(), near: newEvents(), far: newEvents()}
	hour := time.Now().Add(time.Hour)
	clientConfig := c.authority.config("client", hour)
	serverConfig := c.authority.config("server", hour)
	c.client = &Service{
		Name: "near", Role: Client, Listen: nearTunnel.String(), Target: outer.String(),
		TLS: func() *sctpdtls.Config { return clientConfig }, Observer: c.near, Log: logTo(t, "near"),
	}
	c.server = &Service{
		Name: "far", Role: Server, Listen: outer.String(), Target: farDaemon.String(),
		TLS: func() *sctpdtls.Config { return serverConfig }, Observer: c.far, Log: logTo(t, "far"),
	}
	c.client.Limits.Handshake, c.server.Limits.Handshake = patience, patience
	if change != nil {
		change(c.client, c.server)
	}
	c.listen()
	c.stopServer = c.start(c.server)
	c.stopClient = c.start(c.client)
	c.ready(c.client)
	return c
}

// listen makes the far daemon.
func (c *chain) listen() {
	c.t.Helper()
	l, err := sctpsock.Listen([]netip.AddrPort{farDaemon}, daemonOptions())
	if err != nil {
		c.t.Fatal(err)
	}
	c.daemon = l
	c.t.Cleanup(func() { l.Close() })
}

func daemonOptions() *sctpsock.Options {
	return &sctpsock.Options{Options: stream.Options{OutStreams: 30, MaxInStreams: 40},
		MessageSize: 151_000}
}

// start runs a service until the function that it returns is called, or the test ends.
func (c *chain) start(s *Service) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	c.t.Cleanup(func() {
		if err := stop(); err != nil {
			c.t.Errorf("service %s: %v", s.Name, err)
		}
	})
	return stop
}

// ready waits until a service accepts associations.
func (c *chain) ready(s *Service) {
	c.t.Helper()
	for end := time.Now().Add(patience); s.Ready() != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			c.t.Fatalf("service %s is not ready: %v", s.Name, s.Ready())
		}
	}
}

func (c *chain) accept() *sctpsock.Socket {
	c.t.Helper()
	c.daemon.SetDeadline(time.Now().Add(patience))
	s, err := c.daemon.Accept()
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { s.Close() })
	return s
}

// dial is the near daemon's association, and what the far daemon gets of it.
func (c *chain) dial() (near, far *sctpsock.Socket) {
	c.t.Helper()
	near, err := c.tryDial()
	if err != nil {
		c.t.Fatal(err)
	}
	return near, c.accept()
}

func (c *chain) tryDial() (*sctpsock.Socket, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := sctpsock.Dial(ctx, nil, []netip.AddrPort{nearTunnel}, daemonOptions())
	if err == nil {
		c.t.Cleanup(func() { s.Close() })
	}
	return s, err
}

// room is a stream.Buffer that is there all the time.
type room []byte

func (r room) Get() []byte { return r }
func (room) Put()          {}

// receive reads one message.
func receive(t *testing.T, s *sctpsock.Socket) (string, stream.Info) {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(patience))
	b := make([]byte, 170_000)
	for n := 0; ; {
		p, err := s.Recv(room(b[n:]), true)
		if err != nil {
			t.Fatalf("Recv: %v", err)
		}
		if p.Event != nil {
			t.Logf("event %#v", p.Event)
			continue
		}
		if n += p.N; p.End {
			return string(b[:n]), p.Info
		}
	}
}

// wantEnd reads up to the end, which is io.EOF, or an errno.
func wantEnd(t *testing.T, s *sctpsock.Socket, want error) {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(patience))
	for {
		p, err := s.Recv(room(make([]byte, 70_000)), true)
		if err != nil {
			if !errors.Is(err, want) {
				t.Errorf("the association ended with %v, want %v", err, want)
			}
			return
		}
		if p.Event == nil {
			t.Errorf("%d bytes of a message in place of the end", p.N)
		}
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// What goes in comes out: boundaries, streams, order, identifiers and the number of streams.
func TestKernelCarries(t *testing.T) {
	c := newChain(t, func(client, server *Service) {
		client.PPIDs = map[uint32]uint32{9: 1009}
	})
	near, far := c.dial()
	began := c.near.next(t, "began").a
	if out, in := far.Streams(); out != 30 || in != 30 {
		t.Errorf("the far daemon has %d and %d streams", out, in)
	}
	if s := began.State; s.OutStreams != 30 || s.InStreams != 40 {
		t.Errorf("the connection has %d and %d streams", s.OutStreams, s.InStreams)
	}
	large := string(bytes.Repeat([]byte("large"), 16384/5)) + "last"
	for _, tt := range []struct {
		text string
		info stream.Info
		ppid uint32 // at the other end
	}{
		{"NGAP", stream.Info{Stream: 3, PPID: 60}, 60},
		{"Diameter", stream.Info{PPID: 46}, 46},
		{"one's own", stream.Info{Stream: 29, PPID: 9}, 1009}, // of the client only
		{"none", stream.Info{Stream: 1}, 0},
		{"unordered", stream.Info{Stream: 7, Unordered: true, PPID: 18}, 18},
		{large, stream.Info{Stream: 2, PPID: 3}, 3},
	} {
		must(t, near.Send([]byte(tt.text), tt.info))
		text, info := receive(t, far)
		want := stream.Info{Stream: tt.info.Stream, PPID: tt.ppid, Unordered: tt.info.Unordered}
		if text != tt.text || info != want {
			t.Errorf("%.20q came as %.20q with %+v, want %+v", tt.text, text, info, want)
		}
		must(t, far.Send([]byte(tt.text), stream.Info{Stream: tt.info.Stream, PPID: tt.ppid}))
		text, info = receive(t, near)
		want = stream.Info{Stream: tt.info.Stream, PPID: tt.info.PPID}
		if text != tt.text || info != want {
			t.Errorf("%.20q came back as %.20q with %+v, want %+v", tt.text, text, info, want)
		}
	}
	must(t, near.Shutdown())
	wantEnd(t, far, io.EOF)
	far.Close()
	wantEnd(t, near, io.EOF)
	for _, e := range []*events{c.near, c.far} {
		ev := e.next(t, "ended")
		if !ev.why.Clean() || ev.err != nil {
			t.Errorf("ended: %s, %v", ev.why, ev.err)
		}
		if e.carried[Out] != e.carried[In] || e.carried[Out][0] != 6 {
			t.Errorf("carried: %v", e.carried)
		}
		if n := e.changed(); n != 0 {
			t.Errorf("first keys, or those of probes, are told as %d changes", n)
		}
	}
}

// Each end becomes its like.
func TestKernelEnds(t *testing.T) {
	c := newChain(t, nil)
	for _, tt := range []struct {
		name      string
		end       func(near, far *sctpsock.Socket)
		at        string // the other daemon, which is to see
		want      error
		near, far Reason
	}{
		{"shutdown of the near daemon", func(near, far *sctpsock.Socket) { near.Shutdown() },
			"far", io.EOF, DaemonShutdown, PeerClose},
		{"shutdown of the far daemon", func(near, far *sctpsock.Socket) { far.Shutdown() },
			"near", io.EOF, PeerClose, DaemonShutdown},
		{"abort of the near daemon", func(near, far *sctpsock.Socket) { near.Abort() },
			"far", syscall.ECONNRESET, DaemonAbort, PeerAbort},
		{"abort of the far daemon", func(near, far *sctpsock.Socket) { far.Abort() },
			"near", syscall.ECONNRESET, PeerAbort, DaemonAbort},
		{"too large a message", func(near, far *sctpsock.Socket) {
			near.Send(make([]byte, 16385), stream.Info{})
		}, "both", syscall.ECONNRESET, TooLarge, PeerAbort},
		{"a peer that may no longer be there", func(near, far *sctpsock.Socket) {
			for _, a := range c.server.Associations() {
				a.Revoke(errors.New("it is on a list"))
			}
		}, "both", syscall.ECONNRESET, PeerAbort, NotAllowed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c.t = t
			c.ready(c.client)
			near, far := c.dial()
			must(t, near.Send([]byte("to the far one"), stream.Info{}))
			must(t, far.Send([]byte("back"), stream.Info{}))
			receive(t, far)
			receive(t, near)
			tt.end(near, far)
			if tt.at != "near" {
				wantEnd(t, far, tt.want)
				far.Close()
			}
			if tt.at != "far" {
				wantEnd(t, near, tt.want)
				near.Close()
			}
			if ev := c.near.next(t, "ended"); ev.why != tt.near {
				t.Errorf("the near tunnel says %s: %v", ev.why, ev.err)
			}
			if ev := c.far.next(t, "ended"); ev.why != tt.far {
				t.Errorf("the far tunnel says %s: %v", ev.why, ev.err)
			}
		})
	}
}

// Nothing is accepted from a daemon while the far one is not there, and what there was is ended.
func TestKernelUnreachable(t *testing.T) {
	c := newChain(t, nil)
	near, far := c.dial()
	c.daemon.Close()
	far.Abort()
	wantEnd(t, near, syscall.ECONNRESET)
	if s, err := c.tryDial(); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialling gave %v, %v", s, err)
	}
	if ev := c.far.next(t, "refused"); ev.why != Unreachable {
		t.Errorf("the far tunnel refused with %s: %v", ev.why, ev.err)
	}
	c.listen()
	c.ready(c.client)
	c.dial()
}

// Many messages in both directions on all streams: none is lost, repeated or out of order in its
// stream.
func TestKernelBothWays(t *testing.T) {
	c := newChain(t, nil)
	near, far := c.dial()
	const count, streams = 600, 30
	send := func(s *sctpsock.Socket) error {
		for i := range count {
			text := fmt.Sprintf("%d %d %0*d", i%streams, i/streams, 1+i*37%3000, 0)
			info := stream.Info{Stream: uint16(i % streams), PPID: uint32(i)}
			if err := s.Send([]byte(text), info); err != nil {
				return err
			}
		}
		return nil
	}
	var wg sync.WaitGroup
	for _, from := range []*sctpsock.Socket{near, far} {
		wg.Go(func() {
			if err := send(from); err != nil {
				t.Error(err)
			}
		})
	}
	check := func(s *sctpsock.Socket) {
		var next [streams]int
		for range count {
			text, info := receive(t, s)
			var stream, n int
			fmt.Sscanf(text, "%d %d", &stream, &n)
			if stream != int(info.Stream) || n != next[stream] {
				t.Errorf("message %d of stream %d on stream %d, want %d",
					n, stream, info.Stream, next[stream])
			}
			next[stream]++
		}
	}
	check(far)
	check(near)
	wg.Wait()
	must(t, c.stopClient())
	wantEnd(t, near, io.EOF)
	wantEnd(t, far, io.EOF)
	if ev := c.near.next(t, "ended"); ev.why != Stopped {
		t.Errorf("ended: %s: %v", ev.why, ev.err)
	}
}

// The error about a port in use names the process that uses it.
func TestKernelHolder(t *testing.T) {
	l, err := sctpsock.Listen([]netip.AddrPort{outer}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	config := newAuthority().config("server", time.Now().Add(time.Hour))
	s := &Service{Name: "s", Role: Server, Listen: outer.String(), Target: farDaemon.String(),
		TLS: func() *sctpdtls.Config { return config }}
	err = s.Run(context.Background())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "tunnel.test (process ") {
		t.Errorf("error: %v", err)
	}
}

// Many associations at once through one pair of tunnels: each is served, also those that have to
// wait for their handshake. One whose daemon does not read holds nobody else up.
func TestKernelMany(t *testing.T) {
	c := newChain(t, nil)
	slowNear, slowFar := c.dial()
	go func() {
		for slowNear.Send(make([]byte, 1000), stream.Info{}) == nil { // until the test ends
		}
	}()
	const many = 100
	go func() {
		for range many {
			s, err := c.daemon.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { s.Close() })
			go func() {
				text, info := receive(t, s)
				s.Send([]byte(text), stream.Info{Stream: info.Stream, PPID: info.PPID})
			}()
		}
	}()
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			near, err := c.tryDial()
			if err != nil {
				t.Errorf("association %d: %v", i, err)
				return
			}
			text := fmt.Sprint("association ", i)
			must(t, near.Send([]byte(text), stream.Info{Stream: uint16(i % 30)}))
			if got, _ := receive(t, near); got != text {
				t.Errorf("association %d got %q", i, got)
			}
		})
	}
	all.Wait()
	if n := len(c.client.Associations()); n != many+1 {
		t.Errorf("%d associations", n)
	}
	slowFar.Abort()
}

// Messages larger than RFC 6083 has them, both ways.
func TestKernelLarge(t *testing.T) {
	const most = 150_000 // fits into the buffers that every kernel gives
	c := newChain(t, func(client, server *Service) {
		client.Limits.Message, server.Limits.Message = most, most
	})
	near, far := c.dial()
	for _, size := range []int{16385, 65536, 65537, most} {
		text := strings.Repeat("x", size-1) + "."
		must(t, near.Send([]byte(text), stream.Info{Stream: 3, PPID: 60}))
		if got, info := receive(t, far); got != text || info.Stream != 3 || info.PPID != 60 {
			t.Errorf("of %d bytes came %d with %+v", size, len(got), info)
		}
		must(t, far.Send([]byte(text), stream.Info{Stream: 4}))
		if got, _ := receive(t, near); got != text {
			t.Errorf("of %d bytes %d came back", size, len(got))
		}
	}
	must(t, far.Send(make([]byte, most+1), stream.Info{}))
	wantEnd(t, near, syscall.ECONNRESET)
	wantEnd(t, far, syscall.ECONNRESET)
	if ev := c.far.next(t, "ended"); ev.why != TooLarge {
		t.Errorf("ended: %s: %v", ev.why, ev.err)
	}
}

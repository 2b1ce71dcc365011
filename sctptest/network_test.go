package sctptest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/sctptest"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// bubble runs f with a false clock, on a network that ends with it.
func bubble(t *testing.T, seed uint64, f func(t *testing.T, n *sctptest.Network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := sctptest.NewNetwork(seed)
		defer n.Close()
		f(t, n)
	})
}

// connect dials a listener on another host.
func connect(
	t *testing.T, from, to *sctptest.Host, o *stream.Options,
) (client, server stream.Association) {
	t.Helper()
	l, err := to.Listen(":5868", o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if client, err = from.Dial(t.Context(), l.Addr().String(), o); err != nil {
		t.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return client, server
}

func send(t *testing.T, a stream.Association, text string, id uint16) {
	t.Helper()
	if err := a.Send([]byte(text), stream.Info{Stream: id}); err != nil {
		t.Fatal(err)
	}
}

// receive returns the next message, and the error if there is none.
func receive(r *stream.Reader) (string, error) {
	for {
		m, ev, err := r.Next(true)
		if err != nil || ev == nil {
			return string(m.Data), err
		}
	}
}

func want(t *testing.T, r *stream.Reader, text string) {
	t.Helper()
	if got, err := receive(r); got != text || err != nil {
		t.Fatalf("received %.20q, %v, want %q", got, err, text)
	}
}

// TestRealTime: without a false clock it is an association like any other.
func TestRealTime(t *testing.T) {
	n := sctptest.NewNetwork(1)
	defer n.Close()
	client, server, err := n.Pair(nil)
	if err != nil {
		t.Fatal(err)
	}
	send(t, client, "to the server", 9)
	send(t, server, "to the client", 0)
	want(t, stream.NewReader(server), "to the server")
	want(t, stream.NewReader(client), "to the client")
	if err := client.Shutdown(); err != nil {
		t.Fatal(err)
	}
	for _, a := range []stream.Association{client, server} {
		if _, err := receive(stream.NewReader(a)); err != io.EOF {
			t.Errorf("%v: %v", a.LocalAddr(), err)
		}
		a.Close()
	}
}

// TestSeed: what happens follows from the seed, and from nothing else; and whatever it is, SCTP
// loses nothing, and keeps the order of each stream.
func TestSeed(t *testing.T) {
	arrivals := func(seed uint64) (all []string) {
		bubble(t, seed, func(t *testing.T, n *sctptest.Network) {
			n.SetLink(sctptest.Link{Delay: time.Millisecond}) // else all happens at the same time
			client, server := connect(t, n.Host("192.0.2.1"), n.Host("192.0.2.2"), nil)
			n.SetLink(sctptest.Link{
				Delay: time.Millisecond, Jitter: 10 * time.Millisecond,
				Loss: 0.1, Duplication: 0.1, Corruption: 0.05,
			})
			start := time.Now()
			const messages = 300
			for i := range messages {
				info := stream.Info{Stream: uint16(i % 4), Unordered: i%5 == 0}
				if err := client.Send(fmt.Append(nil, i), info); err != nil {
					t.Fatal(err)
				}
			}
			r := stream.NewReader(server)
			next, seen := map[uint16]int{}, map[int]bool{}
			for range messages {
				m, ev, err := r.Next(true)
				if err != nil || ev != nil {
					t.Fatal(ev, err)
				}
				all = append(all, fmt.Sprintf("%s at %v", m.Data, time.Since(start)))
				var i int
				fmt.Sscan(string(m.Data), &i)
				if seen[i] {
					t.Errorf("message %d came twice", i)
				}
				seen[i] = true
				if !m.Info.Unordered && i < next[m.Info.Stream] {
					t.Errorf("stream %d: message %d after %d", m.Info.Stream, i, next[m.Info.Stream])
				} else if !m.Info.Unordered {
					next[m.Info.Stream] = i
				}
			}
		})
		return all
	}
	first, again, other := arrivals(1), arrivals(1), arrivals(2)
	if !slices.Equal(first, again) {
		t.Error("the same seed gave another run")
	}
	if slices.Equal(first, other) {
		t.Error("another seed gave the same run")
	}
}

// TestPaths: an association between two addresses and two survives the failure of a path, and
// nobody notices but in its events.
func TestPaths(t *testing.T) {
	bubble(t, 1, func(t *testing.T, n *sctptest.Network) {
		n.SetLink(sctptest.Link{Delay: 10 * time.Millisecond})
		a, b := n.Host("10.0.0.1", "10.0.1.1"), n.Host("10.0.0.2", "10.0.1.2")
		o := &stream.Options{RTOInitial: time.Second, PathMaxRetrans: 1, Heartbeat: time.Second}
		client, server := connect(t, a, b, o)
		if got := client.LocalAddr().String(); got[:18] != "10.0.0.1/10.0.1.1:" {
			t.Errorf("LocalAddr is %s", got)
		}
		if got := client.RemoteAddr().String(); got != "10.0.0.2/10.0.1.2:5868" {
			t.Errorf("RemoteAddr is %s", got)
		}
		r := stream.NewReader(server)
		for _, down := range []string{"10.0.0.2", "10.0.1.2", "10.0.0.2"} {
			time.Sleep(5 * time.Second) // for the other path to be verified
			b.Unplug(down)
			send(t, client, "without "+down, 1)
			want(t, r, "without "+down)
			time.Sleep(5 * time.Second)
			b.Plug(down)
		}
		b.Unplug()
		send(t, client, "with no path", 1)
		if _, err := receive(stream.NewReader(client)); !errors.Is(err, syscall.ETIMEDOUT) {
			t.Errorf("with no path: %v", err)
		}
		b.Plug()
	})
}

// TestReboot: who has lost its power has forgotten everything; peers learn that from their
// heartbeats, or when it starts over from the same port.
func TestReboot(t *testing.T) {
	bubble(t, 1, func(t *testing.T, n *sctptest.Network) {
		n.SetLink(sctptest.Link{Delay: 10 * time.Millisecond})
		a, b := n.Host("192.0.2.1"), n.Host("2001:db8::1", "192.0.2.2")
		l, err := b.Listen("192.0.2.2:5868", nil)
		if err != nil {
			t.Fatal(err)
		}
		dial := func() (client, server stream.Association) {
			client, err := a.DialFrom(t.Context(), 1000, "192.0.2.2:5868", nil)
			if err != nil {
				t.Fatal(err)
			}
			server, err = l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			return client, server
		}
		client, server := dial()
		a.Reboot()
		if _, err := receive(stream.NewReader(client)); !errors.Is(err, syscall.ECONNABORTED) {
			t.Errorf("an association of the host: %v", err)
		}
		again, err := a.DialFrom(t.Context(), 1000, "192.0.2.2:5868", nil)
		if err != nil {
			t.Fatal(err)
		}
		restarted := false
		r := stream.NewReader(server)
		for {
			_, ev, err := r.Next(true)
			if ev == (stream.AssocChange{State: stream.AssocRestarted}) {
				restarted = true
			}
			if err != nil {
				break
			}
		}
		if !restarted {
			t.Error("the peer was not told of the restart")
		}
		server.Abort()
		if _, err := receive(stream.NewReader(again)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the new association, which the peer aborts: %v", err)
		}

		client, _ = dial()
		b.Reboot()
		if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a listener of the host: %v", err)
		}
		if l, err = b.Listen("192.0.2.2:5868", nil); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := receive(stream.NewReader(client)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the peer of a host that knows nothing of it: %v", err)
		}
		if d := time.Since(start); d > time.Minute {
			t.Errorf("after %v", d)
		}
	})
}

// TestErrors: what cannot be is an error that says so, in time.
func TestErrors(t *testing.T) {
	bubble(t, 1, func(t *testing.T, n *sctptest.Network) {
		a, b := n.Host("192.0.2.1"), n.Host("192.0.2.2")
		for _, address := range []string{
			"", "x:1", "192.0.2.2", "192.0.2.2:x", "192.0.2.2:70000", "192.0.2.2/:1", "192.0.2.9:1",
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			_, err := a.Dial(ctx, address, nil)
			if _, ok := errtype.As[*net.OpError](err); !ok {
				t.Errorf("Dial %q: %v", address, err)
			}
			_, err = a.Listen(address, nil)
			if _, ok := errtype.As[*net.OpError](err); !ok {
				t.Errorf("Listen %q: %v", address, err)
			}
			cancel()
		}
		if _, err := a.Dial(t.Context(), "192.0.2.2:1", nil); !errors.Is(err, syscall.ETIMEDOUT) {
			t.Errorf("a host that has no SCTP: %v", err)
		}
		if _, err := b.Listen(":2", nil); err != nil {
			t.Error(err)
		}
		if _, err := b.Listen(":2", nil); err == nil {
			t.Error("two listeners on a port")
		}
		if _, err := a.Dial(t.Context(), "192.0.2.2:1", nil); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("a port on which nobody listens: %v", err)
		}
		b.Unplug()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := a.Dial(ctx, "192.0.2.2:2", nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a host that does not answer: %v", err)
		}
		_, err := a.Listen(":1", &stream.Options{Nagle: true})
		if e, ok := errtype.As[*stream.OptionError](err); !ok || e.Option != "Nagle" {
			t.Errorf("an option that there is not: %v", err)
		}
		for name, f := range map[string]func(){
			"no address":          func() { n.Host() },
			"a name":              func() { n.Host("example.com") },
			"an address twice":    func() { n.Host("192.0.2.2") },
			"no address of ours":  func() { a.Unplug("192.0.2.2") },
			"the unspecified one": func() { n.Host("0.0.0.0") },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic", name)
					}
				}()
				f()
			}()
		}
		n.Close()
		if _, err := a.Dial(t.Context(), "192.0.2.2:2", nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Dial after Close: %v", err)
		}
	})
}

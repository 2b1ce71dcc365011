//go:build kernel && linux

package sctpsock

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// nowhere is an address of nobody.
var nowhere = []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:5868")}

// silent returns the addresses of a listener that answers nothing.
func silent(t *testing.T) []netip.AddrPort {
	t.Helper()
	l := listenLoopback(t, nil)
	deaf(t, &Socket{rc: l.rc})
	return l.Addrs()
}

func TestDialErrors(t *testing.T) {
	tests := []struct {
		name   string
		remote func(t *testing.T) []netip.AddrPort
		ctx    func() (context.Context, context.CancelFunc)
		want   []error
		remedy string
	}{
		{
			name: "refused",
			remote: func(t *testing.T) []netip.AddrPort {
				l := listenLoopback(t, nil)
				defer l.Close()
				return l.Addrs()
			},
			want:   []error{syscall.ECONNREFUSED},
			remedy: "nothing listens",
		},
		{
			name:   "no answer",
			remote: silent,
			want:   []error{syscall.ETIMEDOUT},
			remedy: "does not answer",
		},
		{
			name:   "deadline while it connects",
			remote: silent,
			ctx: func() (context.Context, context.CancelFunc) {
				return context.WithTimeout(context.Background(), 50*time.Millisecond)
			},
			want:   []error{context.DeadlineExceeded, os.ErrDeadlineExceeded},
			remedy: "reachable",
		},
		{
			name:   "cancelled while it connects",
			remote: silent,
			ctx: func() (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(context.Background())
				time.AfterFunc(50*time.Millisecond, cancel)
				return ctx, cancel
			},
			want: []error{context.Canceled},
		},
		{
			name: "cancelled before",
			ctx: func() (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				return ctx, cancel
			},
			want: []error{context.Canceled},
		},
		{
			name:   "no address",
			remote: func(*testing.T) []netip.AddrPort { return nil },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			remote := nowhere
			if tt.remote != nil {
				remote = tt.remote(t)
			}
			ctx, cancel := context.Background(), context.CancelFunc(func() {})
			if tt.ctx != nil {
				ctx, cancel = tt.ctx()
			}
			defer cancel()
			s, err := Dial(ctx, nil, remote, fast())
			if err == nil {
				s.Abort()
				t.Fatal("no error")
			}
			var op *net.OpError
			if !errors.As(err, &op) || op.Op != "dial" {
				t.Errorf("error %v, want a net.OpError of dial", err)
			}
			for _, want := range tt.want {
				if !errors.Is(err, want) {
					t.Errorf("error %v is not %v", err, want)
				}
			}
			if !strings.Contains(err.Error(), tt.remedy) {
				t.Errorf("error %q does not say %q", err, tt.remedy)
			}
			if timeout := strings.Contains(tt.name, "deadline") ||
				tt.name == "no answer"; op.Timeout() != timeout {
				t.Errorf("error %v: Timeout is %v", err, op.Timeout())
			}
		})
	}
}

func TestNoRoute(t *testing.T) {
	// A kernel may report no error at all, and keep trying.
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := Dial(ctx, nil, nowhere, nil)
	if !errors.Is(err, syscall.ENETUNREACH) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error %v", err)
	}
}

func TestPortTaken(t *testing.T) {
	l := listenLoopback(t, withAuth())
	_, err := Listen(l.Addrs(), withAuth())
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "ss --sctp") {
		t.Errorf("error %v, want that the port is taken and how to see by whom", err)
	}
}

func TestListenWhileAssociationsLive(t *testing.T) {
	l := listenLoopback(t, withAuth())
	c := dialListener(t, l, withAuth())
	s := accept(t, l)
	addrs := l.Addrs()
	l.Close()
	again, err := Listen(addrs, withAuth())
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	wantState(t, s, stream.AssocUp)
	send(t, c, "undisturbed", stream.Info{})
	wantMessage(t, s, "undisturbed")
}

func TestNotOurAddress(t *testing.T) {
	if _, err := Listen(nowhere, nil); !errors.Is(err, syscall.EADDRNOTAVAIL) {
		t.Errorf("error %v", err)
	}
}

func TestAttackH2TwoAssociations(t *testing.T) {
	l := listenLoopback(t, withAuth())
	var c, s [2]*Socket
	for i := range c {
		c[i] = dialListener(t, l, withAuth())
	}
	for i := range s {
		s[i] = accept(t, l)
	}
	if s[0].RemoteAddrs()[0] != c[0].LocalAddrs()[0] {
		s[0], s[1] = s[1], s[0]
	}
	for i := range c {
		wantState(t, c[i], stream.AssocUp)
		wantState(t, s[i], stream.AssocUp)
		// The same key identifier, other secrets.
		for _, end := range []*Socket{c[i], s[i]} {
			if err := errors.Join(end.SetAuthKey(1, fmt.Append(nil, "secret ", i)), end.SetActiveAuthKey(1),
				end.DeleteAuthKey(0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range c {
		send(t, c[i], fmt.Sprint("association ", i), stream.Info{})
	}
	for i := range s {
		wantMessage(t, s[i], fmt.Sprint("association ", i))
		wantNothing(t, s[i])
	}
}

func TestAddresses(t *testing.T) {
	parse := func(addrs ...string) (list []netip.AddrPort) {
		for _, a := range addrs {
			list = append(list, netip.MustParseAddrPort(a))
		}
		return list
	}
	tests := []struct {
		name          string
		listen, local []netip.AddrPort
		opts          *Options
	}{
		{"IPv4", parse("127.0.0.1:0"), nil, nil},
		{"IPv6", parse("[::1]:0"), nil, nil},
		{"IPv6 only", parse("[::1]:0"), nil, &Options{V6Only: true}},
		{"multi-homed", parse("127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0"),
			parse("127.0.0.4:0", "127.0.0.5:0"), nil},
		{"both families", parse("127.0.0.1:0", "[::1]:0"), parse("127.0.0.1:0", "[::1]:0"), nil},
		{"IPv4 mapped", parse("[::ffff:127.0.0.1]:0"), nil, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := Listen(tt.listen, tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			l.SetDeadline(time.Now().Add(patience))
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			c, err := Dial(ctx, tt.local, l.Addrs(), tt.opts)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Abort()
			s := accept(t, l)
			wantSameAddrs(t, "the listener's", l.Addrs(), tt.listen)
			wantSameAddrs(t, "the client's remote", c.RemoteAddrs(), s.LocalAddrs())
			if tt.local != nil {
				wantSameAddrs(t, "the server's remote", s.RemoteAddrs(), tt.local)
			}
			wantState(t, s, stream.AssocUp)
			send(t, c, "hello", stream.Info{})
			wantMessage(t, s, "hello")
		})
	}
}

// wantSameAddrs compares addresses without ports, in any order.
func wantSameAddrs(t *testing.T, what string, got, want []netip.AddrPort) {
	t.Helper()
	ips := func(list []netip.AddrPort) (ips []netip.Addr) {
		for _, a := range list {
			if a.Port() != list[0].Port() {
				t.Errorf("%s addresses %v have several ports", what, list)
			}
			ips = append(ips, a.Addr().Unmap())
		}
		slices.SortFunc(ips, netip.Addr.Compare)
		return ips
	}
	if !slices.Equal(ips(got), ips(want)) {
		t.Errorf("%s addresses are %v, want %v", what, got, want)
	}
}

func TestManyDials(t *testing.T) {
	// Associations that come up while the poller is being asked to watch.
	l := listenLoopback(t, nil)
	for range 200 {
		c := dialListener(t, l, nil)
		s := accept(t, l)
		c.Abort()
		s.Abort()
	}
}

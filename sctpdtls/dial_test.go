package sctpdtls

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
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

// A fakeNetwork has a server at some addresses. At others, dialing fails at once or is not
// answered.
type fakeNetwork struct {
	t      *testing.T
	server func(n int, a association) association // makes the n-th association of the client, from 0
	fails  map[string]error                       // nil: not answered
	tried  []string
	ends   []*assoctest.Assoc // the servers'
}

func (f *fakeNetwork) dial(ctx context.Context, _ string, _, remote *Addr,
	_ *Config) (stream.Association, error) {
	f.tried = append(f.tried, remote.String())
	err, fails := f.fails[remote.String()]
	switch {
	case fails && err == nil:
		<-ctx.Done()
		return nil, ctx.Err()
	case fails:
		return nil, err
	}
	a, b := assoctest.Pair(f.t, assoctest.Options{Delay: time.Millisecond})
	n := len(f.ends)
	f.ends = append(f.ends, b)
	c := serve(f.t, b)
	go func() {
		c.Handshake()
		c.ReadMessage(nil)
		c.Close()
	}()
	if f.server != nil {
		return f.server(n, &memAssociation{Assoc: a}), nil
	}
	return &memAssociation{Assoc: a}, nil
}

func serve(t *testing.T, a *assoctest.Assoc) *Conn {
	p := &memAssociation{Assoc: a}
	core, err := dtlscore.Server(serverConfig().core())
	if err != nil {
		t.Fatal(err)
	}
	c, err := newConn(p, serverConfig(), core)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The addresses of a name are tried until one accepts, and each has its time.
func TestDialTriesAllAddresses(t *testing.T) {
	addrs := func(list ...string) (all []*Addr) {
		for _, a := range list {
			addr, err := ResolveAddr(context.Background(), "sctp", a)
			if err != nil {
				panic(err)
			}
			all = append(all, addr)
		}
		return all
	}
	const one, two, three = "192.0.2.1:5868", "192.0.2.2:5868", "192.0.2.3:5868"
	for name, test := range map[string]struct {
		fails map[string]error
		limit time.Duration // of the context
		took  time.Duration
		tried []string
		err   error
	}{
		"the first": {nil, 0, 0, []string{one}, nil},
		"refused": {map[string]error{one: syscall.ECONNREFUSED, two: syscall.ENETUNREACH}, 0, 0,
			[]string{one, two, three}, nil},
		"silent": {map[string]error{one: nil, two: nil}, 0, 20 * time.Second,
			[]string{one, two, three}, nil},
		"silent, in time": {map[string]error{one: nil}, 9 * time.Second, 3 * time.Second,
			[]string{one, two}, nil},
		"all silent": {map[string]error{one: nil, two: nil, three: nil}, 9 * time.Second,
			9 * time.Second, []string{one, two, three}, context.DeadlineExceeded},
		"all refused": {map[string]error{one: syscall.ECONNREFUSED, two: syscall.ENETUNREACH,
			three: syscall.ETIMEDOUT}, 0, 0, []string{one, two, three}, syscall.ECONNREFUSED},
		"too little time": {map[string]error{one: nil, two: nil}, time.Second, time.Second,
			[]string{one}, context.DeadlineExceeded},
		"two silent, three": {map[string]error{one: nil, two: nil}, 30 * time.Second, 20 * time.Second,
			[]string{one, two, three}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := &fakeNetwork{t: t, fails: test.fails}
				ctx := t.Context()
				if test.limit != 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.limit)
					defer cancel()
				}
				start := time.Now()
				c, addr, err := (&Dialer{dialer: f.dial}).dialOnce(ctx, "sctp", addrs(one, two, three),
					clientConfig(), clientConfig().core())
				if !errors.Is(err, test.err) || (err == nil) != (test.err == nil) ||
					!slices.Equal(f.tried, test.tried) {
					t.Errorf("tried %v, error %v; want %v, %v", f.tried, err, test.tried, test.err)
				}
				if d := time.Since(start).Truncate(time.Second); d != test.took {
					t.Errorf("it took %v, want %v", d, test.took)
				}
				if err == nil {
					if addr.String() != f.tried[len(f.tried)-1] {
						t.Errorf("the error's address would be %v", addr)
					}
					c.Close()
				} else if addr.String() != one {
					t.Errorf("the error is that of %v", addr)
				}
			})
		})
	}
}

// unauthenticated has no SCTP-AUTH, as what is left of an association that was restarted.
type unauthenticated struct{ association }

func (unauthenticated) AuthAgreement() (authchunk.Agreement, error) {
	return authchunk.Agreement{Local: authchunk.DefaultChunks()}, nil
}

// aborting is aborted by the peer as soon as something was sent.
type aborting struct{ *memAssociation }

func (a *aborting) TrySend([]byte, stream.Info) error { return nil }
func (a *aborting) Recv(stream.Buffer, bool) (stream.Part, error) {
	return stream.Part{}, assoctest.ErrAborted
}

// From a port of its own choice a client dials again, once, when the server may still have had its
// last association.
func TestDialAgainAfterCrash(t *testing.T) {
	own := &Addr{Port: 38412}
	reset := func(_ int, a association) association {
		time.AfterFunc(2*time.Millisecond, func() { a.(*memAssociation).Assoc.Cut() })
		return a
	}
	for name, test := range map[string]struct {
		local   *Addr
		attempt func(n int, a association) association
		first   error // of dialing, if not nil
		dials   int
		ok      bool
	}{
		"no SCTP-AUTH, once": {own, func(n int, a association) association {
			return map[bool]association{true: unauthenticated{a}, false: a}[n == 0]
		}, nil, 2, true},
		"no SCTP-AUTH at all": {own, func(_ int, a association) association {
			return unauthenticated{a}
		}, nil, 2, false},
		"no SCTP-AUTH, anyone": {nil, func(_ int, a association) association {
			return unauthenticated{a}
		}, nil, 1, false},
		"any port": {&Addr{}, func(_ int, a association) association {
			return unauthenticated{a}
		}, nil, 1, false},
		"lost":  {own, reset, nil, 1, false},
		"reset": {own, nil, syscall.ECONNRESET, 2, true},
		"aborted": {own, func(n int, a association) association {
			if n == 0 {
				return &aborting{a.(*memAssociation)}
			}
			return a
		}, nil, 2, true},
		"not there any more":       {own, nil, syscall.ENOTCONN, 2, true},
		"gone before it was asked": {own, nil, syscall.EINVAL, 2, true},
		"aborted before it was up": {own, nil, syscall.ECONNREFUSED, 2, true},
		"refused, any port":        {nil, nil, syscall.ECONNREFUSED, 1, false},
		"unreachable":              {own, nil, syscall.EHOSTUNREACH, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				f := &fakeNetwork{t: t}
				if test.first == nil {
					f.server = test.attempt
				}
				dials := 0
				d := &Dialer{Config: clientConfig(), LocalAddr: test.local}
				d.dialer = func(ctx context.Context, network string, local, remote *Addr, config *Config) (
					stream.Association, error) {
					if dials++; dials == 1 && test.first != nil {
						return nil, os.NewSyscallError("connect", test.first)
					}
					return f.dial(ctx, network, local, remote, config)
				}
				c, err := d.DialConn(t.Context(), "sctp", "192.0.2.1:5868")
				if (err == nil) != test.ok || dials != test.dials {
					t.Errorf("dialled %d times, %v; want %d, connected %v", dials, err, test.dials, test.ok)
				}
				if err != nil {
					if op, ok := err.(*net.OpError); !ok || op.Addr == nil {
						t.Errorf("%T with address: %v", err, err)
					}
				}
				c.Close()
				for _, end := range f.ends {
					end.Abort()
				}
				synctest.Wait()
			})
		})
	}
}

// A Dialer that fails returns no connection, in either form, and an error that names the address it
// dials from.
func TestDialerError(t *testing.T) {
	local := &Addr{IPAddrs: []net.IPAddr{{IP: net.IPv4(127, 0, 0, 9)}}, Port: 1}
	d := Dialer{Config: clientConfig(), LocalAddr: local}
	check := func(what string, isNil bool, err error) {
		t.Helper()
		if e, ok := errtype.As[*net.OpError](err); !isNil || !ok || e.Source != net.Addr(local) {
			t.Errorf("%s: nil %v, error %v", what, isNil, err)
		}
	}
	c, err := d.DialConn(t.Context(), "sctp", "no port")
	check("DialConn", c == nil, err)
	nc, err := d.DialContext(t.Context(), "sctp", "no port")
	check("DialContext", nc == nil, err)
}

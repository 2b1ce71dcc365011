//go:build kernel && linux

package sctpsock

import (
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// foreign makes a blocking socket, as other libraries do, without any setting.
func foreign(t *testing.T, kind int) *os.File {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
	must(t, err)
	f := os.NewFile(uintptr(fd), "foreign")
	t.Cleanup(func() { f.Close() })
	return f
}

func connectForeign(t *testing.T, f *os.File, l *Listener) {
	t.Helper()
	rc, err := f.SyscallConn()
	must(t, err)
	addr := l.Addrs()[0]
	must(t, control(rc, func(fd int) error {
		return unix.Connect(fd, &unix.SockaddrInet4{Addr: addr.Addr().As4(), Port: int(addr.Port())})
	}))
}

func setForeign(t *testing.T, f *os.File, set func(fd int) error) {
	t.Helper()
	rc, err := f.SyscallConn()
	must(t, err)
	must(t, control(rc, set))
}

func TestAdopt(t *testing.T) {
	l := listenLoopback(t, withAuth())
	f := foreign(t, unix.SOCK_STREAM)
	setForeign(t, f, func(fd int) error { return setAuth(fd, withAuth()) })
	connectForeign(t, f, l)
	s := accept(t, l)
	wantState(t, s, stream.AssocUp)
	send(t, s, "sent before", stream.Info{Stream: 4, PPID: 66})

	setForeign(t, f, func(fd int) error {
		return setOpt(fd, solSCTP, optEvents,
			&[10]byte{1, 1, 1, 1, 1, 1, 1, 1, 1, 1})
	})
	o := withAuth()
	o.SACKDelay, o.Events = 80*time.Millisecond, []EventType{EventPeerAddrChange}
	c, err := Adopt(f, o)
	must(t, err)
	defer c.Abort()
	must(t, f.Close()) // the Socket does not need it
	if info := wantMessage(t, c, "sent before"); info.Stream != 4 || info.PPID != 66 {
		t.Errorf("got %+v", info)
	}
	if out, in := c.Streams(); out != 10 || in != 10 {
		t.Errorf("%d outgoing and %d incoming streams", out, in)
	}
	if supported, local, peer := authOf(t, c); !supported || string(local) != string(authChunkList) ||
		string(peer) != string(authChunkList) {
		t.Errorf("AUTH %v, local %x, peer %x", supported, local, peer)
	}
	if s := settingsOf(t, c.rc); s.init.OutStreams != 10 || s.sack.Delay != 80 {
		t.Errorf("settings %+v", s)
	}
	for kind, on := range map[EventType]uint8{EventAssocChange: 1, EventPeerAddrChange: 1,
		EventRemoteError: 0, EventSenderDry: 0, EventAuthentication: 0} {
		e := eventSubscription{Type: uint16(kind)}
		if err := c.control(func(fd int) error {
			return getOpt(fd, solSCTP, optEvent, &e)
		}); err != nil || e.On != on {
			t.Errorf("event %#x: %d, error %v", kind, e.On, err)
		}
	}
	// It does not block although the other was blocking, and it has its events.
	wantNothing(t, c)
	must(t, s.Shutdown())
	wantEvent[stream.PeerShutdown](t, c)
	wantEOF(t, c)
}

func TestAdoptRefuses(t *testing.T) {
	tests := []struct {
		name string
		make func(t *testing.T) syscall.Conn
		want string
	}{
		{"another protocol", func(t *testing.T) syscall.Conn {
			c, err := net.ListenPacket("udp", "127.0.0.1:0")
			must(t, err)
			t.Cleanup(func() { c.Close() })
			return c.(syscall.Conn)
		}, "not an SCTP socket"},
		{"one-to-many", func(t *testing.T) syscall.Conn { return foreign(t, unix.SOCK_SEQPACKET) },
			"one-to-many"},
		{"a listener", func(t *testing.T) syscall.Conn {
			f := foreign(t, unix.SOCK_STREAM)
			setForeign(t, f, func(fd int) error { return unix.Listen(fd, 1) })
			return f
		}, "listener"},
		{"not connected", func(t *testing.T) syscall.Conn { return foreign(t, unix.SOCK_STREAM) },
			"not connected"},
		{"closed", func(t *testing.T) syscall.Conn {
			f := foreign(t, unix.SOCK_STREAM)
			f.Close()
			return f
		}, "closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Adopt(tt.make(t), nil)
			if err == nil {
				s.Close()
				t.Fatal("no error")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q does not say %q", err, tt.want)
			}
		})
	}
}

// What was given back is as it was: it blocks, and the association lives.
func TestAdoptGiveBack(t *testing.T) {
	l := listenLoopback(t, withAuth())
	f := foreign(t, unix.SOCK_STREAM)
	connectForeign(t, f, l)
	s := accept(t, l)
	wantState(t, s, stream.AssocUp)
	c, err := Adopt(f, nil)
	must(t, err)
	must(t, c.GiveBack())
	setForeign(t, f, func(fd int) error {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil ||
			flags&unix.O_NONBLOCK != 0 {
			t.Errorf("flags %#x, error %v", flags, err)
		}
		_, err := unix.Write(fd, []byte("still here"))
		return err
	})
	wantMessage(t, s, "still here")
}

// TestInterleaving does not use SCTP-AUTH, which is unsafe with interleaving in Linux.
func TestInterleaving(t *testing.T) {
	const sysctl = "/proc/sys/net/sctp/intl_enable"
	before, err := os.ReadFile(sysctl)
	must(t, err)
	must(t, os.WriteFile(sysctl, []byte("1"), 0))
	defer os.WriteFile(sysctl, before, 0)

	interleave := func(fd int) error {
		if err := setInt(fd, solSCTP, optFragmentInterleave, 1); err != nil {
			return err
		}
		return setOpt(fd, solSCTP, optInterleavingSupported, &assocValue{Value: 1})
	}
	l := listenLoopback(t,
		&Options{Options: stream.Options{Control: func(_, _ string, rc syscall.RawConn) error {
			return control(rc, interleave)
		}}})
	f := foreign(t, unix.SOCK_STREAM)
	setForeign(t, f, interleave)
	connectForeign(t, f, l)
	if s, err := Adopt(f, nil); err == nil {
		s.Close()
		t.Error("a socket with interleaving was taken over")
	} else if !strings.Contains(err.Error(), "interleaving") {
		t.Errorf("error %v", err)
	}

	// Ours does not negotiate it, whatever the other end offers.
	c := dialListener(t, l, nil)
	if on, err := c.flag(optInterleavingSupported); err != nil || on {
		t.Errorf("interleaving is %v, error %v", on, err)
	}
}

package sctpsock

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Dial sets up an association with the peer that has the addresses remote, of which
// the first that answers is used at first; all have the same port. It comes from the
// addresses local, or if there is none, from all addresses of the host
// and a port that is free.
//
// Where a network drops packets, the kernel alone may not give up for minutes, or
// ever: ctx limits the time. An error is a *net.OpError.
func Dial(ctx context.Context, local, remote []netip.AddrPort, o *Options) (*Socket, error) {
	local = everywhere(local)
	s, err := dial(ctx, local, remote, o)
	if err != nil {
		op := &net.OpError{Op: "dial", Net: "sctp", Addr: Addr(remote), Err: err}
		if len(local) > 0 {
			op.Source = Addr(local)
		}
		return nil, op
	}
	return s, nil
}

func dial(ctx context.Context, local, remote []netip.AddrPort, o *Options) (*Socket, error) {
	if o == nil {
		o = new(Options)
	}
	if len(remote) == 0 {
		return nil, errors.New("no address")
	}
	if err := ctx.Err(); err != nil {
		return nil, contextError(err)
	}
	wait := defaultRTOInitial
	if o.RTOInitial > 0 {
		wait = o.RTOInitial
	}
	for range dialAttempts - 1 {
		wait += wait / 4
		try, cancel := context.WithTimeout(ctx, wait)
		s, err := dialOnce(try, local, remote, o)
		over := try.Err() != nil && ctx.Err() == nil
		cancel()
		if err == nil || !over {
			return s, err
		}
		wait *= 2
	}
	return dialOnce(ctx, local, remote, o)
}

// An association that is not there after the first retransmission of what sets it up is started
// over, so many times. On Linux 7.2 an association whose COOKIE ACK is lost never comes up once the
// server has accepted it. It seems that the kernel checks the cookie that comes again with the key
// of the accepted socket, which is not the listener's that made it.
const (
	dialAttempts      = 4
	defaultRTOInitial = 3 * time.Second // Linux
)

func dialOnce(ctx context.Context, local, remote []netip.AddrPort, o *Options) (*Socket, error) {
	f, rc, err := prepare(local, remote, o)
	if err != nil {
		return nil, err
	}
	s := &Socket{f: f, rc: rc, nagle: o != nil && o.Nagle}
	if err = s.connect(ctx, remote); err == nil {
		err = s.begin(o)
	}
	if err != nil {
		s.Abort()
		return nil, err
	}
	return s, nil
}

// prepare makes a socket, up to its binding to the addresses local. Without
// remote addresses it is one to listen.
func prepare(local, remote []netip.AddrPort, o *Options) (*os.File, syscall.RawConn, error) {
	fam := family(local, remote)
	f, rc, err := open(fam, o)
	if err != nil {
		return nil, nil, err
	}
	err = control(rc, func(fd int) error {
		if len(remote) == 0 {
			// As with Go's other listeners: a server can start again while
			// associations of the last one still shut down.
			if err := setInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
				return err
			}
		}
		return setAuth(fd, o)
	})
	if err == nil && o.Control != nil {
		network, shown := "sctp4", remote
		if fam == unix.AF_INET6 {
			network = "sctp6"
		}
		if len(remote) == 0 {
			shown = local
		}
		err = o.Control(network, Addr(shown).String(), rc)
	}
	if err == nil && len(local) > 0 {
		err = bind(rc, local)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, rc, nil
}

func bind(rc syscall.RawConn, local []netip.AddrPort) error {
	list, err := appendSockaddrs(nil, local)
	if err != nil {
		return err
	}
	return control(rc, func(fd int) error {
		if err := setOptBytes(fd, solSCTP, optBindxAdd, list); err != nil {
			return withRemedy("bindx", err)
		}
		return nil
	})
}

// connect sets the association up, until ctx is done.
func (s *Socket) connect(ctx context.Context, remote []netip.AddrPort) error {
	list, err := appendSockaddrs(nil, remote)
	if err != nil {
		return err
	}
	err = s.control(func(fd int) error {
		return getOpt(fd, solSCTP, optConnectx3,
			&connectx{Bytes: int32(len(list)), Addrs: unsafe.SliceData(list)})
	})
	if err != nil && err != unix.EINPROGRESS {
		return withRemedy("connectx", err)
	}

	// The context wakes the wait by a deadline in the past.
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		s.SetWriteDeadline(time.Unix(1, 0))
	})
	waitErr := s.rc.Write(func(fd uintptr) (done bool) {
		// Look first, always: an association that came up before the poller
		// began to watch does not wake it again.
		done, err = established(int(fd), len(remote))
		return done
	})
	if !stop() {
		<-woken
		return contextError(ctx.Err())
	}
	if waitErr != nil {
		return pollError(waitErr)
	}
	return err
}

// established reports whether the setting up of an association has ended, and how.
func established(fd, addresses int) (done bool, err error) {
	errno, err := getInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return true, err
	}
	// There is no peer until the association is up, but one forever after.
	_, err = unix.Getpeername(fd)
	up := err == nil
	switch err := syscall.Errno(errno); {
	case err == 0:
	case (err == unix.EHOSTUNREACH || err == unix.ENETUNREACH) && (up || addresses > 1):
		// ICMP said so of one address, which SCTP minds no more than a lost packet: it tries again, and
		// the others.
	default:
		return true, withRemedy("connectx", err)
	}
	return up, nil
}

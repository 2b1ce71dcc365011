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

// Dial establishes an association with the peer that has the addresses remote, which
// have the same port. The first address that answers is the primary one. The local end
// has the addresses local or, if there are none, all addresses of the host and a free
// port.
//
// If the network drops packets, the kernel may not give up for minutes, or ever. So
// ctx limits the time. An error is a *net.OpError.
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

// An association that is not established after the first retransmission of its handshake is started
// over, up to this many times. On Linux 7.2, an association whose COOKIE ACK is lost is never
// established once the server has accepted it. It seems that the kernel verifies the repeated
// cookie with the key of the accepted socket, but the key of the listener made it.
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

// prepare makes a socket and binds it to the addresses local. Without remote addresses,
// it is a socket that listens.
func prepare(local, remote []netip.AddrPort, o *Options) (*os.File, syscall.RawConn, error) {
	fam := family(local, remote)
	f, rc, err := open(fam, o)
	if err != nil {
		return nil, nil, err
	}
	err = control(rc, func(fd int) error {
		if len(remote) == 0 {
			// As with Go's other listeners: a server can restart while associations
			// of the last one still shut down.
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

// connect establishes the association, until ctx is done.
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

	// The context ends the wait by a deadline in the past.
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(woken)
		s.SetWriteDeadline(time.Unix(1, 0))
	})
	waitErr := s.rc.Write(func(fd uintptr) (done bool) {
		// Always check first: an association that was established before the poller
		// began to watch does not wake it.
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

// established reports whether the handshake of an association has ended, and how.
func established(fd, addresses int) (done bool, err error) {
	errno, err := getInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return true, err
	}
	// There is a peer once the association is established, and also after its end.
	_, err = unix.Getpeername(fd)
	up := err == nil
	switch err := syscall.Errno(errno); {
	case err == 0:
	case (err == unix.EHOSTUNREACH || err == unix.ENETUNREACH) && (up || addresses > 1):
		// ICMP reported one address, which SCTP treats as a lost packet: it tries again, and also the
		// others.
	default:
		return true, withRemedy("connectx", err)
	}
	return up, nil
}

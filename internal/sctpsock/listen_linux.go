package sctpsock

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Listener accepts associations. All of its methods may be called by any
// goroutine at any time.
type Listener struct {
	f    *os.File
	rc   syscall.RawConn
	opts Options
	any  netip.Addr // the unspecified address, if it listens on all
}

// Listen listens on the addresses local, which have the same port; with port 0 it chooses a free
// one. An address that is not valid stands for all addresses of the host, of IPv6 and IPv4, or of
// IPv4 only if there is no IPv6. An error is a *net.OpError.
func Listen(local []netip.AddrPort, o *Options) (*Listener, error) {
	local = everywhere(local)
	l, err := listen(local, o)
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "sctp", Addr: Addr(local), Err: err}
	}
	return l, nil
}

func listen(local []netip.AddrPort, o *Options) (*Listener, error) {
	if len(local) == 0 {
		return nil, errors.New("no address")
	}
	if o == nil {
		o = new(Options)
	}
	f, rc, err := prepare(local, nil, o)
	if err != nil {
		return nil, err
	}
	err = control(rc, func(fd int) error {
		// The kernel limits the number to net.core.somaxconn.
		if err := unix.Listen(fd, 1<<16-1); err != nil {
			return withRemedy("listen", err)
		}
		return nil
	})
	if err != nil {
		f.Close()
		return nil, err
	}
	l := &Listener{f: f, rc: rc, opts: *o}
	if ip := local[0].Addr(); len(local) == 1 && ip.IsUnspecified() {
		l.any = ip
	}
	return l, nil
}

// Accept waits for the next association. An error is a *net.OpError and means that
// the listener is closed, its deadline has passed, or the system lacks resources, in
// which case it is Temporary.
func (l *Listener) Accept() (*Socket, error) {
	s, err := l.accept()
	if err != nil {
		return nil, &net.OpError{Op: "accept", Net: "sctp", Addr: Addr(l.Addrs()), Err: err}
	}
	return s, nil
}

func (l *Listener) accept() (*Socket, error) {
	for {
		var fd int
		var err error
		perr := l.rc.Read(func(lfd uintptr) (done bool) {
			for {
				// If there is nothing to accept, accept4 of Linux's SCTP blocks this thread until the next tick
				// of the kernel's clock, even for a non-blocking descriptor.
				if !readable(int(lfd)) {
					return false
				}
				// So accept4 does not block now. (Accept4 of x/sys also requests the peer's address and the
				// protocol.)
				r, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, lfd, 0, 0,
					unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
				// An association that ended while it waited is not reported.
				if errno != unix.EINTR && errno != unix.ECONNABORTED {
					fd, err = int(r), nil
					if errno != 0 {
						err = errno
					}
					return errno != unix.EAGAIN
				}
			}
		})
		if perr != nil {
			return nil, pollError(perr)
		}
		if err != nil {
			return nil, os.NewSyscallError("accept4", err)
		}
		f, rc, err := newFile(fd)
		if err != nil {
			return nil, err
		}
		s := &Socket{f: f, rc: rc, nagle: l.opts.Nagle, keepRestarted: l.opts.KeepRestarted}
		// The association has the listener's AUTH settings, but its socket does not, and would accept a
		// restart without AUTH. A restart ends the association here, so only DATA has to be authenticated
		// until Recv reports it.
		err = s.control(func(fd int) error { return setAuthAgain(fd, &l.opts) })
		if err == nil {
			err = s.begin(&l.opts)
		}
		if err == nil {
			return s, nil
		}
		s.Abort()
		if !errors.Is(err, unix.ENOTCONN) { // one that has ended already is not, either
			return nil, err
		}
	}
}

// readable reports whether there is something to read, or an error.
func readable(fd int) bool {
	poll, now := unix.PollFd{Fd: int32(fd), Events: unix.POLLIN}, unix.Timespec{}
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&poll)), 1,
		uintptr(unsafe.Pointer(&now)), 0, 0, 0)
	return n > 0 || errno != 0 // accept4 returns the error again, unless it was only a signal
}

// SetDeadline sets the time after which Accept fails with
// os.ErrDeadlineExceeded instead of waiting; the zero value is never.
func (l *Listener) SetDeadline(t time.Time) error { return l.f.SetReadDeadline(t) }

// Addrs returns the addresses that the listener is bound to, or the unspecified one for all
// addresses. After Close there are none.
func (l *Listener) Addrs() []netip.AddrPort {
	a, _ := addrs(l.rc, optGetLocalAddrs)
	if len(a) > 0 && l.any.IsValid() { // the kernel lists all that there are at the moment
		return []netip.AddrPort{netip.AddrPortFrom(l.any, a[0].Port())}
	}
	return a
}

// Close stops listening and wakes Accept. Associations that were not accepted are
// given up. Closing again does nothing.
func (l *Listener) Close() error { return closeFile(l.f) }

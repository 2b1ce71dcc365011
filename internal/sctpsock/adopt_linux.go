package sctpsock

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Adopt makes a Socket of an established one-to-one association that other code has set
// up, a *sctp.SCTPConn for instance. Of o it uses Nagle, the buffer sizes, and what
// concerns SCTP-AUTH, for the case that the association is restarted.
// The Socket has a descriptor of its own; c must not be used afterwards except to
// close it, before or after the Socket.
//
// SCTP-AUTH must have been asked for before the association was set up; see
// [Socket.AuthSupported]. Message interleaving must be off.
func Adopt(c syscall.Conn, o *Options) (*Socket, error) {
	s, err := adopt(c, o)
	if err != nil {
		return nil, fmt.Errorf("sctp: taking over a socket: %w", err)
	}
	return s, nil
}

func adopt(c syscall.Conn, o *Options) (*Socket, error) {
	if o == nil {
		o = new(Options)
	}
	theirs, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var dup int
	err = control(theirs, func(fd int) (err error) {
		if err = oneToOne(fd); err == nil {
			dup, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := unix.SetNonblock(dup, true); err != nil {
		unix.Close(dup)
		return nil, os.NewSyscallError("fcntl", err)
	}
	f, rc, err := newFile(dup)
	if err != nil {
		return nil, err
	}
	s := &Socket{f: f, rc: rc}
	if err = s.control(func(fd int) error { return errors.Join(adoptable(fd, o), setAuth(fd, o)) }); err == nil {
		err = s.start()
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return s, nil
}

// oneToOne checks that fd is an SCTP socket with one association.
func oneToOne(fd int) error {
	protocol, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if protocol != unix.IPPROTO_SCTP {
		return errors.New("it is not an SCTP socket")
	}
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if kind != unix.SOCK_STREAM {
		return errors.New("it is a one-to-many socket; peel the association off first")
	}
	listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return os.NewSyscallError("getsockopt", err)
	}
	if listening != 0 {
		return errors.New("it is a listener")
	}
	return nil
}

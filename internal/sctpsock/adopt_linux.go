package sctpsock

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Adopt makes a Socket of an established one-to-one association of other code, such as a
// *sctp.SCTPConn. It applies the fields of o that can still be changed: not the numbers of streams
// and INIT chunks, AddressChanges, UDPEncapPort and Control. AuthChunks and HMACs matter if the
// association is restarted. Events replaces earlier subscriptions.
//
// The Socket duplicates the descriptor of the socket, which becomes non-blocking. The association
// lives until both are closed; see [Socket.GiveBack]. c must not be used meanwhile.
//
// SCTP-AUTH must have been requested before the association was established, as [RequestAuth] does;
// see [Socket.AuthSupported]. Message interleaving must be off.
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
	if err := o.Check(); err != nil {
		return nil, err
	}
	theirs, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var dup, flags int
	err = control(theirs, func(fd int) (err error) {
		if err = oneToOne(fd); err == nil {
			dup, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		}
		if err == nil {
			flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
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
	s := &Socket{f: f, rc: rc, nagle: o.Nagle, adopted: true,
		blocking: flags&unix.O_NONBLOCK == 0}
	// This does not depend on the settings.
	if err = s.start(); err == nil {
		err = s.control(func(fd int) error { return o.takeOver(fd) })
	}
	if err == nil {
		err = s.begin(o)
	}
	if err != nil {
		s.GiveBack()
		return nil, err
	}
	return s, nil
}

// takeOver makes the settings that can be changed after an association is established.
func (o *Options) takeOver(fd int) error {
	// Remove the subscriptions of the former owner. Older kernels refuse a longer list.
	if err := setOpt(fd, solSCTP, optEvents, new([10]byte)); err != nil {
		return os.NewSyscallError("SCTP_EVENTS", err)
	}
	return errors.Join(
		setInt(fd, solSCTP, optFragmentInterleave, 0),
		adoptable(fd, o),
		o.setTimers(fd),
		o.setPaths(fd),
		o.setScheduler(fd),
		o.subscribe(fd),
		setAuth(fd, o),
	)
}

// GiveBack closes the descriptor that [Adopt] made. The association remains with its former owner.
func (s *Socket) GiveBack() error {
	if s.blocking {
		s.control(func(fd int) error { return unix.SetNonblock(fd, false) })
	}
	return s.Close()
}

// RequestAuth requests SCTP-AUTH on a socket of other code that is not bound yet, with the
// AuthChunks, HMACs and PartialReliability of o. An error is an [authchunk.UnsupportedError].
func RequestAuth(c syscall.RawConn, o *Options) error {
	return control(c, func(fd int) error {
		return errors.Join(setAuth(fd, o),
			o.setPartialReliability(fd))
	})
}

// oneToOne checks that fd is an SCTP socket with one association.
func oneToOne(fd int) error {
	protocol, err := getInt(fd, unix.SOL_SOCKET, unix.SO_PROTOCOL)
	if err != nil {
		return err
	}
	if protocol != unix.IPPROTO_SCTP {
		return errors.New("it is not an SCTP socket")
	}
	kind, err := getInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return err
	}
	if kind != unix.SOCK_STREAM {
		return errors.New("it is a one-to-many socket; peel the association off first")
	}
	listening, err := getInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return err
	}
	if listening != 0 {
		return errors.New("it is a listener")
	}
	return nil
}

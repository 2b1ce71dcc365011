package sctpsock

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Adopt makes a Socket of an established one-to-one association that other code has set up, a
// *sctp.SCTPConn for instance. Of o it uses what can still be changed: not the numbers of streams
// and INIT chunks, AddressChanges, UDPEncapPort and Control; AuthChunks and HMACs matter if the
// association is restarted. Events are those of o, whatever was subscribed to before.
//
// The Socket has a descriptor of its own of the same socket, which is non-blocking from then on.
// The association lives until both are closed; see [Socket.GiveBack]. c must not be used meanwhile.
//
// SCTP-AUTH must have been asked for before the association was set up, as [RequestAuth] does; see
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
	s := &Socket{f: f, rc: rc, nagle: o.Nagle, blocking: flags&unix.O_NONBLOCK == 0}
	// There is an association or not, whatever the settings are.
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

// takeOver makes the settings that an association still takes.
func (o *Options) takeOver(fd int) error {
	// Their former owner's events would only be in the way. A longer list is refused by older kernels.
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

// GiveBack undoes [Adopt] as far as the descriptor is concerned: the association goes on at its
// former owner's.
func (s *Socket) GiveBack() error {
	if s.blocking {
		s.control(func(fd int) error { return unix.SetNonblock(fd, false) })
	}
	return s.Close()
}

// RequestAuth asks for SCTP-AUTH on a socket of other code that is not bound yet, with the
// AuthChunks and HMACs of o, and for its PartialReliability. An error is an
// [authchunk.UnsupportedError].
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

package stream

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
)

// ErrWouldBlock is returned by [Association.Recv] with wait false if there is nothing to read, and
// by [Association.TrySend] if there is no space.
var ErrWouldBlock = errors.New("stream: operation would block")

// ErrNoAddressChanges is returned for a change of addresses if the ends of the association have not
// negotiated address changes.
var ErrNoAddressChanges = errors.New(
	"sctp: the addresses of this association are fixed: " +
		"both ends have to ask for AddressChanges before it is set up (RFC 5061)")

// An EndError reports how an association ended.
type EndError struct {
	// Cause is the error cause code of the peer's ABORT (RFC 9260, Section 3.3.10), or 0.
	Cause uint16
	// Err is syscall.ECONNRESET for an ABORT, syscall.ETIMEDOUT for a peer that does not answer,
	// syscall.EPIPE for sending after the end, or syscall.ENOTCONN if the association ended before
	// it was used.
	Err error
}

func (e *EndError) Error() string {
	switch e.Cause {
	case 0:
		return fmt.Sprintf("sctp: association: %v", e.Err)
	case causeUserAbort:
		return fmt.Sprintf("sctp: association: %v (aborted by the peer's user)", e.Err)
	}
	return fmt.Sprintf("sctp: association: %v (error cause %d)", e.Err, e.Cause)
}

func (e *EndError) Unwrap() error { return e.Err }

const causeUserAbort = 12 // User-Initiated Abort

// An OptionError reports an invalid value of a field of [Options].
type OptionError struct {
	Option string // the field
	Value  any
	Remedy string // what to use instead
}

func (e *OptionError) Error() string {
	return fmt.Sprintf("sctp: option %s of %v: %s", e.Option, e.Value, e.Remedy)
}

func (e *OptionError) Unwrap() error { return syscall.EINVAL }

// A NoSCTPError means that this system has no SCTP. Its text says how to get it.
type NoSCTPError struct{ Err error }

func (e *NoSCTPError) Error() string {
	s := fmt.Sprintf("sctp: no SCTP in this kernel (%v): the network \"sctp+udp\" brings its own, "+
		"if the peer has SCTP inside UDP", e.Err)
	if runtime.GOOS == "linux" {
		s += "; or as root, run \"modprobe sctp\", for a container on its host " +
			"(\"sctp-echo doctor\" says what forbids it); the module is in the package " +
			"linux-modules-extra-$(uname -r) on Ubuntu, kernel-modules-extra on Fedora, " +
			"and in the linux-image packages of Debian; where there is none, netns-tests/run " +
			"of this library's repository runs a program in a kernel that has it"
	}
	return s
}

func (e *NoSCTPError) Unwrap() error { return e.Err }

// ErrKernelSCTP means that the kernel's SCTP is loaded. It answers packets of unknown associations
// with ABORT, which would end every association of a program with its own SCTP on raw sockets.
var ErrKernelSCTP = errors.New("the kernel's SCTP is loaded, and would end every association")

// A RawIPError means that a program cannot use its own SCTP directly over IP. Err is
// [ErrKernelSCTP]; the error of opening a raw socket, such as os.ErrPermission; or
// errors.ErrUnsupported on systems other than Linux.
type RawIPError struct{ Err error }

func (e *RawIPError) Error() string {
	remedy := "the program needs CAP_NET_RAW for a raw socket (setcap cap_net_raw=ep FILE), " +
		"or the network \"sctp+udp\""
	switch {
	case errors.Is(e.Err, ErrKernelSCTP):
		remedy = "take the network \"sctp\", or unload the module sctp"
	case errors.Is(e.Err, errors.ErrUnsupported):
		remedy = "take the network \"sctp+udp\""
	}
	return fmt.Sprintf("sctp: not over IP: %v: %s", e.Err, remedy)
}

func (e *RawIPError) Unwrap() error { return e.Err }

package sctpsock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
)

var (
	// ErrWouldBlock is returned by [Socket.Recv] when there is nothing to read
	// and it was told not to wait, and by [Socket.TrySend] when there is no space.
	ErrWouldBlock = errors.New("sctp: not without waiting")

	// ErrRestarted is returned for every use of an association that its peer has
	// restarted.
	ErrRestarted error = &AssociationError{Err: errors.New("restarted by the peer")}

	// ErrEmptyMessage is returned for a message of no bytes, which SCTP does not have.
	ErrEmptyMessage = fmt.Errorf("sctp: empty message: %w", syscall.EINVAL)
)

// A NoSCTPError says that the operating system offers no SCTP.
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

// An AuthUnavailableError says that the kernel does not let this socket use
// SCTP-AUTH.
type AuthUnavailableError struct{ Err error }

func (e *AuthUnavailableError) Error() string {
	return fmt.Sprintf("sctp: SCTP-AUTH is not available here (%v): Linux before 5.4 needs \"sysctl net.sctp.auth_enable=1\"", e.Err)
}

func (e *AuthUnavailableError) Unwrap() error { return e.Err }

// An AssociationError says how an association has ended.
type AssociationError struct {
	// Cause is the error cause code of the peer's ABORT (RFC 9260,
	// Section 3.3.10), or 0.
	Cause uint16
	// Err is syscall.ECONNRESET for an ABORT, syscall.ETIMEDOUT for a peer that
	// does not answer, syscall.EPIPE for a message that comes too late,
	// syscall.ENOTCONN if it ended before it was used.
	Err error
}

func (e *AssociationError) Error() string {
	switch e.Cause {
	case 0:
		return fmt.Sprintf("sctp: association: %v", e.Err)
	case causeUserAbort:
		return fmt.Sprintf("sctp: association: %v (aborted by the peer's user)", e.Err)
	}
	return fmt.Sprintf("sctp: association: %v (error cause %d)", e.Err, e.Cause)
}

func (e *AssociationError) Unwrap() error { return e.Err }

const causeUserAbort = 12 // User-Initiated Abort

// An OptionError says that a field of [Options] has a value that cannot be used.
type OptionError struct {
	Option string // the field
	Value  any
	Remedy string // what would do
}

func (e *OptionError) Error() string {
	return fmt.Sprintf("sctp: option %s of %v: %s", e.Option, e.Value, e.Remedy)
}

func (e *OptionError) Unwrap() error { return syscall.EINVAL }

// ErrFixedAddresses is returned by [Socket.BindAdd] and [Socket.BindRemove] when the ends have not
// agreed that addresses may change.
var ErrFixedAddresses = errors.New("sctp: the addresses of this association are fixed: both ends have to ask for AddressChanges before it is set up (RFC 5061)")

// A StreamError says that a message was for a stream that the association does
// not have.
type StreamError struct {
	Stream  uint16
	Streams uint16 // the outgoing streams are 0 to Streams-1
}

func (e *StreamError) Error() string {
	return fmt.Sprintf("sctp: no outgoing stream %d: the ends have agreed on %d (ask for more by OutStreams here and MaxInStreams there)", e.Stream, e.Streams)
}

func (e *StreamError) Unwrap() error { return syscall.EINVAL }

// A MessageSizeError says that a message is larger than the send buffer.
type MessageSizeError struct{ Size int }

func (e *MessageSizeError) Error() string {
	return fmt.Sprintf("sctp: a message of %d bytes does not fit into the send buffer (WriteBuffer)", e.Size)
}

func (e *MessageSizeError) Unwrap() error { return syscall.EMSGSIZE }

// timeoutError is the end of a context's time.
type timeoutError struct{}

func (timeoutError) Error() string {
	return "no association within the time allowed (is the peer reachable?)"
}
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }
func (timeoutError) Is(err error) bool {
	return err == context.DeadlineExceeded || err == os.ErrDeadlineExceeded
}

// contextError is the error of a call that ctx has ended.
func contextError(err error) error {
	if err == context.DeadlineExceeded {
		return timeoutError{}
	}
	return err
}

// remedyError adds to an error what can be done about it.
type remedyError struct {
	error
	remedy string
}

func (e *remedyError) Error() string { return e.error.Error() + ": " + e.remedy }
func (e *remedyError) Unwrap() error { return e.error }

// Timeout makes a net.OpError of an errno that means a timeout say so.
func (e *remedyError) Timeout() bool {
	t, ok := e.error.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

// withRemedy names what helps against an error of a system call, where it can.
func withRemedy(call string, err error) error {
	remedies := map[error]string{
		syscall.EADDRINUSE:    "another socket has that port, see \"ss --sctp -anp\"",
		syscall.EADDRNOTAVAIL: "that is no address of this host, see \"ip address\"",
		syscall.ENETUNREACH:   "there is no route to it, see \"ip route\"",
		syscall.EHOSTUNREACH:  "there is no route to it, see \"ip route\"",
		syscall.ECONNREFUSED:  "nothing listens on that port there",
		syscall.ETIMEDOUT:     "the peer does not answer SCTP, or something between drops it",
		syscall.EACCES:        "a port below 1024 needs root or CAP_NET_BIND_SERVICE",
	}
	remedy := remedies[err]
	err = os.NewSyscallError(call, err)
	if remedy == "" {
		return err
	}
	return &remedyError{err, remedy}
}

package sctpudp

import (
	"errors"
	"io"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// ErrRestarted is returned for every use of an association that its peer has restarted.
var ErrRestarted error = &stream.EndError{Err: errors.New("restarted by the peer; dial again")}

// An Error reports why a call failed, or how an association ended. It matches both the error of
// sctpcore and the error number that the kernel's SCTP has for it.
type Error struct {
	Err   error
	Errno syscall.Errno
}

func (e *Error) Error() string   { return e.Err.Error() }
func (e *Error) Unwrap() []error { return []error{e.Err, e.Errno} }

// Timeout reports whether the peer did not answer.
func (e *Error) Timeout() bool { return e.Errno == syscall.ETIMEDOUT }

// newError adds to err of sctpcore the error number that the kernel has for it.
func newError(err error) error {
	var abort *sctpcore.AbortError
	number := syscall.EINVAL
	switch {
	case errors.Is(err, sctpcore.ErrTimeout):
		number = syscall.ETIMEDOUT
	case errors.Is(err, sctpcore.ErrNotEstablished), errors.Is(err, sctpcore.ErrClosed):
		number = syscall.EPIPE
	case errors.Is(err, sctpcore.ErrMessageTooBig):
		number = syscall.EMSGSIZE
	case errors.Is(err, sctpcore.ErrNoAuth):
		number = syscall.EACCES
	case errors.As(err, &abort) && abort.Local:
		number = syscall.ECONNABORTED
	case abort != nil:
		number = syscall.ECONNRESET
	}
	return &Error{err, number}
}

// ended returns what Recv returns at the end of an association.
func ended(err error) error {
	if err == sctpcore.ErrClosed {
		return io.EOF
	}
	return &stream.EndError{Err: newError(err)}
}

// over returns the error of calls after an association has ended with err.
func over(err error, number syscall.Errno) error {
	return &stream.EndError{Err: &Error{err, number}}
}

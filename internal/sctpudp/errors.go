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

// An Error says why a call has failed, or how an association has ended. It matches both what
// sctpcore says and what the kernel's SCTP would.
type Error struct {
	Err   error
	Errno syscall.Errno
}

func (e *Error) Error() string   { return e.Err.Error() }
func (e *Error) Unwrap() []error { return []error{e.Err, e.Errno} }

// Timeout reports whether the peer did not answer.
func (e *Error) Timeout() bool { return e.Errno == syscall.ETIMEDOUT }

// newError gives err of sctpcore the number that the kernel has for it: what ended an association,
// or why a message was refused.
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

// ended is what Recv returns at the end of an association.
func ended(err error) error {
	if err == sctpcore.ErrClosed {
		return io.EOF
	}
	return &stream.EndError{Err: newError(err)}
}

// over is what calls of an association that has ended with err return.
func over(err error, number syscall.Errno) error {
	return &stream.EndError{Err: &Error{err, number}}
}

package sctpsock

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

var (
	// ErrRestarted is returned for every use of an association that its peer has
	// restarted.
	ErrRestarted error = &stream.EndError{Err: errors.New("restarted by the peer")}

	// ErrEmptyMessage is returned for a message of no bytes, which SCTP does not have.
	ErrEmptyMessage = fmt.Errorf("sctp: empty message: %w", syscall.EINVAL)
)

// noStream is the error of a message for a stream that the association does not have.
func noStream(stream, streams uint16) error {
	return fmt.Errorf(
		"sctp: no outgoing stream %d: the ends have agreed on %d (ask for more by OutStreams here and "+
			"MaxInStreams there): %w", stream, streams, syscall.EINVAL)
}

// tooLarge is the error of a message that is larger than the send buffer.
func tooLarge(size int) error {
	return fmt.Errorf(
		"sctp: a message of %d bytes does not fit into the send buffer (WriteBuffer): %w", size,
		syscall.EMSGSIZE)
}

// timeoutError is the error of a context whose deadline has passed.
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

// remedyError adds a remedy to an error.
type remedyError struct {
	error
	remedy string
}

func (e *remedyError) Error() string { return e.error.Error() + ": " + e.remedy }
func (e *remedyError) Unwrap() error { return e.error }

// Timeout makes Timeout of a net.OpError true for an errno that means a timeout.
func (e *remedyError) Timeout() bool {
	t, ok := e.error.(interface{ Timeout() bool })
	return ok && t.Timeout()
}

// withRemedy adds a remedy to an error of a system call if it knows one.
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

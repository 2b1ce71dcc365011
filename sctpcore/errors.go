package sctpcore

import (
	"errors"
	"fmt"
)

// Errors of calls that have no effect on the association.
var (
	// ErrBufferFull means that unacknowledged messages fill Config.SendBuffer. [Assoc.CanSend]
	// reports when there is space again.
	ErrBufferFull = errors.New("sctp: the send buffer is full until the peer acknowledges data")
	// ErrMessageTooBig means that the message is longer than Config.SendBuffer.
	ErrMessageTooBig = errors.New(
		"sctp: the message is longer than the send buffer (Config.SendBuffer)")
	// ErrEmptyMessage means that the message is empty, which SCTP does not support: RFC 9260,
	// Section 6.10.
	ErrEmptyMessage = errors.New("sctp: SCTP cannot carry an empty message")
	// ErrStream means that the peer does not have the stream. See [Assoc.Streams].
	ErrStream = errors.New(
		"sctp: no such outgoing stream was negotiated (Config.OutStreams, and the peer's limit)")
	// ErrNotEstablished means that the association is not established yet, or is shutting down.
	ErrNotEstablished = errors.New(
		"sctp: the association accepts no messages: it is not established yet, or is shutting down")
	// ErrKey means that the shared key does not exist, is the active one, or was deactivated. See
	// RFC 6458, Section 8.3.
	ErrKey = errors.New(
		"sctp: no such SCTP-AUTH key, or its state does not allow that (set or activate another first)")
	// ErrNoAuth means that the association does not use SCTP-AUTH.
	ErrNoAuth = errors.New(
		"sctp: the peer offers no SCTP-AUTH (on Linux: sysctl net.sctp.auth_enable)")
	// ErrInUse means that there is already an association between these ports and addresses, or a
	// listener on the port.
	ErrInUse = errors.New("sctp: the port is in use (choose another local port)")
	// ErrAddress means that the peer does not have the address, or that it is not confirmed yet.
	// See [Assoc.Paths].
	ErrAddress = errors.New("sctp: the peer has no such confirmed address (wait for EventPath)")
	// ErrConfig means that a [Config] is invalid.
	ErrConfig = errors.New("sctp: bad configuration")
)

// Errors that end an association, returned by [Assoc.Err] and [Event].Err.
var (
	// ErrClosed means that the association was shut down in order. See RFC 9260, Section 9.2.
	ErrClosed = errors.New("sctp: the association is shut down")
	// ErrTimeout means that the peer did not answer for too long. See RFC 9260, Sections 5.1 and
	// 8.1.
	ErrTimeout = errors.New(
		"sctp: the peer does not answer (is SCTP, and its UDP encapsulation, reachable there?)")
	// ErrPeerMisbehaved means that this side aborted because the peer violated the protocol.
	ErrPeerMisbehaved = errors.New("sctp: the peer broke the protocol")
)

// An AbortError reports that an ABORT chunk ended the association. See RFC 9260, Section 9.1.
type AbortError struct {
	Local bool  // this side sent it
	Cause Cause // 0 if the peer sent none
	// Info is the value of the peer's error cause, at most 128 bytes. It may contain anything.
	Info []byte
	Err  error // why this side sent it, or nil
}

func (e *AbortError) Error() string {
	who := "the peer aborted the association"
	if e.Local {
		who = "association aborted"
	}
	switch {
	case e.Err != nil:
		return fmt.Sprintf("sctp: %s (%v): %v", who, e.Cause, e.Err)
	case e.Cause == 0:
		return "sctp: " + who + " without a cause"
	case e.Cause == CauseUserInitiated && len(e.Info) > 0:
		return fmt.Sprintf("sctp: %s (%v: %q)", who, e.Cause, e.Info)
	}
	return fmt.Sprintf("sctp: %s (%v)", who, e.Cause)
}

func (e *AbortError) Unwrap() error { return e.Err }

// A fault is a violation by the peer. It includes the error cause to send in ABORT, so that only
// one place has to send one.
type fault struct {
	cause Cause
	info  []byte // value of the error cause
	text  string
}

func (f *fault) Error() string { return f.text }
func (f *fault) Unwrap() error { return ErrPeerMisbehaved }
func (f *fault) abort() *AbortError {
	return &AbortError{Local: true, Cause: f.cause, Info: f.info, Err: f}
}

func newFault(c Cause, info []byte, format string, args ...any) *fault {
	return &fault{c, info, "the peer sent " + fmt.Sprintf(format, args...)}
}

// violation returns a fault with the cause Protocol Violation. See RFC 9260, Section 3.3.10.13.
func violation(format string, args ...any) *fault {
	f := newFault(CauseProtocolViolation, nil, format, args...)
	f.info = []byte(f.text)[:min(len(f.text), 128)]
	return f
}

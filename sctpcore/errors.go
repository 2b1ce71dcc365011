package sctpcore

import (
	"errors"
	"fmt"
)

// Why a call was refused. The association goes on.
var (
	// ErrBufferFull: what was sent and not yet acknowledged fills Config.SendBuffer. [Assoc.CanSend]
	// says when there is space again.
	ErrBufferFull = errors.New("sctp: the send buffer is full, until the peer acknowledges some of it")
	// ErrMessageTooBig: a message longer than Config.SendBuffer can never be sent.
	ErrMessageTooBig = errors.New(
		"sctp: the message is longer than the send buffer (Config.SendBuffer)")
	// ErrEmptyMessage: SCTP has no message without data. RFC 9260, Section 6.10.
	ErrEmptyMessage = errors.New("sctp: SCTP cannot carry an empty message")
	// ErrStream: the peer has no such stream. See [Assoc.Streams].
	ErrStream = errors.New(
		"sctp: no such outgoing stream was agreed on (Config.OutStreams, and the peer's limit)")
	// ErrNotEstablished: the association is not up yet, or is being shut down.
	ErrNotEstablished = errors.New(
		"sctp: the association takes no messages: it is not up yet, or shutting down")
	// ErrKey: no such shared key, or it is the active one, or it has been deactivated.
	// RFC 6458, Section 8.3.
	ErrKey = errors.New(
		"sctp: no such SCTP-AUTH key, or its state does not allow that (set or activate another first)")
	// ErrNoAuth: the association has no SCTP-AUTH.
	ErrNoAuth = errors.New(
		"sctp: the peer offers no SCTP-AUTH (on Linux: sysctl net.sctp.auth_enable)")
	// ErrInUse: there is an association between these ports and addresses, or a listener on the port.
	ErrInUse = errors.New("sctp: the port is in use (choose another local port)")
	// ErrAddress: the peer has no such address, or it is not confirmed yet. See [Assoc.Paths].
	ErrAddress = errors.New("sctp: the peer has no such confirmed address (wait for EventPath)")
	// ErrConfig: a [Config] that cannot work.
	ErrConfig = errors.New("sctp: bad configuration")
)

// What ended an association, as [Assoc.Err] and [Event.Err] tell it.
var (
	// ErrClosed: it was shut down in order. RFC 9260, Section 9.2.
	ErrClosed = errors.New("sctp: the association is shut down")
	// ErrTimeout: the peer did not answer for too long. RFC 9260, Sections 5.1 and 8.1.
	ErrTimeout = errors.New(
		"sctp: the peer does not answer (is SCTP, and its UDP encapsulation, reachable there?)")
	// ErrPeerMisbehaved: this side aborted because the peer broke the protocol.
	ErrPeerMisbehaved = errors.New("sctp: the peer broke the protocol")
)

// An AbortError is the end of an association by an ABORT chunk. RFC 9260, Section 9.1.
type AbortError struct {
	Local bool  // this side sent it
	Cause Cause // 0 if the peer gave none
	// Info is what the peer's cause says, as it came, at most 128 bytes: a stranger wrote it.
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

// A fault of the peer carries the error cause that an ABORT tells it with, so that one place, the
// exit of the core, can send it.
type fault struct {
	cause Cause
	info  []byte // of the cause
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

// violation is a fault without a cause of its own. RFC 9260, Section 3.3.10.13.
func violation(format string, args ...any) *fault {
	f := newFault(CauseProtocolViolation, nil, format, args...)
	f.info = []byte(f.text)[:min(len(f.text), 128)]
	return f
}

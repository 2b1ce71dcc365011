package dtlscore

import (
	"errors"
	"fmt"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/internal/legible"
)

// Whose fault a failure was. Every error of this package that ends a
// connection, other than an alert of the peer, matches one of these with
// [errors.Is].
var (
	// ErrPeerMisbehaved: the peer did what the protocol forbids.
	ErrPeerMisbehaved = errors.New("peer broke the protocol")

	// ErrInvalidMessage: something from the peer could not be parsed.
	ErrInvalidMessage = errors.New("malformed message from peer")

	// ErrPeerIncompatible: the peer is well, but has nothing in common with
	// our [Config].
	ErrPeerIncompatible = errors.New("peer not compatible")

	// ErrPeerUntrusted: the peer did not prove an identity that we accept.
	// The details are a [tls.CertificateVerificationError], where a
	// certificate was the reason.
	ErrPeerUntrusted = errors.New("peer not trusted")

	// ErrMisuse: this side's program asked for what cannot be done.
	ErrMisuse = errors.New("misuse")
)

// An AlertError is the end of a connection by an alert.
type AlertError struct {
	Alert Alert
	Local bool  // sent by this side; otherwise it came from the peer
	Err   error // the reason; nil if the alert came from the peer
}

func (e *AlertError) Error() string {
	if !e.Local {
		return "dtls: peer sent alert " + e.Alert.String()
	}
	if e.Err == nil {
		return "dtls: sent alert " + e.Alert.String()
	}
	return fmt.Sprintf("dtls: %v (alert %v)", e.Err, e.Alert)
}

func (e *AlertError) Unwrap() error { return e.Err }

// A protocolError carries the alert that tells the peer, so that one place,
// the exit of the core, can send it. A peer chooses much of the text, which is
// bounded for that.
type protocolError struct {
	alert Alert
	fault error  // one of the errors above
	text  string // what exactly happened
	cause error  // nil if there is nothing more to say
}

// newError formats like [fmt.Errorf], as do the following.
func newError(a Alert, fault error, format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return &protocolError{a, fault, legible.Text(err.Error()), errors.Unwrap(err)}
}

func (e *protocolError) Error() string { return e.fault.Error() + ": " + e.text }

func (e *protocolError) Unwrap() []error {
	if e.cause == nil {
		return []error{e.fault}
	}
	return []error{e.fault, e.cause}
}

// misbehaved is the error for what the protocol forbids.
func misbehaved(a Alert, format string, args ...any) error {
	return newError(a, ErrPeerMisbehaved, format, args...)
}

// illegal is the error for a field with a value that is not allowed there.
func illegal(format string, args ...any) error {
	return misbehaved(AlertIllegalParameter, format, args...)
}

// unexpected is the error for a record or message that must not come now.
func unexpected(format string, args ...any) error {
	return misbehaved(AlertUnexpectedMessage, format, args...)
}

// malformed is the error for what does not parse.
func malformed(format string, args ...any) error {
	return newError(AlertDecodeError, ErrInvalidMessage, format, args...)
}

// incompatible is the error for having nothing in common.
func incompatible(a Alert, format string, args ...any) error {
	return newError(a, ErrPeerIncompatible, format, args...)
}

// untrusted is the error for an identity that is not accepted.
func untrusted(a Alert, format string, args ...any) error {
	return newError(a, ErrPeerUntrusted, format, args...)
}

// misuse is the error for what our own caller did wrong.
func misuse(format string, args ...any) error {
	return newError(AlertInternalError, ErrMisuse, format, args...)
}

// alertOf returns the alert that tells the peer about err.
func alertOf(err error) Alert {
	if e, ok := errtype.As[*AlertError](err); ok {
		return e.Alert // a callback of Config has chosen it
	}
	if e, ok := errtype.As[*protocolError](err); ok {
		return e.alert
	}
	return AlertInternalError
}

// Errors of [Conn.Seal].
var (
	ErrNotOpen    = errors.New("dtls: connection is not open for application data")
	ErrTooLarge   = errors.New("dtls: message is longer than a record to this peer may be")
	ErrUpkeepDue  = errors.New("dtls: too many records since the last halt: call Upkeep")
	ErrKeysUsedUp = errors.New(
		"dtls: keys have protected as many records as they may: renegotiate, or close and connect again")
)

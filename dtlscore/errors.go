package dtlscore

import (
	"errors"
	"fmt"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/internal/legible"
)

// These errors classify who caused a failure. Every error of this package that ends a connection,
// except an alert from the peer, matches one of them with [errors.Is].
var (
	// ErrPeerMisbehaved means that the peer violated the protocol.
	ErrPeerMisbehaved = errors.New("peer broke the protocol")

	// ErrInvalidMessage means that a message from the peer could not be parsed.
	ErrInvalidMessage = errors.New("malformed message from peer")

	// ErrPeerIncompatible means that the peer followed the protocol but has nothing in common with
	// our [Config].
	ErrPeerIncompatible = errors.New("peer not compatible")

	// ErrPeerUntrusted means that the peer did not prove an identity that we accept. If a
	// certificate was the reason, the error wraps a [tls.CertificateVerificationError].
	ErrPeerUntrusted = errors.New("peer not trusted")

	// ErrMisuse means that the program used this package incorrectly, or asked for something
	// impossible.
	ErrMisuse = errors.New("misuse")
)

// An AlertError reports that an alert ended the connection.
type AlertError struct {
	Alert Alert
	Local bool  // this side sent the alert; otherwise the peer did
	Err   error // the reason; nil for an alert from the peer
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

// A protocolError includes the alert to send to the peer, so that only one place, [Conn.fail], has
// to send alerts. The peer determines much of the text, so its length is limited.
type protocolError struct {
	alert Alert
	fault error  // one of the errors above
	text  string // details
	cause error  // the wrapped error, or nil
}

// newError formats like [fmt.Errorf], as do the functions below.
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

// misbehaved returns the error for a violation of the protocol.
func misbehaved(a Alert, format string, args ...any) error {
	return newError(a, ErrPeerMisbehaved, format, args...)
}

// illegal returns the error for a field with a value that is not allowed.
func illegal(format string, args ...any) error {
	return misbehaved(AlertIllegalParameter, format, args...)
}

// unexpected returns the error for a record or message that is not allowed at this point.
func unexpected(format string, args ...any) error {
	return misbehaved(AlertUnexpectedMessage, format, args...)
}

// malformed returns the error for a message that cannot be parsed.
func malformed(format string, args ...any) error {
	return newError(AlertDecodeError, ErrInvalidMessage, format, args...)
}

// incompatible returns the error for having nothing in common with the peer.
func incompatible(a Alert, format string, args ...any) error {
	return newError(a, ErrPeerIncompatible, format, args...)
}

// untrusted returns the error for an identity that is not accepted.
func untrusted(a Alert, format string, args ...any) error {
	return newError(a, ErrPeerUntrusted, format, args...)
}

// misuse returns the error for incorrect use by our caller.
func misuse(format string, args ...any) error {
	return newError(AlertInternalError, ErrMisuse, format, args...)
}

// alertOf returns the alert that tells the peer about err.
func alertOf(err error) Alert {
	if e, ok := errtype.As[*AlertError](err); ok {
		return e.Alert // a callback of the Config chose it
	}
	if e, ok := errtype.As[*protocolError](err); ok {
		return e.alert
	}
	return AlertInternalError
}

// Errors returned by [Conn.Seal].
var (
	ErrNotOpen    = errors.New("dtls: connection is not open for application data")
	ErrTooLarge   = errors.New("dtls: message is larger than a record that the peer accepts")
	ErrUpkeepDue  = errors.New("dtls: too many records without a call of Upkeep")
	ErrKeysUsedUp = errors.New(
		"dtls: keys have protected as many records as they may: renegotiate, or close and connect again")
)

package sctpdtls

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Every error that ends a connection with an alert of this end matches one of these with errors.Is,
// which says whose fault it was.
var (
	ErrPeerMisbehaved = dtlscore.ErrPeerMisbehaved // the peer violated the protocol
	ErrInvalidMessage = dtlscore.ErrInvalidMessage // a message of the peer could not be parsed
	// the peer has nothing in common with the Config
	ErrPeerIncompatible = dtlscore.ErrPeerIncompatible
	// the peer did not prove an accepted identity
	ErrPeerUntrusted = dtlscore.ErrPeerUntrusted
	// this end's program called a method or set a field wrongly
	ErrMisuse = dtlscore.ErrMisuse
)

// ErrKeysUsedUp is returned by writes and [Conn.KeyUpdate] if the DTLS keys have protected as many
// records as allowed, and this connection cannot change them.
var ErrKeysUsedUp = dtlscore.ErrKeysUsedUp

// An AlertError means that a fatal alert ended the connection. Its fields are
//
//	Alert Alert // its number
//	Local bool  // sent by this end, otherwise by the peer
//	Err   error // the reason; nil if the alert came from the peer
type AlertError = dtlscore.AlertError

// An AuthUnsupportedError means that SCTP-AUTH (RFC 4895) does not protect user data. DTLS has not
// sent anything. Its fields are
//
//	Peer    bool                  // the other end lacks it, otherwise this one
//	Missing []authchunk.ChunkType // chunk types that are not authenticated
//	Err     error                 // why this system does not support SCTP-AUTH, or nil
type AuthUnsupportedError = authchunk.UnsupportedError

// A NoSCTPError means that this system has no SCTP. Its text says how to get it. Its field is
//
//	Err error // of the system
type NoSCTPError = stream.NoSCTPError

// A RawIPError reports that SCTP in this process cannot run directly over IP on this system, and
// says what to do. Its field is
//
//	Err error // ErrKernelSCTP, or of the system: os.ErrPermission, errors.ErrUnsupported
type RawIPError = stream.RawIPError

// ErrKernelSCTP is wrapped by a [RawIPError] if the kernel's SCTP is loaded.
var ErrKernelSCTP = stream.ErrKernelSCTP

// An OptionError reports an invalid value of a field of [SCTPOptions], and names valid ones. It
// matches syscall.EINVAL. Its fields are
//
//	Option string // the field of SCTPOptions
//	Value  any
//	Remedy string // what to use instead
type OptionError = stream.OptionError

// A MessageTooLargeError is returned for a message that does not fit into one record. Nothing has
// been sent. RFC 6083, Section 1.1.
type MessageTooLargeError struct {
	Size  int // of the message, in bytes
	Limit int // of the peer of this connection: ConnectionState.MaxWrite
	Own   int // limit of this end: ConnectionState.MaxRead
}

func (e *MessageTooLargeError) Error() string {
	limit, own := cmp.Or(e.Limit, MaxMessageSize), cmp.Or(e.Own, MaxMessageSize)
	how := "both ends have to set Config.MaxMessageSize for more, in DTLS 1.3"
	if limit != MaxMessageSize {
		how = "the peer's Config.MaxMessageSize and the write buffer here bound it"
	}
	return fmt.Sprintf("sctpdtls: message of %d bytes: to this peer at most %d can be sent, and "+
		"from it %d received (RFC 6083, Section 1.1): split it in the application; %s",
		e.Size, limit, own, how)
}

// A StreamError is returned for a stream that the association does not have. Nothing has been sent.
type StreamError struct{ Stream, Streams uint16 }

func (e *StreamError) Error() string {
	return fmt.Sprintf(
		"sctpdtls: no stream %d: the association has outgoing streams 0 to %d; ask for more with "+
			"SCTPOptions.OutStreams here and MaxInStreams at the peer", e.Stream, e.Streams-1)
}

// A PartialReliabilityError is returned for a message with a Lifetime or a limit of Retransmissions
// on an association without partial reliability (RFC 3758). Nothing has been sent.
type PartialReliabilityError struct {
	Peer bool // this end supports it, but the peer does not
}

func (e *PartialReliabilityError) Error() string {
	if e.Peer {
		return "sctpdtls: the peer has no partial reliability (RFC 3758), so no message can be " +
			"abandoned; set SCTPOptions.PartialReliability there"
	}
	return "sctpdtls: a message with a Lifetime or Retransmissions: set " +
		"SCTPOptions.PartialReliability at both ends (RFC 3758)"
}

// An AssociationError means that the association ended without close_notify, so that messages may
// be missing. It matches io.ErrUnexpectedEOF with errors.Is, and unwraps to the error of the
// kernel. It never matches net.ErrClosed, which means that this end called Close.
type AssociationError struct {
	// State is AssocShutdown if the peer, or an attacker in its name, shut the association down
	// without close_notify; or AssocAborted, AssocLost or AssocRestarted.
	State AssocState
	Cause uint16 // error cause code of an ABORT (RFC 9260, Section 3.3.10), else 0
	Err   error  // of the kernel; nil for a shutdown and a restart
}

func (e *AssociationError) Error() string {
	switch e.State {
	case AssocShutdown:
		return "sctpdtls: the association was shut down without close_notify: what came may be truncated"
	case AssocAborted:
		return fmt.Sprintf(
			"sctpdtls: the association was aborted by the peer, or in its name (cause %d): what came "+
				"may be truncated", e.Cause)
	case AssocRestarted:
		return "sctpdtls: the peer restarted the association, which ends the DTLS connection (RFC " +
			"6083, " +
			"Section 4.2); dial again"
	default:
		return fmt.Sprintf(
			"sctpdtls: the association was lost (%v): what was sent last may not have arrived; dial again",
			e.Err)
	}
}

func (e *AssociationError) Unwrap() error { return e.Err }

// Is makes errors.Is recognize a truncation.
func (e *AssociationError) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// ErrPeerClosed is returned for what cannot be sent because the peer has closed the connection: its
// close_notify has arrived, followed by the end of the association, or during a renegotiation. It
// matches syscall.EPIPE with errors.Is, like the error of package net for writing to a closed peer.
var ErrPeerClosed error = peerClosedError{}

type peerClosedError struct{}

func (peerClosedError) Error() string {
	return "sctpdtls: the peer has closed the connection: nothing can be sent any more"
}
func (peerClosedError) Is(target error) bool { return target == syscall.EPIPE }

// A TruncationError means that messages of the peer are missing and will never arrive: an attacker
// on the path has removed them and acknowledged them in this end's name, which SCTP does not
// authenticate. It is wrapped by the [AlertError] that ends the connection, and matches
// io.ErrUnexpectedEOF. The peer gets the alert.
type TruncationError struct {
	// Missing is the number of missing DATA chunks, at least one for each message. What followed them
	// on ordered streams is lost too. 0 means unknown, because the association had ended: see
	// [Config].RequireComplete.
	Missing int
}

func (e *TruncationError) Error() string {
	if e.Missing == 0 {
		return "sctpdtls: the association ended before it could be asked whether messages are missing, " +
			"which Config.RequireComplete requires"
	}
	return fmt.Sprintf(
		"sctpdtls: %d DATA chunks of the peer are missing: somebody on the path has removed them and "+
			"acknowledged them in this end's name", e.Missing)
}

// Is makes errors.Is recognize a truncation.
func (e *TruncationError) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// A HandshakeTimeoutError means that the handshake did not end before [Config].HandshakeTimeout or
// the deadline of its context. It matches os.ErrDeadlineExceeded with errors.Is and is a timeout as
// in [net.Error].
type HandshakeTimeoutError struct {
	// KeyInUse is true if this end had already sent under the first SCTP-AUTH key of the handshake.
	// SCTP silently drops what is authenticated with another key.
	KeyInUse bool
	Err      error // the context's
}

func (e *HandshakeTimeoutError) Error() string {
	if e.KeyInUse {
		return "sctpdtls: handshake timed out after the SCTP-AUTH key was changed: the keys may " +
			"differ; " +
			"is the peer an OpenSSL before 1.1.1b? Then set LegacyLabel (RFC 6083, Section 4.8)"
	}
	return "sctpdtls: handshake timed out: the peer accepted the association, but does not answer; " +
		"does it speak DTLS on this port?"
}

func (e *HandshakeTimeoutError) Unwrap() []error { return []error{e.Err, os.ErrDeadlineExceeded} }

// Timeout implements net.Error.
func (e *HandshakeTimeoutError) Timeout() bool { return true }

// Temporary implements net.Error.
func (e *HandshakeTimeoutError) Temporary() bool { return false }

// A CloseTimeoutError means that the peer did not acknowledge everything that was written before
// [Config].CloseTimeout, so that some of it may be lost. It matches os.ErrDeadlineExceeded.
type CloseTimeoutError struct{}

func (*CloseTimeoutError) Error() string {
	return "sctpdtls: the peer did not acknowledge all messages before CloseTimeout; the " +
		"association was aborted"
}

// Is makes errors.Is recognize a timeout.
func (*CloseTimeoutError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

// Timeout implements net.Error.
func (*CloseTimeoutError) Timeout() bool { return true }

// Temporary implements net.Error.
func (*CloseTimeoutError) Temporary() bool { return false }

// ErrRenegotiationRefused is returned by [Conn.Renegotiate] if the peer refuses. The connection
// continues unchanged.
var ErrRenegotiationRefused = errors.New(
	"sctpdtls: the peer refuses to renegotiate; it has to allow it (Config.Renegotiation)")

// errPanic ends a connection when a callback panics in the goroutine that handshakes or reads. The
// application may recover from that, and Close must not wait for a goroutine that is gone.
var errPanic = errors.New("sctpdtls: a callback of the application panicked")

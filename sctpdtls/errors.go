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

// Whose fault a failure was: every error that ends a connection by an alert of this end matches one
// of these with errors.Is.
var (
	ErrPeerMisbehaved = dtlscore.ErrPeerMisbehaved // the peer did what the protocol forbids
	ErrInvalidMessage = dtlscore.ErrInvalidMessage // something from the peer could not be parsed
	// the peer has nothing in common with the Config
	ErrPeerIncompatible = dtlscore.ErrPeerIncompatible
	// the peer did not prove an identity that is accepted
	ErrPeerUntrusted = dtlscore.ErrPeerUntrusted
	// this end's program asked for what cannot be done
	ErrMisuse = dtlscore.ErrMisuse
)

// ErrKeysUsedUp is returned by writes and [Conn.KeyUpdate] when the keys of DTLS have protected as
// many records as they may, and there can be no new ones on this connection.
var ErrKeysUsedUp = dtlscore.ErrKeysUsedUp

// An AlertError is the end of a connection by a fatal alert. Its fields are
//
//	Alert Alert // its number
//	Local bool  // this end has sent it, otherwise the peer
//	Err   error // the reason; nil if the alert came from the peer
type AlertError = dtlscore.AlertError

// An AuthUnsupportedError means that SCTP-AUTH (RFC 4895) does not protect user
// data. Nothing of DTLS was sent. Its fields are
//
//	Peer    bool                  // for lack of it at the other end, otherwise here
//	Missing []authchunk.ChunkType // chunk types that are not authenticated
//	Err     error                 // why this system refuses SCTP-AUTH, if it does
type AuthUnsupportedError = authchunk.UnsupportedError

// A NoSCTPError means that this system has no SCTP, and says how to get it. Its field is
//
//	Err error // of the system
type NoSCTPError = stream.NoSCTPError

// An OptionError means that a field of [SCTPOptions] has a value that cannot be used, and says what
// can. It matches syscall.EINVAL. Its fields are
//
//	Option string // the field of SCTPOptions
//	Value  any
//	Remedy string // what would do
type OptionError = stream.OptionError

// A MessageTooLargeError is returned for a message that does not fit into one
// record. Nothing was sent. RFC 6083, Section 1.1.
type MessageTooLargeError struct {
	Size  int // of the message, in bytes
	Limit int // what the peer of this connection takes: ConnectionState.MaxWrite
	Own   int // what this end takes: ConnectionState.MaxRead
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

// A StreamError is returned for a stream that the association does not have. Nothing was sent.
type StreamError struct{ Stream, Streams uint16 }

func (e *StreamError) Error() string {
	return fmt.Sprintf(
		"sctpdtls: no stream %d: the association has outgoing streams 0 to %d; ask for more with SCTPOptions.OutStreams here and MaxInStreams at the peer", e.Stream, e.Streams-1)
}

// A PartialReliabilityError is returned for a message with a Lifetime or a limit of Retransmissions
// on an association without partial reliability (RFC 3758). Nothing was sent.
type PartialReliabilityError struct {
	Peer bool // this end has asked for it, and the peer has not
}

func (e *PartialReliabilityError) Error() string {
	if e.Peer {
		return "sctpdtls: the peer has no partial reliability (RFC 3758), so that no message can be given up; set SCTPOptions.PartialReliability there"
	}
	return "sctpdtls: a message with a Lifetime or Retransmissions: set SCTPOptions.PartialReliability at both ends (RFC 3758)"
}

// An AssociationError means that the association ended without the close_notify that would have
// shown that nothing is missing. It matches io.ErrUnexpectedEOF with errors.Is, and unwraps to what
// the kernel said. It never matches net.ErrClosed, which stands for a Close of this end.
type AssociationError struct {
	// State is AssocShutdown if the peer, or someone in its name, shut it down without close_notify,
	// AssocAborted, AssocLost or AssocRestarted.
	State AssocState
	Cause uint16 // error cause code of an ABORT (RFC 9260, Section 3.3.10), else 0
	Err   error  // what the kernel said; nil for a shutdown and a restart
}

func (e *AssociationError) Error() string {
	switch e.State {
	case AssocShutdown:
		return "sctpdtls: the association was shut down without close_notify: what came may be truncated"
	case AssocAborted:
		return fmt.Sprintf(
			"sctpdtls: the association was aborted by the peer, or in its name (cause %d): what came may be truncated", e.Cause)
	case AssocRestarted:
		return "sctpdtls: the peer restarted the association, which ends the DTLS connection (RFC 6083, Section 4.2); dial again"
	default:
		return fmt.Sprintf(
			"sctpdtls: the association was lost (%v): what was sent last may not have arrived; dial again",
			e.Err)
	}
}

func (e *AssociationError) Unwrap() error { return e.Err }

// Is makes errors.Is recognise a truncation.
func (e *AssociationError) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// ErrPeerClosed is returned for what cannot be sent any more because the peer has closed the
// connection: its close_notify has come, and then either the end of the association, or it came in
// the middle of a renegotiation. It matches syscall.EPIPE with errors.Is, as package net's error
// for writing to a peer that is gone.
var ErrPeerClosed error = peerClosedError{}

type peerClosedError struct{}

func (peerClosedError) Error() string {
	return "sctpdtls: the peer has closed the connection: nothing can be sent any more"
}
func (peerClosedError) Is(target error) bool { return target == syscall.EPIPE }

// A TruncationError means that messages of the peer are missing, and will never come: someone on
// the path has removed them, and acknowledged them in this end's name, which SCTP does not
// authenticate. It is inside of the [AlertError] with which the connection ends, and matches
// io.ErrUnexpectedEOF; the peer gets the alert.
type TruncationError struct {
	// Missing is a number of DATA chunks, of which each message has at least one, and there may be
	// more. What came after them on ordered streams is lost as well. 0 is an unknown number, for the
	// association had ended: see [Config].RequireComplete.
	Missing int
}

func (e *TruncationError) Error() string {
	if e.Missing == 0 {
		return "sctpdtls: the association ended before it could be asked whether messages are missing, which Config.RequireComplete demands"
	}
	return fmt.Sprintf(
		"sctpdtls: %d DATA chunks of the peer are missing: somebody on the path has removed them and acknowledged them in this end's name", e.Missing)
}

// Is makes errors.Is recognise a truncation.
func (e *TruncationError) Is(target error) bool { return target == io.ErrUnexpectedEOF }

// A HandshakeTimeoutError means that the handshake did not end before [Config].HandshakeTimeout or
// the deadline of its context. It matches os.ErrDeadlineExceeded with errors.Is and is a timeout as
// in [net.Error].
type HandshakeTimeoutError struct {
	// KeyInUse is set when this end had already sent under the first SCTP-AUTH
	// key made from the handshake. SCTP drops what is authenticated with another key in silence.
	KeyInUse bool
	Err      error // the context's
}

func (e *HandshakeTimeoutError) Error() string {
	if e.KeyInUse {
		return "sctpdtls: handshake timed out after the SCTP-AUTH key was changed: the keys may differ; is the peer an OpenSSL before 1.1.1b? Then set LegacyLabel (RFC 6083, Section 4.8)"
	}
	return "sctpdtls: handshake timed out: the peer accepted the association, but does not answer; does it speak DTLS on this port?"
}

func (e *HandshakeTimeoutError) Unwrap() []error { return []error{e.Err, os.ErrDeadlineExceeded} }

// Timeout implements net.Error.
func (e *HandshakeTimeoutError) Timeout() bool { return true }

// Temporary implements net.Error.
func (e *HandshakeTimeoutError) Temporary() bool { return false }

// A CloseTimeoutError means that the peer did not acknowledge everything that was
// written before [Config].CloseTimeout: some of it may be lost. It matches os.ErrDeadlineExceeded.
type CloseTimeoutError struct{}

func (*CloseTimeoutError) Error() string {
	return "sctpdtls: the peer did not acknowledge all messages before CloseTimeout; the association was aborted"
}

// Is makes errors.Is recognise a timeout.
func (*CloseTimeoutError) Is(target error) bool { return target == os.ErrDeadlineExceeded }

// Timeout implements net.Error.
func (*CloseTimeoutError) Timeout() bool { return true }

// Temporary implements net.Error.
func (*CloseTimeoutError) Temporary() bool { return false }

// ErrRenegotiationRefused is returned by [Conn.Renegotiate] when the peer does not want
// to. The connection goes on as it was.
var ErrRenegotiationRefused = errors.New(
	"sctpdtls: the peer refuses to renegotiate; it has to allow it (Config.Renegotiation)")

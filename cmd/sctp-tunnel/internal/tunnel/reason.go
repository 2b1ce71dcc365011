package tunnel

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A Reason says in one word why an association ended, or why none was set up. It is the value of a
// metric's label.
type Reason string

// Reasons for an end. The first three are clean.
const (
	DaemonShutdown Reason = "daemon-shutdown" // the daemon shut down its association
	PeerClose      Reason = "peer-close"      // the peer sent close_notify
	Stopped        Reason = "stopped"         // the tunnel was stopped

	DaemonAbort   Reason = "daemon-abort"   // the daemon sent an ABORT
	DaemonLost    Reason = "daemon-lost"    // the daemon's SCTP does not answer
	DaemonRestart Reason = "daemon-restart" // the daemon restarted its association
	PeerAbort     Reason = "peer-abort"     // the peer sent an ABORT
	PeerLost      Reason = "peer-lost"      // the peer's SCTP does not answer
	PeerRestart   Reason = "peer-restart"   // the peer restarted its association
	PeerTruncated Reason = "peer-truncated" // the peer ended without close_notify
	Alert         Reason = "alert"          // a fatal alert from the peer or from this end
	Missing       Reason = "missing-data"   // messages of the peer were removed on the way
	TooLarge      Reason = "too-large"      // a message was larger than the connection allows
	NoStream      Reason = "no-stream"      // the other side does not have the message's stream
	DrainTimeout  Reason = "drain-timeout"  // stopped before everything was delivered
	Expired       Reason = "expired"        // the peer's certificate expired
	KeysUsedUp    Reason = "keys-used-up"   // the keys reached their limit
	Internal      Reason = "internal"       // anything else: see the log
)

// Reasons for a refusal.
const (
	Unreachable Reason = "unreachable"      // the target cannot be reached
	NotAllowed  Reason = "not-allowed"      // the peer is not allowed
	Handshake   Reason = "handshake-failed" // the handshake failed
	Full        Reason = "full"             // the limit of associations was reached
)

// Clean reports whether an end for this reason is orderly, with nothing missing.
func (r Reason) Clean() bool { return r == DaemonShutdown || r == PeerClose || r == Stopped }

var errRestarted = errors.New("the daemon has restarted its association (RFC 9260, Section 5.2)")

// A tooLargeError reports that a message was larger than the connection allows.
type tooLargeError struct {
	Stream uint16
	PPID   uint32
	Limit  int // bytes
}

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("a message of the daemon on stream %d, with PPID %d, exceeds the limit of "+
		"this connection, %d bytes (RFC 6083, Section 1.1): make the daemon send smaller messages, or "+
		"set max-message-size at both ends, in DTLS 1.3",
		e.Stream, e.PPID, e.Limit)
}

// A noStreamError is a message on a stream that the daemon does not have; it ends the association.
type noStreamError struct{ Stream, Streams uint16 }

func (e *noStreamError) Error() string {
	return fmt.Sprintf("the peer sent a message on stream %d, but the daemon accepts only %d "+
		"streams: configure more there, or fewer at the other daemon", e.Stream, e.Streams)
}

// daemonReason returns the Reason for an error of the association with the daemon.
func daemonReason(err error) Reason {
	_, tooLarge := errtype.As[*tooLargeError](err)
	_, noStream := errtype.As[*noStreamError](err)
	switch {
	case noStream:
		return NoStream
	case tooLarge, errors.Is(err, syscall.EMSGSIZE):
		return TooLarge
	case errors.Is(err, errRestarted):
		return DaemonRestart
	case errors.Is(err, syscall.ECONNRESET):
		return DaemonAbort
	case errors.Is(err, syscall.ETIMEDOUT):
		return DaemonLost
	}
	return Internal
}

// peerReason returns the Reason for an error of the DTLS connection.
func peerReason(err error) Reason {
	if _, ok := errtype.As[*sctpdtls.TruncationError](err); ok {
		return Missing
	}
	if _, ok := errtype.As[*sctpdtls.AlertError](err); ok {
		return Alert
	}
	if errors.Is(err, sctpdtls.ErrKeysUsedUp) {
		return KeysUsedUp
	}
	if _, ok := errtype.As[*sctpdtls.StreamError](err); ok {
		return NoStream
	}
	if _, ok := errtype.As[*sctpdtls.MessageTooLargeError](err); ok {
		return TooLarge
	}
	e, ok := errtype.As[*sctpdtls.AssociationError](err)
	if !ok {
		return Internal
	}
	switch e.State {
	case sctpdtls.AssocAborted:
		return PeerAbort
	case sctpdtls.AssocRestarted:
		return PeerRestart
	case sctpdtls.AssocShutdown:
		return PeerTruncated
	}
	return PeerLost
}

// peerIsToBlame reports whether an association has ended because of the far end, so that the next
// one may fail too.
func (r Reason) peerIsToBlame() bool {
	switch r {
	case PeerClose, PeerAbort, PeerLost, PeerRestart, PeerTruncated, Alert:
		return true
	}
	return false
}

// handshakeReason returns the Reason why no connection was made.
func handshakeReason(err error) Reason {
	if _, ok := errtype.As[*notAllowedError](err); ok {
		return NotAllowed
	}
	if errors.Is(err, errFull) {
		return Full
	}
	if _, ok := errtype.As[*unreachableError](err); ok {
		return Unreachable
	}
	if e, ok := errtype.As[*sctpdtls.AlertError](err); ok {
		switch { // another tunnel sends these, or they mean about the same
		case !e.Local && e.Alert == alertAccessDenied:
			return NotAllowed
		case !e.Local && e.Alert == alertInternalError:
			return Unreachable
		}
		return Handshake
	}
	if _, ok := errtype.As[*sctpdtls.HandshakeTimeoutError](err); ok {
		return Handshake
	}
	if op, ok := errtype.As[*net.OpError](err); ok {
		if _, ok := errtype.As[*os.SyscallError](op.Err); ok || op.Timeout() {
			return Unreachable
		}
	}
	return Handshake
}

// An expiredError reports that the peer's certificate expired.
type expiredError struct {
	Peer string
	Time time.Time
}

func (e *expiredError) Error() string {
	return fmt.Sprintf("the certificate of the peer %s, or of its CA, expired at %s, and no "+
		"handshake has replaced it: renew it earlier",
		e.Peer, e.Time.UTC().Format(time.DateTime))
}

var errKeysUsedUp = errors.New("the SCTP-AUTH key has reached its limit (RFC 4895, Section 9) " +
	"and was not replaced: the far end must be an sctp-tunnel with DTLS 1.3, or allow renegotiation " +
	"in DTLS 1.2")

// A notAllowedError is an error of Service.Allow.
type notAllowedError struct{ error }

func (e *notAllowedError) Unwrap() []error {
	return []error{e.error, &sctpdtls.AlertError{Alert: alertAccessDenied, Local: true}}
}

// An unreachableError means that there is no association with the daemon for a peer that is
// allowed.
type unreachableError struct{ error }

func (e *unreachableError) Unwrap() []error {
	return []error{e.error, &sctpdtls.AlertError{Alert: alertInternalError, Local: true}}
}

// RFC 8446, Section 6.2.
const (
	alertAccessDenied  sctpdtls.Alert = 49
	alertInternalError sctpdtls.Alert = 80
)

// isOver reports whether an error of a write means only that the other side accepts no more
// messages, because it or this process has ended the association. Reading from that side reports
// the reason.
func isOver(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.ESHUTDOWN) || err == io.EOF
}

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

// A Reason says in one word why an association ended, or none came about: a value for a label of a
// metric.
type Reason string

// Reasons of an end. The first three are clean.
const (
	DaemonShutdown Reason = "daemon-shutdown" // the daemon has shut its association down
	PeerClose      Reason = "peer-close"      // the peer has sent close_notify
	Stopped        Reason = "stopped"         // the tunnel was told to stop

	DaemonAbort   Reason = "daemon-abort"   // an ABORT of the daemon
	DaemonLost    Reason = "daemon-lost"    // the daemon's SCTP does not answer
	DaemonRestart Reason = "daemon-restart" // the daemon has restarted its association
	PeerAbort     Reason = "peer-abort"     // an ABORT of the peer
	PeerLost      Reason = "peer-lost"      // the peer's SCTP does not answer
	PeerRestart   Reason = "peer-restart"   // the peer has restarted its association
	PeerTruncated Reason = "peer-truncated" // the peer has ended without close_notify
	Alert         Reason = "alert"          // a fatal alert, of the peer or of this end
	Missing       Reason = "missing-data"   // messages of the peer were removed on the way
	TooLarge      Reason = "too-large"      // a message larger than the connection carries
	NoStream      Reason = "no-stream"      // a message for a stream that the other side lacks
	DrainTimeout  Reason = "drain-timeout"  // told to stop, and not all was delivered in time
	Expired       Reason = "expired"        // the certificate of the peer has
	KeysUsedUp    Reason = "keys-used-up"   // the keys have served as long as they may
	Internal      Reason = "internal"       // anything else: see the log
)

// Reasons of a refusal.
const (
	Unreachable Reason = "unreachable"      // the target cannot be reached
	NotAllowed  Reason = "not-allowed"      // the peer is not one of those allowed
	Handshake   Reason = "handshake-failed" // the handshake has failed
	Full        Reason = "full"             // there are as many associations as Limits allow
)

// Clean reports whether an end for this reason is an orderly one, after which nothing is missing.
func (r Reason) Clean() bool { return r == DaemonShutdown || r == PeerClose || r == Stopped }

var errRestarted = errors.New("the daemon has restarted its association (RFC 9260, Section 5.2)")

// A tooLargeError is the end of an association by a message that the connection cannot carry.
type tooLargeError struct {
	Stream uint16
	PPID   uint32
	Limit  int // bytes
}

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("a message of the daemon on stream %d, protocol identifier %d, has more than "+
		"%d bytes, which is all that this connection carries (RFC 6083, Section 1.1): let the daemon "+
		"send smaller ones, or set max-message-size at both ends, in DTLS 1.3",
		e.Stream, e.PPID, e.Limit)
}

// daemonReason says what err of the association with the daemon means.
func daemonReason(err error) Reason {
	_, tooLarge := errtype.As[*tooLargeError](err)
	switch {
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

// peerReason says what err of the DTLS connection means.
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
// one may fail as well.
func (r Reason) peerIsToBlame() bool {
	switch r {
	case PeerClose, PeerAbort, PeerLost, PeerRestart, PeerTruncated, Alert:
		return true
	}
	return false
}

// handshakeReason says why no connection came about.
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
		switch { // another tunnel says so, or such an endpoint means about the same
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

// An expiredError is the end of an association whose peer's certificate has expired.
type expiredError struct {
	Peer string
	Time time.Time
}

func (e *expiredError) Error() string {
	return fmt.Sprintf("the certificate of the peer %s, or of its CA, has expired at %s, and no new "+
		"handshake has shown another one; let the peer have one before",
		e.Peer, e.Time.UTC().Format(time.DateTime))
}

var errKeysUsedUp = errors.New("the key of SCTP-AUTH has protected as much as it may (RFC 4895, " +
	"Section 9), and there is no new one: the far end has to be a sctp-tunnel, in DTLS 1.3, or to " +
	"allow renegotiations, in DTLS 1.2")

// A notAllowedError is a refusal by Service.Allow.
type notAllowedError struct{ error }

func (e *notAllowedError) Unwrap() []error {
	return []error{e.error, &sctpdtls.AlertError{Alert: alertAccessDenied, Local: true}}
}

// An unreachableError means that there is no association with the daemon for a peer that was let
// in.
type unreachableError struct{ error }

func (e *unreachableError) Unwrap() []error {
	return []error{e.error, &sctpdtls.AlertError{Alert: alertInternalError, Local: true}}
}

// RFC 8446, Section 6.2.
const (
	alertAccessDenied  sctpdtls.Alert = 49
	alertInternalError sctpdtls.Alert = 80
)

// isOver reports whether err of a write means only that the other side takes nothing more: it, or
// this process, has ended the association. Whoever reads from there learns why.
func isOver(err error) bool {
	return errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.EPIPE) ||
		errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.ESHUTDOWN) || err == io.EOF
}

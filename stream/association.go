package stream

import (
	"net"
	"net/netip"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// An Association is an SCTP association (RFC 9260) with SCTP-AUTH (RFC 4895), as DTLS over SCTP
// (RFC 6083) needs it. Package sctpdtls makes a connection of any implementation: the kernel's
// SCTP, SCTP in user space, or SCTP in memory.
//
// The methods are those of RFC 6458 in Go's terms. Recv must not be called concurrently with
// itself; all other methods may be called by any goroutine at any time.
//
// After the end of the association, methods return an [EndError], or an error that matches what
// its Err would be; after Close or Abort, net.ErrClosed.
//
// An association can implement further, optional interfaces: [BatchSender], [HandshakeTuner],
// [KeyLimiter], [MessageLimiter], [Multihomed], [StatsReporter] and [Prioritizer].
type Association interface {
	// Recv reads the next part of a message, or an event, into b. It waits until there is one, the
	// read deadline passes or the association is closed. If wait is false and there is none, it
	// returns [ErrWouldBlock] at once.
	//
	// Between the parts of a message it returns only events. [PartialDeliveryAborted] ends a message
	// that will not be completed. Events are in the order in which they happened; the [AssocChange]
	// of the end comes before the error. At the end, Recv returns io.EOF if the association was shut
	// down, an error that matches syscall.ECONNRESET after an ABORT of the peer, or one that matches
	// syscall.ETIMEDOUT if the peer does not answer; later calls return the same. A restart by the
	// peer (RFC 9260, Section 5.2) also ends the association: Recv returns nothing of the new one.
	Recv(b Buffer, wait bool) (Part, error)

	// Send passes one message to SCTP, completely or not at all. It waits for buffer space until the
	// write deadline. It does not retain b. For a message that SCTP cannot send, the error matches
	// syscall.EINVAL, or syscall.EMSGSIZE if it is too large.
	Send(b []byte, info Info) error

	// TrySend is like Send, but returns [ErrWouldBlock] at once if there is no space, whatever the
	// write deadline.
	TrySend(b []byte, info Info) error

	// AskDry requests one [Dry] event for everything sent before the call. The caller must not send
	// anything until it arrives, and must have read everything before (Recv returned ErrWouldBlock),
	// because it could not recognize an older event.
	AskDry() error

	// SetReadDeadline sets the time after which Recv returns os.ErrDeadlineExceeded instead of
	// waiting, and SetWriteDeadline that of Send. The zero value means no deadline. Both also affect
	// a call that is waiting.
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error

	// Missing returns the highest transmission sequence number received, and how many DATA chunks
	// with lower numbers are missing. Lost chunks are retransmitted; chunks that an attacker has
	// acknowledged never arrive. highest may be too high, and has no meaning with partial
	// reliability. The caller is the one that calls Recv.
	Missing() (missing int, highest uint32, err error)

	// Streams returns the negotiated numbers of outgoing and incoming streams.
	Streams() (out, in uint16)

	// AuthAgreement returns what both ends announced about SCTP-AUTH.
	AuthAgreement() (authchunk.Agreement, error)

	// Socket has the shared keys of SCTP-AUTH. Key 0, whose secret is empty, is active at first.
	authchunk.Socket

	// Shutdown starts a graceful end of the association (RFC 9260, Section 9.2) after everything sent
	// has been delivered. It neither waits nor closes the association: Recv continues until io.EOF.
	// Abort ends it at once with an ABORT chunk and closes it. Close releases it; if the association
	// still exists, it is shut down, or aborted if received data has not been read. Abort and Close
	// wake blocked calls. Each method can be called again.
	Shutdown() error
	Abort() error
	Close() error

	// LocalAddr and RemoteAddr return the addresses of both ends, also after the end.
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

// A Listener accepts associations. All methods may be called by any goroutine at any time.
type Listener interface {
	// Accept waits for the next association. After Close, its error matches net.ErrClosed. Other
	// errors do not end the listener.
	Accept() (Association, error)
	Addr() net.Addr
	Close() error
}

// MaxBatch is the largest number of messages in one call of a [BatchSender].
const MaxBatch = 32

// A BatchSender is an Association that can send several messages with one call.
type BatchSender interface {
	// TrySendAll is TrySend for up to [MaxBatch] messages, in order. Both slices have the same
	// length. It returns how many were sent and, if that is not all, the error of the next one.
	TrySendAll(messages [][]byte, infos []Info) (n int, err error)
}

// A HandshakeTuner is an Association that can adjust its timers for a DTLS handshake. A peer drops
// what arrives under a key that it has not installed yet, and that is retransmitted only after a
// timeout, which is long.
type HandshakeTuner interface {
	// Handshaking(true) is called before keys change: losses should be retransmitted soon, and
	// acknowledgements not be delayed, because the peer may wait for them. Handshaking(false) is
	// called before this end switches to the new key. An association that applies a longer
	// retransmission timeout only after a delay restores it then, others in Settled.
	Handshaking(on bool) error
	// Settled is called when the handshake is complete, and restores the delay of acknowledgements.
	Settled() error
	// Pause waits for d with an accuracy of microseconds. time.Sleep can be too coarse.
	Pause(d time.Duration)
}

// A KeyLimiter is an Association that can stop accepting new data under an old key of SCTP-AUTH.
// Without it, an old key is deleted earlier, and the last flight of a peer that cannot retransmit
// it under the new key may be lost.
type KeyLimiter interface {
	// TakeRepeated drops what arrives under key id, except messages with a transmission sequence
	// number up to last, which were received before and are acknowledged again.
	TakeRepeated(id uint16, last uint32) error
	// TakeAll ends the effect of TakeRepeated.
	TakeAll() error
}

// A MessageLimiter is an Association that limits the size of messages to send.
type MessageLimiter interface {
	// MaxMessage returns the maximum size of a message in bytes. The error for a larger one matches
	// syscall.EMSGSIZE.
	MaxMessage() (int, error)
}

// A Multihomed is an Association that can have several addresses at each end.
type Multihomed interface {
	// Paths returns the paths to the peer.
	Paths() ([]Path, error)
	// SetPrimary makes the path to this address of the peer the primary path (RFC 6458, Section
	// 8.1.9).
	SetPrimary(peer netip.Addr) error
	// BindAdd adds an address of this host and informs the peer, BindRemove removes one (RFC 5061).
	// Neither waits for the peer. If the ends have not negotiated address changes, the error is
	// [ErrNoAddressChanges].
	BindAdd(local netip.Addr) error
	BindRemove(local netip.Addr) error
}

// A StatsReporter is an Association with statistics.
type StatsReporter interface {
	Stats() (Stats, error)
}

// A Prioritizer is an Association whose streams have priorities.
type Prioritizer interface {
	// SetStreamPriority sets the value of an outgoing stream for [Options].Scheduler.
	SetStreamPriority(stream, value uint16) error
}

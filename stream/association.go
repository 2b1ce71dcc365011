package stream

import (
	"net"
	"net/netip"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// An Association is one SCTP association (RFC 9260) with SCTP-AUTH (RFC 4895), as DTLS over SCTP
// (RFC 6083) uses it. Package sctpdtls makes a connection of any: the kernel's, one in memory, or
// one of SCTP in user space.
//
// The methods are those of RFC 6458 in Go's terms. Recv must not be called concurrently with
// itself; all else may be called by any goroutine at any time.
//
// After the end of the association, methods fail with an [EndError], or with an error that
// matches what its Err would be; after Close or Abort, with net.ErrClosed.
//
// What else an association can do it offers by further interfaces, of which each is optional:
// [BatchSender], [HandshakeTuner], [KeyLimiter], [MessageLimiter], [Multihomed], [StatsReporter]
// and [Prioritizer].
type Association interface {
	// Recv reads the next part of a message, or an event, into b. It waits until
	// there is one, the read deadline passes or the association is closed;
	// with wait false it returns [ErrWouldBlock] at once when there is none.
	//
	// Between the parts of a message nothing else is returned, except events and at last
	// [PartialDeliveryAborted], after which that message is over. Events come in the order in which
	// they happened, [AssocChange] of the end before the error. At the end Recv returns io.EOF if
	// the association was shut down, or else an error that matches syscall.ECONNRESET for an ABORT
	// of the peer or syscall.ETIMEDOUT for a peer that does not answer, then and ever after.
	// A restart by the peer (RFC 9260, Section 5.2) is the end too: nothing of the new association
	// is returned.
	Recv(b Buffer, wait bool) (Part, error)

	// Send hands one message to SCTP, whole or not at all. It waits for
	// buffer space until the write deadline. It keeps no reference to b. A message that SCTP
	// cannot send is an error that matches syscall.EINVAL, or syscall.EMSGSIZE if it is too large.
	Send(b []byte, info Info) error

	// TrySend is Send that returns [ErrWouldBlock] at once when there is no
	// space, whatever the write deadline.
	TrySend(b []byte, info Info) error

	// AskDry asks for one [Dry] event that reports everything sent before the
	// call. Nothing may be sent until it has arrived, and everything that was
	// received before must have been read (Recv said ErrWouldBlock), for an
	// event of the past could not be distinguished.
	AskDry() error

	// SetReadDeadline sets the time after which Recv fails with os.ErrDeadlineExceeded instead of
	// waiting, SetWriteDeadline that of Send; the zero value is never. Both take effect on a call
	// that is waiting.
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error

	// Missing returns how many DATA chunks of the peer have not arrived that it has sent before the
	// one with the highest transmission sequence number that has arrived, and that number. Chunks
	// that were lost are sent again; those that another has acknowledged never come. highest
	// may be too high, and is meaningless where messages can be given up. It is called by whoever
	// calls Recv.
	Missing() (missing int, highest uint32, err error)

	// Streams returns the number of outgoing and incoming streams agreed on.
	Streams() (out, in uint16)

	// AuthAgreement returns what both ends have said about SCTP-AUTH.
	AuthAgreement() (authchunk.Agreement, error)

	// The shared keys of SCTP-AUTH. Key 0, whose secret is empty, is active from the beginning.
	authchunk.Socket

	// Shutdown ends the association gracefully (RFC 9260, Section 9.2) without closing
	// it, after all that was sent is delivered, and does not wait for that. Recv goes on to io.EOF.
	// Abort ends it at once by an ABORT chunk and closes it. Close releases it; if the association
	// exists, it is shut down, or aborted if something that was received is not read. Each wakes
	// blocked calls, and may be called again.
	Shutdown() error
	Abort() error
	Close() error

	// LocalAddr and RemoteAddr return the addresses of both ends, also after the end.
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

// A Listener accepts associations. All methods may be called by any goroutine at any time.
type Listener interface {
	// Accept waits for the next association. After Close it fails with an error that matches
	// net.ErrClosed. Other errors do not end the listener.
	Accept() (Association, error)
	Addr() net.Addr
	Close() error
}

// MaxBatch is the largest number of messages that [BatchSender] is given at once.
const MaxBatch = 32

// A BatchSender is an Association that can send several messages with one call.
type BatchSender interface {
	// TrySendAll is TrySend for several messages in their order, at most [MaxBatch]; both slices
	// have the same length. It returns how many were sent, and if that is not all, why not the next.
	TrySendAll(messages [][]byte, infos []Info) (n int, err error)
}

// A HandshakeTuner is an Association whose timers suit a handshake of DTLS while that is under
// way. A peer drops what comes under a key that it has not made yet, and has it sent again only
// after a retransmission timeout, which is long.
type HandshakeTuner interface {
	// Handshaking is called with true when the keys are about to change: what is lost should be
	// sent again soon, and the peer may wait for acknowledgements, which should not be delayed.
	// With false, before this end changes to the new key, retransmissions are to be as before.
	Handshaking(on bool) error
	// Settled is called when the handshake is complete: acknowledgements are to be as before.
	Settled() error
	// Pause waits for d, to some microseconds, for which time.Sleep can be too coarse.
	Pause(d time.Duration)
}

// A KeyLimiter is an Association that can be told to take nothing new under an old key of
// SCTP-AUTH. Where there is none, an old key is deleted sooner, and the last flight of a peer
// that cannot repeat it under the new key may be lost with it.
type KeyLimiter interface {
	// TakeRepeated drops what comes under key id, but for messages with a transmission sequence
	// number up to last, which were received before and are only acknowledged again.
	TakeRepeated(id uint16, last uint32) error
	// TakeAll ends that.
	TakeAll() error
}

// A MessageLimiter is an Association with a bound for the size of what it can send.
type MessageLimiter interface {
	// MaxMessage returns how many bytes a message may have. Larger ones are refused with an error
	// that matches syscall.EMSGSIZE.
	MaxMessage() (int, error)
}

// A Multihomed is an Association that may have several addresses at each end.
type Multihomed interface {
	// Paths returns the paths to the peer.
	Paths() ([]Path, error)
	// SetPrimary makes the path to this address of the peer the primary one
	// (RFC 6458, Section 8.1.9).
	SetPrimary(peer netip.Addr) error
	// BindAdd adds an address of this host and tells the peer, BindRemove takes one away
	// (RFC 5061). Neither waits for the peer. Where the ends have not agreed that addresses may
	// change, the error is [ErrNoAddressChanges].
	BindAdd(local netip.Addr) error
	BindRemove(local netip.Addr) error
}

// A StatsReporter is an Association that counts what it does.
type StatsReporter interface {
	Stats() (Stats, error)
}

// A Prioritizer is an Association whose streams have priorities.
type Prioritizer interface {
	// SetStreamPriority gives an outgoing stream its value for [Options].Scheduler.
	SetStreamPriority(stream, value uint16) error
}

package stream

import (
	"errors"
	"net"
	"time"
)

// ErrWouldBlock is returned by [Association.Recv] when there is nothing to
// read and it was told not to wait, and by [Association.TrySend] when there is no space.
var ErrWouldBlock = errors.New("stream: not without waiting")

// A Buffer is where [Association.Recv] puts what it reads. While it waits it has
// given the bytes back, so that an idle association needs none.
type Buffer interface {
	Get() []byte // called when there may be something to read; not empty
	Put()        // there was nothing
}

// Info is what SCTP carries beside each user message (RFC 6458, Sections 5.3.4 and 5.3.5).
// All of it crosses the network in clear, authenticated by SCTP-AUTH.
type Info struct {
	Stream    uint16
	PPID      uint32 // payload protocol identifier, in host byte order
	Unordered bool

	// SackImmediately asks the peer not to delay its acknowledgement. Send only.
	SackImmediately bool
	// Lifetime makes the message partially reliable (RFC 3758): it is given
	// up when it could not be delivered in that time. 0 is reliable. Send only.
	Lifetime time.Duration
	// Retransmissions makes it partially reliable in the other way (RFC 7496, Section 3.1): it is
	// given up when it has been sent again so often; negative is not once. 0 is reliable. Send only,
	// and not together with Lifetime.
	Retransmissions int
}

// A Part is what one call of [Association.Recv] has read: the next N bytes of a
// user message, or an event of the association.
type Part struct {
	N     int
	Info  Info
	TSN   uint32 // the transmission sequence number of its first DATA chunk
	End   bool   // the message ends here (MSG_EOR)
	Event Event  // not nil: an event; N is 0
}

// An Event is what the association tells beside user messages: one of
// [Dry], [Down], [Restarted], [PeerShutdown], [PartialAborted], [NewKey] and [Other].
type Event interface{ event() }

type (
	// Dry: nothing that was sent is unacknowledged (RFC 6458, Section 6.1.9).
	Dry struct{}
	// Down: the association has ended. Clean is set when it was shut down, not lost or
	// aborted; Cause is the error cause code of an ABORT, or 0. Recv returns what ended it next.
	Down struct {
		Clean bool
		Cause uint16
	}
	// Restarted: the peer has restarted the association (RFC 9260, Section 5.2).
	Restarted struct{}
	// PeerShutdown: the peer will send nothing more (RFC 6458, Section 6.1.5).
	PeerShutdown struct{}
	// PartialAborted: the rest of the message that is being read will never
	// come (RFC 6458, Section 6.1.7).
	PartialAborted struct{}
	// NewKey: something has come under a key of SCTP-AUTH that is not the active one (RFC 6458,
	// Section 6.1.8). It comes before what came with it.
	NewKey struct{ ID uint16 }
	// Other: any other notification, as the association gives it.
	Other struct{ Event any }
)

func (Dry) event()            {}
func (Down) event()           {}
func (Restarted) event()      {}
func (PeerShutdown) event()   {}
func (PartialAborted) event() {}
func (NewKey) event()         {}
func (Other) event()          {}

// An Association is one SCTP association as this package needs it: what
// internal/sctpsock offers over the kernel's, and internal/assoctest in memory.
//
// Recv must not be called concurrently with itself; all else may be called by
// any goroutine at any time.
type Association interface {
	// Recv reads the next part of a message, or event, into b. It waits until
	// there is one, the read deadline passes or the association is closed;
	// with wait false it returns ErrWouldBlock at once when there is none.
	// At the end it returns io.EOF, or the error that ended the association,
	// then and ever after.
	Recv(b Buffer, wait bool) (Part, error)

	// Send hands one message to SCTP, whole or not at all. It waits for
	// buffer space until the write deadline. It keeps no reference to b.
	Send(b []byte, info Info) error

	// TrySend is Send that returns ErrWouldBlock at once when there is no
	// space, whatever the write deadline.
	TrySend(b []byte, info Info) error

	// AskDry asks for one Dry event that tells of everything sent before the
	// call. Nothing may be sent until it has come, and everything that was
	// received before must have been read (Recv said ErrWouldBlock), for an
	// event of the past could not be told apart.
	AskDry() error

	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error

	// Missing returns how many DATA chunks of the peer have not come that it has sent before the one
	// with the highest transmission sequence number that has come, and that number. Chunks that were
	// lost are sent again; those that somebody else has acknowledged never come. highest may be too
	// high, and is meaningless where messages can be given up. It is called by whoever calls Recv, and
	// fails when the association is over.
	Missing() (missing int, highest uint32, err error)

	// Streams returns the number of outgoing and incoming streams agreed on.
	Streams() (out, in uint16)

	// Shutdown ends the association gracefully (RFC 9260, Section 9.2) without closing
	// it; Abort ends it at once and closes it; Close releases it. Each
	// wakes blocked calls: Recv after Shutdown goes on to io.EOF.
	Shutdown() error
	Abort() error
	Close() error

	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

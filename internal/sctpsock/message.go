package sctpsock

import "time"

// A SendInfo goes with a message that is sent (RFC 6458, Section 5.3.4).
type SendInfo struct {
	Stream    uint16
	PPID      uint32 // payload protocol identifier, in host byte order
	Unordered bool

	// SackImmediately asks the peer not to delay its acknowledgement
	// (RFC 7053), which saves some 200 ms when nothing follows the message.
	SackImmediately bool

	// Lifetime, if positive, is how long SCTP tries to deliver the message
	// (RFC 3758, timed reliability). It is rounded up to milliseconds. A
	// message with Lifetime 0 is reliable, also where the socket's default is
	// another one.
	Lifetime time.Duration

	// Retransmissions, if not 0, is how often SCTP sends the message again before it gives it up (RFC
	// 7496, Section 3.1, limited retransmissions); negative is not once. Lifetime comes first.
	Retransmissions int
}

// MaxBatch is the largest number of messages that [Socket.TrySendAll] takes.
const MaxBatch = 32

// A RecvInfo comes with a message that is received (RFC 6458, Section 5.3.5).
type RecvInfo struct {
	Stream    uint16
	PPID      uint32 // payload protocol identifier, in host byte order
	Unordered bool
}

// A Part is what one call of [Socket.Recv] has read: the next N bytes of a
// message, or an event of the association.
type Part struct {
	N     int
	Info  RecvInfo
	TSN   uint32 // of its first DATA chunk
	End   bool   // the message ends here
	Event Event  // if not nil, this is an event, and N is 0
}

// A Buffer lends bytes to [Socket.RecvBuffer], which has none of them while it waits.
type Buffer interface {
	Get() []byte // called when there may be something to read; not empty
	Put()        // there was nothing
}

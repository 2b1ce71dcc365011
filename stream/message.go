package stream

import "time"

// A Buffer is where [Association.Recv] stores what it reads. Recv returns the buffer while it
// waits, so that an idle association has none.
type Buffer interface {
	Get() []byte // called when there may be something to read; not empty
	Put()        // there was nothing
}

// Info is what SCTP carries with each user message (RFC 6458, Sections 5.3.4 and 5.3.5), in
// cleartext, but authenticated by SCTP-AUTH.
type Info struct {
	Stream    uint16
	PPID      uint32 // payload protocol identifier, in host byte order
	Unordered bool

	// SackImmediately asks the peer not to delay its acknowledgement (RFC 7053), which saves about
	// 200 ms if no other message follows. For sending only.
	SackImmediately bool
	// Lifetime makes the message partially reliable (RFC 3758): SCTP abandons it if it is not
	// delivered within that time, which is rounded up to milliseconds. 0 means reliable. For sending
	// only.
	Lifetime time.Duration
	// Retransmissions makes the message partially reliable (RFC 7496, Section 3.1): SCTP abandons it
	// after that many retransmissions; negative means none. 0 means reliable. For sending only, and
	// not together with Lifetime.
	Retransmissions int
}

// A Part is the result of one call of [Association.Recv]: the next N bytes of a user message, or an
// event of the association.
type Part struct {
	N     int
	Info  Info
	TSN   uint32 // transmission sequence number of its first DATA chunk
	End   bool   // the message ends here (MSG_EOR)
	More  bool   // the message ends here, and the next one has been read already, as far as is known
	Event Event  // if not nil, N is 0
}

package stream

import "time"

// A Buffer is where [Association.Recv] puts what it reads. While it waits it has
// given the bytes back, so that an idle association needs none.
type Buffer interface {
	Get() []byte // called when there may be something to read; not empty
	Put()        // there was nothing
}

// Info is what SCTP carries beside each user message (RFC 6458, Sections 5.3.4 and 5.3.5).
// All of it crosses the network in the clear, authenticated by SCTP-AUTH.
type Info struct {
	Stream    uint16
	PPID      uint32 // payload protocol identifier, in host byte order
	Unordered bool

	// SackImmediately asks the peer not to delay its acknowledgement (RFC 7053), which saves some
	// 200 ms when nothing follows the message. Send only.
	SackImmediately bool
	// Lifetime makes the message partially reliable (RFC 3758): it is given
	// up when it could not be delivered in that time. It is rounded up to milliseconds. 0 is
	// reliable. Send only.
	Lifetime time.Duration
	// Retransmissions makes it partially reliable in the other way (RFC 7496, Section 3.1): it is
	// given up when it has been sent again so often; negative is not once. 0 is reliable. Send
	// only, and not together with Lifetime.
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

package sctpdtls

import "net"

// A Trace is told what happens, as in net/http/httptrace. Any field may be
// nil. The functions are called by whoever makes it happen and should return soon.
type Trace struct {
	// HandshakeDone is called at the end of each handshake of a Listener, with
	// the peer's address; err says why it failed. Failures never come out of Accept.
	// It is also called, with a nil peer, when the system cannot give the Listener an association,
	// for lack of descriptors for example; that is tried again. Calls may be concurrent.
	HandshakeDone func(peer net.Addr, state ConnectionState, err error)
}

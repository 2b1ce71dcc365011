package sctpdtls

import (
	"net"
)

// A Trace has functions that are called when something happens, as in net/http/httptrace. Any field
// may be nil, which costs nothing. [Config].Logger logs the same.
//
// The functions are called by the goroutine of the connection, or by the goroutine that performs
// its handshake or closes it. The connection waits for them, so they should return soon. They can
// call these methods of the Conn: ConnectionState, LocalAddr, RemoteAddr, Stats and Paths. Reading,
// writing or closing there would deadlock. Calls can be concurrent, also for one connection. No key
// material is passed.
type Trace struct {
	// HandshakeDone is called at the end of the first handshake of each connection, with the peer's
	// address; err is the reason of a failure. Failures of a [Listener] are reported here and not by
	// Accept. It is also called, with a nil peer, if the system cannot give the Listener an
	// association, for example because there are no file descriptors; the Listener then tries again.
	HandshakeDone func(peer net.Addr, state ConnectionState, err error)

	// Alert is called for the fatal alert that ended a connection, sent or received, but not for
	// close_notify.
	Alert func(*Conn, *AlertError)

	// KeysChanged is called when this end has new DTLS keys for sending: after each handshake,
	// including the first, and for each KeyUpdate of DTLS 1.3. epoch numbers them.
	KeysChanged func(c *Conn, epoch uint64)

	// AuthKey is called when an SCTP-AUTH key is installed, activated, deleted, or near its limit (RFC
	// 6083, Section 4.8).
	AuthKey func(c *Conn, id uint16, what AuthKeyChange)

	// Ended is called once, after the handshake, when the peer will not send anything else. err is
	// what reads then return: see [Conn.Context].
	Ended func(c *Conn, err error)

	// Event is called for each SCTP notification about the association. While there is no room for
	// messages ([Config].ReadQueue), it waits like them. The last notifications of a connection, after
	// close_notify, may be omitted.
	Event func(*Conn, Event)
}

// An AuthKeyChange is a change of an SCTP-AUTH key.
type AuthKeyChange uint8

const (
	AuthKeyInstalled AuthKeyChange = iota // it verifies received chunks
	AuthKeyActive                         // it authenticates sent chunks
	AuthKeyDeleted
	// AuthKeyNearLimit: three quarters of what the key may authenticate have been sent, about 1.6
	// billion messages of one chunk (RFC 4895, Section 9). It is reported once, in its own goroutine.
	// In DTLS 1.3 the key cannot be changed: dial a new connection, as package relay does. In DTLS
	// 1.2, [Conn.Renegotiate] changes it.
	AuthKeyNearLimit
)

func (a AuthKeyChange) String() string {
	switch a {
	case AuthKeyInstalled:
		return "installed"
	case AuthKeyActive:
		return "active"
	case AuthKeyDeleted:
		return "deleted"
	case AuthKeyNearLimit:
		return "near its limit"
	}
	return "unknown"
}

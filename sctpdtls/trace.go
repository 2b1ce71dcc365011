package sctpdtls

import (
	"net"
)

// A Trace has functions that are called when something happens, as in net/http/httptrace. Any field
// may be nil, and costs nothing then. [Config].Logger is told the same.
//
// The functions are called by the goroutine of the connection, or by the one that does its
// handshake or closes it, and the connection waits for them: they should return soon. Of the Conn
// that they get they may use the methods that only look: ConnectionState, LocalAddr, RemoteAddr,
// Stats and Paths. To read, write or close there would wait for themselves. Calls for different
// connections may be concurrent, those of one connection may be too. No key material is passed.
type Trace struct {
	// HandshakeDone is called at the end of the first handshake of each connection, with the peer's
	// address; err says why it failed. The failures of a [Listener] never come out of Accept. It is
	// also called, with a nil peer, when the system cannot give the Listener an association, for lack
	// of descriptors for example; that is tried again.
	HandshakeDone func(peer net.Addr, state ConnectionState, err error)

	// Alert is called for the fatal alert that ended a connection, sent or received. close_notify is
	// none.
	Alert func(*Conn, *AlertError)

	// KeysChanged is called when DTLS has new keys for what this end sends: after each handshake, the
	// first one included, and for each KeyUpdate of DTLS 1.3. epoch numbers them.
	KeysChanged func(c *Conn, epoch uint64)

	// AuthKey is called when something happens to a key of SCTP-AUTH (RFC 6083, Section 4.8).
	AuthKey func(c *Conn, id uint16, what AuthKeyChange)

	// Ended is called once, after a handshake, when the peer will send nothing more. err is what
	// reads return from then on: see [Conn.Context].
	Ended func(c *Conn, err error)

	// Event is called for each notification of the kernel about the association. While there is no
	// room for messages ([Config].ReadQueue), it waits like them. The last ones of a connection, after
	// close_notify, may be left out.
	Event func(*Conn, Event)
}

// An AuthKeyChange says what has happened to a key of SCTP-AUTH.
type AuthKeyChange uint8

const (
	AuthKeyInstalled AuthKeyChange = iota // it is known, and verifies
	AuthKeyActive                         // it authenticates what is sent
	AuthKeyDeleted
	// AuthKeyNearLimit: three quarters of what the key may authenticate were sent, some 1,600
	// million messages of one chunk (RFC 4895, Section 9). It is told once, in a goroutine of its own.
	// In DTLS 1.3 the key cannot be changed: it is time to dial a successor, as package relay does.
	// In DTLS 1.2 [Conn.Renegotiate] changes it.
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

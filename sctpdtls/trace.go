package sctpdtls

import (
	"net"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A Trace is told what happens, as in net/http/httptrace. Any field may be nil, and costs nothing
// then. [Config].Logger is told the same.
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

// telling is what Trace and Logger were told.
type telling struct {
	epoch    uint64   // of the keys
	logLimit logLimit // of events
}

func (c *Config) traces() bool { return c.Trace != nil || c.Logger != nil }

// events are those that the kernel has to be asked for: for the keyring, and for Trace.
func (c *Config) events() []sctpsock.EventType {
	if c.Logger == nil && (c.Trace == nil || c.Trace.Event == nil) {
		return []sctpsock.EventType{sctpsock.EventAuthentication}
	}
	return allEvents
}

var allEvents = []sctpsock.EventType{sctpsock.EventAuthentication, sctpsock.EventPeerAddrChange,
	sctpsock.EventRemoteError, sctpsock.EventSendFailed}

// handshakeDone tells of a handshake, or with a nil peer that there is nobody to do one with.
func (c *Config) handshakeDone(peer net.Addr, state ConnectionState, err error) {
	if t := c.Trace; t != nil && t.HandshakeDone != nil {
		t.HandshakeDone(peer, state, err)
	}
	c.logHandshake(peer, state, err)
}

// tellHandshake is called with owner held, as all of the following are.
func (c *Conn) tellHandshake(err error) {
	if c.config.traces() {
		c.config.handshakeDone(c.RemoteAddr(), c.ConnectionState(), err)
	}
}

// tellAlert is called with the error that ended the connection.
func (c *Conn) tellAlert(err error) {
	if !c.config.traces() {
		return
	}
	alert, ok := errtype.As[*AlertError](err)
	if !ok {
		return
	}
	if t := c.config.Trace; t != nil && t.Alert != nil {
		t.Alert(c, alert)
	}
	c.logAlert(alert)
}

// tellKeys looks whether there are new keys.
func (c *Conn) tellKeys() {
	epoch := c.core.Epoch()
	if epoch == c.epoch {
		return
	}
	c.epoch = epoch
	c.meter.newKeys()
	if t := c.config.Trace; t != nil && t.KeysChanged != nil {
		t.KeysChanged(c, epoch)
	}
	c.logKeys(epoch)
}

// tellEnd tells that err is what reads return from now on.
func (c *Conn) tellEnd(err error) {
	if c.state.Load() == nil || !c.config.traces() {
		return
	}
	if t := c.config.Trace; t != nil && t.Ended != nil {
		t.Ended(c, err)
	}
	c.logEnd(err)
}

func (c *Conn) tellEvent(ev stream.Event) {
	if !c.config.traces() {
		return
	}
	if t := c.config.Trace; t != nil && t.Event != nil {
		t.Event(c, ev)
	}
	c.logEvent(ev)
}

// A tracedSocket tells what happens to the keys of SCTP-AUTH.
type tracedSocket struct {
	authchunk.Socket
	conn *Conn
}

// authSocket is where the keys of c are set.
func (c *Conn) authSocket() authchunk.Socket {
	if c.config.traces() {
		return tracedSocket{c.assoc, c}
	}
	return c.assoc
}

func (s tracedSocket) SetAuthKey(id uint16, secret []byte) error {
	return s.tell(id, AuthKeyInstalled, s.Socket.SetAuthKey(id, secret))
}

func (s tracedSocket) SetActiveAuthKey(id uint16) error {
	return s.tell(id, AuthKeyActive, s.Socket.SetActiveAuthKey(id))
}

func (s tracedSocket) DeleteAuthKey(id uint16) error {
	return s.tell(id, AuthKeyDeleted, s.Socket.DeleteAuthKey(id))
}

func (s tracedSocket) tell(id uint16, what AuthKeyChange, err error) error {
	if err == nil {
		s.conn.tellAuthKey(id, what)
	}
	return err
}

func (c *Conn) tellAuthKey(id uint16, what AuthKeyChange) {
	if t := c.config.Trace; t != nil && t.AuthKey != nil {
		t.AuthKey(c, id, what)
	}
	c.logAuthKey(id, what)
}

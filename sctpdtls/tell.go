package sctpdtls

import (
	"net"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

func (c *Config) traces() bool { return c.Trace != nil || c.Logger != nil }

// handshakeDone reports a handshake, or with a nil peer that there is nobody to do one with.
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

// tellKeys tells that DTLS has new keys for what this end sends.
func (c *Conn) tellKeys(epoch uint64) {
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

// A tracedSocket reports what happens to the keys of SCTP-AUTH.
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

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

// tellHandshake tells how the first handshake has ended.
func (o *owner) tellHandshake(err error) {
	if o.config.traces() {
		o.config.handshakeDone(o.RemoteAddr(), o.ConnectionState(), err)
	}
}

// tellAlert is called with the error that ended the connection.
func (o *owner) tellAlert(err error) {
	if !o.config.traces() {
		return
	}
	alert, ok := errtype.As[*AlertError](err)
	if !ok {
		return
	}
	if t := o.config.Trace; t != nil && t.Alert != nil {
		t.Alert(o.Conn, alert)
	}
	o.logAlert(alert)
}

// tellKeys tells that DTLS has new keys for what this end sends.
func (o *owner) tellKeys(epoch uint64) {
	if t := o.config.Trace; t != nil && t.KeysChanged != nil {
		t.KeysChanged(o.Conn, epoch)
	}
	o.logKeys(epoch)
}

// tellEnd tells that err is what reads return from now on.
func (o *owner) tellEnd(err error) {
	if o.state.Load() == nil || !o.config.traces() {
		return
	}
	if t := o.config.Trace; t != nil && t.Ended != nil {
		t.Ended(o.Conn, err)
	}
	o.logEnd(err)
}

func (o *owner) tellEvent(ev stream.Event) {
	if !o.config.traces() {
		return
	}
	if t := o.config.Trace; t != nil && t.Event != nil {
		t.Event(o.Conn, ev)
	}
	o.logEvent(ev)
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

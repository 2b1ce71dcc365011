package sctpdtls

import (
	"errors"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Client returns a DTLS client connection over an association, as [tls.Client] does over a
// connection: one of [FromSocket], or any other [stream.Association]. The first call that needs the
// handshake performs it, or [Conn.HandshakeContext] does. Config needs a ServerName or
// InsecureSkipVerify; its SCTP field is ignored.
//
// Both ends of the association must use SCTP-AUTH. Otherwise the error is an
// [AuthUnsupportedError], and nothing has been sent. After an error, the association still belongs
// to the caller. Otherwise the Conn owns and closes it, and nothing else may use it.
func Client(a stream.Association, config *Config) (*Conn, error) {
	if config == nil {
		config = new(Config)
	}
	if err := config.check(); err != nil {
		return nil, err
	}
	core, err := dtlscore.Client(config.core())
	if err != nil {
		return nil, err
	}
	return newConn(a, config, core)
}

// Server is like [Client], for a server. Config needs a certificate, a raw key or a pre-shared key.
func Server(a stream.Association, config *Config) (*Conn, error) {
	if config == nil {
		return nil, errNoConfig
	}
	if err := config.check(); err != nil {
		return nil, err
	}
	core, err := dtlscore.Server(config.core())
	if err != nil {
		return nil, err
	}
	return newConn(a, config, core)
}

var errNoConfig = errors.New("sctpdtls: a server needs a Config with a certificate")

func newConn(a stream.Association, config *Config, core *dtlscore.Conn) (*Conn, error) {
	agreement, err := a.AuthAgreement()
	if err == nil {
		err = agreement.Check()
	}
	if err != nil {
		return nil, err // no byte of DTLS without SCTP-AUTH
	}
	c := &Conn{
		assoc:   a,
		core:    core,
		config:  config,
		partial: agreement.PartialReliability,
	}
	c.mux = stream.NewMux(config.readQueue())
	c.gate = newGate()
	c.owner.Conn, c.owner.token = c, make(token, 1)
	c.owner.messages, c.owner.gateShut = stream.NewReader(a), true
	c.keys = newKeyring(c.authSocket())
	c.keys.limiter, _ = a.(stream.KeyLimiter)
	c.own.reads(c.mux.Rest(), &c.turn)
	c.alarm.set = a.SetReadDeadline
	c.turn.alarm = &c.alarm
	c.writeDeadline.set = a.SetWriteDeadline
	c.writeDeadline.take(time.Time{})
	return c, nil
}

package sctpdtls

import (
	"errors"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Client makes a DTLS client of an association that is set up already, as [tls.Client] does of a
// connection: one of [FromSocket], or any other [stream.Association]. The handshake is done by the
// first call that needs it, or by [Conn.HandshakeContext]. Config needs a ServerName, or
// InsecureSkipVerify; its SCTP does not count.
//
// Both ends of the association must have SCTP-AUTH, or the error is an [AuthUnsupportedError] and
// nothing was sent. After an error the association is still the caller's. Otherwise it belongs to
// the Conn, which closes it, and nobody else may use it.
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

// Server is [Client] for the other end. Config needs a certificate, or what stands for one.
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
		tuner:   tunerOf(a),
		core:    core,
		config:  config,
		partial: agreement.PartialReliability,
		life:    newCancelCause(),
		owner:   make(token, 1),
	}
	c.mux = stream.NewMux(config.readQueue())
	c.gate, c.space = newGate(), make(token, 1)
	c.messages, c.gateShut = stream.NewReader(a), true
	c.keys = newKeyring(c.authSocket())
	c.keys.limiter, _ = a.(stream.KeyLimiter)
	c.own.reads(c.mux.Rest())
	c.alarm.set, c.alarm.bell = a.SetReadDeadline, make(chan struct{}, 1)
	c.writeDeadline.set = a.SetWriteDeadline
	c.writeDeadline.take(time.Time{})
	return c, nil
}

// tunerOf returns a as a HandshakeTuner, or one that changes nothing.
func tunerOf(a stream.Association) stream.HandshakeTuner {
	if t, ok := a.(stream.HandshakeTuner); ok {
		return t
	}
	return untuned{}
}

type untuned struct{}

func (untuned) Handshaking(bool) error { return nil }

func (untuned) Settled() error { return nil }

func (untuned) Pause(d time.Duration) { time.Sleep(d) }

package dtlscore

import (
	"fmt"
	"sync"
)

// Secrets are overwritten as soon as they are no longer needed: those of a handshake when it is
// complete, those of a direction at its KeyUpdate, and the rest when the connection ends. The
// states of ciphers and hashes belong to the standard library; they are released at the same time.

// A forgetter overwrites its secrets. It must not be used afterwards.
type forgetter interface{ forget() }

// Forget ends the connection without an alert, because the transport is gone. It overwrites all
// secrets and drops everything that is queued. Later calls return the error that ended the
// connection, or [ErrNotOpen].
func (c *Conn) Forget() {
	if c.err == nil {
		c.err = ErrNotOpen
	}
	c.forget()
	c.written = newPlainEpoch()
	c.sent = c.written
}

// forget releases everything except the keys for the last alert.
func (c *Conn) forget() {
	c.app.Store(nil)
	if c.handshake != nil {
		c.handshake.forget()
	}
	if s, ok := c.state.(forgetter); ok {
		s.forget()
	}
	c.agreed.export.forget()
	c.handshake, c.state, c.agreed.export = nil, nil, nil
	for _, a := range c.queue {
		if a.kind == EventInstallKey {
			clear(a.data)
		}
	}
	c.queue = nil
	c.in = inbound{}
}

// An exporter derives keying material from the secret of a handshake, until the secret is
// overwritten.
type exporter struct {
	derive func(secret []byte, label string, context []byte, length int) ([]byte, error)

	mu     sync.Mutex // guards the following
	secret []byte     // nil once it is overwritten
}

func (e *exporter) export(label string, context []byte, length int) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.secret == nil {
		return nil, fmt.Errorf("dtls: keying material of a handshake whose secrets were overwritten: %w",
			ErrNotOpen)
	}
	return e.derive(e.secret, label, context, length)
}

func (e *exporter) forget() {
	if e == nil {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	clear(e.secret)
	e.secret = nil
}

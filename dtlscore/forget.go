package dtlscore

import (
	"fmt"
	"sync"
)

// Secrets are overwritten as soon as nothing needs them any more: those of a handshake when it is
// complete, those of a direction with its KeyUpdate, the rest when the connection ends. The states
// of ciphers and hashes, which are the standard library's, are released at the same time.

// A forgetter overwrites the secrets that it has. It is of no use afterwards.
type forgetter interface{ forget() }

// Forget ends the connection without a word: the transport is gone. The connection releases
// everything, secrets first; what it was about to send too. All later calls return the error it
// ended with, or [ErrNotOpen].
func (c *Conn) Forget() {
	if c.err == nil {
		c.err = ErrNotOpen
	}
	c.forget()
	c.written = newPlainEpoch()
	c.sent = c.written
}

// forget releases everything but the keys for our last alert.
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

// An exporter derives secrets from that of a handshake, until it has to forget it.
type exporter struct {
	derive func(secret []byte, label string, context []byte, length int) ([]byte, error)

	mu     sync.Mutex // guards the following
	secret []byte     // nil once it is forgotten
}

func (e *exporter) export(label string, context []byte, length int) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.secret == nil {
		return nil, fmt.Errorf("dtls: keying material of a handshake whose secrets are forgotten: %w",
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

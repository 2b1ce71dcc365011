package tunnel

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// An Association is what the tunnel makes one of: that with the daemon, in the clear, and that with
// the peer, over DTLS.
type Association struct {
	ID      uint64 // counts from 1 in each process
	Service string
	Began   time.Time

	Daemon net.Addr                 // addresses of the daemon
	Peer   net.Addr                 // addresses of the DTLS peer
	State  sctpdtls.ConnectionState // what the first handshake agreed on

	out, in counts
	conn    atomic.Pointer[sctpdtls.Conn] // the newest
	fail    func(why Reason, err error)
}

// Now returns what the last handshake agreed on, of this connection or its successor.
func (a *Association) Now() sctpdtls.ConnectionState {
	if c := a.conn.Load(); c != nil {
		return c.ConnectionState()
	}
	return a.State
}

// Revoke ends the association by ABORT at both sides, because its peer may no longer use the
// service. The reason is [NotAllowed], and why is logged.
func (a *Association) Revoke(why error) { a.fail(NotAllowed, why) }

// A Direction is one of the two of an [Association].
type Direction uint8

const (
	Out Direction = iota // from the daemon to the peer
	In                   // from the peer to the daemon
)

func (d Direction) String() string {
	if d == In {
		return "in"
	}
	return "out"
}

// Messages and bytes that the other side was given.
type counts struct{ messages, bytes atomic.Uint64 }

// Carried returns how many messages and bytes of messages were carried in a direction until now.
func (a *Association) Carried(d Direction) (messages, bytes uint64) {
	c := a.counts(d)
	return c.messages.Load(), c.bytes.Load()
}

func (a *Association) counts(d Direction) *counts {
	if d == In {
		return &a.in
	}
	return &a.out
}

// Stats returns what the library has counted of the DTLS connection: keys, paths and so on.
func (a *Association) Stats() (sctpdtls.Stats, error) { return a.conn.Load().Stats() }

// Paths returns those of the DTLS connection.
func (a *Association) Paths() ([]sctpdtls.Path, error) { return a.conn.Load().Paths() }

// An Observer is notified of what happens, for metrics. Methods are called by any goroutine at any
// time and must return soon.
type Observer interface {
	// Began and Ended are called once for each association. err is nil if the end was clean.
	Began(a *Association)
	Ended(a *Association, why Reason, err error)
	// Refused is called when no association came about.
	Refused(service string, why Reason, err error)
	// Handshake is called with the time that a successful handshake took.
	Handshake(service string, took time.Duration)
	// Carried is called with messages that the other side was given, some at a time, and their
	// bytes.
	Carried(a *Association, d Direction, messages, bytes int)
	// KeysChanged is called when an association has changed its keys, those of its connection or of
	// a successor, except for the first ones.
	KeysChanged(a *Association)
	// MissingData is called when messages of a peer were removed on the way.
	MissingData(service string)
}

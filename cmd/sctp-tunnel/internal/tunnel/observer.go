package tunnel

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// An Association is what the tunnel makes one of: the association with the daemon, and the DTLS
// connection with the peer.
type Association struct {
	ID      uint64 // numbered from 1 in each process
	Service string
	Began   time.Time

	Daemon net.Addr                 // addresses of the daemon
	Peer   net.Addr                 // addresses of the DTLS peer
	State  sctpdtls.ConnectionState // of the first handshake

	// Observed is for an Observer, who may set it in Began.
	Observed any

	out, in counts
	conn    atomic.Pointer[sctpdtls.Conn] // the newest connection
	fail    func(why Reason, err error)
}

// Now returns the state of the last handshake, of this connection or its successor.
func (a *Association) Now() sctpdtls.ConnectionState {
	if c := a.conn.Load(); c != nil {
		return c.ConnectionState()
	}
	return a.State
}

// Revoke aborts the association on both sides because its peer may no longer use the service. The
// reason is [NotAllowed]; why is logged.
func (a *Association) Revoke(why error) { a.fail(NotAllowed, why) }

// A Direction is a direction of an [Association].
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

// counts are the messages and bytes that were passed to the other side.
type counts struct{ messages, bytes atomic.Uint64 }

// Carried returns the number of messages, and of bytes in them, that were forwarded in a direction.
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

// Stats returns the statistics of the DTLS connection.
func (a *Association) Stats() (sctpdtls.Stats, error) { return a.conn.Load().Stats() }

// Paths returns the paths of the DTLS connection.
func (a *Association) Paths() ([]sctpdtls.Path, error) { return a.conn.Load().Paths() }

// An Observer is notified of events, for metrics. Its methods may be called concurrently and must
// return soon.
type Observer interface {
	// Began and Ended are called once for each association. err is nil if the end was clean.
	Began(a *Association)
	Ended(a *Association, why Reason, err error)
	// Refused is called when no association was set up.
	Refused(service string, why Reason, err error)
	// Handshake is called with the duration of a successful handshake.
	Handshake(service string, took time.Duration)
	// Carried is called with the number of messages, and of bytes in them, that were passed to the
	// other side since the last call.
	Carried(a *Association, d Direction, messages, bytes int)
	// KeysChanged is called when an association has changed its keys, those of its connection or of
	// a successor, except for the first ones.
	KeysChanged(a *Association)
	// MissingData is called when messages of a peer were removed on the way.
	MissingData(service string)
}

package tunnel

import (
	"net"
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// An Association is what the tunnel makes one of: that with the daemon, in clear, and that with the
// peer, over DTLS.
type Association struct {
	ID      uint64 // counts from 1 in each process
	Service string
	Began   time.Time

	Daemon net.Addr                 // addresses of the daemon
	Peer   net.Addr                 // addresses of the DTLS peer
	State  sctpdtls.ConnectionState // what the first handshake agreed on

	out, in counts
	conn    atomic.Pointer[sctpdtls.Conn]
}

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
	c := &a.out
	if d == In {
		c = &a.in
	}
	return c.messages.Load(), c.bytes.Load()
}

// Stats returns what the library has counted of the DTLS connection: keys, paths and so on.
func (a *Association) Stats() (sctpdtls.Stats, error) { return a.conn.Load().Stats() }

// Paths returns those of the DTLS connection.
func (a *Association) Paths() ([]sctpdtls.Path, error) { return a.conn.Load().Paths() }

// A Reason says in one word why an association ended, or none came about: a value for a label of a
// metric.
type Reason string

// Reasons. The first three are clean.
const (
	DaemonShutdown Reason = "daemon-shutdown" // the daemon has shut its association down
	PeerClose      Reason = "peer-close"      // the peer has sent close_notify
	Stopped        Reason = "stopped"         // the tunnel was told to stop

	DaemonAbort   Reason = "daemon-abort"   // an ABORT of the daemon
	DaemonLost    Reason = "daemon-lost"    // the daemon's SCTP does not answer
	DaemonRestart Reason = "daemon-restart" // the daemon has restarted its association
	PeerAbort     Reason = "peer-abort"     // an ABORT of the peer
	PeerLost      Reason = "peer-lost"      // the peer's SCTP does not answer
	PeerRestart   Reason = "peer-restart"   // the peer has restarted its association
	PeerTruncated Reason = "peer-truncated" // the peer has ended without close_notify
	Alert         Reason = "alert"          // a fatal alert, of the peer or of this end
	Missing       Reason = "missing-data"   // messages of the peer were removed on the way
	TooLarge      Reason = "too-large"      // a message larger than the connection carries
	NoStream      Reason = "no-stream"      // a message for a stream that the other side lacks
	DrainTimeout  Reason = "drain-timeout"  // told to stop, and not all was delivered in time
	Internal      Reason = "internal"       // anything else: see the log

	// Refusals.
	Unreachable Reason = "unreachable"      // the target cannot be reached
	NotAllowed  Reason = "not-allowed"      // the peer is not one of those allowed
	Handshake   Reason = "handshake-failed" // the handshake has failed
	Full        Reason = "full"             // there are as many associations as Limits allow
)

// An Observer is told what happens, for metrics. Methods are called by any goroutine at any time
// and must return soon.
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
	// KeysChanged is called when a connection has new keys, after the first.
	KeysChanged(a *Association)
	// MissingData is called when messages of a peer were removed on the way.
	MissingData(service string)
}

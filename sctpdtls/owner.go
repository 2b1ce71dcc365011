package sctpdtls

import (
	"sync/atomic"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// An owner is the part of a Conn that only one goroutine at a time may use, the one that holds
// token: the caller of the first handshake, then run, then the caller of Close or Abort. It alone
// reads from the association, passes records to the core, does what the core wants, fills the
// queues of readers, and ends the connection. Other goroutines add a request, or change what the
// owner looks at, and ring the alarm. The one exception are readers to whom run lends its turn to
// read: see readFor.
type owner struct {
	*Conn
	token
	messages *stream.Reader
	found    finding // by a reader who had the turn
	alone    int     // messages, one after the other, each of which had to wake a reader who waited alone
	clock    clock
	driver
	ending
	logLimit logLimit // of events
}

// A finding is what a reader has read from the association and left to the owner.
type finding struct {
	event stream.Event
	err   error
}

// A clock runs while the turn is lent, to take it back when no message has come for a while.
type clock struct {
	runs atomic.Bool
	stop func() // called when the time is over; nil if it never ran
}

// A driver is where the owner of a connection is in what the core wants, so that it can be
// interrupted and go on.
type driver struct {
	current  dtlscore.Event // what the core wants next, and is not done yet
	flight   [][]byte       // records to be sent before current, at most stream.MaxBatch
	drained  int            // bytes read by a readPending that is not at its end
	dryAsked bool           // current is EventAwaitDry, and a dry event will come
	gateShut bool           // the gate is shut, the write deadline is the owner's
	reopen   bool           // the gate is shut for a control record only
	switched bool           // something was sent under a key made by a handshake

	check checkpoint // the last one, if it is not passed
	epoch uint64     // of the keys of DTLS for what this end sends
	pace  pace
}

// ending is how a connection ends.
type ending struct {
	ended      error  // what readers get when no message is left
	peerClosed bool   // the peer's close_notify has come
	peerShut   bool   // SHUTDOWN of the peer has come
	closed     bool   // by Close or Abort
	dead       bool   // nothing can be sent or received any more
	cause      uint16 // of the ABORT that ended it
	closeErr   error  // if closed: what Close returns
	failure    error  // if dead: why
	down       error  // what the end of the association means, nil while it exists
}

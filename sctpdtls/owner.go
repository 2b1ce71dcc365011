package sctpdtls

import (
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/loglimit"
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
	driver
	lending
	ending
	logLimit loglimit.Limit // of events
}

// lending is what the owner knows of the turn that it lends.
type lending struct {
	alone   uint8       // messages in a row, each of which had to wake a lone reader; to lendAfter
	single  uint8       // messages that a reader of many takes before it looks behind one
	ticking atomic.Bool // tick will be called
	tick    func()      // ends lendTime; nil if the turn was never lent
	found   finding     // by the reader who had it
}

// A finding is what a reader has read from the association and left to the owner.
type finding struct {
	event stream.Event
	err   error
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
	peerClosed bool   // the peer's close_notify has come
	peerShut   bool   // SHUTDOWN of the peer has come
	closed     bool   // by Close or Abort
	dead       bool   // nothing can be sent or received any more
	cause      uint16 // of the ABORT that ended it
	result     error  // if closed: what Close returns; else, if dead: why
	down       error  // what the end of the association means, nil while it exists
}

// lendAfter is how many messages in a row have to wake a lone reader before the owner lends its
// turn. It makes up for a turn that is recalled soon.
const lendAfter = 16

// countAlone is called before a message is put into a queue.
func (o *owner) countAlone() {
	switch n := o.turn.waiting.Load(); {
	case n == 1:
		o.alone = min(o.alone+1, lendAfter)
	case n > 1:
		o.alone = 0
	}
}

// ended returns what readers get when no message is left; nil if more may come.
func (o *owner) ended() error {
	if end := o.readEnd.Load(); end != nil {
		return *end
	}
	return nil
}

// tuner returns the association as a HandshakeTuner, or one that changes nothing.
func (o *owner) tuner() stream.HandshakeTuner {
	if t, ok := o.assoc.(stream.HandshakeTuner); ok {
		return t
	}
	return untuned{}
}

type untuned struct{}

func (untuned) Handshaking(bool) error { return nil }

func (untuned) Settled() error { return nil }

func (untuned) Pause(d time.Duration) { time.Sleep(d) }

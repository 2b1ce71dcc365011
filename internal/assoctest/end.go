package assoctest

import (
	"io"
	"net"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// endNow makes err what is read here when all that was received has been: the association does not
// exist at this end any more. It is called with mu held.
func (a *Assoc) endNow(err error, event stream.Event) {
	a.gone, a.inFlight = true, nil
	if a.ended == nil {
		if event != nil {
			a.queue = append(a.queue, item{event: event})
		}
		a.ended, a.sendErr = err, syscall.EPIPE
	}
	a.cond.Broadcast()
}

// Shutdown implements stream.Association: what was sent is delivered first.
func (a *Assoc) Shutdown() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.shutDown()
	return nil
}

func (a *Assoc) shutDown() {
	if a.gone {
		return
	}
	if a.sendErr == nil {
		a.sendErr = syscall.EPIPE
	}
	if !a.shutdown {
		a.shutdown = true
		a.after(a.options.GiveUp, a.abort) // T5-shutdown-guard: RFC 9260, Section 9.2
	}
	a.finishShutdown()
	a.cond.Broadcast()
}

// finishShutdown exchanges the SHUTDOWN chunks: when everything that this end sent is acknowledged
// the peer may send nothing new, and when that is true of the peer as well the association is over.
func (a *Assoc) finishShutdown() {
	if !a.shutdown || a.gone || a.cut || len(a.inFlight) > 0 {
		return
	}
	if a.peer.gone { // and answers with SHUTDOWN COMPLETE: RFC 9260, Section 8.4
		a.endNow(io.EOF, stream.AssocChange{State: stream.AssocShutdown})
		return
	}
	if !a.told {
		a.told = true
		a.soon(func() {
			if a.cut {
				a.told = false
				return
			}
			a.peer.shutDownByPeer()
			a.finishShutdown()
		})
		return
	}
	if a.peer.sendErr != nil && len(a.peer.inFlight) == 0 {
		a.endNow(io.EOF, stream.AssocChange{State: stream.AssocShutdown})
		a.peer.endNow(io.EOF, nil)
	}
}

// shutDownByPeer is called when the peer's SHUTDOWN comes.
func (a *Assoc) shutDownByPeer() {
	if a.gone || a.sendErr != nil {
		return
	}
	a.sendErr = syscall.EPIPE
	a.queue = append(a.queue, item{event: stream.PeerShutdown{}})
	a.cond.Broadcast()
}

// Lose lets both ends learn that the other does not answer any more.
func (a *Assoc) Lose() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lose()
}

func (a *Assoc) lose() {
	for _, e := range []*Assoc{a, a.peer} {
		if !e.gone {
			e.endNow(syscall.ETIMEDOUT, stream.AssocChange{State: stream.AssocLost})
		}
	}
}

// Abort implements stream.Association.
func (a *Assoc) Abort() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.aborted = true
		a.abort()
		a.release()
	}
	return nil
}

// abort tells the peer, who has first what is about to arrive.
func (a *Assoc) abort() {
	if a.gone {
		return
	}
	a.gone, a.inFlight = true, nil
	if !a.cut && !a.peer.gone {
		a.peer.endNow(ErrAborted, stream.AssocChange{State: stream.AssocAborted, Cause: 12})
	}
}

// Close implements stream.Association. As in Linux, it shuts the association down in the
// background, or aborts it if something received is unread. It is what happens, too, to the
// association of a process that is killed.
func (a *Assoc) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	if a.unread > 0 {
		a.abort()
	} else {
		a.shutDown()
	}
	a.release()
	return nil
}

func (a *Assoc) release() {
	a.queue, a.unread, a.closed = nil, 0, true
	a.ended, a.sendErr = net.ErrClosed, net.ErrClosed
	a.arrived()
	a.cond.Broadcast()
}

// arrived lets the peer go on, to whom the window is open now.
func (a *Assoc) arrived() {
	if len(a.peer.inFlight) > 0 {
		a.soon(a.peer.arrive)
	}
}

// Restart begins the association anew from this end's address and port, as a host does that has
// lost its state (RFC 9260, Section 5.2), and returns the new association's end there; a is of no
// use any more. The peer is told, and what it has not sent yet is thrown away.
func (a *Assoc) Restart() *Assoc {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.gone, a.inFlight, a.closed = true, nil, true
	a.ended, a.sendErr = net.ErrClosed, net.ErrClosed
	r := newAssoc(a.network, a.options, a.name)
	r.peer, a.peer.peer = a.peer, r
	r.peer.inFlight, r.peer.buffered = nil, 0
	r.peer.queue = append(r.peer.queue, item{event: stream.AssocChange{State: stream.AssocRestarted}})
	a.cond.Broadcast()
	return r
}

package sctpudp

import (
	"errors"
	"io"
	"math"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// An Assoc is an association. It implements stream.Association and authchunk.Socket.
type Assoc struct {
	socket *Socket

	mu      sync.Mutex // guards the following
	readers sync.Cond  // wait for messages and events, and for the association to come up,
	writers sync.Cond  // and these for space
	core    *sctpcore.Assoc
	mtu     int            // the most that its packets have
	state   sctpcore.State // as the endpoint knows it

	timer *time.Timer
	armed time.Duration // when timer fires; never if it does not

	read, write deadline
	reported    error // what Recv has returned at the end, and goes on returning
	closed      bool  // by the user
	cutOff      bool  // the socket was closed under it
	released    bool  // the socket does not know it any more
	up          bool  // it has been established

	brisk             bool          // from Handshaking(true) until Settled
	rtoMin, sackDelay time.Duration // outside of handshakes
}

const never = time.Duration(math.MaxInt64)

func newAssoc(s *Socket, core *sctpcore.Assoc) *Assoc {
	a := &Assoc{socket: s, core: core, mtu: core.Config().MaxMTU, state: core.State(), armed: never}
	if a.up = a.state >= sctpcore.StateEstablished; a.up {
		a.limitMTU()
	}
	a.readers.L, a.writers.L = &a.mu, &a.mu
	return a
}

func (a *Assoc) wake() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.wakeAll()
}

// wakeAll is called with mu held.
func (a *Assoc) wakeAll() {
	a.readers.Broadcast()
	a.writers.Broadcast()
}

// after is called after each call of the state machine that can change something. It sends packets,
// sets the timer, and wakes those who wait. It is called with mu held.
func (a *Assoc) after() {
	s, o := a.socket, outgoings.Get().(*outgoing)
	if a.closed {
		a.discard(o.buf[:])
	}
	now := s.now()
	for {
		p, ok := a.core.NextPacket(now, o.next(a.mtu))
		if !ok {
			break
		}
		o.add(s, p)
	}
	o.done()
	if state := a.core.State(); state != a.state {
		if a.state = state; !a.up && state >= sctpcore.StateEstablished {
			a.up = true
			a.limitMTU()
		}
		a.bind()
		a.wakeAll()
	}
	a.arm()
	if a.core.Readable() || a.core.HasEvent() {
		a.readers.Broadcast()
	}
	// Writers who have filled the buffer are woken when they can write for a while.
	if a.core.Buffered() <= a.core.Config().SendBuffer*3/4 || a.core.Restarted() {
		a.writers.Broadcast()
	}
}

// discard removes messages that nobody will read, so that the peer can send the rest and the
// association can end gracefully. It is called with mu held.
func (a *Assoc) discard(buf []byte) {
	for more := true; more; {
		_, event := a.core.NextEvent()
		_, _, _, message := a.core.Read(buf)
		more = event || message
	}
}

// bind tells the socket under which addresses and tags to find the association, or that the
// association is over. It is called with mu held.
func (a *Assoc) bind() {
	s := a.socket
	s.mu.Lock()
	defer s.mu.Unlock()
	if a.released {
		return
	}
	if a.core.State() != sctpcore.StateClosed {
		s.endpoint.Bind(a.core)
		return
	}
	a.released = true
	port, _ := a.core.Ports()
	s.endpoint.Forget(a.core)
	delete(s.assocs, a.core)
	if s.lingers && a.answers() {
		time.AfterFunc(linger, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.drop(port)
		})
		return
	}
	s.drop(port)
}

// answers reports whether the peer may not have got the last packet. It is called with mu held.
func (a *Assoc) answers() bool {
	var abort *sctpcore.AbortError
	return a.up && !(errors.As(a.core.Err(), &abort) && !abort.Local)
}

// arm sets the timer, if it would fire too late. A timer that fires too early sets itself again,
// which is cheaper than setting it for each packet. It is called with mu held.
func (a *Assoc) arm() {
	next := a.core.NextTimeout()
	switch {
	case a.released && a.timer != nil:
		a.timer.Stop()
	case next >= a.armed || a.released:
	case a.timer == nil:
		a.armed = next
		a.timer = time.AfterFunc(next-a.socket.now(), a.timeout)
	default:
		a.armed = next
		a.timer.Reset(next - a.socket.now())
	}
}

func (a *Assoc) timeout() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.armed = never
	if now := a.socket.now(); a.core.NextTimeout() <= now {
		a.core.Timeout(now)
		a.after()
		return
	}
	a.arm()
}

// Recv implements stream.Association.
func (a *Assoc) Recv(buf stream.Buffer, wait bool) (stream.Part, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		switch {
		case a.reported != nil:
			return stream.Part{}, a.reported
		case a.closed:
			return stream.Part{}, net.ErrClosed
		case wait && a.read.passed:
			return stream.Part{}, os.ErrDeadlineExceeded
		}
		for e, ok := a.core.NextEvent(); ok; e, ok = a.core.NextEvent() {
			if event := a.event(e); event != nil {
				return stream.Part{Event: event}, nil
			}
		}
		if a.core.Readable() {
			b := buf.Get()
			if len(b) == 0 {
				return stream.Part{}, io.ErrShortBuffer
			}
			n, info, end, _ := a.core.Read(b)
			part := stream.Part{N: n, TSN: a.core.ReadTSN(), End: end,
				Info: stream.Info{Stream: info.Stream, PPID: info.PPID, Unordered: info.Unordered}}
			if a.core.Ready() {
				a.after()
			}
			return part, nil
		}
		if err := a.core.Err(); err != nil {
			a.reported = ended(err)
			continue
		}
		if !wait {
			return stream.Part{}, stream.ErrWouldBlock
		}
		a.readers.Wait()
	}
}

// event converts e to an event of package stream, or nil if it is for this package only.
func (a *Assoc) event(e sctpcore.Event) stream.Event {
	switch e.Kind {
	case sctpcore.EventUp, sctpcore.EventFreeKey, sctpcore.EventNoAuth: // see AuthAgreement
		return nil
	case sctpcore.EventDown:
		var abort *sctpcore.AbortError
		switch {
		case e.Err == sctpcore.ErrClosed:
			return stream.AssocChange{State: stream.AssocShutdown}
		case errors.As(e.Err, &abort) && !abort.Local:
			return stream.AssocChange{State: stream.AssocAborted, Cause: uint16(abort.Cause)}
		}
		return stream.AssocChange{State: stream.AssocLost}
	case sctpcore.EventRestart: // nothing of the new association can be read
		a.reported = ErrRestarted
		a.bind()
		return stream.AssocChange{State: stream.AssocRestarted}
	case sctpcore.EventPeerShutdown:
		return stream.PeerShutdown{}
	case sctpcore.EventDry:
		return stream.Dry{}
	case sctpcore.EventNewKey:
		return stream.NewKey{ID: e.Key}
	case sctpcore.EventPartialAborted:
		return stream.PartialDeliveryAborted{}
	case sctpcore.EventPath:
		a.bind()
		return stream.PeerAddrChange{Addr: e.Path.Addr(), Change: addrChange(e.PathState)}
	case sctpcore.EventRemoteError:
		return stream.ErrorReceived{Cause: uint16(e.Cause)}
	case sctpcore.EventAbandoned:
		return stream.SendFailed{Stream: e.Stream, PPID: e.PPID}
	}
	return nil
}

// addrChange returns the event for a new state of a path.
func addrChange(s sctpcore.PathState) stream.AddrChange {
	switch s {
	case sctpcore.PathActive:
		return stream.AddrAvailable
	case sctpcore.PathPotentiallyFailed:
		return stream.AddrPotentiallyFailed
	case sctpcore.PathUnconfirmed:
		return stream.AddrAdded
	}
	return stream.AddrUnreachable
}

// Send implements stream.Association.
func (a *Assoc) Send(b []byte, info stream.Info) error { return a.send(b, info, true) }

// TrySend implements stream.Association.
func (a *Assoc) TrySend(b []byte, info stream.Info) error { return a.send(b, info, false) }

func (a *Assoc) send(b []byte, info stream.Info, wait bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		if err := a.trySend(b, info, wait); !wait || err != sctpcore.ErrBufferFull {
			if err == sctpcore.ErrBufferFull {
				return stream.ErrWouldBlock
			}
			if err == nil && a.core.Ready() {
				a.after()
			}
			return err
		}
		a.writers.Wait()
	}
}

// trySend passes a message to the state machine, or returns ErrBufferFull. It is called with mu
// held.
func (a *Assoc) trySend(b []byte, info stream.Info, wait bool) error {
	switch {
	case a.closed:
		return net.ErrClosed
	case a.core.Restarted():
		return ErrRestarted
	case a.core.Err() != nil:
		return over(a.core.Err(), syscall.EPIPE)
	case wait && a.write.passed:
		return os.ErrDeadlineExceeded
	}
	err := a.core.Send(a.socket.now(), b, sctpcore.Info{
		Stream: info.Stream, PPID: info.PPID, Unordered: info.Unordered,
		SackImmediately: info.SackImmediately, Lifetime: info.Lifetime,
		Retransmissions: info.Retransmissions,
	})
	if err == nil || err == sctpcore.ErrBufferFull {
		return err
	}
	return newError(err)
}

// TrySendAll implements stream.BatchSender. It sends as many messages as there is space for, and
// sets the timer once for all of them.
func (a *Assoc) TrySendAll(messages [][]byte, infos []stream.Info) (n int, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for n < len(messages) && err == nil {
		if err = a.trySend(messages[n], infos[n], false); err == nil {
			n++
		}
	}
	if n > 0 {
		a.after()
	}
	if err == sctpcore.ErrBufferFull {
		err = stream.ErrWouldBlock
	}
	return n, err
}

// AskDry implements stream.Association.
func (a *Assoc) AskDry() error {
	return a.do(func() error {
		a.core.AskDry()
		return nil
	})
}

// Missing implements stream.Association.
func (a *Assoc) Missing() (missing int, highest uint32, err error) {
	err = a.do(func() error {
		missing, highest = a.core.Missing(), a.core.HighestTSN()
		return nil
	})
	return missing, highest, err
}

// do calls f and then after, unless the association is over.
func (a *Assoc) do(f func() error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case a.closed:
		return net.ErrClosed
	case a.core.Restarted():
		return ErrRestarted
	case a.core.Err() != nil:
		return over(a.core.Err(), syscall.ENOTCONN)
	}
	err := f()
	a.after()
	if err != nil {
		return newError(err)
	}
	return nil
}

// Shutdown implements stream.Association.
func (a *Assoc) Shutdown() error {
	return a.do(func() error {
		a.core.Shutdown(a.socket.now())
		return nil
	})
}

// Abort implements stream.Association.
func (a *Assoc) Abort() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed {
		a.abort()
		a.close()
	}
	return nil
}

func (a *Assoc) abort() {
	a.core.Abort("")
	a.after()
}

// Close implements stream.Association. As the kernel does, it shuts the association down in the
// background, or aborts it if something that has arrived was not read.
func (a *Assoc) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	if a.core.Unread() > 0 {
		a.abort()
	} else {
		a.core.Shutdown(a.socket.now())
		a.after()
	}
	a.close()
	return nil
}

func (a *Assoc) close() {
	a.closed = true
	a.read.stop()
	a.write.stop()
	a.wakeAll()
}

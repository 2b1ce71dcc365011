// Package assoctest is an SCTP association in memory, for tests with a false
// clock: message boundaries, streams, parts, dry events and SCTP-AUTH keys
// behave as the Linux kernel's do.
package assoctest

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Options describe an association.
type Options struct {
	Streams  uint16        // in each direction; 0 is 10
	Delay    time.Duration // from one end to the other
	PartSize int           // messages longer than this arrive in parts; 0: never
	Window   int           // bytes that one end holds unread before the other's Send waits; 0 is 1 MiB
}

// retransmit is the time after which a message that the receiver dropped for
// lack of its key comes again: the minimum of T3-rtx on Linux.
const retransmit = time.Second

// ErrAborted is what is read at the other end of an aborted association.
const ErrAborted = syscall.ECONNRESET

var errNoKey = errors.New("assoctest: no such key, or it is active")

// An Assoc is one end of an association. It implements stream.Association and authchunk.Socket.
type Assoc struct {
	*both
	peer    *Assoc
	options Options
	name    string

	// All below is guarded by both.mu.
	queue    []item   // received, not yet read
	unread   int      // bytes in queue
	inFlight []packet // sent and not acknowledged, in order
	askDry   bool
	ended    error // what Recv returns when queue is empty; nil while up
	sendErr  error
	keys     map[uint16][]byte
	active   uint16
	read     deadline
	write    deadline
	sent     []Sent
	dropped  int
	closed   bool
	aborted  bool
}

type both struct {
	mu   sync.Mutex // guards both ends
	cond *sync.Cond // told of any change
}

// Sent is one message as it was sent, and the key that authenticated it.
type Sent struct {
	Data []byte
	Info stream.Info
	Key  uint16
}

// item is what waits to be read: the rest of a message, or an event.
type item struct {
	data  []byte
	info  stream.Info
	event stream.Event
	size  int
}

// packet is a message on its way, under the key that it was sent with.
type packet struct {
	item
	key    uint16
	secret []byte
	due    time.Time // when it arrives, or comes again
}

// Pair returns both ends of a new association.
func Pair(o Options) (a, b *Assoc) {
	if o.Streams == 0 {
		o.Streams = 10
	}
	if o.Window == 0 {
		o.Window = 1 << 20
	}
	s := new(both)
	s.cond = sync.NewCond(&s.mu)
	a = &Assoc{both: s, options: o, name: "a", keys: map[uint16][]byte{0: nil}}
	b = &Assoc{both: s, options: o, name: "b", keys: map[uint16][]byte{0: nil}}
	a.peer, b.peer = b, a
	return a, b
}

// Recv implements stream.Association.
func (a *Assoc) Recv(b []byte, wait bool) (stream.Part, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(a.queue) == 0 || wait && a.read.passed {
		switch {
		case a.closed:
			return stream.Part{}, net.ErrClosed
		case wait && a.read.passed:
			return stream.Part{}, os.ErrDeadlineExceeded
		case a.ended != nil:
			return stream.Part{}, a.ended
		case !wait:
			return stream.Part{}, stream.ErrWouldBlock
		}
		a.cond.Wait()
	}
	it := &a.queue[0]
	if it.event != nil {
		a.queue = a.queue[1:]
		return stream.Part{Event: it.event}, nil
	}
	n := len(it.data)
	if a.options.PartSize > 0 {
		n = min(n, a.options.PartSize)
	}
	n = copy(b, it.data[:n])
	it.data = it.data[n:]
	part := stream.Part{N: n, Info: it.info, End: len(it.data) == 0}
	if part.End {
		a.unread -= it.size
		a.queue = a.queue[1:]
		a.cond.Broadcast()
	}
	return part, nil
}

// Send implements stream.Association.
func (a *Assoc) Send(b []byte, info stream.Info) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(b) == 0 || info.Stream >= a.options.Streams {
		return syscall.EINVAL
	}
	for {
		if a.sendErr != nil {
			return a.sendErr
		}
		if a.write.passed {
			return os.ErrDeadlineExceeded
		}
		if a.peer.unread == 0 || a.peer.unread+len(b) <= a.options.Window {
			break
		}
		a.cond.Wait()
	}
	data := bytes.Clone(b)
	a.sent = append(a.sent, Sent{data, info, a.active})
	a.peer.unread += len(b)
	info.SackImmediately = false
	a.inFlight = append(a.inFlight, packet{
		item:   item{data: data, info: info, size: len(b)},
		key:    a.active, // bound here, as in the kernel
		secret: a.keys[a.active],
		due:    time.Now().Add(a.options.Delay),
	})
	if a.options.Delay == 0 {
		a.arrive()
	} else {
		a.after(a.options.Delay, a.arrive)
	}
	return nil
}

// after runs f with mu held when d has passed.
func (a *Assoc) after(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		f()
	})
}

// arrive lets the peer have what is due, in the order of each stream, and acknowledge it. What
// comes under a key that the peer does not have is dropped, and comes again.
func (a *Assoc) arrive() {
	if a.peer.ended != nil {
		return
	}
	now := time.Now()
	late := map[uint16]bool{} // streams on which something is missing
	var left []packet
	for _, p := range a.inFlight {
		have, ok := a.peer.keys[p.key]
		switch {
		case p.due.After(now), late[p.info.Stream] && !p.info.Unordered:
		case !ok || !bytes.Equal(have, p.secret):
			a.peer.dropped++
			p.due = now.Add(retransmit)
			a.after(retransmit, a.arrive)
		default:
			a.peer.queue = append(a.peer.queue, p.item)
			continue
		}
		late[p.info.Stream] = true
		left = append(left, p)
	}
	a.inFlight = left
	a.dry()
	a.cond.Broadcast()
}

func (a *Assoc) dry() {
	if a.askDry && len(a.inFlight) == 0 {
		a.askDry = false
		a.queue = append(a.queue, item{event: stream.Dry{}})
		a.cond.Broadcast()
	}
}

// AskDry implements stream.Association.
func (a *Assoc) AskDry() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.askDry = true
	a.dry()
	return nil
}

// Inject lets this end receive ev.
func (a *Assoc) Inject(ev stream.Event) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue = append(a.queue, item{event: ev})
	a.cond.Broadcast()
}

// Streams implements stream.Association.
func (a *Assoc) Streams() (out, in uint16) { return a.options.Streams, a.options.Streams }

// end makes err what is read here when all that was received has been, with mu held.
func (a *Assoc) end(err error, event stream.Event) {
	if a.ended != nil {
		return
	}
	if event != nil {
		a.queue = append(a.queue, item{event: event})
	}
	a.ended, a.sendErr = err, syscall.EPIPE
	a.cond.Broadcast()
}

// Shutdown implements stream.Association: what was sent is delivered first.
func (a *Assoc) Shutdown() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.sendErr = syscall.EPIPE
	a.finishShutdown()
	return nil
}

func (a *Assoc) finishShutdown() {
	if len(a.inFlight) > 0 && a.ended == nil {
		a.after(time.Millisecond, a.finishShutdown)
		return
	}
	a.peer.end(io.EOF, stream.PeerShutdown{})
	a.end(io.EOF, stream.Down{Clean: true})
}

// Abort implements stream.Association.
func (a *Assoc) Abort() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.aborted = true
	a.peer.end(ErrAborted, stream.Down{Cause: 12, Err: ErrAborted})
	a.release()
	return nil
}

// Close implements stream.Association.
func (a *Assoc) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.unread > 0 {
		a.peer.end(ErrAborted, stream.Down{Cause: 12, Err: ErrAborted}) // as Linux does
	} else {
		a.peer.end(io.EOF, stream.PeerShutdown{})
	}
	a.release()
	return nil
}

func (a *Assoc) release() {
	a.queue, a.closed = nil, true
	a.end(net.ErrClosed, nil)
}

// SetAuthKey implements authchunk.Socket.
func (a *Assoc) SetAuthKey(id uint16, secret []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.keys[id] = bytes.Clone(secret)
	return nil
}

// SetActiveAuthKey implements authchunk.Socket.
func (a *Assoc) SetActiveAuthKey(id uint16) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.keys[id]; !ok {
		return errNoKey
	}
	a.active = id
	return nil
}

// DeleteAuthKey implements authchunk.Socket.
func (a *Assoc) DeleteAuthKey(id uint16) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.keys[id]; !ok || id == a.active {
		return errNoKey
	}
	delete(a.keys, id)
	return nil
}

type addr string

func (addr) Network() string  { return "sctp" }
func (a addr) String() string { return string(a) }

// LocalAddr implements stream.Association.
func (a *Assoc) LocalAddr() net.Addr { return addr(a.name) }

// RemoteAddr implements stream.Association.
func (a *Assoc) RemoteAddr() net.Addr { return addr(a.peer.name) }

// Sent returns what this end has sent.
func (a *Assoc) Sent() []Sent {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.sent)
}

// Dropped returns how many messages came here under a key that was not known.
func (a *Assoc) Dropped() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.dropped
}

// State returns the numbers of the keys known here in rising order, the active one, and
// whether this end was closed, and aborted.
func (a *Assoc) State() (keys []uint16, active uint16, closed, aborted bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.keys {
		keys = append(keys, id)
	}
	slices.Sort(keys)
	return keys, a.active, a.closed, a.aborted
}

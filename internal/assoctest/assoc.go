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
	Window   int           // bytes that one end receives and holds unread; 0 is 104 KiB, as in Linux
	Buffer   int           // bytes sent and not acknowledged after which Send waits; 0 is 208 KiB, as in Linux
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
	shutdown bool // SHUTDOWN follows when nothing is in flight any more
	closed   bool
	aborted  bool
}

type both struct {
	mu   sync.Mutex // guards both ends
	cond *sync.Cond // told of any change
	over bool       // the association does not exist any more
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
	more  bool // it is a part of a message whose end has not been received
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
		o.Window = 104 << 10
	}
	if o.Buffer == 0 {
		o.Buffer = 208 << 10
	}
	s := new(both)
	s.cond = sync.NewCond(&s.mu)
	a = &Assoc{both: s, options: o, name: "a", keys: map[uint16][]byte{0: nil}}
	b = &Assoc{both: s, options: o, name: "b", keys: map[uint16][]byte{0: nil}}
	a.peer, b.peer = b, a
	return a, b
}

// Recv implements stream.Association.
func (a *Assoc) Recv(buf stream.Buffer, wait bool) (stream.Part, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := buf.Get()
	for len(a.queue) == 0 || wait && a.read.passed {
		buf.Put()
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
		b = buf.Get()
	}
	if len(b) == 0 {
		return stream.Part{}, io.ErrShortBuffer
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
	part := stream.Part{N: n, Info: it.info, End: len(it.data) == 0 && !it.more}
	if len(it.data) == 0 {
		a.unread -= it.size
		a.queue = a.queue[1:]
		if len(a.peer.inFlight) > 0 {
			a.soon(a.peer.arrive) // the window is open again
		}
	}
	return part, nil
}

// Send implements stream.Association.
func (a *Assoc) Send(b []byte, info stream.Info) error { return a.send(b, info, true) }

// TrySend implements stream.Association.
func (a *Assoc) TrySend(b []byte, info stream.Info) error { return a.send(b, info, false) }

func (a *Assoc) send(b []byte, info stream.Info, wait bool) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(b) == 0 || info.Stream >= a.options.Streams {
		return syscall.EINVAL
	}
	for {
		if a.sendErr != nil {
			return a.sendErr
		}
		if wait && a.write.passed {
			return os.ErrDeadlineExceeded
		}
		if a.buffered() < a.options.Buffer {
			break // any space is enough for any message
		}
		if !wait {
			return stream.ErrWouldBlock
		}
		a.cond.Wait()
	}
	data := bytes.Clone(b)
	a.sent = append(a.sent, Sent{data, info, a.active})
	info.SackImmediately = false
	a.inFlight = append(a.inFlight, packet{
		item:   item{data: data, info: info, size: len(b)},
		key:    a.active, // bound here, as in the kernel
		secret: a.keys[a.active],
		due:    time.Now().Add(a.options.Delay),
	})
	a.soon(a.arrive)
	return nil
}

// buffered is how much the send buffer holds.
func (a *Assoc) buffered() (n int) {
	for _, p := range a.inFlight {
		n += p.size
	}
	return n
}

// soon runs f when it has crossed the network.
func (a *Assoc) soon(f func()) {
	if a.options.Delay == 0 {
		f()
	} else {
		a.after(a.options.Delay, f)
	}
}

// after runs f with mu held when d has passed.
func (a *Assoc) after(d time.Duration, f func()) {
	time.AfterFunc(d, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		f()
	})
}

// arrive lets the peer have what is due and finds room, in the order of each stream, and acknowledge
// it. What comes under a key that the peer does not have is dropped, and comes again.
func (a *Assoc) arrive() {
	if a.over {
		return
	}
	now := time.Now()
	late := map[uint16]bool{} // streams on which something is missing
	full := false
	var left []packet
	for _, p := range a.inFlight {
		have, ok := a.peer.keys[p.key]
		full = full || a.peer.unread > 0 && a.peer.unread+p.size > a.options.Window
		switch {
		case full, p.due.After(now), late[p.info.Stream] && !p.info.Unordered:
		case !ok || !bytes.Equal(have, p.secret):
			a.peer.dropped++
			p.due = now.Add(retransmit)
			a.after(retransmit, a.arrive)
		case a.peer.closed:
			continue // acknowledged and thrown away
		default:
			a.peer.queue = append(a.peer.queue, p.item)
			a.peer.unread += p.size
			continue
		}
		late[p.info.Stream] = true
		left = append(left, p)
	}
	a.inFlight = left
	a.dry()
	a.finishShutdown()
	a.peer.finishShutdown()
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

// InjectPart lets this end receive a part of a message, or its end. There must be nothing but
// the other parts until then.
func (a *Assoc) InjectPart(data []byte, info stream.Info, end bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.queue = append(a.queue, item{data: bytes.Clone(data), info: info, size: len(data), more: !end})
	a.unread += len(data)
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
	a.shutDown()
	return nil
}

func (a *Assoc) shutDown() {
	a.sendErr = syscall.EPIPE
	a.shutdown = true
	a.finishShutdown()
	a.cond.Broadcast()
}

// finishShutdown exchanges the SHUTDOWN chunks: when everything that this end sent is acknowledged
// the peer may send nothing new, and when that is true of the peer as well the association is over.
func (a *Assoc) finishShutdown() {
	if !a.shutdown || a.over || len(a.inFlight) > 0 {
		return
	}
	if a.peer.sendErr == nil {
		a.peer.sendErr = syscall.EPIPE
		a.peer.queue = append(a.peer.queue, item{event: stream.PeerShutdown{}})
	}
	if len(a.peer.inFlight) == 0 {
		a.over = true
		a.end(io.EOF, stream.Down{Clean: true})
		a.peer.end(io.EOF, nil)
	}
}

// Lose lets both ends learn that the other does not answer any more.
func (a *Assoc) Lose() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	for _, e := range []*Assoc{a, a.peer} {
		e.end(syscall.ETIMEDOUT, stream.Down{})
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

func (a *Assoc) abort() {
	a.over = true
	a.peer.end(ErrAborted, stream.Down{Cause: 12})
}

// Close implements stream.Association. As in Linux, it shuts the association down in the
// background, or aborts it if something received is unread.
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
	a.cond.Broadcast()
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

package assoctest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Options describe an association and the network between its ends.
type Options struct {
	Streams  uint16        // in each direction; 0 is 10
	PartSize int           // messages longer than this arrive in parts; 0: never
	Window   int           // bytes that one end receives and holds unread; 0 is 104 KiB, as in Linux
	Buffer   int           // bytes sent and not acknowledged after which Send waits; 0 is 208 KiB, as in Linux
	Delay    time.Duration // from one end to the other
	Jitter   time.Duration // at most so much more, for each message anew: it makes streams overtake each other
	Loss     float64       // probability that a transmission of a message is lost
	Seed     uint64        // of Jitter and Loss: the n-th message of an end always has the same fate
	RTO      time.Duration // after which what was lost, or dropped for lack of its key, comes again; 0 is 1 s, Linux's least
	Forget   bool          // what was sent is not kept for Sent
	GiveUp   time.Duration // after which an end that gets no answer is told that the association is lost; 0 is 3 s
}

// ErrAborted is what is read at the other end of an aborted association.
const ErrAborted = syscall.ECONNRESET

// ErrRestarted is what is read at the other end of a restarted association.
var ErrRestarted = errors.New("assoctest: the peer has restarted the association")

// An Assoc is one end of an association. It implements stream.Association and authchunk.Socket.
type Assoc struct {
	*network
	peer    *Assoc
	options Options
	name    string

	// All below is guarded by network.mu.
	fate     *rand.Rand
	queue    []item   // received, not yet read
	unread   int      // bytes in queue
	inFlight []packet // sent and not acknowledged, in order
	buffered int      // bytes in inFlight
	askDry   bool
	ended    error // what Recv returns when queue is empty; nil while up
	reported error // what it has returned so, and goes on returning
	sendErr  error
	keys     map[uint16][]byte
	active   uint16
	narrowed bool // under the key narrow, only messages up to last are taken
	narrow   uint16
	last     uint32
	read     deadline
	write    deadline
	next     uint32          // transmission sequence number of the next message sent
	highest  uint32          // of those received
	received int             // messages, or given up by the peer
	remove   int             // so many of those sent next
	stuck    map[uint16]bool // streams on which one of those sent was removed
	sent     []Sent
	dropped  int
	shutdown bool // SHUTDOWN follows when nothing is in flight any more
	told     bool // the peer was told of that
	gone     bool // the association does not exist at this end any more
	closed   bool // the socket does not
	aborted  bool
}

// A network joins two ends.
type network struct {
	mu   sync.Mutex // guards both ends
	cond *sync.Cond // told of any change
	cut  bool       // nothing arrives
	cuts int        // how often that was so
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
	tsn   uint32
	more  bool // it is a part of a message whose end has not been received
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
	if o.RTO == 0 {
		o.RTO = time.Second
	}
	if o.GiveUp == 0 {
		o.GiveUp = 3 * time.Second
	}
	n := new(network)
	n.cond = sync.NewCond(&n.mu)
	a, b = newAssoc(n, o, "a"), newAssoc(n, o, "b")
	a.peer, b.peer = b, a
	return a, b
}

// firstTSN is soon at its end, and begins again.
const firstTSN = 1<<32 - 5

func newAssoc(n *network, o Options, name string) *Assoc {
	return &Assoc{
		network: n,
		options: o,
		name:    name,
		fate:    rand.New(rand.NewPCG(o.Seed, uint64(name[0]))),
		keys:    map[uint16][]byte{0: nil},
		next:    firstTSN,
		highest: firstTSN - 1,
		stuck:   make(map[uint16]bool),
	}
}

// Recv implements stream.Association.
func (a *Assoc) Recv(buf stream.Buffer, wait bool) (stream.Part, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.reported != nil {
		return stream.Part{}, a.reported
	}
	b := buf.Get()
	for len(a.queue) == 0 || wait && a.read.passed {
		buf.Put()
		switch {
		case a.closed:
			return stream.Part{}, net.ErrClosed
		case wait && a.read.passed:
			return stream.Part{}, os.ErrDeadlineExceeded
		case a.ended != nil:
			a.reported = a.ended
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
		if it.event == (stream.AssocChange{State: stream.AssocRestarted}) {
			a.queue, a.unread = nil, 0 // nothing of the new association can be read
			a.reported, a.sendErr = ErrRestarted, ErrRestarted
		}
		return stream.Part{Event: it.event}, nil
	}
	n := len(it.data)
	if a.options.PartSize > 0 {
		n = min(n, a.options.PartSize)
	}
	n = copy(b, it.data[:n])
	it.data = it.data[n:]
	part := stream.Part{N: n, Info: it.info, TSN: it.tsn, End: len(it.data) == 0 && !it.more}
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
		if a.buffered < a.options.Buffer {
			break // any space is enough for any message
		}
		if !wait {
			return stream.ErrWouldBlock
		}
		a.cond.Wait()
	}
	data := bytes.Clone(b)
	if !a.options.Forget {
		a.sent = append(a.sent, Sent{data, info, a.active})
	}
	a.transmit(data, info)
	return nil
}

func (a *Assoc) dry() {
	if a.askDry && len(a.inFlight) == 0 && !a.gone {
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

type addr string

func (addr) Network() string  { return "sctp" }
func (a addr) String() string { return string(a) }

// LocalAddr implements stream.Association.
func (a *Assoc) LocalAddr() net.Addr { return addr(a.name) }

// RemoteAddr implements stream.Association.
func (a *Assoc) RemoteAddr() net.Addr {
	a.mu.Lock()
	defer a.mu.Unlock()
	return addr(a.peer.name)
}

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

// InFlight returns how many messages of this end are not acknowledged.
func (a *Assoc) InFlight() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.inFlight)
}

// Unread returns how many bytes of messages were received here and not read.
func (a *Assoc) Unread() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.unread
}

// Gone reports whether the association does not exist at this end any more, and with it its keys.
func (a *Assoc) Gone() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.gone
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

package assoctest

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpudp"
	"github.com/seed-41f70523/dtls-sctp/internal/simnet"
	"github.com/seed-41f70523/dtls-sctp/sctpcore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Options describe an association and the network between its ends.
type Options struct {
	Streams  uint16        // in each direction; 0 is 10
	PartSize int           // messages longer than this are read in parts; 0: never
	Window   int           // bytes that one end receives and holds unread; 0 is 104 KiB, as in Linux
	Buffer   int           // bytes sent and not acknowledged after which Send waits; 0 is 208 KiB
	Delay    time.Duration // from one end to the other
	Jitter   time.Duration // at most so much more, drawn for each packet, so that packets overtake
	Loss     float64       // probability that a packet is lost
	Seed     uint64        // of Jitter and Loss: the n-th packet of an end always has the same fate
	RTO      time.Duration // the retransmission timeout; 0 is 1 s, the least of Linux
	GiveUp   time.Duration // about when an end that gets no answer ends; 0 is 85 RTO
	MTU      int           // bytes of the largest packet; 0 is 1,232
	Partial  bool          // both ends offer partial reliability
	Forget   bool          // what was sent is not kept for Sent
}

// ErrAborted is what is read at the other end of an aborted association.
const ErrAborted = syscall.ECONNRESET

// config returns what SCTP needs to know of o.
func (o *Options) config() *sctpcore.Config {
	o.Streams = cmp.Or(o.Streams, 10)
	o.RTO = cmp.Or(o.RTO, time.Second)
	heartbeat, rtoMax, retrans := 3*time.Second, 10*o.RTO, 10
	if o.GiveUp != 0 {
		heartbeat, rtoMax = o.GiveUp/8, max(o.RTO, o.GiveUp/10)
		retrans = int(o.GiveUp / rtoMax)
	}
	return &sctpcore.Config{
		OutStreams: o.Streams, MaxInStreams: o.Streams,
		MTU:           cmp.Or(o.MTU, 1232), // no probes, so that the n-th packet is the same
		ReceiveWindow: cmp.Or(o.Window, 104<<10), SendBuffer: cmp.Or(o.Buffer, 208<<10),
		RTOInitial: o.RTO, RTOMin: o.RTO / 2, RTOMax: rtoMax,
		AssociationMaxRetrans: retrans, PathMaxRetrans: retrans,
		HeartbeatInterval:  heartbeat,
		PartialReliability: o.Partial,
		Auth:               true, AuthChunks: authchunk.DefaultChunks(),
	}
}

// association is what the tests use as it is.
type association interface {
	stream.Association
	stream.HandshakeTuner
	stream.KeyLimiter
}

// An Assoc is one end of an association, as package stream describes it.
type Assoc struct {
	association
	sctp    *sctpudp.Assoc // the same
	network *network
	end     int // 0 or 1
	options Options

	mu       sync.Mutex // guards the following
	sent     []Sent
	keys     map[uint16]bool
	active   uint16
	injected []item
	deadline time.Time // of reads
	closed   bool
	aborted  bool
}

// A network is that of one association.
type network struct {
	*simnet.Network
	hosts [2]*simnet.Host
	end   func()

	thieves [2]thief // on the paths from the hosts
}

// Sent is one message as it was sent, and the key that authenticated it.
type Sent struct {
	Data []byte
	Info stream.Info
	Key  uint16
}

const udpPort = 9899

var sctpPorts = [2]uint16{5001, 5000}

// Pair returns both ends of a new association, which ends with the test at the latest.
func Pair(t testing.TB, o Options) (a, b *Assoc) {
	t.Helper()
	a, b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.network.end)
	return a, b
}

// EndNetwork ends the network under both ends, and with it the associations. Nothing of them is
// left.
func (a *Assoc) EndNetwork() { a.network.end() }

// New is Pair without a test: EndNetwork is to be called in the end.
func New(o Options) (a, b *Assoc, err error) {
	config := o.config()
	n := &network{Network: simnet.New(o.Seed)}
	n.end = sync.OnceFunc(n.Close)
	n.Tap(n.tap)
	for i := range n.hosts {
		n.hosts[i] = n.Host(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}))
	}
	link := simnet.Link{Delay: o.Delay, Jitter: o.Jitter, Loss: o.Loss}
	n.SetLink(simnet.Link{Delay: o.Delay}) // the association begins without losses
	server, err := n.open(1)
	if err != nil {
		return nil, nil, err
	}
	defer server.Close()
	l, err := server.Listen(sctpPorts[1], config)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if a, err = n.dial(0, &o, config); err != nil {
		return nil, nil, err
	}
	accepted, err := l.Accept()
	if err != nil {
		return nil, nil, err
	}
	n.SetLink(link)
	return a, newAssoc(n, accepted, 1, &o), nil
}

func newAssoc(n *network, sctp *sctpudp.Assoc, end int, o *Options) *Assoc {
	return &Assoc{
		association: sctp,
		sctp:        sctp,
		network:     n,
		end:         end,
		options:     *o,
		keys:        map[uint16]bool{0: true},
	}
}

// open opens the UDP socket of a host, which is closed with its last association.
func (n *network) open(host int) (*sctpudp.Socket, error) {
	c, err := n.hosts[host].ListenUDP("udp", netip.AddrPortFrom(n.hosts[host].Addrs()[0], udpPort))
	if err != nil {
		return nil, err
	}
	return sctpudp.New(false, lateTSN{c})
}

// lateTSN has a first TSN that is soon at its end. The tag is drawn before it.
type lateTSN struct{ *simnet.Conn }

func (c lateTSN) Rand() io.Reader { return &lateReader{Reader: c.Conn.Rand()} }

type lateReader struct {
	io.Reader
	words atomic.Uint32 // that were drawn
}

func (r *lateReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if len(b) == 4 && r.words.Add(1)%2 == 0 {
		binary.BigEndian.PutUint32(b, 1<<32-5)
	}
	return n, err
}

// dial makes an association from an end to the other, always from the same port.
func (n *network) dial(end int, o *Options, config *sctpcore.Config) (*Assoc, error) {
	s, err := n.open(end)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	to := netip.AddrPortFrom(n.hosts[1-end].Addrs()[0], udpPort)
	a, err := s.Dial(context.Background(), config, sctpPorts[end], sctpPorts[1-end], to)
	if err != nil {
		return nil, err
	}
	return newAssoc(n, a, end, o), nil
}

// An item is what a test puts into what is received: a part of a message, or an event.
type item struct {
	data []byte
	part stream.Part
}

// A limited is a Buffer of which only so many bytes are used.
type limited struct {
	stream.Buffer
	size int
}

func (l limited) Get() []byte {
	b := l.Buffer.Get()
	return b[:min(len(b), l.size)]
}

// Recv implements stream.Association.
func (a *Assoc) Recv(buf stream.Buffer, wait bool) (stream.Part, error) {
	if a.options.PartSize > 0 {
		buf = limited{buf, a.options.PartSize}
	}
	for {
		if part, ok := a.takeInjected(buf); ok {
			return part, nil
		}
		part, err := a.association.Recv(buf, wait)
		if errors.Is(err, os.ErrDeadlineExceeded) && a.isInjected() {
			continue // inject has made it so
		}
		return part, err
	}
}

func (a *Assoc) isInjected() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.injected) > 0
}

func (a *Assoc) takeInjected(buf stream.Buffer) (stream.Part, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.injected) == 0 {
		return stream.Part{}, false
	}
	it := &a.injected[0]
	part := it.part
	if part.Event == nil {
		part.N = copy(buf.Get(), it.data)
		if it.data = it.data[part.N:]; len(it.data) > 0 {
			part.End = false
			return part, true
		}
	}
	if a.injected = a.injected[1:]; len(a.injected) == 0 {
		a.association.SetReadDeadline(a.deadline)
	}
	return part, true
}

func (a *Assoc) inject(it item) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.injected = append(a.injected, it)
	a.association.SetReadDeadline(time.Unix(1, 0)) // wakes Recv
}

// Inject lets this end receive an event next.
func (a *Assoc) Inject(ev stream.Event) { a.inject(item{part: stream.Part{Event: ev}}) }

// InjectPart lets this end receive a part of a message next, or its end.
func (a *Assoc) InjectPart(data []byte, info stream.Info, end bool) {
	a.inject(item{bytes.Clone(data), stream.Part{Info: info, End: end}})
}

// SetReadDeadline implements stream.Association.
func (a *Assoc) SetReadDeadline(t time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.deadline = t; len(a.injected) > 0 {
		return nil
	}
	return a.association.SetReadDeadline(t)
}

// Send implements stream.Association.
func (a *Assoc) Send(b []byte, info stream.Info) error {
	err := a.association.Send(b, info)
	if err == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.note(b, info)
	}
	return err
}

// TrySend implements stream.Association.
func (a *Assoc) TrySend(b []byte, info stream.Info) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.association.TrySend(b, info)
	if err == nil {
		a.note(b, info)
	}
	return err
}

// note is called with mu held.
func (a *Assoc) note(b []byte, info stream.Info) {
	if !a.options.Forget {
		a.sent = append(a.sent, Sent{bytes.Clone(b), info, a.active})
	}
}

// SetAuthKey implements authchunk.Socket.
func (a *Assoc) SetAuthKey(id uint16, secret []byte) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.association.SetAuthKey(id, secret)
	if err == nil {
		a.keys[id] = true
	}
	return err
}

// SetActiveAuthKey implements authchunk.Socket.
func (a *Assoc) SetActiveAuthKey(id uint16) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.association.SetActiveAuthKey(id)
	if err == nil {
		a.active = id
	}
	return err
}

// DeleteAuthKey implements authchunk.Socket.
func (a *Assoc) DeleteAuthKey(id uint16) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.association.DeleteAuthKey(id)
	if err == nil {
		delete(a.keys, id)
	}
	return err
}

// Close implements stream.Association.
func (a *Assoc) Close() error {
	a.mu.Lock()
	a.closed = true
	a.mu.Unlock()
	return a.association.Close()
}

// Abort implements stream.Association.
func (a *Assoc) Abort() error {
	a.mu.Lock()
	a.aborted, a.closed = a.aborted || !a.closed && !a.sctp.Over(), true
	a.mu.Unlock()
	return a.association.Abort()
}

// Sent returns what this end has sent.
func (a *Assoc) Sent() []Sent {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.sent)
}

// Dropped returns how many packets came here under a key that was not known.
func (a *Assoc) Dropped() int { return int(a.sctp.AuthFailures()) }

// InFlight returns how many DATA chunks of this end are not acknowledged.
func (a *Assoc) InFlight() int { return a.sctp.Outstanding() }

// Unread returns how many bytes of messages were received here and not read.
func (a *Assoc) Unread() int { return a.sctp.Unread() }

// Gone reports whether the association does not exist at this end any more, and with it its keys.
func (a *Assoc) Gone() bool { return a.sctp.Over() }

// State returns the numbers of the keys known here in rising order, the active one, and
// whether this end was closed, and aborted before the association had ended.
func (a *Assoc) State() (keys []uint16, active uint16, closed, aborted bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.keys {
		keys = append(keys, id)
	}
	slices.Sort(keys)
	return keys, a.active, a.closed, a.aborted
}

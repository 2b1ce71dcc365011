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

// Options describe an association and the network between its endpoints.
type Options struct {
	Streams  uint16        // in each direction; 0 means 10
	PartSize int           // messages longer than this are received in parts; 0 means that none are
	Window   int           // bytes that an endpoint holds unread; 0 means 104 KiB, as in Linux
	Buffer   int           // unacknowledged bytes after which Send waits; 0 means 208 KiB
	Delay    time.Duration // time from one endpoint to the other
	Jitter   time.Duration // maximum of a random additional delay; packets overtake each other
	Loss     float64       // probability that a packet is lost
	Seed     uint64        // determines which packets are lost, and their delays
	RTO      time.Duration // the retransmission timeout; 0 means 1 s, the minimum of Linux
	GiveUp   time.Duration // time without an answer until an endpoint fails; 0 means 85 RTO
	MTU      int           // size of the largest packet; 0 means 1,232
	Partial  bool          // both endpoints support partial reliability
	Forget   bool          // do not record messages for Sent
}

// ErrAborted is the error of reads after the peer has aborted the association.
const ErrAborted = syscall.ECONNRESET

// config returns the SCTP configuration for o.
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
		MTU:           cmp.Or(o.MTU, 1232), // without probes, so that packets are the same each time
		ReceiveWindow: cmp.Or(o.Window, 104<<10), SendBuffer: cmp.Or(o.Buffer, 208<<10),
		RTOInitial: o.RTO, RTOMin: o.RTO / 2, RTOMax: rtoMax,
		AssociationMaxRetrans: retrans, PathMaxRetrans: retrans,
		HeartbeatInterval:  heartbeat,
		PartialReliability: o.Partial,
		Auth:               true, AuthChunks: authchunk.DefaultChunks(),
	}
}

// association lists the methods that Assoc takes over unchanged.
type association interface {
	stream.Association
	stream.HandshakeTuner
	stream.KeyLimiter
}

// An Assoc is one endpoint of an association, as defined by package stream.
type Assoc struct {
	association
	sctp    *sctpudp.Assoc // the same association
	network *network
	end     int // 0 or 1
	options Options

	mu       sync.Mutex // guards the following fields
	sent     []Sent
	keys     map[uint16]bool
	active   uint16
	injected []item
	deadline time.Time // for reads
	closed   bool
	aborted  bool
}

// A network connects the two endpoints of one association.
type network struct {
	*simnet.Network
	hosts [2]*simnet.Host
	end   func()

	thieves [2]thief // on the paths from the hosts
}

// Sent is a message that was sent, and the key that authenticated it.
type Sent struct {
	Data []byte
	Info stream.Info
	Key  uint16
}

const udpPort = 9899

var sctpPorts = [2]uint16{5001, 5000}

// Pair returns both endpoints of a new association, which ends when the test does if it has not
// ended before.
func Pair(t testing.TB, o Options) (a, b *Assoc) {
	t.Helper()
	a, b, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.network.end)
	return a, b
}

// EndNetwork removes the network between the endpoints and with it both endpoints, and waits until
// their goroutines have returned.
func (a *Assoc) EndNetwork() { a.network.end() }

// New is like Pair, without a test. The caller must call EndNetwork when done.
func New(o Options) (a, b *Assoc, err error) {
	config := o.config()
	n := &network{Network: simnet.New(o.Seed)}
	n.end = sync.OnceFunc(n.Close)
	n.Tap(n.tap)
	for i := range n.hosts {
		n.hosts[i] = n.Host(netip.AddrFrom4([4]byte{192, 0, 2, byte(i + 1)}))
	}
	link := simnet.Link{Delay: o.Delay, Jitter: o.Jitter, Loss: o.Loss}
	n.SetLink(simnet.Link{Delay: o.Delay}) // no losses while the association is set up
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

// lateTSN provides random numbers that make the initial TSN one that soon wraps around. The
// verification tag is drawn before it.
type lateTSN struct{ *simnet.Conn }

func (c lateTSN) Rand() io.Reader { return &lateReader{Reader: c.Conn.Rand()} }

type lateReader struct {
	io.Reader
	words atomic.Uint32 // number of words drawn
}

func (r *lateReader) Read(b []byte) (int, error) {
	n, err := r.Reader.Read(b)
	if len(b) == 4 && r.words.Add(1)%2 == 0 {
		binary.BigEndian.PutUint32(b, 1<<32-5)
	}
	return n, err
}

// dial sets up an association from one endpoint to the other, always from the same port.
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

// An item is what a test inserts into the received messages: a part of a message, or an event.
type item struct {
	data []byte
	part stream.Part
}

// A limited is a Buffer that provides only a limited number of bytes.
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
			continue // inject has interrupted it
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

// Inject makes the next Recv of this endpoint return an event.
func (a *Assoc) Inject(ev stream.Event) { a.inject(item{part: stream.Part{Event: ev}}) }

// InjectPart makes the next Recv of this endpoint return a part of a message, or its end.
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

// note records a message. mu must be held.
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

// Sent returns the messages that this endpoint has sent.
func (a *Assoc) Sent() []Sent {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.sent)
}

// Dropped returns the number of packets that this endpoint discarded because it did not have their
// key.
func (a *Assoc) Dropped() int { return int(a.sctp.AuthFailures()) }

// InFlight returns the number of DATA chunks of this endpoint that are not acknowledged.
func (a *Assoc) InFlight() int { return a.sctp.Outstanding() }

// Unread returns the number of bytes of messages that this endpoint has received and not delivered.
func (a *Assoc) Unread() int { return a.sctp.Unread() }

// Gone reports whether the association, and its keys with it, no longer exists at this endpoint.
func (a *Assoc) Gone() bool { return a.sctp.Over() }

// State returns the numbers of the keys of this endpoint in ascending order, the active key, and
// whether this endpoint was closed, and whether it was aborted before the association had ended.
func (a *Assoc) State() (keys []uint16, active uint16, closed, aborted bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for id := range a.keys {
		keys = append(keys, id)
	}
	slices.Sort(keys)
	return keys, a.active, a.closed, a.aborted
}

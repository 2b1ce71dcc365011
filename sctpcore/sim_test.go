package sctpcore

import (
	"bytes"
	"container/heap"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// A simNet is a network in virtual time, whose behavior depends on its seed only.
//
//	host 0: 10.0.0.1 --- subnet 0 --- 10.0.0.2 :host 1
//	        10.0.1.1 --- subnet 1 --- 10.0.1.2
type simNet struct {
	t     testing.TB
	rng   *rand.Rand
	now   time.Duration
	wires wireQueue
	hosts []*simHost
	count int

	delay, jitter            time.Duration
	loss, duplicate, corrupt float64
	down                     [4]bool // for each subnet
	// A packet larger than the mtu of its subnet is lost, without ICMP, or fragmented if that is
	// allowed; 0 means any size.
	mtu                [4]int
	tooBig, fragmented int
	// tap, if not nil, sees each packet that is sent, and may drop it.
	tap func(from *simHost, packet []byte) (drop bool)
}

// A simFlight is a packet in flight.
type simFlight struct {
	due      time.Duration
	order    int
	src, dst netip.AddrPort
	data     []byte
}

type wireQueue []simFlight

func (q wireQueue) Len() int { return len(q) }
func (q wireQueue) Less(i, j int) bool {
	return q[i].due < q[j].due || q[i].due == q[j].due && q[i].order < q[j].order
}
func (q wireQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *wireQueue) Push(x any)   { *q = append(*q, x.(simFlight)) }
func (q *wireQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// A simHost is an Endpoint with a driver.
type simHost struct {
	net      *simNet
	index    int
	endpoint *Endpoint
	ends     []*simEnd
	buf      []byte
}

// A simEnd is an association of a host.
type simEnd struct {
	host   *simHost
	assoc  *Assoc
	events []Event
	got    []simMessage
	part   []byte
	pause  bool // nothing is read
	onGot  func(simMessage)
}

type simMessage struct {
	data []byte
	info Info
}

// A seededReader is an io.Reader over a source of random numbers.
type seededReader struct{ *rand.ChaCha8 }

func newSimNet(t testing.TB, seed uint64) *simNet {
	n := &simNet{t: t, rng: rand.New(rand.NewPCG(seed, 17)), now: time.Hour,
		delay: 10 * time.Millisecond}
	for i := range 2 {
		var key [32]byte
		key[0], key[1] = byte(seed), byte(i)
		e, err := NewEndpoint(seededReader{rand.NewChaCha8(key)})
		if err != nil {
			t.Fatal(err)
		}
		n.hosts = append(n.hosts, &simHost{net: n, index: i, endpoint: e, buf: make([]byte, 0, 65536)})
	}
	return n
}

func simAddr(host, subnet int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, byte(subnet), byte(host + 1)}), 9899)
}

func (h *simHost) addrs(n int) (all []netip.Addr) {
	for i := range n {
		all = append(all, simAddr(h.index, i).Addr())
	}
	return all
}

// connect begins an association from host 0 to port 5000 of host 1.
func (n *simNet) connect(client, server *Config) *simEnd {
	n.t.Helper()
	if err := n.hosts[1].endpoint.Listen(5000, server); err != nil {
		n.t.Fatal(err)
	}
	a, err := n.hosts[0].endpoint.Connect(n.now, client, 0, 5000, simAddr(1, 0))
	if err != nil {
		n.t.Fatal(err)
	}
	e := n.hosts[0].add(a)
	n.hosts[0].flush()
	return e
}

// pair connects hosts with the given number of addresses each, and runs until both ends are
// established.
func (n *simNet) pair(client, server *Config, addresses int) (c, s *simEnd) {
	n.t.Helper()
	if addresses > 1 {
		client, server = withAddrs(client, n.hosts[0].addrs(addresses)),
			withAddrs(server, n.hosts[1].addrs(addresses))
	}
	c = n.connect(client, server)
	n.until(30*time.Second, func() bool {
		return c.assoc.State() == StateEstablished &&
			len(n.hosts[1].ends) > 0
	})
	return c, n.hosts[1].ends[0]
}

func withAddrs(c *Config, addrs []netip.Addr) *Config {
	var p Config
	if c != nil {
		p = *c
	}
	p.Addresses = addrs
	return &p
}

func (h *simHost) add(a *Assoc) *simEnd {
	e := &simEnd{host: h, assoc: a}
	h.ends = append(h.ends, e)
	return e
}

// receive handles a packet as a driver does.
func (h *simHost) receive(f simFlight) {
	if a := h.endpoint.Find(f.src, f.data); a != nil {
		a.Receive(h.net.now, f.src, f.dst.Addr(), f.data)
	} else if a := h.endpoint.Receive(h.net.now, f.src, f.dst.Addr(), f.data); a != nil {
		h.add(a)
	}
	h.flush()
}

// flush does what a driver does after each call.
func (h *simHost) flush() {
	for {
		p, ok := h.endpoint.NextPacket()
		if !ok {
			break
		}
		h.net.send(h, p)
	}
	for _, e := range h.ends {
		e.flush()
	}
}

func (e *simEnd) flush() {
	for again := true; again; {
		again = false
		for {
			p, ok := e.assoc.NextPacket(e.host.net.now, e.host.buf)
			if !ok {
				break
			}
			e.host.net.send(e.host, p)
		}
		for !e.pause {
			if ev, ok := e.assoc.NextEvent(); ok {
				e.events = append(e.events, ev)
				switch ev.Kind {
				case EventDown:
					e.host.endpoint.Forget(e.assoc)
				case EventUp, EventRestart, EventPath:
					e.host.endpoint.Bind(e.assoc)
				case EventPartialAborted:
					e.part = nil
				}
				continue
			}
			var b [4096]byte
			n, info, end, ok := e.assoc.Read(b[:])
			if !ok {
				break
			}
			again = true
			if e.part = append(e.part, b[:n]...); end {
				m := simMessage{e.part, info}
				e.part = nil
				if e.onGot != nil {
					e.onGot(m)
				} else {
					e.got = append(e.got, m)
				}
			}
		}
	}
}

// send puts a packet in flight.
func (n *simNet) send(from *simHost, p Packet) {
	if n.tap != nil && n.tap(from, p.Data) {
		return
	}
	subnet := int(p.To.Addr().As4()[2])
	if n.down[subnet] || n.rng.Float64() < n.loss {
		return
	}
	if mtu := n.mtu[subnet]; mtu != 0 && len(p.Data) > mtu {
		if !p.MayFragment {
			n.tooBig++
			return
		}
		n.fragmented++
	}
	copies := 1
	if n.rng.Float64() < n.duplicate {
		copies = 2
	}
	for range copies {
		data := bytes.Clone(p.Data)
		if n.rng.Float64() < n.corrupt {
			data[n.rng.IntN(len(data))] ^= byte(1 << n.rng.IntN(8))
		}
		due := n.now + n.delay
		if n.jitter > 0 {
			due += time.Duration(n.rng.Int64N(int64(n.jitter)))
		}
		n.count++
		heap.Push(&n.wires, simFlight{due, n.count, simAddr(from.index, subnet), p.To, data})
	}
}

// step runs the next event before limit, if there is one.
func (n *simNet) step(limit time.Duration) bool {
	next := never
	for _, h := range n.hosts {
		for _, e := range h.ends {
			next = min(next, e.assoc.NextTimeout())
		}
	}
	isPacket := len(n.wires) > 0 && n.wires[0].due <= next
	if isPacket {
		next = n.wires[0].due
	}
	if next > limit {
		n.now = max(n.now, limit)
		return false
	}
	n.now = max(n.now, next)
	if isPacket {
		f := heap.Pop(&n.wires).(simFlight)
		if !n.down[f.dst.Addr().As4()[2]] {
			n.hosts[f.dst.Addr().As4()[3]-1].receive(f)
		}
		return true
	}
	for _, h := range n.hosts {
		for _, e := range h.ends {
			if e.assoc.NextTimeout() <= n.now {
				e.assoc.Timeout(n.now)
			}
		}
		h.flush()
	}
	return true
}

// run advances the time by d.
func (n *simNet) run(d time.Duration) {
	for limit := n.now + d; n.step(limit); {
	}
}

// until advances the time until a condition holds. It fails if that takes longer than limit.
func (n *simNet) until(limit time.Duration, condition func() bool) {
	n.t.Helper()
	for end := n.now + limit; !condition(); {
		if !n.step(end) {
			for _, h := range n.hosts {
				for _, e := range h.ends {
					n.t.Logf("host %d: %v %v %+v out %d+%d in flight %d rwnd %d cum %d", h.index, e.assoc.state,
						e.assoc.err, e.assoc.stats,
						e.assoc.out.queued, e.assoc.out.outstanding.count, e.assoc.out.inFlight, e.assoc.out.rwnd,
						e.assoc.in.cum)
					for _, p := range e.assoc.Paths(nil) {
						n.t.Logf("   %+v", p)
					}
				}
			}
			n.t.Fatalf("not within %v", limit)
		}
	}
}

func (e *simEnd) send(data string, info Info) {
	e.host.net.t.Helper()
	if err := e.assoc.Send(e.host.net.now, []byte(data), info); err != nil {
		e.host.net.t.Fatalf("Send: %v", err)
	}
	e.flush()
}

func (e *simEnd) kinds() (all []EventKind) {
	for _, ev := range e.events {
		all = append(all, ev.Kind)
	}
	return all
}

func (e *simEnd) has(k EventKind) bool { return slices.Contains(e.kinds(), k) }

func TestSimHandshakeAndMessages(t *testing.T) {
	n := newSimNet(t, 1)
	c, s := n.pair(nil, nil, 1)
	for i := range 100 {
		c.send(fmt.Sprint("to server ", i), Info{Stream: uint16(i % 10), PPID: uint32(i)})
		s.send(fmt.Sprint("to client ", i), Info{Stream: uint16(i % 10), Unordered: i%2 == 0})
	}
	n.until(10*time.Second, func() bool { return len(c.got) == 100 && len(s.got) == 100 })
	c.assoc.AskDry()
	n.until(time.Second, func() bool { return c.has(EventDry) })
	c.assoc.Shutdown(n.now)
	c.flush()
	n.until(10*time.Second, func() bool {
		return c.assoc.Err() == ErrClosed &&
			s.assoc.Err() == ErrClosed
	})
	if !s.has(EventPeerShutdown) {
		t.Error("server was not told of the shutdown", s.kinds())
	}
}

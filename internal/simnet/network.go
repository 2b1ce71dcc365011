package simnet

import (
	"bytes"
	"container/heap"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"
)

// A Link is what the network does to each packet. The zero value delivers it at once.
type Link struct {
	Delay  time.Duration // from one host to another
	Jitter time.Duration // at most so much more, drawn for each packet, so that packets overtake

	// MTU is the size of the largest IP packet, with its headers; 0 is any. A larger one is lost, and
	// nobody is told, unless it may be fragmented.
	MTU int

	// Probabilities, from 0 to 1: that a packet is lost, that it comes twice, and that a bit of it is
	// changed.
	Loss, Duplication, Corruption float64
}

// A Network joins hosts.
type Network struct {
	seed uint64

	mu     sync.Mutex // guards the following
	link   Link
	hosts  []*Host
	owners map[netip.Addr]*Host
	fates  map[flow]*rand.Rand
	tap    func(from, to netip.AddrPort, packet []byte) []byte
	count  uint64 // packets so far
	closed bool
}

// A flow is the packets from one socket to another, and of SCTP from one of its ports to another,
// which are the first four bytes.
type flow struct {
	from, to netip.AddrPort
	ports    [4]byte
}

// New returns a network without hosts. What happens to the n-th packet from one address and port to
// another follows from the seed, and from nothing else.
func New(seed uint64) *Network {
	return &Network{seed: seed, owners: map[netip.Addr]*Host{}, fates: map[flow]*rand.Rand{}}
}

// SetLink has the network do this to packets that are sent from now on.
func (n *Network) SetLink(l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.link = l
}

// Tap has f called for each packet that is sent, before the network does anything to it. What f
// returns goes on in its place, nothing if that is nil. f may change the packet, and must not call
// the network. A nil f ends that.
func (n *Network) Tap(f func(from, to netip.AddrPort, packet []byte) []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tap = f
}

// Close closes all sockets. Nothing new can be opened.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for _, h := range n.hosts {
		h.closeAll()
	}
}

// send puts a packet on its way, whose fate is decided here. It is called with mu held.
func (n *Network) send(from, to netip.AddrPort, packet []byte, mayFragment bool) {
	n.count++
	f := flow{from: from, to: to}
	copy(f.ports[:], packet)
	r := n.fates[f]
	if r == nil {
		h := fnv.New64a()
		fmt.Fprint(h, from, to, f.ports) // not f, of which fmt would print pointers
		r = rand.New(rand.NewPCG(n.seed, h.Sum64()))
		n.fates[f] = r
	}
	// Drawn for each packet, so that its fate does not depend on what Link was at the time of others.
	loss, duplication, corruption, bit := r.Float64(), r.Float64(), r.Float64(), r.Uint64()
	jitter, again := r.Float64(), r.Float64()
	if n.owners[from.Addr()].isDown(from.Addr()) {
		return
	}
	if n.link.MTU != 0 && !mayFragment && ipSize(to, packet) > n.link.MTU {
		return
	}
	data := bytes.Clone(packet)
	if n.tap != nil {
		data = n.tap(from, to, data)
	}
	if data == nil || loss < n.link.Loss {
		return
	}
	if corruption < n.link.Corruption && len(data) > 0 {
		bit %= 8 * uint64(len(data))
		data[bit/8] ^= 1 << (bit % 8)
	}
	delay := func(r float64) time.Duration {
		return n.link.Delay + time.Duration(r*float64(n.link.Jitter))
	}
	n.deliver(from, to, data, delay(jitter))
	if duplication < n.link.Duplication {
		n.deliver(from, to, data, delay(again))
	}
}

// ipSize is the size of a packet with its headers of UDP and IP.
func ipSize(to netip.AddrPort, packet []byte) int {
	if to.Addr().Is6() {
		return 40 + 8 + len(packet)
	}
	return 20 + 8 + len(packet)
}

// deliver has data arrive. It is called with mu held.
func (n *Network) deliver(from, to netip.AddrPort, data []byte, delay time.Duration) {
	h := n.owners[to.Addr()]
	if h == nil {
		return
	}
	c := h.socket(to)
	if c == nil {
		return // there is no ICMP here
	}
	n.count++
	heap.Push(&c.queue, packet{time.Now().Add(delay), n.count, from, to.Addr(), data})
	c.wake()
}

// A packet is on its way.
type packet struct {
	due   time.Time
	order uint64 // among those that are due at the same time
	from  netip.AddrPort
	to    netip.Addr
	data  []byte
}

type packets []packet

func (q packets) Len() int { return len(q) }
func (q packets) Less(i, j int) bool {
	if !q[i].due.Equal(q[j].due) {
		return q[i].due.Before(q[j].due)
	}
	return q[i].order < q[j].order
}
func (q packets) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *packets) Push(p any)   { *q = append(*q, p.(packet)) }
func (q *packets) Pop() any {
	last := len(*q) - 1
	p := (*q)[last]
	(*q)[last] = packet{}
	*q = (*q)[:last]
	return p
}

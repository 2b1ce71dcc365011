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

// A Link describes what the network does to each packet. The zero value delivers packets
// immediately.
type Link struct {
	Delay  time.Duration // time from one host to another
	Jitter time.Duration // maximum of a random additional delay; packets overtake each other

	// MTU is the size of the largest IP packet, including its headers; 0 means any. A larger packet
	// is lost without an ICMP message, unless it may be fragmented.
	MTU int

	// Loss, Duplication and Corruption are probabilities from 0 to 1: that a packet is lost, that
	// it arrives twice, and that one of its bits is changed.
	Loss, Duplication, Corruption float64
}

// A Network connects hosts.
type Network struct {
	seed uint64

	mu     sync.Mutex // guards the following fields
	link   Link
	hosts  []*Host
	owners map[netip.Addr]*Host
	fates  map[flow]*rand.Rand
	tap    func(from, to netip.AddrPort, packet []byte) []byte
	count  uint64 // number of packets sent so far
	closed bool
}

// A flow consists of the packets from one socket to another and, for SCTP, from one of its ports to
// another. The ports are the first four bytes of a packet.
type flow struct {
	from, to netip.AddrPort
	ports    [4]byte
}

// New returns a network without hosts. The seed alone determines what happens to the n-th packet
// from one address and port to another.
func New(seed uint64) *Network {
	return &Network{seed: seed, owners: map[netip.Addr]*Host{}, fates: map[flow]*rand.Rand{}}
}

// SetLink sets the link that packets take from now on.
func (n *Network) SetLink(l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.link = l
}

// Tap makes the network call f for each packet that a host sends and that is not too large for the
// link, before the network loses, changes or delays it. The network sends what f returns in place
// of the packet, or nothing if f returns nil. f may modify the packet, and must not call methods of
// the network. A nil f removes the tap.
func (n *Network) Tap(f func(from, to netip.AddrPort, packet []byte) []byte) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.tap = f
}

// Close closes all sockets. No socket can be opened afterwards.
func (n *Network) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.closed = true
	for _, h := range n.hosts {
		h.closeAll()
	}
}

// send decides what happens to a packet, and queues it for delivery. mu must be held.
func (n *Network) send(from, to netip.AddrPort, packet []byte, mayFragment bool) {
	n.count++
	f := flow{from: from, to: to}
	copy(f.ports[:], packet)
	r := n.fates[f]
	if r == nil {
		h := fnv.New64a()
		fmt.Fprint(h, from, to, f.ports) // not f, because fmt would print pointers
		r = rand.New(rand.NewPCG(n.seed, h.Sum64()))
		n.fates[f] = r
	}
	// All numbers are drawn for each packet, so that its fate does not depend on what the Link was
	// when others were sent.
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

// ipSize returns the size of the IP packet, including the IP and UDP headers.
func ipSize(to netip.AddrPort, packet []byte) int {
	if to.Addr().Is6() {
		return 40 + 8 + len(packet)
	}
	return 20 + 8 + len(packet)
}

// deliver queues data at its destination. mu must be held.
func (n *Network) deliver(from, to netip.AddrPort, data []byte, delay time.Duration) {
	h := n.owners[to.Addr()]
	if h == nil {
		return
	}
	c := h.socket(to)
	if c == nil {
		return // there is no ICMP
	}
	n.count++
	heap.Push(&c.queue, packet{time.Now().Add(delay), n.count, from, to.Addr(), data})
	c.wake()
}

// A packet is in transit.
type packet struct {
	due   time.Time
	order uint64 // orders packets that are due at the same time
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

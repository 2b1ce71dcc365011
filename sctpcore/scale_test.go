package sctpcore

import (
	"fmt"
	"runtime"
	"testing"
	"time"
)

// TestIdleMemory checks that 1,000 idle associations of one Endpoint, with SCTP-AUTH, that have
// carried messages use less than 8 KiB each at each end.
func TestIdleMemory(t *testing.T) {
	const count = 1000
	n := newSimNet(t, 1)
	config := &Config{Auth: true}
	if err := n.hosts[1].endpoint.Listen(5000, config); err != nil {
		t.Fatal(err)
	}
	heap := func() uint64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for range count {
		a, err := n.hosts[0].endpoint.Connect(n.now, config, 0, 5000, simAddr(1, 0))
		if err != nil {
			t.Fatal(err)
		}
		e := n.hosts[0].add(a)
		e.flush()
		up := func(e *simEnd) bool { return e.assoc.State() == StateEstablished }
		// Only the new association is active; the others are idle.
		for !up(e) || len(n.hosts[1].ends) < len(n.hosts[0].ends) {
			n.deliver(t, len(n.hosts[0].ends)-1)
		}
		for i := range 30 {
			e.send(fmt.Sprint("message ", i), Info{Stream: uint16(i % 16)})
			n.deliver(t, len(n.hosts[0].ends)-1)
		}
		for range 5 {
			n.deliver(t, len(n.hosts[0].ends)-1)
		}
		for _, h := range n.hosts {
			last := h.ends[len(h.ends)-1]
			last.got, last.events = nil, nil
			if m := last.assoc.in.memory + last.assoc.out.outstanding.count; m != 0 {
				t.Fatal("not idle")
			}
		}
	}
	each := (heap() - before) / (2 * count)
	t.Logf("%d bytes for an association", each)
	if each > 8192 {
		t.Errorf("%d bytes for an idle association", each)
	}
	runtime.KeepAlive(n)
}

// deliver delivers the packets in flight, and flushes only association number i of each host.
func (n *simNet) deliver(t *testing.T, i int) {
	wires := n.wires
	n.wires = nil
	n.now += 300 * time.Millisecond // delayed SACKs are due
	for _, f := range wires {
		h := n.hosts[f.dst.Addr().As4()[3]-1]
		if a := h.endpoint.Find(f.src, f.data); a != nil {
			a.Receive(n.now, f.src, f.dst.Addr(), f.data)
		} else if a := h.endpoint.Receive(n.now, f.src, f.dst.Addr(), f.data); a != nil {
			h.add(a)
		}
	}
	for _, h := range n.hosts {
		for p, ok := h.endpoint.NextPacket(); ok; p, ok = h.endpoint.NextPacket() {
			n.send(h, p)
		}
		if i < len(h.ends) {
			if e := h.ends[i]; e.assoc.NextTimeout() <= n.now {
				e.assoc.Timeout(n.now)
			}
			h.ends[i].flush()
		}
	}
}

// TestNumbersWrap checks that TSNs and stream sequence numbers wrap around to 0. See RFC 9260,
// Sections 1.6 and 6.6.
func TestNumbersWrap(t *testing.T) {
	p := newBarePair(t, nil)
	const first = 0xffffff00
	p.a.out.begin(first, 100000)
	p.b.in.begin(first - 1)
	msg := []byte("12345678")
	for range 70000 {
		p.send(t, msg)
	}
	if got := p.b.Stats().MessagesReceived; got < 69990 {
		t.Errorf("%d messages", got)
	}
	if p.a.out.next > first || p.a.Stats().Retransmissions > 0 {
		t.Errorf("TSN %d, %+v", p.a.out.next, p.a.Stats())
	}
}

package sctpcore

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestAllOrders loses each subset of a few packets with DATA, delivers the others in each order,
// and loses each subset of the SACKs. In every case all messages must arrive exactly once and in
// order, within the time that retransmission takes, and the invariants must hold at both ends all
// the time.
func TestAllOrders(t *testing.T) {
	const packets = 5
	cases := 0
	for arrive := range 1 << packets {
		var set []int
		for i := range packets {
			if arrive&(1<<i) != 0 {
				set = append(set, i)
			}
		}
		permutations(len(set), func(order []int) {
			for lostSacks := range 1 << len(set) {
				cases++
				var named []int
				for _, i := range order {
					named = append(named, set[i])
				}
				oneOrder(t, packets, named, lostSacks)
			}
		})
	}
	t.Logf("%d cases", cases)
}

// oneOrder sends packets, delivers those in order, and loses the SACKs with a bit in lostSacks.
func oneOrder(t *testing.T, packets int, order []int, lostSacks int) {
	p := newBarePair(t, &Config{MTU: 512, MaxBurst: 10, HeartbeatInterval: -1, Auth: true})
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("order %v, lost SACKs %b: %s", order, lostSacks, fmt.Sprintf(format, args...))
	}
	check := func() {
		t.Helper()
		for i, a := range []*Assoc{p.a, p.b} {
			if err := a.invariants(); err != nil {
				fail("end %d: %v", i, err)
			}
		}
	}
	next := func(a *Assoc) []byte {
		out, ok := a.NextPacket(p.now, make([]byte, 0, 512))
		if !ok {
			return nil
		}
		return out.Data
	}
	var sent [][]byte
	for i := range packets { // the second message has two fragments, so there is no third
		if i == 2 {
			continue
		}
		text := fmt.Sprint(i, strings.Repeat("x", 280))
		if i == 1 {
			text += strings.Repeat("y", 400)
		}
		if err := p.a.Send(p.now, []byte(text), Info{Stream: uint16(i % 2)}); err != nil {
			t.Fatal(err)
		}
	}
	for b := next(p.a); b != nil; b = next(p.a) {
		sent = append(sent, b)
	}
	if len(sent) != packets {
		fail("%d packets", len(sent))
	}
	check()
	p.now += 10 * time.Millisecond
	for i, n := range order {
		p.b.Receive(p.now, p.from[0], netip.Addr{}, sent[n])
		for b := next(p.b); b != nil; b = next(p.b) {
			if lostSacks&(1<<i) == 0 {
				p.a.Receive(p.now, p.from[1], netip.Addr{}, b)
				p.now += time.Millisecond
				for b := next(p.a); b != nil; b = next(p.a) { // fast retransmit
					p.b.Receive(p.now, p.from[0], netip.Addr{}, b)
				}
				check()
			}
		}
		check()
	}
	var got []string
	for deadline := p.now + 10*time.Second; p.a.Unacknowledged() > 0; {
		p.now = min(p.a.NextTimeout(), p.b.NextTimeout())
		if p.now > deadline {
			fail("not acknowledged within 10 s: %+v", p.a.Stats())
		}
		p.a.Timeout(p.now)
		p.b.Timeout(p.now)
		for p.move(p.a, p.b, 0) || p.move(p.b, p.a, 1) {
		}
		check()
	}
	for {
		n, info, end, ok := p.b.Read(p.read)
		if !ok {
			break
		}
		got = append(got, fmt.Sprintf("%d:%c:%d:%v", info.Stream, p.read[0], n, end))
	}
	streams := [2]string{}
	for _, g := range got {
		streams[g[0]-'0'] += g + " "
	}
	if streams != [2]string{"0:0:281:true 0:4:281:true ", "1:1:681:true 1:3:281:true "} {
		fail("read %q", streams)
	}
	check()
}

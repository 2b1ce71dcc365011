package sctpcore

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// This file tests RFC 3758 and RFC 7496.

// partialPeer returns an association on which both ends support partial reliability.
func partialPeer(t *testing.T) *testPeer {
	t.Helper()
	p := newTestPeer(t, &Config{PartialReliability: true, MTU: 512})
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit+"c000 0004"))
	p.want("INIT-ACK")
	if !p.core.forwardTSN {
		t.Error("INIT ACK does not offer it")
	}
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.want("COOKIE-ACK")
	p.wantEvent(EventUp)
	return p
}

// TestPartialNotAgreed checks that messages are reliable if one end does not support partial
// reliability. See RFC 3758, Section 3.3.
func TestPartialNotAgreed(t *testing.T) {
	p := acceptPeer(t, &Config{PartialReliability: true})
	p.write("x", Info{Retransmissions: -1})
	p.next()
	p.sleep(time.Second)
	p.want("DATA +0 stream 0 ssn 0 EB \"x\"")
	p = acceptPeer(t, nil)
	p.raw(0, peerChunk(chunkInit, 0, peerInit+"c000 0004"))
	if p.next(); p.core.forwardTSN {
		t.Error("INIT ACK offers what was not asked for")
	}
}

// TestLifetime checks that a message is abandoned instead of retransmitted after its lifetime. See
// RFC 3758, Section 3.5.
func TestLifetime(t *testing.T) {
	p := partialPeer(t)
	p.write("short", Info{Stream: 4, Lifetime: 500 * time.Millisecond})
	p.write("long", Info{Stream: 5})
	p.want("DATA +0 stream 4 ssn 0 EB \"short\" | DATA +1 stream 5 ssn 0 EB \"long\"")
	p.sleep(time.Second)
	p.want("FORWARD-TSN +0 stream 4 ssn 0 | DATA +1 stream 5 ssn 0 EB \"long\"")
	if e := p.wantEvent(EventAbandoned); e.Stream != 4 {
		t.Error(e)
	}
	p.sack(-1, 65536, "0002 0002")
	p.want("FORWARD-TSN +0 stream 4 ssn 0") // rule C3: the peer has not acknowledged it yet
	p.sleep(2 * time.Second)
	p.want("FORWARD-TSN +0 stream 4 ssn 0") // rule A5: after T3-rtx
	p.sack(1, 65536, "")
	p.assoc.AskDry()
	p.wantEvent(EventDry)
	p.write("next", Info{Stream: 4})
	p.want("DATA +2 stream 4 ssn 1 EB \"next\"")
}

// TestLifetimeHalfSent checks that a message is abandoned with an additional TSN if the peer has
// received its beginning, so that its stream continues.
func TestLifetimeHalfSent(t *testing.T) {
	p := partialPeer(t)
	p.write(strings.Repeat("x", 10000), Info{Stream: 1, Lifetime: 100 * time.Millisecond})
	p.write("next", Info{Stream: 1})
	sent := -1
	for p.next() != "" {
		sent++
	}
	p.sleep(200 * time.Millisecond)
	p.sack(sent, 65536, "") // opens the congestion window again
	p.want(fmt.Sprintf("DATA +%d stream 1 ssn 1 EB \"next\"", sent+2),
		fmt.Sprintf("FORWARD-TSN +%d stream 1 ssn 0", sent+1))
	p.sack(sent+2, 65536, "")
	if n := p.assoc.Unacknowledged(); n != 0 {
		t.Errorf("%d bytes wait for an acknowledgement", n)
	}
}

// TestLifetimeAnswered checks that a peer that answers FORWARD TSN is alive, even if it
// acknowledges no DATA.
func TestLifetimeAnswered(t *testing.T) {
	p := partialPeer(t)
	for i := range 3 {
		p.write("x", Info{Lifetime: time.Millisecond})
		p.next()
		p.sleep(p.assoc.NextTimeout() - p.now) // T3-rtx
		p.want(fmt.Sprintf("FORWARD-TSN +%d stream 0 ssn %d", i, i))
		p.sack(i, 65536, "")
		if n := p.assoc.errors; n != 0 {
			t.Errorf("%d transmissions are said to be unanswered", n)
		}
	}
}

// TestLifetimeUnsent checks that a message that was never sent leaves no gap.
func TestLifetimeUnsent(t *testing.T) {
	p := partialPeer(t)
	p.write("x", Info{})
	p.next()
	p.sack(0, 0, "")
	p.write("probe", Info{})
	p.wantNothing("the window is closed")
	p.sleep(time.Second)
	p.want("DATA +1 stream 0 ssn 1 EB \"probe\"")
	p.write("gone", Info{Stream: 1, Lifetime: time.Second})
	p.write("stays", Info{Stream: 1})
	p.now += 2 * time.Second
	p.sack(1, 65536, "")
	p.want("DATA +2 stream 1 ssn 0 EB \"stays\"")
	p.wantEvent(EventAbandoned)
}

// TestRetransmissions tests RFC 7496, Section 3.1, with all fragments of a message.
func TestRetransmissions(t *testing.T) {
	for _, limit := range []int{-1, 1, 2} {
		p := partialPeer(t)
		p.write(strings.Repeat("x", 900), Info{Stream: 2, Retransmissions: limit})
		p.want("DATA +0 stream 2 ssn 0 B 484 bytes", "DATA +1 stream 2 ssn 0 E 416 bytes")
		for range max(limit, 0) {
			p.now = p.assoc.NextTimeout()
			p.assoc.Timeout(p.now)
			p.want("DATA +0 stream 2 ssn 0 B 484 bytes")
		}
		p.now = p.assoc.NextTimeout()
		p.assoc.Timeout(p.now)
		p.want("FORWARD-TSN +1 stream 2 ssn 0")
		p.wantEvent(EventAbandoned)
		if p.assoc.Unacknowledged() != 0 {
			t.Error("it counts as unacknowledged")
		}
		p.sack(1, 65536, "")
		if !p.assoc.out.empty() {
			t.Error("something is left")
		}
	}
}

// TestForwardTSN checks that the receiver does not wait for abandoned messages. See RFC 3758,
// Section 3.6.
func TestForwardTSN(t *testing.T) {
	p := partialPeer(t)
	p.raw(p.core.tag, data(1002, whole, 1, 2, "third"), data(1003, whole, 2, 0, "other"),
		data(1005, flagBegin, 1, 4, "half"))
	p.wantRead("2:other")
	p.want("SACK 999 gap 3-4 gap 6-6")
	p.send(chunkForwardTSN, 0, "000003e9 0001 0001")
	p.wantRead("1:third")
	p.want("SACK 1003 gap 2-2")
	p.send(chunkForwardTSN, 0, "000003ed 0001 0004") // skips the incomplete message
	p.want("SACK 1005")
	p.raw(p.core.tag, data(1006, whole, 1, 5, "sixth"))
	p.wantRead("1:sixth")
	p.send(chunkForwardTSN, 0, "000003e9 0001 0001") // outdated
	p.want("SACK 1006")
	if p.assoc.in.memory != 0 {
		t.Error("memory", p.assoc.in.memory)
	}
	p.send(chunkForwardTSN, 0, fmt.Sprintf("%08x", 1006+1<<20))
	p.want("ABORT protocol violation")
}

// TestForwardTSNOverOpenMessage checks that the rest of a message that is being read in parts can
// be abandoned.
func TestForwardTSNOverOpenMessage(t *testing.T) {
	p := newTestPeer(t, &Config{PartialReliability: true, ReceiveWindow: 4096})
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit+"c000 0004"))
	p.want("INIT-ACK")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.want("COOKIE-ACK")
	p.wantEvent(EventUp)
	part := strings.Repeat("x", 3000)
	p.raw(p.core.tag, data(1000, flagBegin, 0, 0, part))
	p.wantRead("0:" + part + "...")
	p.raw(p.core.tag, data(1002, whole, 0, 1, "next"), data(1003, whole, 1, 0, "other"))
	p.wantRead()
	p.send(chunkForwardTSN, 0, "000003e9 0000 0000")
	p.wantEvent(EventPartialAborted)
	p.wantRead("1:other", "0:next")
	p.raw(p.core.tag, data(1004, whole, 0, 2, "last"))
	p.wantRead("0:last")
}

// TestForwardTSNFitsPacket checks that a FORWARD TSN that cannot list all streams advances less
// far. See RFC 3758, Section 3.5, rule A4.
func TestForwardTSNFitsPacket(t *testing.T) {
	p := newTestPeer(t, &Config{PartialReliability: true, MTU: 512, OutStreams: 300, MaxBurst: 100,
		AssociationMaxRetrans: 1000})
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, "0000aaaa 00010000 000a 0200 000003e8 c000 0004"))
	p.want("INIT-ACK")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.want("COOKIE-ACK")
	acked := 0
	for i := range 300 {
		p.write("x", Info{Stream: uint16(i), Retransmissions: -1})
	}
	for range 100 { // each T3-rtx abandons what is in flight
		for got := p.next(); got != ""; got = p.next() {
			if len(p.last) > 512 {
				t.Fatalf("a packet of %d bytes", len(p.last))
			}
			fmt.Sscanf(got, "FORWARD-TSN +%d", &acked)
		}
		if last := (512 - headerLen - 8) / 4; acked > 200 {
			return
		} else if acked == last-1 && p.assoc.out.advanced-p.core.tsn > 200 {
			p.sack(acked, 65536, "")
			continue
		} else if acked >= last {
			t.Fatal("FORWARD TSN went to", acked)
		}
		p.now = p.assoc.NextTimeout()
		p.assoc.Timeout(p.now)
	}
	t.Fatal("FORWARD TSN went to", acked)
}

// TestForwardTSNNeedsAuth checks that FORWARD TSN must be authenticated if it is listed. See RFC
// 6083, Section 4.5.
func TestForwardTSNNeedsAuth(t *testing.T) {
	p := newTestPeer(t, &Config{PartialReliability: true, Auth: true})
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit+"c000 0004"+peerAuth))
	p.want("INIT-ACK")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.want("COOKIE-ACK")
	p.send(chunkForwardTSN, 0, "000003e9 0001 0001")
	p.wantNothing("FORWARD TSN came without AUTH")
	p.raw(p.core.tag, p.signed(3, 0, "", peerChunk(chunkForwardTSN, 0, "000003e9 0001 0001")))
	p.want("SACK 1001")
}

// TestPartialTraffic checks that among abandoned messages all reliable ones arrive, and that an
// unreliable one arrives once and in order, or not at all.
func TestPartialTraffic(t *testing.T) {
	for seed := range uint64(20) {
		n := newSimNet(t, seed)
		config := &Config{PartialReliability: true, MTU: 600}
		c, s := n.pair(config, config, 2)
		n.loss, n.jitter = 0.15, 15*time.Millisecond
		for i := range 300 {
			info := Info{Stream: uint16(i % 3)}
			switch i % 3 {
			case 1:
				info.Lifetime = time.Duration(1+i) * time.Millisecond
			case 2:
				info.Retransmissions = -1
			}
			c.send(fmt.Sprintf("%04d %s", i, strings.Repeat("x", i*3)), info)
			n.run(5 * time.Millisecond)
		}
		c.assoc.AskDry()
		n.until(10*time.Minute, func() bool { return c.has(EventDry) })
		n.run(time.Second)
		last := [3]int{-1, -1, -1}
		reliable, abandoned := 0, 0
		for _, m := range s.got {
			var i int
			fmt.Sscanf(string(m.data), "%04d", &i)
			if len(m.data) != 5+i*3 || i <= last[m.info.Stream] {
				t.Fatalf("stream %d: message %d of %d bytes after %d", m.info.Stream, i, len(m.data),
					last[m.info.Stream])
			}
			last[m.info.Stream] = i
			if i%3 == 0 {
				reliable++
			}
		}
		for _, e := range c.events {
			if e.Kind == EventAbandoned {
				abandoned++
			}
		}
		if reliable != 100 || abandoned == 0 || len(s.got)+abandoned < 300 {
			t.Fatalf("seed %d: %d reliable, %d arrived, %d abandoned", seed, reliable, len(s.got), abandoned)
		}
		if m := s.assoc.in.memory + s.assoc.in.fragments.count + s.assoc.Missing(); m != 0 {
			t.Fatalf("%d is left", m)
		}
	}
}

// TestForwardTSNInMessage checks FORWARD TSN chunks that end within a message. What is left of it
// cannot be read, but the fragments after it still arrive. See RFC 3758, Section 3.6.
func TestForwardTSNInMessage(t *testing.T) {
	for _, to := range []string{"000003e9", "000003ea", "000003eb", "000003ec"} { // 1001 to 1004
		for order, tsns := range [][]uint32{{1001, 1002, 1003}, {1003, 1002, 1001}, {1001, 1003, 1002}} {
			p := partialPeer(t)
			for _, tsn := range tsns {
				flags := byte(0)
				if tsn == 1001 {
					flags = flagBegin
				}
				p.raw(p.core.tag, data(tsn, flags, 1, 0, "x"))
				p.next()
			}
			p.send(chunkForwardTSN, 0, to)
			p.next()
			p.raw(p.core.tag, data(1004, 0, 1, 0, "y"), data(1005, flagEnd, 1, 0, "z"))
			p.raw(p.core.tag, data(1006, whole, 2, 0, "other"))
			for got := p.next(); got != ""; got = p.next() {
				if !strings.HasPrefix(got, "SACK 1006") {
					t.Errorf("%s, order %d: %q", to, order, got)
				}
			}
			if err := p.assoc.invariants(); err != nil {
				t.Errorf("%s, order %d: %v", to, order, err)
			}
			p.wantRead("2:other")
			p.send(chunkForwardTSN, 0, "000003ef 0001 0000")
			p.raw(p.core.tag, data(1008, whole, 1, 1, "next"))
			p.wantRead("1:next")
			if n := p.assoc.in.memory; n != 0 {
				t.Errorf("%s, order %d: %d bytes of memory for nothing", to, order, n)
			}
		}
	}
}

// TestAbandonedMeasuresNothing checks that the acknowledgement of a message that was abandoned
// after one transmission is no measurement of the round-trip time: it answers FORWARD TSN. See RFC
// 9260, Section 6.3.1, rule C5.
func TestAbandonedMeasuresNothing(t *testing.T) {
	p := partialPeer(t)
	p.write("gone", Info{Retransmissions: -1})
	p.next()
	for i := range 3 {
		p.write("x", Info{})
		p.next()
		p.sack(-1, 65536, fmt.Sprintf("0002 %04x", i+2))
	}
	p.want("FORWARD-TSN +0 stream 0 ssn 0")
	p.sleep(900 * time.Millisecond)
	p.sack(3, 65536, "")
	if i := p.assoc.Paths(nil)[0]; i.SRTT != 0 {
		t.Errorf("round-trip time %v", i.SRTT)
	}
	p.write("y", Info{})
	p.next()
	p.now += 20 * time.Millisecond
	p.sack(4, 65536, "")
	if i := p.assoc.Paths(nil)[0]; i.SRTT != 20*time.Millisecond {
		t.Errorf("round-trip time %v", i.SRTT)
	}
}

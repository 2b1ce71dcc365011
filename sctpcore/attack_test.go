package sctpcore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// This file tests attacks: those of RFC 5062 and of RFC 9260, Section 12, and attacks on memory.

// TestOptimisticAck checks that a peer cannot speed up the sender by acknowledging what was never
// sent. See RFC 5062, Section 8.
func TestOptimisticAck(t *testing.T) {
	for _, test := range []struct {
		name string
		n    int
		gaps string
	}{{"cumulative", 5, ""}, {"gap", -1, "0002 0005"}} {
		p := acceptPeer(t, nil)
		p.write("x", Info{})
		p.next()
		p.sack(test.n, 65536, test.gaps)
		p.want("ABORT protocol violation")
		if !errors.Is(p.assoc.Err(), ErrPeerMisbehaved) {
			t.Error(test.name, p.assoc.Err())
		}
	}
	for _, gaps := range []string{"0000 0001", "0003 0002", "0002 0003 0003 0004",
		"0002 ffff 0001 0001"} {
		p := acceptPeer(t, nil)
		for range 5 {
			p.write("x", Info{})
			p.next()
		}
		p.sack(-1, 65536, gaps)
		if p.assoc.Unacknowledged() != 5 || p.assoc.out.gaps != 0 {
			t.Errorf("gaps %s: malformed blocks were taken", gaps)
		}
		p.next()
	}
}

// TestAckSplitting checks that many SACKs for little data open the congestion window by the amount
// of that data only. See RFC 9260, Section 7.2.1.
func TestAckSplitting(t *testing.T) {
	p := acceptPeer(t, &Config{MaxBurst: 100})
	for range 300 {
		p.write("0123456789abcdef", Info{}) // 32 bytes a chunk
	}
	for p.next() != "" {
	}
	start := p.assoc.Paths(nil)[0].Window
	for i := range 38 { // one packet
		p.sack(i, 65536, "")
	}
	if w := p.assoc.Paths(nil)[0].Window; w > start+38*32 {
		t.Errorf("window %d after %d: it grew by more than was acknowledged", w, start)
	}
}

// TestAmplification checks that a packet from a stranger is answered with at most one packet, which
// is not much longer.
func TestAmplification(t *testing.T) {
	p := newTestPeer(t, &Config{Auth: true, PartialReliability: true})
	p.listen()
	for _, c := range [][]byte{
		peerChunk(chunkInit, 0, peerInit), data(1, whole, 0, 0, "x"), peerChunk(chunkCookieEcho, 0, "00"),
		peerChunk(chunkShutdownAck, 0, ""),
		peerChunk(chunkHeartbeat, 0, "0001 0008 11111111"), peerChunk(chunkAbort, 0, ""),
	} {
		tag := uint32(7)
		if c[0] == chunkInit {
			tag = 0
		}
		p.last = nil
		p.raw(tag, c, nil)
		p.next()
		limit := 20
		if c[0] == chunkInit {
			limit = 156 // whose packet has 32 bytes; with IPv4 and UDP these are 184 and 60
		}
		if len(p.last) > limit {
			t.Errorf("chunk type %d of %d bytes is answered by %d", c[0], len(c), len(p.last))
		}
		p.wantNothing("there was one packet")
	}
	// With SCTP-AUTH, where the peer's parameters are in the cookie.
	q := connectPeer(t, &Config{Auth: true, PartialReliability: true})
	own := q.core.appendTo(nil)
	p.raw(0, chunkOf(chunkInit, 0, own))
	if p.next(); len(p.last) > 3*(headerLen+chunkHeaderLen+len(own)) {
		t.Errorf("an INIT chunk of %d bytes is answered by %d", chunkHeaderLen+len(own), len(p.last))
	}
	for range 3 * maxReplies {
		p.raw(7, data(1, whole, 0, 0, "x"))
	}
	n := 0
	for p.next() != "" {
		n++
	}
	if n > maxReplies {
		t.Errorf("%d answers wait", n)
	}
}

// TestHeartbeatFlood checks that heartbeats that arrive before one is answered use no memory.
func TestHeartbeatFlood(t *testing.T) {
	p := acceptPeer(t, nil)
	for i := range 1000 {
		p.send(chunkHeartbeat, 0, fmt.Sprintf("0001 0008 %08x", i))
	}
	p.want("HEARTBEAT-ACK 00010008000003e7")
}

// TestErrorFlood checks that errors, and chunks that must be reported, use no memory.
func TestErrorFlood(t *testing.T) {
	p := acceptPeer(t, nil)
	for range 10000 {
		p.send(chunkError, 0, "0009 0008 11111111")
		p.send(0xff, 0, "11111111")
	}
	if n := len(p.assoc.events); n > maxEvents {
		t.Errorf("%d events", n)
	}
	p.next()
	if len(p.last) > 1232 {
		t.Errorf("%d bytes", len(p.last))
	}
	p.wantNothing("one packet is enough")
}

// TestMemory checks that a peer cannot make this side store more than ten times the window,
// two of them for where the fragments are.
func TestMemory(t *testing.T) {
	const window, messages = 16384, 4000
	for _, test := range []struct {
		name string
		data func(i uint32) []byte
	}{
		{"tiny messages not read", func(i uint32) []byte {
			return data(1000+i, whole, 0, uint16(i), "x")
		}},
		{"tiny messages after a gap", func(i uint32) []byte {
			return data(1001+i, whole|flagUnordered, 0, 0, "x")
		}},
		{"tiny fragments without end", func(i uint32) []byte {
			return data(1000+i, flagBegin&byte(2*b2i(i == 0)), 0, 0, "x")
		}},
		{"tiny fragments after a gap", func(i uint32) []byte { return data(1001+i, 0, 0, 0, "x") }},
		{"fragments far apart", func(i uint32) []byte { return data(1001+i*7, 0, 0, 0, "x") }},
		{"backwards", func(i uint32) []byte { return data(1000+messages-i, 0, 0, 0, "x") }},
		{"never in turn", func(i uint32) []byte {
			return data(1000+i, whole, uint16(i%10), uint16(1+i/10), "x")
		}},
		{"on all streams", func(i uint32) []byte {
			return data(1000+i, whole, uint16(i%10), uint16(i/10), "xxxxxxxxxxxxxxxxxxxxx")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := acceptPeer(t, &Config{ReceiveWindow: window})
			for i := range uint32(messages) {
				p.raw(p.core.tag, test.data(i))
				p.next()
				if i%1024 == 0 {
					if err := p.assoc.invariants(); err != nil {
						t.Fatal(err)
					}
				}
			}
		})
	}
}

// TestForger has an attacker on the path change packets and correct the checksum. If every relevant
// chunk is authenticated, no changed data is read, and nothing is lost.
func TestForger(t *testing.T) {
	config := &Config{Auth: true, AuthChunks: []byte{chunkData, chunkSack, chunkHeartbeat,
		chunkHeartbeatAck, chunkAbort, chunkShutdown,
		chunkShutdownAck, chunkError, chunkCookieAck, chunkForwardTSN}, RefuseRestart: true}
	for seed := range uint64(10) {
		n := newSimNet(t, seed)
		c, s := n.pair(config, config, 1)
		for _, e := range []*simEnd{c, s} {
			if err := e.assoc.SetAuthKey(1, []byte("secret")); err != nil {
				t.Fatal(err)
			}
			if err := e.assoc.SetActiveAuthKey(1); err != nil {
				t.Fatal(err)
			}
			if err := e.assoc.DeleteAuthKey(0); err != nil {
				t.Fatal(err)
			}
		}
		forge := rand.New(rand.NewPCG(seed, 9))
		forged := 0
		n.tap = func(_ *simHost, packet []byte) bool {
			if forge.IntN(20) == 0 && len(packet) > headerLen {
				forged++
				packet[headerLen+forge.IntN(len(packet)-headerLen)] ^= byte(1 << forge.IntN(8))
				putChecksum(packet)
			}
			return false
		}
		there, back := newTraffic(c, s, seed, 8), newTraffic(s, c, seed+1, 8)
		for range 200 {
			there.send(3000)
			back.send(3000)
			n.run(20 * time.Millisecond)
		}
		n.until(10*time.Minute, func() bool { return there.done() && back.done() })
		n.check()
		if forged == 0 || c.assoc.Stats().AuthFailures+s.assoc.Stats().AuthFailures == 0 {
			t.Error("nothing was forged")
		}
	}
}

// TestReplay checks that replayed packets have no effect, including those of an earlier
// association.
func TestReplay(t *testing.T) {
	n := newSimNet(t, 8)
	c, s := n.pair(&Config{Auth: true}, &Config{Auth: true}, 1)
	var old []simFlight
	n.tap = func(from *simHost, packet []byte) bool {
		other := 1 - from.index
		old = append(old, simFlight{src: simAddr(from.index, 0), dst: simAddr(other, 0),
			data: append([]byte(nil), packet...)})
		return false
	}
	there := newTraffic(c, s, 1, 4)
	for range 100 {
		there.send(2000)
		n.run(time.Millisecond)
	}
	n.until(time.Minute, there.done)
	n.tap = nil
	for _, f := range old {
		n.hosts[binary.BigEndian.Uint32(f.dst.Addr().AsSlice())&3-1].receive(f)
	}
	n.run(time.Second)
	if there.arrived != there.total() || c.assoc.State() != StateEstablished {
		t.Error(there.arrived, there.total(), c.assoc.State())
	}
	n.check()
}

// TestProbesAreFew checks that a peer that acknowledges everything but probes causes at most one
// search every ten minutes, and that packets stay small. See RFC 8899, Section 5.1.1.
func TestProbesAreFew(t *testing.T) {
	p := acceptPeer(t, &Config{MaxMTU: 1472})
	probes, end := 0, p.now+time.Hour
	for p.now < end {
		for got := p.next(); got != ""; got = p.next() {
			if got == "HEARTBEAT" {
				p.answer()
			} else if probes++; !strings.HasPrefix(got, "HEARTBEAT | PAD") {
				t.Fatal(got)
			}
		}
		p.now = p.assoc.NextTimeout()
		p.sleep(0)
	}
	const searches, sizes = 7, 5 // 1472, and four bisections
	p.wantMTU(1232)
	if p.wantState(StateEstablished); probes < searches || probes > searches*sizes*maxProbes {
		t.Errorf("%d probes in an hour", probes)
	}
}

// TestPeersProbe checks that the answer to a peer's probe returns the HEARTBEAT's information and
// nothing else. See RFC 8899, Section 6.2.1.2.
func TestPeersProbe(t *testing.T) {
	p := acceptPeer(t, nil)
	for range 3 {
		p.raw(p.core.tag, peerChunk(chunkHeartbeat, 0, "0001 000c 0123456789abcdef"),
			chunkOf(chunkPad, 0, make([]byte, 8900)))
		p.want("HEARTBEAT-ACK 0001000c0123456789abcdef")
	}
	p.raw(p.core.tag, bytes.Repeat(chunkOf(chunkPad, 0, nil), 300))
	p.wantNothing("padding is no question")
}

package sctpcore

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// This file tests path MTU discovery: RFC 8899, with HEARTBEAT and PAD chunks (RFC 4820).

// answer acknowledges the last HEARTBEAT from the core.
func (p *testPeer) answer() {
	p.t.Helper()
	p.raw(p.core.tag, chunkOf(chunkHeartbeatAck, 0, p.last[headerLen+chunkHeaderLen:][:12]))
}

// wantProbe expects a probe of size bytes, and no other packet.
func (p *testPeer) wantProbe(size int) {
	p.t.Helper()
	// The packet has the common header and a HEARTBEAT of 16 bytes besides.
	if p.want(fmt.Sprintf("HEARTBEAT | PAD %d", size-headerLen-16)); len(p.last) != size {
		p.t.Fatalf("a probe of %d bytes, want %d", len(p.last), size)
	}
}

func (p *testPeer) wantMTU(mtu int) {
	p.t.Helper()
	if got := p.assoc.Paths(nil)[0].MTU; got != mtu {
		p.t.Fatalf("packets of %d bytes, want %d", got, mtu)
	}
}

// TestProbe checks that the maximum is probed first, and used when the probe is acknowledged. See
// RFC 8899, Sections 5.3 and 6.2.1.
func TestProbe(t *testing.T) {
	p := acceptPeer(t, &Config{MaxMTU: 1474})
	p.wantProbe(1472) // sizes in SCTP are multiples of four bytes
	p.wantMTU(1232)
	ack := chunkOf(chunkHeartbeatAck, 0, p.last[headerLen+chunkHeaderLen:][:12])
	forged := append([]byte(nil), ack...)
	forged[8] ^= 1
	p.raw(p.core.tag, forged)
	p.wantMTU(1232)
	p.raw(p.core.tag, ack)
	p.wantMTU(1472)
	p.raw(p.core.tag, ack)
	p.write(strings.Repeat("x", 1472+1), Info{})
	p.want("DATA +0 stream 0 ssn 0 B 1444 bytes", "DATA +1 stream 0 ssn 0 E \""+
		strings.Repeat("x", 29)+"\"")
	if p.assoc.Stats().Retransmissions != 0 {
		t.Error("retransmissions")
	}
	p.sack(1, 65536, "")
	at := p.now
	if p.now = p.assoc.NextTimeout(); p.now < at+20*time.Second {
		t.Error("there is nothing larger to look for, and something is to be done after", p.now-at)
	}
}

// TestProbeLost checks that a size is abandoned after three probes, that the last one waits as long
// as the first, that the next size is halfway, and that a late acknowledgement still counts. The
// state of the path must not change. See RFC 8899, Sections 5.1.1, 5.1.2 and 3, item 7.
func TestProbeLost(t *testing.T) {
	p := acceptPeer(t, &Config{MaxMTU: 1472})
	for range 3 {
		p.wantProbe(1472)
		p.sleep(time.Second - 1)
		p.wantNothing("PROBE_TIMER is running")
		p.sleep(1)
	}
	p.wantProbe((1232 + 1468) / 2 &^ 3)
	p.wantMTU(1232)
	first := p.last
	p.sleep(time.Second)
	p.wantProbe(1348)
	p.last = first
	p.answer()
	p.wantMTU(1348)
	p.wantProbe((1348 + 1468) / 2)
	p.answer()
	for range 3 {
		p.wantProbe((1408 + 1468) / 2 &^ 3)
		p.sleep(time.Second)
	}
	p.wantProbe((1408 + 1432) / 2)
	p.answer()
	p.wantMTU(1420)
	p.wantNothing("less than 16 bytes are left")
	i, s := p.assoc.Paths(nil)[0], p.assoc.Stats()
	if i.Errors != 0 || i.State != PathActive || i.InFlight != 0 || s.Timeouts != 0 ||
		p.assoc.errors != 0 {
		t.Errorf("%+v, %+v", i, s)
	}
}

// TestProbeRaise checks that a larger size is probed after ten minutes (PMTU_RAISE_TIMER). See RFC
// 8899, Section 5.1.1.
func TestProbeRaise(t *testing.T) {
	p := acceptPeer(t, &Config{MaxMTU: 1244, HeartbeatInterval: -1})
	for range 3 {
		p.wantProbe(1244)
		p.sleep(time.Second)
	}
	p.wantNothing("the search is complete")
	if d := p.assoc.NextTimeout() - p.now; d != 10*time.Minute {
		t.Error("the next after", d)
	}
	p.sleep(10 * time.Minute)
	p.wantProbe(1244)
	p.answer()
	p.wantMTU(1244)
	p.wantNothing("there is nothing larger")
	if p.assoc.NextTimeout() != never {
		t.Error("something is still to be done after", p.assoc.NextTimeout()-p.now)
	}
}

// TestMayFragment checks that the network must not fragment probes and packets that fit, but may
// fragment chunks that were created for larger packets.
func TestMayFragment(t *testing.T) {
	p := acceptPeer(t, &Config{MaxMTU: 1472})
	next := func(want string, fragment bool) {
		t.Helper()
		b := make([]byte, 0, 2000)
		out, ok := p.assoc.NextPacket(p.now, b)
		if !ok || out.MayFragment != fragment {
			t.Fatalf("packet %v of %d bytes, MayFragment %v", ok, len(out.Data), out.MayFragment)
		}
		c, _, _ := nextChunk(out.Data[headerLen:])
		if got := p.describe(c); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
		p.last = out.Data
	}
	next("HEARTBEAT", false)
	p.answer()
	p.wantMTU(1472)
	p.write(strings.Repeat("x", 1444), Info{})
	p.write(strings.Repeat("y", 1204), Info{})
	next("DATA +0 stream 0 ssn 0 EB 1444 bytes", false)
	next("DATA +1 stream 0 ssn 1 EB 1204 bytes", false)
	p.sleep(time.Second) // T3-rtx: 1,472 bytes may no longer arrive
	p.wantMTU(1232)
	next("HEARTBEAT", false) // of the suspected size
	if len(p.last) != 1472 {
		t.Fatalf("a probe of %d bytes", len(p.last))
	}
	probe := p.last
	next("DATA +0 stream 0 ssn 0 EB 1444 bytes", true)
	p.last = probe
	p.answer()
	p.wantMTU(1472)
	p.sack(0, 65536, "")
	next("DATA +1 stream 0 ssn 1 EB 1204 bytes", false)
}

// TestProbeAuthenticated checks that a probe for a peer that requires authenticated HEARTBEAT
// chunks has an AUTH chunk and the right size.
func TestProbeAuthenticated(t *testing.T) {
	p := newTestPeer(t, &Config{Auth: true, MaxMTU: 1472})
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit+strings.Replace(peerAuth,
		"8003 0005 00 000000", "8003 0006 00 04 0000", 1)))
	p.want("INIT-ACK")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.want("COOKIE-ACK")
	p.search()
	p.want("AUTH key 0 HMAC-SHA-256 | HEARTBEAT | PAD 1404")
	if len(p.last) != 1472 {
		t.Errorf("a probe of %d bytes", len(p.last))
	}
}

// TestProbesKeepNobodyAlive checks that an association ends if the peer acknowledges probes but no
// DATA. See RFC 9260, Section 8.1.
func TestProbesKeepNobodyAlive(t *testing.T) {
	p := acceptPeer(t, &Config{MaxMTU: 1472, AssociationMaxRetrans: 3})
	p.write("x", Info{})
	for range 100 {
		for got := p.next(); got != ""; got = p.next() {
			if strings.HasPrefix(got, "HEARTBEAT | PAD") {
				p.answer()
			}
		}
		if p.assoc.State() == StateClosed {
			return
		}
		p.now = p.assoc.NextTimeout()
		p.sleep(0)
	}
	t.Error("the association goes on")
}

// TestLinks checks that discovery finds the MTU of several links, to within 16 bytes, without
// losing messages.
func TestLinks(t *testing.T) {
	for _, mtu := range []int{512, 600, 1000, 1228, 1232, 1240, 1300, 1400, 1452, 1468, 1472, 9000} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			n := newSimNet(t, uint64(mtu))
			n.mtu[0] = mtu
			config := &Config{MaxMTU: 1472, Auth: true}
			c, s := n.pair(config, config, 1)
			there, back := newTraffic(c, s, 1, 8), newTraffic(s, c, 2, 8)
			for range 60 { // a minute, because an MTU below 1,232 is found only after losses
				for range 5 {
					there.send(5000)
					back.send(5000)
				}
				n.run(time.Second)
				n.check()
			}
			n.until(time.Minute, func() bool { return there.done() && back.done() })
			lost, fragmented := n.tooBig, n.fragmented
			want := min(mtu, 1472)
			for _, e := range []*simEnd{c, s} {
				if got := e.assoc.Paths(nil)[0].MTU; got > want || got <= want-probeStep && want != 512 {
					t.Errorf("packets of %d bytes", got)
				}
			}
			for range 20 {
				there.send(5000)
				back.send(5000)
				n.run(time.Second)
			}
			n.until(time.Minute, func() bool { return there.done() && back.done() })
			if n.tooBig != lost || n.fragmented != fragmented {
				t.Errorf("%d packets lost and %d fragmented when the size was found", n.tooBig-lost,
					n.fragmented-fragmented)
			}
			t.Logf("%d lost, %d fragmented in the search", lost, fragmented)
			if mtu >= 1232 && (lost > 2*3*6 || fragmented > 0 || c.assoc.Stats().Timeouts > 0) {
				t.Errorf("%d lost, %d fragmented: %+v", lost, fragmented, c.assoc.Stats())
			}
		})
	}
}

// TestLinkChanges reduces the MTU of a link without ICMP. Everything that was sent must arrive. The
// new size must be found, after which no packet is fragmented or lost. When the MTU is restored,
// the former size must be found again.
func TestLinkChanges(t *testing.T) {
	for _, mtu := range []int{1300, 1232, 700} {
		t.Run(fmt.Sprint(mtu), func(t *testing.T) {
			n := newSimNet(t, uint64(mtu))
			config := &Config{MaxMTU: 1472}
			c, s := n.pair(config, config, 1)
			there, back := newTraffic(c, s, 1, 8), newTraffic(s, c, 2, 8)
			second := func() {
				for range 10 {
					there.send(5000)
					back.send(5000)
					n.run(100 * time.Millisecond)
				}
				n.check()
			}
			second()
			wantMTUs := func(low, high int) {
				t.Helper()
				for _, e := range []*simEnd{c, s} {
					if got := e.assoc.Paths(nil)[0].MTU; got < low || got > high {
						t.Errorf("packets of %d bytes, want %d to %d", got, low, high)
					}
				}
			}
			wantMTUs(1472, 1472)
			n.mtu[0] = mtu
			second()
			second()
			if mtu >= 1232 { // soon they are small enough
				wantMTUs(1232, mtu)
			}
			for range 40 {
				second()
			}
			wantMTUs(mtu-probeStep+1, mtu)
			if n.fragmented == 0 {
				t.Error("no packet was fragmented")
			}
			lost, fragmented := n.tooBig, n.fragmented
			t.Logf("%d lost, %d fragmented", lost, fragmented)
			for range 20 {
				second()
			}
			if n.tooBig != lost || n.fragmented != fragmented {
				t.Errorf("%d packets lost and %d fragmented when the size was found", n.tooBig-lost,
					n.fragmented-fragmented)
			}
			n.until(time.Minute, func() bool { return there.done() && back.done() })
			n.mtu[0] = 0
			n.run(11 * time.Minute)
			wantMTUs(1472, 1472)
		})
	}
}

// TestOutageIsNoBlackHole checks that after an outage, the size of packets soon returns to its
// former value.
func TestOutageIsNoBlackHole(t *testing.T) {
	n := newSimNet(t, 3)
	config := &Config{MaxMTU: 1472}
	c, s := n.pair(config, config, 1)
	n.run(time.Second)
	tr := newTraffic(c, s, 1, 4)
	tr.send(5000)
	n.down[0] = true
	n.run(40 * time.Second)
	n.down[0] = false
	n.until(time.Minute, tr.done)
	n.run(10 * time.Second)
	if got := c.assoc.Paths(nil)[0].MTU; got != 1472 {
		t.Errorf("packets of %d bytes", got)
	}
}

// TestLinksOfTwoPaths checks that each path has its own MTU, and that fragments fit on both, so
// that they can be retransmitted on the other. See RFC 9260, Section 7.3.
func TestLinksOfTwoPaths(t *testing.T) {
	n := newSimNet(t, 4)
	n.mtu = [4]int{0, 1300}
	config := &Config{MaxMTU: 1472}
	c, s := n.pair(config, config, 2)
	n.run(time.Minute)
	paths := c.assoc.Paths(nil)
	if m := paths[1].MTU; paths[0].MTU != 1472 || m > 1300 || m <= 1300-probeStep {
		t.Fatalf("packets of %d and %d bytes", paths[0].MTU, m)
	}
	tr := newTraffic(c, s, 1, 4)
	for i := range 100 {
		n.down[0] = i > 20 && i < 60
		tr.send(8000)
		n.run(100 * time.Millisecond)
		n.check()
	}
	n.until(time.Minute, tr.done)
	if n.fragmented != 0 {
		t.Errorf("%d packets fragmented", n.fragmented)
	}
}

// TestProbesEnd checks that no probe is sent to an unconfirmed address, or after the association
// has ended. See RFC 8899, Section 5.2, and RFC 9260, Section 5.4.
func TestProbesEnd(t *testing.T) {
	p := twoPaths(t, &Config{MaxMTU: 1472})
	probes := 0
	for range 8 {
		p.sleep(time.Second)
		for got := p.next(); got != ""; got = p.next() {
			if p.lastTo == simAddr(1, 1) && got != "HEARTBEAT" {
				t.Fatalf("%s to an unconfirmed address", got)
			}
			probes += b2i(strings.HasPrefix(got, "HEARTBEAT | PAD"))
		}
	}
	if probes == 0 {
		t.Error("no probe went to the other")
	}
	p = acceptPeer(t, &Config{MaxMTU: 1472})
	p.wantProbe(1472)
	p.assoc.Shutdown(p.now)
	p.want(fmt.Sprintf("SHUTDOWN %d", 999))
	p.sleep(time.Second)
	p.want(fmt.Sprintf("SHUTDOWN %d", 999))
	p.send(chunkShutdownAck, 0, "")
	p.want("SHUTDOWN-COMPLETE")
	if p.assoc.NextTimeout() != never {
		t.Error("a timer runs after the end")
	}
}

// TestPad checks that a PAD chunk is ignored, and that the chunks after it are processed. See RFC
// 4820, Section 3.
func TestPad(t *testing.T) {
	p := acceptPeer(t, nil)
	p.raw(p.core.tag, peerChunk(chunkPad, 0, "01020304"), data(1000, whole, 0, 0, "x"),
		peerChunk(chunkPad, 0, ""))
	p.want("SACK 1000")
	p.wantRead("0:x")
}

// TestMTUConfig checks that invalid configurations are rejected.
func TestMTUConfig(t *testing.T) {
	for _, c := range []Config{{MTU: 511}, {MTU: 1400, MaxMTU: 1232}, {MaxMTU: 65528}} {
		if _, err := c.prepare(); err == nil {
			t.Errorf("%d, %d is accepted", c.MTU, c.MaxMTU)
		}
	}
}

// TestChunksOfIPv6 checks that no DATA chunk is larger than what fits on every path: a chunk must
// still arrive when packets of its size no longer do, and IPv6 routers do not fragment. See RFC
// 8200, Section 5.
func TestChunksOfIPv6(t *testing.T) {
	p := newTestPeer(t, &Config{MaxMTU: 1472})
	p.from = netip.MustParseAddrPort("[2001:db8::2]:9899")
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit))
	p.want("INIT-ACK")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.want("COOKIE-ACK")
	p.search()
	p.wantProbe(1452)
	p.answer()
	p.wantMTU(1452)
	p.write(strings.Repeat("x", 2000), Info{})
	p.want("DATA +0 stream 0 ssn 0 B 704 bytes | DATA +1 stream 0 ssn 0  704 bytes",
		"DATA +2 stream 0 ssn 0 E 592 bytes")
	p.sleep(time.Second)
	p.wantMTU(1232)
	for range 3 {
		p.sleep(10 * time.Second)
		for got := p.next(); got != ""; got = p.next() {
			if strings.HasPrefix(got, "DATA") && len(p.last) > 1232 {
				t.Errorf("%d bytes: %s", len(p.last), got)
			}
		}
	}
	p.wantMTU(1232) // the IPv6 minimum
}

// TestLargerSizesWait checks that sizes above those of Ethernet are probed when an association has
// sent some data, first the maximum.
func TestLargerSizesWait(t *testing.T) {
	p := acceptPeer(t, &Config{MaxMTU: 8972})
	p.wantProbe(1472)
	p.answer()
	p.wantMTU(1472)
	p.wantNothing("nothing has been sent")
	tsn := -1
	for tsn < 200 {
		p.write(strings.Repeat("x", 1000), Info{})
		got := p.next()
		if strings.HasPrefix(got, "HEARTBEAT | PAD") {
			break
		}
		tsn++
		p.sack(tsn, 65536, "")
	}
	if tsn < fewBytes/1000 || tsn > fewBytes/1000+1 || len(p.last) != 8972 {
		t.Fatalf("a probe of %d bytes after %d messages", len(p.last), tsn)
	}
	p.answer()
	p.wantMTU(8972)
}

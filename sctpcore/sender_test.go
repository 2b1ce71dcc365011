package sctpcore

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// This file tests sending DATA chunks: RFC 9260, Sections 6.1, 6.3, 6.9, 6.10 and 7.

// TestFragmentation checks that a message longer than a packet is fragmented, and that its
// fragments have one SSN. See RFC 9260, Section 6.9.
func TestFragmentation(t *testing.T) {
	p := acceptPeer(t, &Config{MTU: 512})
	p.write(strings.Repeat("x", 1000), Info{Stream: 2})
	p.write("y", Info{Stream: 2})
	p.write(strings.Repeat("z", 500), Info{Stream: 2, Unordered: true})
	p.want("DATA +0 stream 2 ssn 0 B 484 bytes", "DATA +1 stream 2 ssn 0  484 bytes",
		"DATA +2 stream 2 ssn 0 E \""+strings.Repeat("x", 32)+"\" | DATA +3 stream 2 ssn 1 EB \"y\"",
		"DATA +4 stream 2 ssn 0 BU 484 bytes")
}

// TestBundling checks that small messages share a packet. See RFC 9260, Section 6.10.
func TestBundling(t *testing.T) {
	p := acceptPeer(t, nil)
	p.raw(p.core.tag, data(1000, whole, 0, 0, "x"))
	p.write("a", Info{})
	p.write("bb", Info{Stream: 1, SackImmediately: true})
	p.want("SACK 1000 | DATA +0 stream 0 ssn 0 EB \"a\" | DATA +1 stream 1 ssn 0 EBI \"bb\"")
}

func TestSendRefused(t *testing.T) {
	p := newTestPeer(t, &Config{SendBuffer: 1000})
	p.connect()
	if err := p.assoc.Send(p.now, []byte("x"), Info{}); err != ErrNotEstablished {
		t.Error(err)
	}
	p = acceptPeer(t, &Config{SendBuffer: 1000})
	for _, test := range []struct {
		n    int
		info Info
		err  error
	}{
		{0, Info{}, ErrEmptyMessage}, {1001, Info{}, ErrMessageTooBig}, {1, Info{Stream: 10}, ErrStream},
		{600, Info{}, nil}, {600, Info{}, nil}, {1, Info{}, ErrBufferFull},
	} {
		if err := p.assoc.Send(p.now, make([]byte, test.n), test.info); err != test.err {
			t.Errorf("%d bytes, %+v: %v", test.n, test.info, err)
		}
	}
	if p.assoc.CanSend() {
		t.Error("the buffer is full")
	}
	p.next()
	p.next()
	p.sack(1, 65536, "")
	if !p.assoc.CanSend() || p.assoc.Unacknowledged() != 0 {
		t.Error("everything is acknowledged")
	}
}

// TestT3 checks that unacknowledged data is retransmitted after the RTO, which doubles. See RFC
// 9260, Section 6.3.3.
func TestT3(t *testing.T) {
	p := acceptPeer(t, nil)
	p.write("a", Info{})
	p.want("DATA +0 stream 0 ssn 0 EB \"a\"")
	for _, rto := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		p.sleep(rto - 1)
		p.wantNothing("T3-rtx has not expired")
		p.sleep(1)
		p.want("DATA +0 stream 0 ssn 0 EB \"a\"")
	}
	p.sack(0, 65536, "")
	p.sleep(20 * time.Second)
	p.wantNothing("everything is acknowledged")
	if rto := p.assoc.Paths(nil)[0].RTO; rto != 8*time.Second {
		t.Errorf("RTO %v: Karn: what was sent twice is not measured", rto)
	}
	p.write("b", Info{})
	p.next()
	p.now += 300 * time.Millisecond
	p.sack(1, 65536, "")
	if i := p.assoc.Paths(nil)[0]; i.SRTT != 300*time.Millisecond || i.RTO != time.Second {
		t.Errorf("%+v", i) // 300 + 4 * 150 ms is less than RTO.Min
	}
}

// TestPeerIsLost checks that the association ends after Association.Max.Retrans. See RFC 9260,
// Section 8.1.
func TestPeerIsLost(t *testing.T) {
	p := acceptPeer(t, &Config{AssociationMaxRetrans: 3})
	p.write("a", Info{})
	for range 4 {
		p.want("DATA +0 stream 0 ssn 0 EB \"a\"")
		p.sleep(10 * time.Second)
	}
	p.want("ABORT user-initiated abort")
	p.wantEvent(EventDown)
}

// TestFastRetransmit checks that a chunk is retransmitted once, immediately after the third report.
// See RFC 9260, Section 7.2.4.
func TestFastRetransmit(t *testing.T) {
	p := acceptPeer(t, &Config{MTU: 512, MaxBurst: 10})
	text := strings.Repeat("x", 400)
	for range 4 {
		p.write(text, Info{})
	}
	for range 4 {
		if !strings.HasPrefix(p.next(), "DATA") {
			t.Fatal("no DATA")
		}
	}
	for range 5 {
		p.write(text, Info{})
	}
	p.sack(0, 65536, "") // +1 is lost
	for got := p.next(); got != ""; got = p.next() {
	}
	window := p.assoc.Paths(nil)[0].Window
	p.sack(0, 65536, "0002 0002")
	p.sack(0, 65536, "0002 0003")
	for got := p.next(); got != ""; got = p.next() {
		if strings.HasPrefix(got, "DATA +1 ") {
			t.Fatal("+1 went again after two reports")
		}
	}
	p.sack(0, 65536, "0002 0004")
	if got := p.next(); !strings.HasPrefix(got, "DATA +1 ") {
		t.Fatal(got)
	}
	if i := p.assoc.Paths(nil)[0]; i.Window != max(window/2, 4*(512-12)) {
		t.Errorf("window %d after %d", i.Window, window)
	}
	for _, gaps := range []string{"0002 0005", "0002 0006", "0002 0007", "0002 0008"} {
		p.sack(0, 65536, gaps)
		for got := p.next(); got != ""; got = p.next() {
			if strings.HasPrefix(got, "DATA +1 ") {
				t.Fatal("+1 went again: once by fast retransmit, then by T3-rtx")
			}
		}
	}
}

// TestReneging checks that a TSN that is no longer in a Gap Ack Block is outstanding again. See RFC
// 9260, Section 6.2.1.
func TestReneging(t *testing.T) {
	p := acceptPeer(t, nil)
	for range 3 {
		p.write(strings.Repeat("x", 1000), Info{})
	}
	for range 3 {
		p.next()
	}
	p.sack(-1, 65536, "0002 0003")
	if i := p.assoc.Paths(nil)[0]; i.InFlight != 1016 {
		t.Error(i.InFlight)
	}
	p.sack(-1, 65536, "")
	if i := p.assoc.Paths(nil)[0]; i.InFlight != 3*1016 {
		t.Error(i.InFlight)
	}
	if p.assoc.Unacknowledged() != 3000 {
		t.Error("a gap is no acknowledgement for good")
	}
	p.sleep(time.Second)
	if got := p.next(); !strings.HasPrefix(got, "DATA +0 ") {
		t.Error(got)
	}
}

// TestOldSack checks that an outdated SACK is ignored. See RFC 9260, Section 6.2.1.
func TestOldSack(t *testing.T) {
	p := acceptPeer(t, nil)
	for range 2 {
		p.write("x", Info{})
		p.next()
	}
	p.sack(1, 65536, "")
	p.sack(0, 0, "")
	p.write("y", Info{})
	p.want("DATA +2 stream 0 ssn 2 EB \"y\"")
}

// TestZeroWindow checks that one DATA chunk probes a closed window, first after an RTO, and that
// the association continues as long as the peer answers. See RFC 9260, Section 6.1, rule A.
func TestZeroWindow(t *testing.T) {
	p := acceptPeer(t, &Config{AssociationMaxRetrans: 2})
	p.write("x", Info{})
	p.next()
	p.sack(0, 0, "")
	p.write("a", Info{})
	p.write("b", Info{})
	p.wantNothing("the window is closed")
	p.sleep(time.Second - 1)
	p.wantNothing("no RTO has passed")
	p.sleep(1)
	p.want("DATA +1 stream 0 ssn 1 EB \"a\"")
	for range 20 {
		p.sack(0, 0, "")
		p.sleep(time.Minute)
		p.want("DATA +1 stream 0 ssn 1 EB \"a\"")
	}
	p.sack(1, 65536, "")
	p.want("DATA +2 stream 0 ssn 2 EB \"b\"")
}

// TestZeroWindowIntervals checks that probes of a window that stays closed come at growing
// intervals, whether the peer accepts them or not, and heartbeats do not shorten these. See RFC
// 9260, Section 6.1, rule A.
func TestZeroWindowIntervals(t *testing.T) {
	for _, accepts := range []bool{false, true} {
		p := acceptPeer(t, &Config{RTOMax: 20 * time.Second})
		p.write("x", Info{})
		p.next()
		p.sack(0, 0, "")
		for range 9 {
			p.write("a", Info{})
		}
		p.wantNothing("the window is closed")
		tsn := 1
		// The last SACK with a closed window comes a second after a probe: the peer sends data.
		for i, wait := range []time.Duration{1, 2, 4, 8, 16, 20, 20} {
			wait *= time.Second
			if i > 0 && !accepts {
				p.sleep(time.Second)
				p.sack(0, 0, "")
				wait -= time.Second
			}
			p.sleep(wait - 1)
			if got := p.next(); strings.HasPrefix(got, "HEARTBEAT") {
				p.answer()
			}
			p.wantNothing(fmt.Sprintf("the interval of probe %d is longer", i))
			p.sleep(1)
			p.want(fmt.Sprintf("DATA +%d stream 0 ssn %d EB \"a\"", tsn, tsn))
			if accepts {
				p.sack(tsn, 0, "")
				tsn++
			} else {
				p.sack(0, 0, "")
			}
			p.wantNothing("the window is closed")
		}
		if accepts {
			continue
		}
		p.sack(0, 65536, "")
		if got := p.next(); !strings.HasPrefix(got, "DATA +1 stream 0 ssn 1 EB \"a\"") {
			t.Errorf("the window has opened: %q", got)
		}
		p.next()
		p.sack(0, 65536, "")
		p.wantNothing("it was retransmitted")
		p.sleep(time.Second)
		if got := p.next(); !strings.HasPrefix(got, "DATA +1 ") {
			t.Errorf("T3-rtx: %q", got)
		}
	}
}

// TestWindowOpens checks that a SACK that opens a closed window makes a probe unnecessary.
func TestWindowOpens(t *testing.T) {
	p := acceptPeer(t, &Config{HeartbeatInterval: -1})
	p.write("x", Info{})
	p.next()
	p.sack(0, 3, "") // less than the next message
	p.write("four", Info{})
	p.wantNothing("there is no room for it")
	p.sack(0, 4, "")
	p.want("DATA +1 stream 0 ssn 1 EB \"four\"")
	p.sack(1, 3, "")
	p.sleep(10 * time.Second)
	p.write("five!", Info{})
	p.wantNothing("the RTO begins when there is something to send")
	p.sleep(time.Second)
	p.want("DATA +2 stream 0 ssn 2 EB \"five!\"")
}

// TestManyPackets checks that messages that do not fill a packet wait for others while many packets
// are in flight, until one is acknowledged.
func TestManyPackets(t *testing.T) {
	p := acceptPeer(t, &Config{HeartbeatInterval: -1})
	for i := range manyPackets {
		p.write("x", Info{})
		p.want(fmt.Sprintf("DATA +%d stream 0 ssn %d EB \"x\"", i, i))
	}
	p.write("y", Info{})
	p.write("z", Info{})
	p.wantNothing("enough is in flight")
	p.sack(0, 65536, "")
	p.want("DATA +16 stream 0 ssn 16 EB \"y\" | DATA +17 stream 0 ssn 17 EB \"z\"")
	p.write(strings.Repeat("v", 1204), Info{})
	if got := p.next(); got != "DATA +18 stream 0 ssn 18 EB 1204 bytes" {
		t.Error("a full packet waits: ", got)
	}
	p.write("w", Info{})
	p.wantNothing("enough is in flight")
	p.sleep(time.Second) // T3-rtx: nothing is in flight
	if got := p.next(); !strings.HasPrefix(got, "DATA +1 ") {
		t.Error(got)
	}
	p.sack(18, 65536, "")
	p.want("DATA +19 stream 0 ssn 19 EB \"w\"")
}

// TestManyLargePackets checks that messages wait in the same way while four packets, larger than
// those of Ethernet, are in flight with as many bytes as eight of Ethernet.
func TestManyLargePackets(t *testing.T) {
	p := acceptPeer(t, &Config{MTU: 9000, HeartbeatInterval: -1})
	for i := range 4 {
		p.write(strings.Repeat("x", 2928), Info{})
		p.want(fmt.Sprintf("DATA +%d stream 0 ssn %d EB 2928 bytes", i, i))
	}
	p.write(strings.Repeat("y", 1000), Info{})
	p.wantNothing("11,776 bytes are in flight")
	p.sack(0, 65536, "")
	p.want("DATA +4 stream 0 ssn 4 EB 1000 bytes")
	p.write(strings.Repeat("z", 1912), Info{})
	p.want("DATA +5 stream 0 ssn 5 EB 1912 bytes") // 9,848 bytes were
	p.write(strings.Repeat("v", 3000), Info{})
	p.wantNothing("the packet is not full")
	p.write(strings.Repeat("w", 5956), Info{})
	p.want("DATA +6 stream 0 ssn 6 EB 3000 bytes | DATA +7 stream 0 ssn 7 EB 5956 bytes")
}

// TestManyPacketsNoOtherFollows checks what does not wait while many packets are in flight: the
// last fragment of a message, and anything before a shutdown.
func TestManyPacketsNoOtherFollows(t *testing.T) {
	p := acceptPeer(t, &Config{HeartbeatInterval: -1})
	for range manyPackets {
		p.write("x", Info{})
		p.next()
	}
	p.write(strings.Repeat("v", 1204)+"end", Info{})
	p.want("DATA +16 stream 0 ssn 16 B 1204 bytes", "DATA +17 stream 0 ssn 16 E \"end\"")
	p.write("y", Info{})
	p.wantNothing("enough is in flight")
	p.assoc.Shutdown(p.now)
	p.want("DATA +18 stream 0 ssn 17 EBI \"y\"")
}

// TestZeroWindowIsNoLoss checks that probes of a zero window that the peer answers but does not
// accept leave the congestion window and the size of packets as they are. See RFC 9260, Section
// 6.1, rule A.
func TestZeroWindowIsNoLoss(t *testing.T) {
	p := acceptPeer(t, &Config{MaxMTU: 1472, HeartbeatInterval: -1})
	p.wantProbe(1472)
	p.answer()
	p.write("x", Info{})
	p.next()
	p.sack(0, 0, "")
	p.write("a", Info{})
	p.wantNothing("the window is closed")
	p.sleep(time.Second)
	cwnd := p.assoc.paths[0].cwnd
	for i := range 5 {
		p.want("DATA +1 stream 0 ssn 1 EB \"a\"")
		p.wantNothing("nothing is lost")
		p.wantMTU(1472)
		if got := p.assoc.paths[0].cwnd; got != cwnd {
			t.Fatalf("cwnd %d, and %d after %d timeouts", cwnd, got, i)
		}
		p.sack(0, 0, "")
		p.sleep(time.Minute)
	}
	// Without an answer it may be lost.
	p.next()
	p.sleep(time.Minute)
	p.wantMTU(1232)
	if got := p.assoc.paths[0].cwnd; got != p.assoc.pmdcs(1232) {
		t.Errorf("cwnd %d after a probe was lost", got)
	}
}

// TestPeerWindow checks that the sender does not exceed the peer's window. See RFC 9260, Section
// 6.1, rule A.
func TestPeerWindow(t *testing.T) {
	p := acceptPeer(t, nil)
	p.write("x", Info{})
	p.next()
	p.sack(0, 2500, "")
	for range 5 {
		p.write(strings.Repeat("x", 1000), Info{})
	}
	p.next()
	p.next()
	p.wantNothing("500 bytes are left of the window")
	p.sack(1, 2000, "")
	if got := p.next(); !strings.HasPrefix(got, "DATA +3 ") {
		t.Error(got)
	}
	p.wantNothing("1,000 bytes are in flight, and 1,000 were sent")
}

// TestSlowStart checks that the congestion window starts at min(4 MTU, max(2 MTU, 4404)) and grows
// by what is acknowledged. See RFC 9260, Sections 7.2.1 and 7.2.2.
func TestSlowStart(t *testing.T) {
	p := acceptPeer(t, &Config{MaxBurst: 100})
	text := strings.Repeat("x", 1204)
	for range 40 {
		p.write(text, Info{})
	}
	sent := 0
	drain := func() {
		for p.next() != "" {
			sent++
		}
	}
	drain()
	if sent != 4 { // 3 * 1,204 is less than 4,404
		t.Fatalf("%d packets at first", sent)
	}
	p.sack(1, 65536, "")
	drain()
	if w := p.assoc.Paths(nil)[0].Window; w != 4404+1220 {
		t.Errorf("window %d, wanted one packet more", w)
	}
	if sent != 7 {
		t.Errorf("%d packets", sent)
	}
	p.sleep(2 * time.Second) // T3-rtx
	if w := p.assoc.Paths(nil)[0].Window; w != 1220 {
		t.Errorf("window %d after T3-rtx, wanted one packet", w)
	}
	before := sent
	drain()
	if sent != before+1 {
		t.Errorf("%d packets after T3-rtx", sent-before)
	}
}

// TestMaxBurst checks that one input causes at most Max.Burst packets. See RFC 9260, Section 6.1,
// rule D.
func TestMaxBurst(t *testing.T) {
	p := acceptPeer(t, nil)
	for i := range 3 { // the window grows
		for range 4 {
			p.write(strings.Repeat("x", 1204), Info{})
		}
		for p.next() != "" {
		}
		p.sack(4*i+3, 65536, "")
	}
	for range 20 {
		p.write(strings.Repeat("x", 1204), Info{})
	}
	n := 0
	for p.next() != "" {
		n++
	}
	if n != 4 {
		t.Errorf("%d packets after one input", n)
	}
}

// TestBatches checks that with a larger Max.Burst, packets wait until many can be sent together,
// unless there are no more, and that all are sent in the end.
func TestBatches(t *testing.T) {
	p := acceptPeer(t, &Config{MaxBurst: 32})
	const messages = 170
	for range messages {
		p.write(strings.Repeat("x", 1204), Info{})
	}
	sent := 0
	drain := func() (n int) {
		for p.next() != "" {
			n++
		}
		sent += n
		return n
	}
	drain()
	acked, bursts := 0, 0
	for ; acked < sent; acked++ {
		window := p.assoc.Paths(nil)[0].Window / 1220
		p.sack(acked, 1<<20, "")
		n := drain()
		if sent < messages && window >= 30 && n > 0 && n < 9 {
			t.Errorf("%d packets at once, with a window of %d", n, window)
		}
		if n >= 9 {
			bursts++
		}
	}
	if sent != messages || bursts < 4 {
		t.Errorf("%d messages were sent of %d, with %d batches", sent, messages, bursts)
	}
	for i := range 5 {
		p.write("x", Info{})
		if drain() != 1 {
			t.Errorf("message %d waits for others", i)
		}
	}
}

// TestCongestionWindow tests RFC 9260, Sections 7.2.1 to 7.2.3.
func TestCongestionWindow(t *testing.T) {
	for _, test := range []struct {
		name           string
		before         congestion
		do             func(c *congestion)
		cwnd, ssthresh int
		partial        int
	}{
		{"slow start", congestion{cwnd: 5000, ssthresh: 9000, flightBefore: 5000, ackedBytes: 700},
			func(c *congestion) { c.ackedData(true, false) }, 5700, 9000, 0},
		{"at most a packet", congestion{cwnd: 5000, ssthresh: 9000, flightBefore: 5000, ackedBytes: 3000},
			func(c *congestion) { c.ackedData(true, false) }, 6000, 9000, 0},
		{"not full", congestion{cwnd: 5000, ssthresh: 9000, flightBefore: 4999, ackedBytes: 700},
			func(c *congestion) { c.ackedData(true, false) }, 5000, 9000, 0},
		{"gap only", congestion{cwnd: 5000, ssthresh: 9000, flightBefore: 5000, ackedBytes: 700},
			func(c *congestion) { c.ackedData(false, false) }, 5000, 9000, 0},
		{"fast recovery", congestion{cwnd: 5000, ssthresh: 9000, flightBefore: 5000, ackedBytes: 700},
			func(c *congestion) { c.ackedData(true, true) }, 5000, 9000, 0},
		{"avoidance", congestion{cwnd: 5000, ssthresh: 4000, flight: 1, flightBefore: 5000,
			ackedBytes: 700, partial: 100}, func(c *congestion) {
			c.ackedData(true,
				false)
		}, 5000, 4000, 800},
		{"avoidance, a window", congestion{cwnd: 5000, ssthresh: 4000, flight: 1, flightBefore: 5000,
			ackedBytes: 700, partial: 4500}, func(c *congestion) {
			c.ackedData(true,
				false)
		}, 6000, 4000, 200},
		{"avoidance, not full", congestion{cwnd: 5000, ssthresh: 4000, flight: 1, flightBefore: 4000,
			ackedBytes: 700, partial: 4500}, func(c *congestion) {
			c.ackedData(true,
				false)
		}, 5000, 4000, 5000},
		{"all acknowledged", congestion{cwnd: 5000, ssthresh: 4000, flightBefore: 4000, ackedBytes: 700,
			partial: 450}, func(c *congestion) { c.ackedData(true, false) }, 5000, 4000, 0},
		{"fast retransmit", congestion{cwnd: 20000, ssthresh: 30000, partial: 5}, (*congestion).lost,
			10000, 10000, 0},
		{"fast retransmit, small", congestion{cwnd: 5000, ssthresh: 30000}, (*congestion).lost, 4000,
			4000, 0},
		{"T3-rtx", congestion{cwnd: 20000, ssthresh: 30000, partial: 5}, (*congestion).timedOut, 1000,
			10000, 0},
	} {
		c := test.before
		c.pmdcs = 1000
		if test.do(&c); c.cwnd != test.cwnd || c.ssthresh != test.ssthresh || c.partial != test.partial {
			t.Errorf("%s: %+v", test.name, c)
		}
	}
}

// TestIdleWindow checks that cwnd is halved for each RTO without data. See RFC 9260, Section 7.2.1.
func TestIdleWindow(t *testing.T) {
	c := congestion{pmdcs: 1000, cwnd: 64000, ssthresh: 1 << 30, lastSent: time.Second}
	c.idle(3500*time.Millisecond, time.Second)
	if c.cwnd != 16000 || c.ssthresh != 64000 {
		t.Errorf("%+v", c)
	}
	c.idle(time.Hour, time.Second)
	if c.cwnd != 4000 {
		t.Errorf("%+v", c)
	}
}

// TestDry tests RFC 6458, Section 6.1.9.
func TestDry(t *testing.T) {
	p := acceptPeer(t, nil)
	p.assoc.AskDry()
	p.wantEvent(EventDry)
	p.write("a", Info{})
	p.assoc.AskDry()
	p.next()
	p.sack(-1, 65536, "0001 0001")
	if e, ok := p.assoc.NextEvent(); ok {
		t.Errorf("%+v: a gap can be revoked", e)
	}
	p.sack(0, 65536, "")
	p.wantEvent(EventDry)
	p.sack(0, 65536, "")
	if e, ok := p.assoc.NextEvent(); ok {
		t.Errorf("%+v: it was asked for once", e)
	}
}

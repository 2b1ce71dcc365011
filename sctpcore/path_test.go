package sctpcore

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// This file tests multihoming: RFC 9260, Sections 5.4, 6.4 and 8, and RFC 7829.

const secondAddress = "0005 0008 0a000102" // 10.0.1.2, which is simAddr(1, 1)

// twoPaths returns an association with a peer that lists a second address.
func twoPaths(t *testing.T, config *Config) *testPeer {
	t.Helper()
	p := newTestPeer(t, config)
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit+secondAddress))
	p.want("INIT-ACK")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.want("COOKIE-ACK")
	p.wantEvent(EventUp)
	return p
}

// TestPathVerification checks that a listed address receives a heartbeat with a nonce, and nothing
// else before it has been answered. See RFC 9260, Section 5.4.
func TestPathVerification(t *testing.T) {
	p := twoPaths(t, nil)
	p.sleep(0)
	p.want("HEARTBEAT")
	if p.lastTo != simAddr(1, 1) {
		t.Fatal("to", p.lastTo)
	}
	info := p.last[headerLen+chunkHeaderLen:]
	if len(info) < 12 {
		t.Fatalf("% x: no nonce of 64 bits", info)
	}
	if err := p.assoc.SetPrimary(simAddr(1, 1).Addr()); err != ErrAddress {
		t.Error("an unconfirmed address is primary")
	}
	forged := append([]byte(nil), info...)
	forged[5] ^= 1
	p.raw(p.core.tag, chunkOf(chunkHeartbeatAck, 0, forged))
	if s := p.assoc.Paths(nil)[1].State; s != PathUnconfirmed {
		t.Fatal(s, "with a wrong nonce")
	}
	p.now += 50 * time.Millisecond
	p.raw(p.core.tag, chunkOf(chunkHeartbeatAck, 0, info))
	if i := p.assoc.Paths(nil)[1]; i.State != PathActive || i.SRTT != 50*time.Millisecond {
		t.Fatalf("%+v", i)
	}
	if e := p.wantEvent(EventPath); e.Path != simAddr(1, 1) || e.PathState != PathActive {
		t.Error(e)
	}
	p.raw(p.core.tag, chunkOf(chunkHeartbeatAck, 0, info))
	if err := p.assoc.SetPrimary(simAddr(1, 1).Addr()); err != nil {
		t.Error(err)
	}
	p.write("x", Info{})
	p.want("DATA +0 stream 0 ssn 0 EB \"x\"")
	if p.lastTo != simAddr(1, 1) {
		t.Error("to", p.lastTo)
	}
}

// TestUnconfirmedAddressGetsNoData checks that no data is sent to an unconfirmed address even if
// all others fail, because it could be a victim's. See RFC 5062, Section 4.
func TestUnconfirmedAddressGetsNoData(t *testing.T) {
	p := twoPaths(t, &Config{AssociationMaxRetrans: 3, PathMaxRetrans: 1})
	p.write(strings.Repeat("x", 1000), Info{})
	heartbeats := 0
	for p.assoc.State() != StateClosed {
		for got := p.next(); got != ""; got = p.next() {
			if p.lastTo == simAddr(1, 1) {
				if heartbeats++; got != "HEARTBEAT" {
					t.Fatalf("%s to an unconfirmed address", got)
				}
			}
		}
		p.now = p.assoc.NextTimeout()
		p.assoc.Timeout(p.now)
	}
	if heartbeats > 5 {
		t.Errorf("%d heartbeats to an address that never answers", heartbeats)
	}
}

// TestHeartbeat checks that the answer returns the heartbeat's information to the address that it
// came from. See RFC 9260, Section 8.3.
func TestHeartbeat(t *testing.T) {
	p := acceptPeer(t, nil)
	p.send(chunkHeartbeat, 0, "0001 000c 0123456789abcdef")
	p.want("HEARTBEAT-ACK 0001000c0123456789abcdef")
	p.send(chunkHeartbeat, 0, "0002 000c 0123456789abcdef")
	p.wantNothing("there is no heartbeat information")
	p.send(chunkHeartbeat, 0, "")
	p.wantNothing("there is no heartbeat information")
}

// TestHeartbeatInSetup checks that HEARTBEAT is answered as soon as COOKIE ECHO has been sent: the
// peer may have received it, and COOKIE ACK may be lost. See RFC 9260, Section 8.3.
func TestHeartbeatInSetup(t *testing.T) {
	const heartbeat = "0001 000c 0123456789abcdef"
	p := newTestPeer(t, nil)
	p.connect()
	p.want("INIT")
	p.send(chunkHeartbeat, 0, heartbeat)
	p.wantNothing("the peer has no association")
	p.send(chunkInitAck, 0, peerInit+"0007 0008 \"cook\"")
	p.want("COOKIE-ECHO \"cook\"")
	p.send(chunkHeartbeat, 0, heartbeat)
	p.want("HEARTBEAT-ACK 0001000c0123456789abcdef")
	p.sleep(time.Second)
	p.want("COOKIE-ECHO \"cook\"")
}

// TestNoHeartbeatAfterShutdown checks that no HEARTBEAT follows SHUTDOWN or SHUTDOWN ACK, although
// paths fail or are not confirmed. See RFC 9260, Section 8.3.
func TestNoHeartbeatAfterShutdown(t *testing.T) {
	for _, asked := range []bool{false, true} { // the peer shuts down
		for _, sent := range []bool{false, true} { // a HEARTBEAT, not answered, before it is to end
			p := twoPaths(t, &Config{HeartbeatInterval: time.Second, MaxMTU: 1472})
			for p.sleep(time.Second); sent && p.next() != ""; {
			}
			want := "SHUTDOWN 999"
			if asked {
				want = "SHUTDOWN-ACK"
				p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn-1))
			} else {
				p.assoc.Shutdown(p.now)
			}
			for range 200 {
				for got := p.next(); got != ""; got = p.next() {
					if got != want && got != "ABORT user-initiated abort" {
						t.Fatalf("%q, want %q", got, want)
					}
				}
				if p.assoc.State() == StateClosed {
					break
				}
				p.sleep(time.Second)
			}
		}
	}
}

// TestHeartbeatInterval checks that a heartbeat is sent on an idle path after the interval and the
// RTO, half of which is random.
func TestHeartbeatInterval(t *testing.T) {
	p := acceptPeer(t, nil)
	for range 5 {
		start := p.now
		p.now = p.assoc.NextTimeout()
		if d := p.now - start; d < 30500*time.Millisecond || d > 31500*time.Millisecond {
			t.Fatal(d)
		}
		p.sleep(0)
		p.want("HEARTBEAT")
		p.raw(p.core.tag, chunkOf(chunkHeartbeatAck, 0, p.last[headerLen+chunkHeaderLen:]))
	}
}

// TestHeartbeatFailure checks that an association ends if an idle peer does not answer.
func TestHeartbeatFailure(t *testing.T) {
	p := acceptPeer(t, &Config{AssociationMaxRetrans: 2, PathMaxRetrans: 1,
		HeartbeatInterval: time.Second})
	start := p.now
	for p.assoc.State() != StateClosed {
		p.now = p.assoc.NextTimeout()
		p.assoc.Timeout(p.now)
		for p.next() != "" {
		}
	}
	if d := p.now - start; d > 20*time.Second {
		t.Error(d)
	}
}

// TestHeartbeatBacksOff checks that the time allowed for an answer doubles. See RFC 9260, Section
// 6.3.3, rule E2.
func TestHeartbeatBacksOff(t *testing.T) {
	p := twoPaths(t, nil)
	p.sleep(0)
	for _, rto := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		p.want("HEARTBEAT")
		p.sleep(rto - 1)
		p.wantNothing("there is time for an answer")
		p.sleep(1)
	}
}

// listingPeer returns a peer that lists n further addresses in INIT, after INIT ACK.
func listingPeer(t *testing.T, n int) *testPeer {
	p := newTestPeer(t, nil)
	p.listen()
	init := peerInit
	for i := range n {
		init += fmt.Sprintf("0005 0008 0a01%04x", i)
	}
	p.raw(0, peerChunk(chunkInit, 0, init))
	p.want("INIT-ACK")
	return p
}

// TestUnconfirmedAddressesDoNotCount checks that an association does not end because the peer lists
// addresses that are not its own.
func TestUnconfirmedAddressesDoNotCount(t *testing.T) {
	p := listingPeer(t, 15)
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	for range 25 {
		p.sleep(time.Second)
		for p.next() != "" {
		}
	}
	p.wantState(StateEstablished)
}

// TestFailover checks that the other path is used after one timeout (RFC 7829), and the first one
// again when it answers. See RFC 9260, Sections 6.4.1 and 8.2.
func TestFailover(t *testing.T) {
	n := newSimNet(t, 5)
	c, s := n.pair(nil, nil, 2)
	n.run(time.Second)
	n.down[0] = true
	c.send("over the other path", Info{})
	n.until(1200*time.Millisecond, func() bool { return len(s.got) == 1 })
	n.run(5 * time.Minute)
	states := func() string {
		var all []string
		for _, i := range c.assoc.Paths(nil) {
			all = append(all, i.State.String())
		}
		return strings.Join(all, ", ")
	}
	if got := states(); got != "inactive, active" {
		t.Fatal(got)
	}
	if c.assoc.State() != StateEstablished {
		t.Fatal(c.assoc.Err())
	}
	n.down[0] = false
	n.run(2 * time.Minute)
	if got := states(); got != "active, active" {
		t.Fatal(got)
	}
	var last netip.AddrPort
	n.tap = func(from *simHost, packet []byte) bool { return false }
	c.assoc.Send(n.now, []byte("back"), Info{})
	out, ok := c.assoc.NextPacket(n.now, make([]byte, 0, 2000))
	if last = out.To; !ok || last != simAddr(1, 0) {
		t.Error("to", last)
	}
}

// TestBothPathsFail checks that the association ends, using only the time that both ends are given.
func TestBothPathsFail(t *testing.T) {
	n := newSimNet(t, 6)
	c, s := n.pair(&Config{RTOInitial: 200 * time.Millisecond, RTOMin: 100 * time.Millisecond,
		RTOMax: 800 * time.Millisecond}, nil, 2)
	n.run(time.Second)
	n.down[0], n.down[1] = true, true
	c.send("x", Info{})
	n.until(30*time.Second, func() bool { return c.assoc.Err() != nil })
	n.until(30*time.Minute, func() bool { return s.assoc.Err() != nil })
}

// TestManyAddresses checks that a peer that lists many addresses costs little.
func TestManyAddresses(t *testing.T) {
	p := listingPeer(t, 500)
	if len(p.last) > 1232 {
		t.Errorf("INIT ACK of %d bytes", len(p.last))
	}
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.next()
	if n := len(p.assoc.Paths(nil)); n > maxAddresses {
		t.Errorf("%d addresses", n)
	}
}

// TestUDPPortChanges changes the UDP port of a peer, as a NAT may do. See RFC 6951, Section 5.4.
// With SCTP-AUTH, only an authenticated packet changes the port.
func TestUDPPortChanges(t *testing.T) {
	moved := netip.AddrPortFrom(simAddr(1, 0).Addr(), 4242)
	p := acceptPeer(t, nil)
	p.from = moved
	p.raw(p.core.tag+1, data(1000, whole, 0, 0, "x"))
	if got := p.assoc.Paths(nil)[0].Peer; got != simAddr(1, 0) {
		t.Error("moved by a packet with a wrong tag to", got)
	}
	p.next() // it is out of the blue
	p.raw(p.core.tag, data(1000, whole, 0, 0, "x"))
	p.want("SACK 1000")
	if p.lastTo != moved {
		t.Error("to", p.lastTo)
	}

	p = authPeer(t, &Config{Auth: true})
	p.from = moved
	p.raw(p.core.tag, peerChunk(chunkHeartbeat, 0, "0001 0008 11111111"))
	p.next()
	if p.lastTo != simAddr(1, 0) {
		t.Error("moved by what is not authenticated to", p.lastTo)
	}
	p.raw(p.core.tag, p.signed(3, 0, "", data(1000, whole, 0, 0, "x")))
	p.want("SACK 1000")
	if p.lastTo != moved {
		t.Error("to", p.lastTo)
	}
}

// TestForeignAddress checks that a packet from an address that is not the peer's does not belong to
// the association.
func TestForeignAddress(t *testing.T) {
	p := acceptPeer(t, nil)
	p.from = simAddr(1, 3)
	p.raw(p.core.tag, data(1000, whole, 0, 0, "x"), peerChunk(chunkAbort, 0, ""))
	p.wantNothing("the source is not the peer's")
	p.wantRead()
	p.wantState(StateEstablished)
}

// TestListedAddresses checks that INIT ACK lists the addresses of both families.
func TestListedAddresses(t *testing.T) {
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	p := newTestPeer(t, &Config{Addresses: addrs})
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit))
	p.want("INIT-ACK")
	if fmt.Sprint(p.core.addrs) != fmt.Sprint(addrs) {
		t.Error(p.core.addrs)
	}
	if n := binary.BigEndian.Uint16(p.last[headerLen+2:]); int(n) != len(p.last)-headerLen {
		t.Error("length", n)
	}
}

package sctpcore

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// What follows are those test purposes of purposes_test.go that nothing else tests.

const peerInitAck = peerInit + "0007 0008 \"cook\""

// echoedPeer is one that the core has sent COOKIE ECHO to.
func echoedPeer(t *testing.T) *testPeer {
	t.Helper()
	p := newTestPeer(t, nil)
	p.connect()
	p.want("INIT")
	p.send(chunkInitAck, 0, peerInitAck)
	p.want("COOKIE-ECHO \"cook\"")
	return p
}

// TestTagsDiffer: RFC 9260, Section 5.3.1.
func TestTagsDiffer(t *testing.T) {
	p := newTestPeer(t, nil)
	p.listen()
	tags, tsns := map[uint32]bool{}, map[uint32]bool{}
	for range 100 {
		p.raw(0, peerChunk(chunkInit, 0, peerInit))
		p.want("INIT-ACK")
		tags[p.core.tag], tsns[p.core.tsn] = true, true
	}
	for range 100 {
		p.connect()
		p.want("INIT")
		tags[p.core.tag], tsns[p.core.tsn] = true, true
		p.assoc.Abort("")
		p.next()
		p.endpoint.Forget(p.assoc)
	}
	if len(tags) != 200 || tags[0] || len(tsns) != 200 {
		t.Errorf("%d tags and %d TSNs are different", len(tags), len(tsns))
	}
}

// TestOptionalParameters: RFC 9260, Sections 3.3.2 and 3.3.3.
func TestOptionalParameters(t *testing.T) {
	const (
		addresses    = secondAddress + "0006 0014 20010db8000000000000000000000001"
		preservative = "0009 0008 00001000"
	)
	for _, params := range []string{
		"", addresses, preservative, addresses + preservative + "000c 0008 0005 0006",
		"000c 0006 0005 0000", // IPv4
		"000c 0006 0006 0000", // IPv6, though the packet came over IPv4
		"8000 0004",           // ECN, which is declined
	} {
		p := newTestPeer(t, nil)
		p.listen()
		p.raw(0, peerChunk(chunkInit, 0, peerInit+params))
		p.want("INIT-ACK")
		p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
		p.want("COOKIE-ACK")
		p.wantState(StateEstablished)
		if n := len(p.assoc.Paths(nil)); n != 1+2*strings.Count(params, "20010db8") {
			t.Errorf("%d paths with %q", n, params)
		}

		p = newTestPeer(t, nil)
		p.connect()
		p.want("INIT")
		p.send(chunkInitAck, 0, peerInitAck+params)
		p.want("COOKIE-ECHO \"cook\"")
		p.send(chunkCookieAck, 0, "")
		p.wantState(StateEstablished)
	}
}

// TestStreamsOfInitAck: RFC 9260, Section 5.1.1.
func TestStreamsOfInitAck(t *testing.T) {
	p := newTestPeer(t, &Config{OutStreams: 8, MaxInStreams: 9})
	p.connect()
	p.want("INIT")
	p.send(chunkInitAck, 0, "0000aaaa 00010000 0002 0003 000003e8 0007 0008 \"cook\"")
	p.want("COOKIE-ECHO \"cook\"")
	p.send(chunkCookieAck, 0, "")
	if out, in := p.assoc.Streams(); out != 3 || in != 2 {
		t.Error(out, in)
	}
}

// TestUnknownParametersAll: several in one INIT. RFC 9260, Section 3.2.1.
func TestUnknownParametersAll(t *testing.T) {
	for _, test := range []struct{ typ, answer string }{
		{"3fcc", "INIT-ACK"},
		{"7fcc", "INIT-ACK unrecognized 7fcc000801010101"},
		{"bfcc", "INIT-ACK"},
		{"ffcc", "INIT-ACK unrecognized ffcc000801010101 unrecognized ffcc000802020202"},
	} {
		p := newTestPeer(t, nil)
		p.listen()
		p.raw(0, peerChunk(chunkInit, 0, peerInit+test.typ+"0008 01010101"+test.typ+"0008 02020202"))
		p.want(test.answer)
		p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
		p.want("COOKIE-ACK")
	}
}

// TestSourceIsUsed: RFC 9260, Section 5.1.2, A.
func TestSourceIsUsed(t *testing.T) {
	for _, p := range []*testPeer{acceptPeer(t, nil), connectPeer(t, nil)} {
		p.write("x", Info{})
		p.want("DATA +0 stream 0 ssn 0 EB \"x\"")
		if p.lastTo != p.from || len(p.assoc.Paths(nil)) != 1 {
			t.Error(p.lastTo, p.assoc.Paths(nil))
		}
	}
}

// confirm has the address that the peer lists answer.
func (p *testPeer) confirm() {
	p.t.Helper()
	p.sleep(0)
	p.want("HEARTBEAT")
	p.from = simAddr(1, 1)
	p.raw(p.core.tag, chunkOf(chunkHeartbeatAck, 0, p.last[headerLen+chunkHeaderLen:]))
	p.from = simAddr(1, 0)
	p.wantEvent(EventPath)
}

// connectTwoPaths is twoPaths begun by the core.
func connectTwoPaths(t *testing.T) *testPeer {
	t.Helper()
	p := newTestPeer(t, nil)
	p.connect()
	p.want("INIT")
	p.send(chunkInitAck, 0, peerInitAck+secondAddress)
	p.want("COOKIE-ECHO \"cook\"")
	p.send(chunkCookieAck, 0, "")
	p.wantEvent(EventUp)
	return p
}

// TestAddressesOfInit: what is not acknowledged goes again to another address that was listed. RFC
// 9260, Sections 5.1.2 and 6.4.1.
func TestAddressesOfInit(t *testing.T) {
	for _, p := range []*testPeer{twoPaths(t, nil), connectTwoPaths(t)} {
		p.confirm()
		p.write("x", Info{})
		p.want("DATA +0 stream 0 ssn 0 EB \"x\"")
		if p.lastTo != simAddr(1, 0) {
			t.Error("first to", p.lastTo)
		}
		p.sleep(1e9)
		other := false
		for got := p.next(); got != ""; got = p.next() {
			other = other || strings.HasPrefix(got, "DATA +0") && p.lastTo == simAddr(1, 1)
		}
		if !other {
			t.Error("the other address gets nothing")
		}
	}
}

// TestNothingIsLeft: after each end the peer's packets are out of the blue. RFC 9260, Section 9.
func TestNothingIsLeft(t *testing.T) {
	for _, test := range []struct {
		name string
		end  func(p *testPeer)
	}{
		{"ABORT", func(p *testPeer) { p.send(chunkAbort, 0, "") }},
		{"SHUTDOWN ACK", func(p *testPeer) {
			p.assoc.Shutdown(p.now)
			p.want("SHUTDOWN 999")
			p.send(chunkShutdownAck, 0, "")
			p.want("SHUTDOWN-COMPLETE")
		}},
		{"SHUTDOWN COMPLETE", func(p *testPeer) {
			p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn-1))
			p.want("SHUTDOWN-ACK")
			p.send(chunkShutdownComplete, 0, "")
		}},
	} {
		p := connectPeer(t, nil)
		test.end(p)
		p.wantNothing("it is over")
		p.wantState(StateClosed)
		p.endpoint.Forget(p.assoc)
		p.send(chunkHeartbeat, 0, "0001 0008 11111111")
		if got := p.next(); got != fmt.Sprintf("tag %x | ABORT flags 1", p.core.tag) {
			t.Errorf("%s: %s", test.name, got)
		}
	}
}

// TestNoMessageWhileShuttingDown: RFC 9260, Section 9.2.
func TestNoMessageWhileShuttingDown(t *testing.T) {
	for _, s := range []State{StateShutdownPending, StateShutdownSent, StateShutdownReceived,
		StateShutdownAckSent} {
		p := connectPeer(t, nil)
		if s == StateShutdownPending || s == StateShutdownReceived {
			p.write("x", Info{})
			p.next()
		}
		if s == StateShutdownPending || s == StateShutdownSent {
			p.assoc.Shutdown(p.now)
		} else {
			p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn-1))
		}
		p.wantState(s)
		p.next()
		if err := p.assoc.Send(p.now, []byte("x"), Info{}); err != ErrNotEstablished {
			t.Errorf("%v: %v", s, err)
		}
		p.wantNothing("no message is taken")
	}
}

// TestShutdownAckWithoutAnswer: RFC 9260, Section 9.2.
func TestShutdownAckWithoutAnswer(t *testing.T) {
	p := connectPeer(t, &Config{AssociationMaxRetrans: 2, HeartbeatInterval: -1})
	p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn-1))
	for range 3 {
		p.want("SHUTDOWN-ACK")
		p.sleep(10e9)
	}
	p.want("ABORT user-initiated abort")
	p.wantState(StateClosed)
}

// TestWrongTagWhileShuttingDown: RFC 9260, Section 8.5.1, C and E.
func TestWrongTagWhileShuttingDown(t *testing.T) {
	p := connectPeer(t, nil)
	p.assoc.Shutdown(p.now)
	p.want("SHUTDOWN 999")
	for _, tag := range []uint32{p.core.tag + 1, peerTag, 0} {
		p.raw(tag, peerChunk(chunkShutdownAck, 0, ""))
	}
	p.wantNothing("the tag is wrong")
	p.wantState(StateShutdownSent)

	p = connectPeer(t, nil)
	p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn-1))
	p.want("SHUTDOWN-ACK")
	p.raw(p.core.tag+1, peerChunk(chunkShutdownComplete, 0, ""))
	p.raw(p.core.tag, peerChunk(chunkShutdownComplete, flagT, ""))
	p.raw(peerTag, peerChunk(chunkShutdownComplete, 0, ""))
	p.wantNothing("the tag is wrong, or the T bit")
	p.wantState(StateShutdownAckSent)
	p.raw(peerTag, peerChunk(chunkShutdownComplete, flagT, ""))
	p.wantState(StateClosed)
}

// TestOutOfPlace: chunks that have no meaning in a state change nothing. RFC 9260, Section 5.2.
func TestOutOfPlace(t *testing.T) {
	p := echoedPeer(t)
	p.send(chunkInitAck, 0, "0000bbbb"+peerInitAck[8:])
	p.wantNothing("there was an INIT ACK")
	p.wantState(StateCookieEchoed)
	p.send(chunkCookieAck, 0, "")
	p.wantEvent(EventUp)

	for _, c := range [][]byte{
		peerChunk(chunkShutdownAck, 0, ""), peerChunk(chunkShutdownComplete, 0, ""),
		peerChunk(chunkShutdownComplete, flagT, ""), peerChunk(chunkCookieEcho, 0, "00010203"),
		peerChunk(chunkInitAck, 0, peerInitAck), peerChunk(chunkCookieAck, 0, ""),
		peerChunk(chunkError, 0, "0003 0008 000f4240"),
	} {
		p.raw(p.core.tag, c)
		p.wantNothing("it is out of place")
		p.wantState(StateEstablished)
	}
	p.send(chunkHeartbeat, 0, "0001 0008 11111111")
	p.want("HEARTBEAT-ACK 0001000811111111")

	p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn-1))
	p.want("SHUTDOWN-ACK")
	p.raw(p.core.tag, data(1000, whole, 0, 0, "x"))
	p.wantNothing("the peer has said that it sends nothing more")
	p.sleep(1e9)
	p.want("SHUTDOWN-ACK")
	p.wantRead()
}

// TestErrorsSetBack: RFC 9260, Section 8.1.
func TestErrorsSetBack(t *testing.T) {
	p := connectPeer(t, &Config{AssociationMaxRetrans: 3, HeartbeatInterval: -1})
	for i := range 3 {
		p.write("x", Info{})
		for range 4 {
			p.want(fmt.Sprintf("DATA +%d stream 0 ssn %d EB \"x\"", i, i))
			if i < 2 && p.assoc.errors == 3 {
				break
			}
			p.sleep(60e9)
		}
		p.sack(i, 65536, "")
	}
	p.want("ABORT user-initiated abort")
}

// TestBundled: what may be in a packet with what. RFC 9260, Section 6.10.
func TestBundled(t *testing.T) {
	p := newTestPeer(t, nil)
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit))
	p.want("INIT-ACK")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie),
		peerChunk(chunkError, 0, "0008 0008 c0000004"))
	p.want("COOKIE-ACK")
	p.wantEvent(EventUp)
	if e := p.wantEvent(EventRemoteError); e.Cause != CauseUnrecognizedParam {
		t.Error(e)
	}

	p = newTestPeer(t, nil)
	p.connect()
	p.want("INIT")
	p.raw(p.core.tag, peerChunk(chunkInitAck, 0, peerInitAck), data(1000, whole, 0, 0, "x"))
	p.want("COOKIE-ECHO \"cook\"")
	p.raw(p.core.tag, peerChunk(chunkCookieAck, 0, ""), data(1000, whole, 0, 0, "behind"))
	p.want("SACK 1000")
	p.wantEvent(EventUp)
	p.wantRead("0:behind")

	p.write("a", Info{})
	p.want("DATA +0 stream 0 ssn 0 EB \"a\"")
	sack := peerChunk(chunkSack, 0, fmt.Sprintf("%08x 00010000 0000 0000", p.core.tsn))
	p.raw(p.core.tag, sack, data(1001, whole|flagImmediate, 0, 1, "with SACK"))
	p.want("SACK 1001")
	p.wantRead("0:with SACK")
	p.raw(p.core.tag, sack, peerChunk(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn)))
	p.want("SHUTDOWN-ACK")
	p.raw(p.core.tag, peerChunk(chunkShutdownComplete, 0, ""), data(1002, whole, 0, 2, "x"))
	p.wantNothing("it is over")
	p.wantState(StateClosed)
	p.wantEvent(EventPeerShutdown)
	p.wantEvent(EventDown)
	p.wantRead()

	p = connectPeer(t, nil)
	p.assoc.Shutdown(p.now)
	p.want("SHUTDOWN 999")
	p.raw(p.core.tag, peerChunk(chunkShutdownAck, 0, ""), data(1000, whole, 0, 0, "x"))
	p.want("SHUTDOWN-COMPLETE")
	p.wantEvent(EventDown)
	p.wantRead()
}

// TestFullPacket: RFC 9260, Section 6.9.
func TestFullPacket(t *testing.T) {
	const fits = 1232 - headerLen - dataHeaderLen
	p := connectPeer(t, nil)
	p.write(strings.Repeat("x", fits), Info{})
	p.want(fmt.Sprintf("DATA +0 stream 0 ssn 0 EB %d bytes", fits))
	if len(p.last) != 1232 {
		t.Errorf("a packet of %d bytes", len(p.last))
	}
	p.write(strings.Repeat("x", fits+1), Info{})
	p.want(fmt.Sprintf("DATA +1 stream 0 ssn 1 B %d bytes", fits), "DATA +2 stream 0 ssn 1 E \"x\"")
}

// TestRetransmissionsFirst: RFC 9260, Section 6.1, rule C.
func TestRetransmissionsFirst(t *testing.T) {
	p := connectPeer(t, &Config{HeartbeatInterval: -1})
	text := strings.Repeat("x", 1204)
	for range 4 {
		p.write(text, Info{})
		p.next()
	}
	p.write("not sent yet", Info{})
	p.wantNothing("the congestion window is full")
	p.sack(-1, 65536, "0002 0002")
	p.next()
	p.sleep(1e9)
	if got := p.next(); !strings.HasPrefix(got, "DATA +0 ") {
		t.Error(got)
	}
}

// TestSackFromOtherAddress: RFC 9260, Section 6.4.
func TestSackFromOtherAddress(t *testing.T) {
	p := twoPaths(t, nil)
	p.confirm()
	p.write("x", Info{})
	p.want("DATA +0 stream 0 ssn 0 EB \"x\"")
	p.from = simAddr(1, 1)
	p.sack(0, 65536, "")
	if p.assoc.Unacknowledged() != 0 {
		t.Error("it is not acknowledged")
	}
	p.sleep(2e9)
	p.wantNothing("it is acknowledged")
}

// TestRTOMax: RFC 9260, Section 6.3.3, rule E2.
func TestRTOMax(t *testing.T) {
	p := connectPeer(t, &Config{RTOInitial: 100e6, RTOMin: 100e6, RTOMax: 800e6,
		HeartbeatInterval: -1})
	p.write("x", Info{})
	for _, ms := range []int64{100, 200, 400, 800, 800, 800} {
		p.want("DATA +0 stream 0 ssn 0 EB \"x\"")
		p.sleep(time.Duration(ms)*time.Millisecond - 1)
		p.wantNothing("T3-rtx has not expired")
		p.sleep(1)
	}
}

// TestRTOOfEachAddress: what is sent again goes to each address in turn, each after an RTO of its
// own. RFC 9260, Sections 6.3.3, 6.4.1 and 8.2; RFC 7829.
func TestRTOOfEachAddress(t *testing.T) {
	p := twoPaths(t, &Config{RTOInitial: 100e6, RTOMin: 100e6, RTOMax: 800e6, HeartbeatInterval: -1,
		AssociationMaxRetrans: 100, PathMaxRetrans: 100})
	p.confirm()
	p.write("x", Info{})
	sent := map[netip.AddrPort]int{}
	for start, last := p.now, p.now; p.now < start+5e9; {
		for got := p.next(); got != ""; got = p.next() {
			if !strings.Contains(got, "DATA +0") {
				continue
			}
			if d := p.now - last; d > 800e6 || sent[p.lastTo] > 0 && d < 100e6 {
				t.Errorf("it goes to %v again after %v", p.lastTo, d)
			}
			last = p.now
			sent[p.lastTo]++
		}
		p.now = p.assoc.NextTimeout()
		p.sleep(0)
	}
	p.wantState(StateEstablished)
	for i := range 2 {
		if n := sent[simAddr(1, i)]; n < 4 {
			t.Errorf("address %d got it %d times: %v", i, n, sent)
		}
	}
}

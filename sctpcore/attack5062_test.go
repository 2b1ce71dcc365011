package sctpcore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// What follows are attacks of RFC 5062, and those of their kind, by a peer that has an association.

// TestAddressCamping: who lists the address of somebody else keeps nobody from it: the victim's
// INIT, with the same ports, begins an association of its own. RFC 5062, Section 2.
func TestAddressCamping(t *testing.T) {
	for _, auth := range []bool{false, true} {
		p := newTestPeer(t, &Config{Auth: auth})
		p.listen()
		p.raw(0, peerChunk(chunkInit, 0, peerInit+secondAddress))
		p.want("INIT-ACK")
		p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
		p.want("COOKIE-ACK")
		camper, tag := p.assoc, p.core.tag

		p.from = simAddr(1, 1) // the victim, who has another address too
		p.raw(0, peerChunk(chunkInit, 0, peerInit+"0005 0008 0a000309"))
		p.want("INIT-ACK")
		p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
		if p.assoc == camper {
			t.Fatal("the victim gets no association")
		}
		p.want("COOKIE-ACK")
		p.wantState(StateEstablished)
		p.raw(0, peerChunk(chunkInit, 0, "0000bbbb"+peerInit[8:])) // and restarts it
		if got := p.next(); got != "tag bbbb | INIT-ACK" {
			t.Fatal(got)
		}
		p.endpoint.Bind(camper)
		if a := p.endpoint.Find(p.from, header{peerPort, corePort, 0}.append(nil)); a != p.assoc {
			t.Error("the address is the camper's")
		}
		p.endpoint.Forget(p.assoc)
		if camper.State() != StateEstablished || camper.restarted {
			t.Error("the camper's association is another")
		}
		// What answers the HEARTBEAT to the victim's address ends the camper's association.
		p.assoc = camper
		p.raw(peerTag, peerChunk(chunkAbort, flagT, ""))
		p.wantState(StateClosed)
		p.endpoint.Forget(camper)
		if a := p.endpoint.byTag[tag]; a != nil || len(p.endpoint.claimed)+len(p.endpoint.byPlace) != 0 {
			t.Error("something is left of the association")
		}
	}
}

// TestConfirmedAddressRestarts: an address that has answered is the peer's, which can restart
// there.
func TestConfirmedAddressRestarts(t *testing.T) {
	p := twoPaths(t, nil)
	p.confirm()
	p.endpoint.Bind(p.assoc)
	p.from = simAddr(1, 1)
	p.raw(0, peerChunk(chunkInit, 0, "0000bbbb"+peerInit[8:]))
	if got := p.next(); got != "tag bbbb | INIT-ACK" {
		t.Fatal(got)
	}
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.wantEvent(EventRestart)
}

// TestAddressBombing: addresses of a victim get one HEARTBEAT in each RTO, however many are listed.
// RFC 9260, Section 5.4, HB.Max.Burst; RFC 5062, Section 6.
func TestAddressBombing(t *testing.T) {
	p := listingPeer(t, 15)
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.want("COOKIE-ACK")
	asked := map[netip.AddrPort]int{}
	for start := p.now; p.now < start+10*time.Second; {
		p.sleep(0)
		burst := 0
		for got := p.next(); got != ""; got = p.next() {
			if got != "HEARTBEAT" || p.lastTo == p.from {
				t.Fatalf("%s to %v", got, p.lastTo)
			}
			asked[p.lastTo]++
			burst++
		}
		if burst > 1 {
			t.Errorf("%d HEARTBEATs at once", burst)
		}
		p.now = p.assoc.NextTimeout()
	}
	sum := 0
	for _, n := range asked {
		sum += n
	}
	if sum < 9 || sum > 11 || len(asked) < 5 {
		t.Errorf("%d HEARTBEATs to %d addresses in 10 s", sum, len(asked))
	}
	for end := p.now + time.Hour; p.now < end; { // each is asked in the end, and then no more
		p.sleep(0)
		for p.next() != "" {
			if asked[p.lastTo]++; p.lastTo == p.from {
				p.raw(p.core.tag, chunkOf(chunkHeartbeatAck, 0, p.last[headerLen+chunkHeaderLen:]))
			}
		}
		p.now = p.assoc.NextTimeout()
	}
	delete(asked, p.from)
	for to, n := range asked {
		if n < 6 || n > 6+60 { // those of each minute, when the RTO has grown to that
			t.Errorf("%v: %d HEARTBEATs", to, n)
		}
	}
	if len(asked) != 15 {
		t.Errorf("%d addresses were asked", len(asked))
	}
}

// TestScopeOfAddresses: a peer cannot have packets sent to this host itself, or to its neighbors,
// at a UDP port of its choice.
func TestScopeOfAddresses(t *testing.T) {
	const (
		loopback  = "0005 0008 7f000001 0006 0014 00000000000000000000000000000001"
		linkLocal = "0005 0008 a9fe0101 0006 0014 fe800000000000000000000000000001"
		other     = "0005 0008 0a000102"
	)
	for _, test := range []struct {
		from  string
		init  string
		paths int
	}{
		{"10.0.0.2:53", loopback + linkLocal + other, 2},
		{"[2001:db8::1]:53", loopback + linkLocal + other, 2},
		{"127.0.0.2:53", loopback + linkLocal + other, 6},
		{"[fe80::1]:53", loopback + "0006 0014 fe800000000000000000000000000002", 2},
	} {
		p := newTestPeer(t, nil)
		p.from = netip.MustParseAddrPort(test.from)
		p.listen()
		p.raw(0, peerChunk(chunkInit, 0, peerInit+test.init))
		p.want("INIT-ACK")
		p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
		p.want("COOKIE-ACK")
		if paths := p.assoc.Paths(nil); len(paths) != test.paths {
			t.Errorf("from %s: %+v", test.from, paths)
		}
		p = newTestPeer(t, nil)
		p.from = netip.MustParseAddrPort(test.from)
		p.connect()
		p.want("INIT")
		p.send(chunkInitAck, 0, peerInitAck+test.init)
		p.want("COOKIE-ECHO \"cook\"")
		if paths := p.assoc.Paths(nil); len(paths) != test.paths {
			t.Errorf("to %s: %+v", test.from, paths)
		}
	}
}

// TestCookieHidesTags: who gets the address of a peer, and an INIT ACK there, does not learn the
// verification tags of the association that is there. RFC 9260, Section 5.2.2; RFC 5062, Section 3.
func TestCookieHidesTags(t *testing.T) {
	p := acceptPeer(t, nil)
	ours := binary.BigEndian.AppendUint32(nil, p.core.tag)
	theirs := binary.BigEndian.AppendUint32(nil, peerTag)
	var ties [2]tieTags
	for i := range ties {
		p.raw(0, peerChunk(chunkInit, 0, "0000bbbb"+peerInit[8:]))
		if got := p.next(); got != "tag bbbb | INIT-ACK" {
			t.Fatal(got)
		}
		if bytes.Contains(p.last, ours) || bytes.Contains(p.last, theirs) {
			t.Error("INIT ACK has a verification tag of the association")
		}
		c, ok := p.endpoint.key.open(p.cookie)
		if ties[i] = c.tie; !ok || c.tie == (tieTags{}) {
			t.Error("the cookie has no tie-tags")
		}
	}
	if ties[0] != ties[1] {
		t.Error("the tie-tags of an association change")
	}
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.next()
	p.endpoint.Bind(p.assoc)
	old := p.cookie
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, old))
	p.next()
	if p.wantEvent(EventRestart); p.assoc.HasEvent() {
		t.Error("a cookie restarts the association twice")
	}
	if p.assoc.tie() == ties[0] {
		t.Error("the association has the tie-tags of the one before it")
	}
}

// TestPortsOfCookie: a cookie is for the ports of its INIT. RFC 5062, Section 7.
func TestPortsOfCookie(t *testing.T) {
	p := newTestPeer(t, nil)
	p.listen()
	if err := p.endpoint.Listen(corePort+1, nil); err != nil {
		t.Fatal(err)
	}
	p.raw(0, peerChunk(chunkInit, 0, peerInit))
	p.want("INIT-ACK")
	for _, ports := range [][2]uint16{{peerPort + 1, corePort}, {peerPort, corePort + 1}} {
		b := header{ports[0], ports[1], p.core.tag}.append(nil)
		b = append(b, chunkOf(chunkCookieEcho, 0, p.cookie)...)
		putChecksum(b)
		p.packet(b)
		if p.assoc != nil {
			t.Error("an association with other ports than INIT had:", ports)
		}
	}
}

// TestCookieLife: a peer cannot have a cookie that is valid for long. RFC 5062, Section 6.3.
func TestCookieLife(t *testing.T) {
	p := newTestPeer(t, nil)
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit+"0009 0008 ffffffff"))
	p.want("INIT-ACK")
	p.now += 2*time.Minute + 1
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	if got := p.next(); !strings.HasPrefix(got, "ERROR stale cookie") || p.assoc != nil {
		t.Error(got)
	}
}

// TestOneAnswer: a packet of a peer is answered with one packet at most, whatever it asks for. RFC
// 5062, Sections 8 and 10.
func TestOneAnswer(t *testing.T) {
	ask := [][]byte{
		peerChunk(0x7e, 0, "deadbeef"),
		peerChunk(chunkHeartbeat, 0, "0001 0008 11111111"),
		data(1000, whole|flagImmediate, 99, 0, "x"),
		peerChunk(0xff, 0, strings.Repeat("ab", 200)),
	}
	for _, first := range ask {
		p := acceptPeer(t, &Config{MTU: 512})
		var chunks [][]byte
		for range 200 {
			chunks = append(chunks, peerChunk(0xfe, 0, strings.Repeat("cd", 100)), first,
				peerChunk(chunkHeartbeat, 0, "0001 0008 22222222"))
		}
		p.raw(p.core.tag, chunks...)
		n := 0
		for p.next() != "" {
			n++
		}
		if n > 1 || len(p.last) > 512 {
			t.Errorf("%d packets answer chunks of type %#x, the last of %d bytes", n, first[0], len(p.last))
		}
	}
}

// TestPeerKeepsNoClosedAssociation: when our user has shut the association down, the peer cannot
// keep it by giving no window, by acknowledging nothing, or by answering HEARTBEATs.
func TestPeerKeepsNoClosedAssociation(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(p *testPeer, got string)
		shut   bool // the peer has shut down before
	}{
		{"no window", func(p *testPeer, _ string) { p.sack(0, 0, "") }, false},
		{"HEARTBEATs are answered", func(p *testPeer, got string) {
			if got == "HEARTBEAT" {
				p.raw(p.core.tag, chunkOf(chunkHeartbeatAck, 0, p.last[headerLen+chunkHeaderLen:]))
			}
		}, false},
		{"after SHUTDOWN of the peer", func(p *testPeer, got string) {
			if got == "HEARTBEAT" {
				p.raw(p.core.tag, chunkOf(chunkHeartbeatAck, 0, p.last[headerLen+chunkHeaderLen:]))
			}
		}, true},
	} {
		p := acceptPeer(t, &Config{AssociationMaxRetrans: 1000, PathMaxRetrans: 1000,
			HeartbeatInterval: time.Second, RTOMax: 4 * time.Second})
		for range 3 {
			p.write(strings.Repeat("x", 1000), Info{})
		}
		p.next()
		p.sack(0, 0, "")
		if test.shut {
			p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn))
		}
		p.assoc.Shutdown(p.now)
		start := p.now
		for p.assoc.State() != StateClosed && p.now < start+time.Hour {
			for got := p.next(); got != ""; got = p.next() {
				test.answer(p, got)
			}
			p.now = p.assoc.NextTimeout()
			p.sleep(0)
		}
		if d := p.now - start; d != 5*4*time.Second || !errors.Is(p.assoc.Err(), ErrTimeout) {
			t.Errorf("%s: it ends after %v: %v", test.name, d, p.assoc.Err())
		}
		if got := p.next(); got != "ABORT user-initiated abort" {
			t.Errorf("%s: %s", test.name, got)
		}
	}

	// A slow peer is given its time.
	p := acceptPeer(t, &Config{HeartbeatInterval: -1, RTOMax: 4 * time.Second})
	for range 20 {
		p.write(strings.Repeat("x", 1000), Info{})
	}
	p.assoc.Shutdown(p.now)
	for i := range 20 {
		for p.next() != "" {
		}
		p.sleep(19 * time.Second)
		p.sack(i, 65536, "")
	}
	p.want("SHUTDOWN 999")
}

// TestRestartWhileClosing: a peer that restarts an association that our user has shut down is told
// so at once.
func TestRestartWhileClosing(t *testing.T) {
	p := acceptPeer(t, nil)
	p.write("x", Info{})
	p.next()
	p.assoc.Shutdown(p.now)
	p.wantState(StateShutdownPending)
	p.raw(0, peerChunk(chunkInit, 0, "0000bbbb"+peerInit[8:]))
	if got := p.next(); got != "tag bbbb | INIT-ACK" {
		t.Fatal(got)
	}
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	if got := p.next(); got != "tag bbbb | COOKIE-ACK | SHUTDOWN 999" {
		t.Error(got)
	}
	p.wantState(StateShutdownSent)
}

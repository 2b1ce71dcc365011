package sctpcore

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// purposes are the 121 test purposes of ETSI TS 102 369 V1.1.1, in words of our own, and what tests
// them here: a function, or why none can. The document is about RFC 2960; where RFC 9260 wants
// something else, that is tested, and said.
var purposes = []struct{ id, what, test string }{
	// Association setup
	{"AS_V_1_1_1", "setup begun by this side", "TestHandshakeToPeer"},
	{"AS_V_1_1_2", "setup begun by the peer", "TestHandshakeFromPeer"},
	{"AS_I_1_2_1", "INIT is lost, and sent again", "TestInitTimeout"},
	{"AS_I_1_2_2", "COOKIE ECHO is lost, and sent again", "TestCookieTimeout"},
	{"AS_I_1_3_1", "INIT is never answered", "TestInitTimeout"},
	{"AS_I_1_3_2", "COOKIE ECHO is never answered", "TestCookieTimeout"},
	{"AS_I_1_4", "no resources for another association",
		"none: the core has no limit; the backlog of a socket is one of package sctpudp"},
	{"AS_V_1_5_1", "another tag in each INIT", "TestTagsDiffer"},
	{"AS_V_1_5_2", "another tag in each INIT ACK", "TestTagsDiffer"},
	{"AS_V_1_6_1", "INIT with all optional parameters", "TestOptionalParameters"},
	{"AS_V_1_6_2", "INIT ACK with all optional parameters", "TestOptionalParameters"},
	{"AS_V_1_7_1", "INIT with more streams than wanted", "TestStreamsAgreed"},
	{"AS_I_1_7_2", "INIT without streams", "TestInitRefused"},
	{"AS_V_1_7_3", "INIT ACK with fewer streams than wanted", "TestStreamsOfInitAck"},
	{"AS_I_1_7_4", "INIT ACK without streams", "TestInitAckRefused"},
	{"AS_V_1_7_5", "both allow as many streams as the other wants", "TestStreamsAgreed"},
	{"AS_I_1_8_1", "several unknown parameters, to be reported, go on", "TestUnknownParametersAll"},
	{"AS_I_1_8_2", "unknown parameters, not reported, stop", "TestUnknownParametersAll"},
	{"AS_I_1_8_3", "unknown parameters, reported, stop", "TestUnknownParametersAll"},
	{"AS_I_1_8_4", "unknown parameters, not reported, go on", "TestUnknownParametersAll"},
	{"AS_O_1_9_1", "INIT once more from the address of the peer", "TestRestart"},
	{"AS_O_1_9_2", "INIT once more with another address", "TestRestartWithNewAddress"},
	{"AS_V_1_10_1", "INIT without addresses: its source is used", "TestSourceIsUsed"},
	{"AS_V_1_10_2", "INIT ACK without addresses: its source is used", "TestSourceIsUsed"},
	{"AS_V_1_11_1", "INIT with addresses: they and its source are used", "TestAddressesOfInit"},
	{"AS_V_1_11_2", "INIT ACK with addresses: they and its source are used", "TestAddressesOfInit"},
	{"AS_V_1_12_1", "INIT with a host name", "TestInitRefused"},
	{"AS_I_1_12_2", "INIT ACK with a host name", "TestInitAckRefused"},
	{"AS_V_1_13_1", "INIT with supported address types", "TestOptionalParameters"},
	{"AS_I_1_13_2", "INIT with address types that its source is not of", "TestOptionalParameters"},
	{"AS_I_1_14_1", "INIT with tag 0", "TestInitRefused"},
	{"AS_I_1_14_2", "INIT ACK with tag 0", "TestInitAckRefused"},
	{"AS_I_1_15", "INIT to an address after the other", "TestInitToNextAddress"},
	// Association termination
	{"AT_V_2_2", "ABORT by the peer", "TestNothingIsLeft"},
	{"AT_I_2_3", "SHUTDOWN waits until all is acknowledged", "TestShutdown"},
	{"AT_I_2_4", "SHUTDOWN is sent again", "TestShutdown"},
	{"AT_I_2_5", "SHUTDOWN is never answered", "TestShutdownWithoutAnswer"},
	{"AT_V_2_6", "SHUTDOWN ACK is answered, and nothing is left", "TestNothingIsLeft"},
	{"AT_I_2_7_1", "no message in SHUTDOWN-SENT", "TestNoMessageWhileShuttingDown"},
	{"AT_I_2_7_2", "no message in SHUTDOWN-RECEIVED", "TestNoMessageWhileShuttingDown"},
	{"AT_I_2_7_3", "no message in SHUTDOWN-PENDING", "TestNoMessageWhileShuttingDown"},
	{"AT_I_2_7_4", "no message in SHUTDOWN-ACK-SENT", "TestNoMessageWhileShuttingDown"},
	{"AT_I_2_8", "DATA in SHUTDOWN-SENT", "TestShutdown"},
	{"AT_I_2_9", "DATA in SHUTDOWN-RECEIVED", "TestPeerShutdown"},
	{"AT_I_2_10", "SHUTDOWN ACK waits until all is acknowledged", "TestPeerShutdown"},
	{"AT_I_2_11", "SHUTDOWN ACK is sent again", "TestPeerShutdown"},
	{"AT_I_2_12", "SHUTDOWN ACK is never answered", "TestShutdownAckWithoutAnswer"},
	{"AT_I_2_13", "SHUTDOWN COMPLETE, and nothing is left", "TestNothingIsLeft"},
	{"AT_V_2_14", "SHUTDOWN acknowledges", "TestPeerShutdown"},
	// Invalid message handling
	{"IMH_I_3_1", "INIT too short", "TestInitRefused"},
	{"IMH_I_3_2", "INIT ACK too short", "TestInitAckRefused"},
	{"IMH_I_3_3", "COOKIE ECHO with a wrong tag", "TestCookieRefused"},
	{"IMH_I_3_4", "wrong checksum", "TestChecksum"},
	{"IMH_I_3_5", "COOKIE ECHO with a forged cookie", "TestCookieRefused"},
	{"IMH_I_3_6", "COOKIE ECHO with a stale cookie", "TestCookieRefused"},
	{"IMH_I_3_7", "ABORT with a wrong tag", "TestWrongTag"},
	{"IMH_I_3_8", "chunk longer than its packet", "TestInitTooLong"},
	{"IMH_I_3_9", "SHUTDOWN ACK with a wrong tag", "TestWrongTagWhileShuttingDown"},
	{"IMH_I_3_10", "SHUTDOWN COMPLETE with a wrong tag", "TestWrongTagWhileShuttingDown"},
	// Duplicate messages
	{"DM_O_4_1", "INIT in COOKIE-WAIT", "TestBothBegin"},
	{"DM_O_4_2_1", "INIT in ESTABLISHED", "TestRestart"},
	{"DM_O_4_2_2", "INIT in SHUTDOWN-ACK-SENT", "TestInitWhileShuttingDown"},
	{"DM_O_4_3", "INIT ACK in COOKIE-ECHOED", "TestOutOfPlace"},
	{"DM_O_4_4", "COOKIE ACK in ESTABLISHED", "TestUnexpectedInSetup"},
	{"DM_O_4_5", "SHUTDOWN in SHUTDOWN-SENT", "TestBothShutDown"},
	{"DM_O_4_6_1", "SHUTDOWN in COOKIE-WAIT", "TestUnexpectedInSetup"},
	{"DM_O_4_6_2", "SHUTDOWN without an association", "TestOutOfTheBlue"},
	{"DM_O_4_6_3", "SHUTDOWN in SHUTDOWN-SENT: T2-shutdown starts again", "TestBothShutDown"},
	{"DM_O_4_7_1", "SHUTDOWN ACK in COOKIE-WAIT", "TestShutdownAckInSetup"},
	{"DM_O_4_7_2", "SHUTDOWN ACK in ESTABLISHED", "TestOutOfPlace"},
	{"DM_O_4_7_3", "SHUTDOWN ACK in SHUTDOWN-ACK-SENT", "TestBothShutDown"},
	{"DM_O_4_8", "COOKIE ECHO with a forged cookie in ESTABLISHED", "TestOutOfPlace"},
	{"DM_O_4_9", "SHUTDOWN COMPLETE in COOKIE-WAIT", "TestUnexpectedInSetup"},
	{"DM_O_4_10", "DATA in SHUTDOWN-ACK-SENT", "TestOutOfPlace"},
	// Fault handling
	{"FH_I_5_1_1", "DATA is never acknowledged", "TestPeerIsLost"},
	{"FH_I_5_1_2", "an acknowledgement sets the count of errors back", "TestErrorsSetBack"},
	{"FH_V_5_2", "HEARTBEAT is answered with its information", "TestHeartbeat"},
	{"FH_O_5_3_1", "DATA without an association", "TestOutOfTheBlue"},
	{"FH_O_5_3_2", "ABORT without an association", "TestOutOfTheBlue"},
	{"FH_O_5_3_3", "SHUTDOWN ACK without an association", "TestOutOfTheBlue"},
	{"FH_O_5_3_4", "SHUTDOWN COMPLETE without an association", "TestOutOfTheBlue"},
	{"FH_O_5_3_5", "COOKIE ECHO from a multicast address", "TestOutOfTheBlue"},
	// Error
	{"E_O_6_1", "stale cookie in COOKIE-ECHOED", "TestStaleCookie"},
	{"E_O_6_2", "stale cookie in another state", "TestOutOfPlace"},
	{"E_I_6_3", "DATA on a stream that is not there", "TestInvalidStream"},
	{"E_I_6_4", "INIT ACK without a cookie", "TestInitAckRefused"},
	{"E_I_6_5", "INIT ACK with an unknown parameter", "TestUnknownParametersOfInitAck"},
	{"E_I_6_6", "COOKIE ECHO with an ERROR behind it", "TestBundled"},
	// Bundling of DATA with control chunks
	{"BDC_I_7_1", "DATA behind INIT: all is discarded", "TestInitWithTag"},
	{"BDC_I_7_2", "DATA behind INIT ACK: it is not read", "TestBundled"},
	{"BDC_I_7_3", "DATA behind SHUTDOWN COMPLETE: it is not read", "TestBundled"},
	{"BDC_V_7_4", "DATA behind COOKIE ECHO", "TestDataBehindCookie"},
	{"BDC_V_7_5", "DATA behind COOKIE ACK", "TestBundled"},
	{"BDC_V_7_6", "SHUTDOWN behind SACK", "TestBundled"},
	{"BDC_V_7_7", "DATA behind SACK", "TestBundled"},
	{"BDC_V_7_8", "DATA behind SHUTDOWN ACK: it is not read", "TestBundled"},
	// Data
	{"D_V_8_1", "a message that fills a packet is not cut", "TestFullPacket"},
	{"D_V_8_2", "a longer message is cut", "TestFragmentation"},
	{"D_V_8_3", "a message is put together", "TestReassembly"},
	{"D_V_8_4", "the RTO is measured", "TestT3"},
	{"D_I_8_5", "DATA is sent again", "TestT3"},
	{"D_O_8_6", "DATA that comes twice is reported", "TestImmediateSack"},
	{"D_O_8_7", "a peer without window is probed", "TestZeroWindow"},
	{"D_O_8_8", "a peer without window that answers is not given up", "TestZeroWindow"},
	{"D_V_8_9", "after a timeout what was sent goes first", "TestRetransmissionsFirst"},
	{"D_V_8_10", "SACK from another address of the peer", "TestSackFromOtherAddress"},
	{"D_I_8_11", "DATA without data", "TestNoUserData"},
	{"D_O_8_12", "SACK that is behind", "TestOldSack"},
	{"D_V_8_13", "the longest message arrives", "TestPartialDelivery"},
	{"D_V_8_14", "the longest message is sent", "TestSendRefused"},
	{"D_V_8_15", "a message that is too long", "TestSendRefused"},
	// Acknowledgement
	{"A_V_9_1", "the first DATA is acknowledged at once", "TestDelayedSack"},
	{"A_V_9_2", "one SACK for all DATA of a packet", "TestDelayedSack"},
	{"A_O_9_3", "a gap is reported at once", "TestImmediateSack"},
	// Miscellaneous
	{"M_I_10_1", "unknown chunk, reported, go on", "TestUnknownChunks"},
	{"M_I_10_2", "unknown chunk, not reported, stop", "TestUnknownChunks"},
	{"M_I_10_3", "unknown chunk, reported, stop", "TestUnknownChunks"},
	{"M_I_10_4", "unknown chunk, not reported, go on", "TestUnknownChunks"},
	// Retransmission timer
	{"RT_I_11_1", "the RTO doubles up to RTO.Max", "TestRTOMax"},
	{"RT_I_11_2", "the RTO doubles up to RTO.Max", "TestRTOMax"},
	{"RT_I_11_3", "each address has an RTO", "TestRTOOfEachAddress"},
}

// TestPurposes looks for the tests of the purposes.
func TestPurposes(t *testing.T) {
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]bool{}
	for _, f := range files {
		if !strings.HasSuffix(f.Name(), "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), f.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				tests[f.Name.Name] = true
			}
		}
	}
	seen := map[string]bool{}
	for _, p := range purposes {
		if seen[p.id] || !tests[p.test] && !strings.HasPrefix(p.test, "none: ") {
			t.Errorf("%s: %q comes twice, or there is no %s", p.id, p.what, p.test)
		}
		seen[p.id] = true
	}
	if len(seen) != 121 {
		t.Errorf("%d purposes", len(seen))
	}
}

// What follows are those of the purposes that nothing else tests.

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

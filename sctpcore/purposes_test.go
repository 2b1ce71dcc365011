package sctpcore

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
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

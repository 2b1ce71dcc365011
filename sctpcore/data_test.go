package sctpcore

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// This file tests received DATA chunks: RFC 9260, Sections 3.3.1, 6.2 and 6.5 to 6.9.

// TestDelayedSack checks that a SACK is sent for every second packet, or after 200 ms. See RFC
// 9260, Section 6.2.
func TestDelayedSack(t *testing.T) {
	p := acceptPeer(t, nil)
	p.raw(p.core.tag, data(1000, whole, 0, 0, "a"))
	p.want("SACK 1000") // the first one is not delayed
	p.raw(p.core.tag, data(1001, whole, 0, 1, "b"))
	p.wantNothing("a second packet may follow")
	p.sleep(200*time.Millisecond - 1)
	p.wantNothing("200 ms have not passed")
	p.sleep(1)
	p.want("SACK 1001")
	p.raw(p.core.tag, data(1002, whole, 0, 2, "c"), data(1003, whole, 0, 3, "d"))
	p.wantNothing("two chunks in one packet are one packet")
	p.raw(p.core.tag, data(1004, whole, 0, 4, "e"))
	p.want("SACK 1004")
	p.wantRead("0:a", "0:b", "0:c", "0:d", "0:e")
}

// TestSackGoesAlong checks that a delayed SACK is bundled with DATA. See RFC 9260, Section 6.2.
func TestSackGoesAlong(t *testing.T) {
	p := acceptPeer(t, nil)
	p.raw(p.core.tag, data(1000, whole, 0, 0, "a"))
	p.next()
	p.raw(p.core.tag, data(1001, whole, 0, 1, "b"))
	p.write("x", Info{})
	p.want("SACK 1001 | DATA +0 stream 0 ssn 0 EB \"x\"")
	p.sleep(200 * time.Millisecond)
	p.wantNothing("it is acknowledged")
}

// TestImmediateSack tests RFC 7053, and RFC 9260, Section 6.2, on gaps and duplicates.
func TestImmediateSack(t *testing.T) {
	p := acceptPeer(t, nil)
	p.raw(p.core.tag, data(1000, whole, 0, 0, "a"))
	p.want("SACK 1000")
	p.raw(p.core.tag, data(1001, whole|flagImmediate, 0, 1, "b"))
	p.want("SACK 1001")
	p.raw(p.core.tag, data(1003, whole, 0, 3, "d"))
	p.want("SACK 1001 gap 2-2")
	p.raw(p.core.tag, data(1005, whole, 0, 5, "f"))
	p.want("SACK 1001 gap 2-2 gap 4-4")
	p.raw(p.core.tag, data(1005, whole, 0, 5, "f"), data(1000, whole, 0, 0, "a"))
	p.want("SACK 1001 gap 2-2 gap 4-4 dup 1005 dup 1000")
	p.raw(p.core.tag, data(1002, whole, 0, 2, "c"))
	p.want("SACK 1003 gap 2-2")
	p.raw(p.core.tag, data(1004, whole, 0, 4, "e"))
	p.sleep(200 * time.Millisecond)
	p.want("SACK 1005")
	p.wantRead("0:a", "0:b", "0:c", "0:d", "0:e", "0:f")
	if p.assoc.Missing() != 0 || p.assoc.in.bits != nil {
		t.Error("something is missing, or kept for what may be")
	}
}

// TestMissing checks that Missing counts like Linux's sstat_penddata.
func TestMissing(t *testing.T) {
	p := acceptPeer(t, nil)
	for _, tsn := range []uint32{1000, 1001, 1003, 1004, 1070, 1200} {
		p.raw(p.core.tag, data(tsn, whole|flagUnordered, 0, 0, "x"))
	}
	if got, want := p.assoc.Missing(), 201-6; got != want {
		t.Errorf("%d are missing, wanted %d", got, want)
	}
	p.want("SACK 1001 gap 2-3 gap 69-69 gap 199-199")
}

// TestOrder checks that each stream is delivered in order, independently of the others, and that
// unordered messages are delivered immediately. See RFC 9260, Section 6.6.
func TestOrder(t *testing.T) {
	p := acceptPeer(t, nil)
	p.raw(p.core.tag, data(1001, whole, 1, 1, "second"))
	p.raw(p.core.tag, data(1002, whole, 2, 0, "other stream"))
	p.raw(p.core.tag, data(1003, whole|flagUnordered, 1, 0, "unordered"))
	p.wantRead("2:other stream", "1U:unordered")
	p.raw(p.core.tag, data(1000, whole, 1, 0, "first"))
	p.wantRead("1:first", "1:second")
}

// TestReassembly delivers the fragments of a message in every order. See RFC 9260, Section 6.9.
func TestReassembly(t *testing.T) {
	fragments := [][]byte{
		data(1000, flagBegin, 3, 0, "one "), data(1001, 0, 3, 0, "two "), data(1002, 0, 3, 0, "three "),
		data(1003, flagEnd, 3, 0, "four"),
		data(1004, flagBegin|flagUnordered, 3, 0, "five "),
		data(1005, flagEnd|flagUnordered, 3, 9, "six"),
	}
	permutations(len(fragments), func(order []int) {
		p := acceptPeer(t, nil)
		for _, i := range order {
			p.raw(p.core.tag, fragments[i])
		}
		var first, second int
		for at, i := range order {
			if i < 4 {
				first = at
			} else {
				second = at
			}
		}
		if first < second {
			p.wantRead("3:one two three four", "3U:five six")
		} else {
			p.wantRead("3U:five six", "3:one two three four")
		}
		if m := p.assoc.in.memory + p.assoc.in.bytes + p.assoc.in.fragments.count; m != 0 {
			t.Fatalf("order %v leaves %d", order, m)
		}
	})
}

// permutations calls f with all permutations of n things.
func permutations(n int, f func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var rec func(int)
	rec = func(k int) {
		if k == n {
			f(order)
			return
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			rec(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	rec(0)
}

// TestFragmentsThatDoNotFit checks that inconsistent fragments end the association, because they
// would be stored forever. See RFC 9260, Section 6.9.
func TestFragmentsThatDoNotFit(t *testing.T) {
	for _, test := range []struct {
		name   string
		chunks [][]byte
	}{
		{"no beginning", [][]byte{data(1000, whole, 0, 0, "a"), data(1001, 0, 0, 1, "b")}},
		{"beginning twice", [][]byte{data(1000, flagBegin, 0, 0, "a"), data(1001, flagBegin, 0, 0, "b")}},
		{"beginning twice, second first", [][]byte{data(1001, flagBegin, 0, 0, "b"),
			data(1000, flagBegin, 0, 0, "a")}},
		{"no end", [][]byte{data(1001, whole, 0, 0, "b"), data(1000, flagBegin, 0, 0, "a")}},
		{"another stream", [][]byte{data(1000, flagBegin, 0, 0, "a"), data(1001, flagEnd, 1, 0, "b")}},
		{"another SSN", [][]byte{data(1000, flagBegin, 0, 0, "a"), data(1001, flagEnd, 0, 1, "b")}},
		{"another order", [][]byte{data(1000, flagBegin, 0, 0, "a"),
			data(1001, flagEnd|flagUnordered, 0, 0, "b")}},
		{"SSN twice", [][]byte{data(1001, whole, 0, 5, "a"), data(1002, whole, 0, 5, "b")}},
		{"SSN again", [][]byte{data(1000, whole, 0, 0, "a"), data(1001, whole, 0, 0, "b")}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := acceptPeer(t, nil)
			for _, c := range test.chunks {
				p.raw(p.core.tag, c)
			}
			p.want("ABORT protocol violation")
			if !errors.Is(p.assoc.Err(), ErrPeerMisbehaved) {
				t.Error(p.assoc.Err())
			}
		})
	}
}

func TestNoUserData(t *testing.T) { // Section 3.3.10.9
	p := acceptPeer(t, nil)
	p.raw(p.core.tag, data(1000, whole, 0, 0, ""))
	p.want("ABORT no user data 000003e8")
}

// TestInvalidStream checks that DATA for an invalid stream is acknowledged and reported. See RFC
// 9260, Section 6.5.
func TestInvalidStream(t *testing.T) {
	p := acceptPeer(t, nil)
	p.raw(p.core.tag, data(1000, whole, 10, 0, "x"))
	p.want("ERROR invalid stream identifier 000a0000 | SACK 1000")
	p.wantRead()
	p.raw(p.core.tag, data(1001, whole, 9, 0, "y"))
	p.wantRead("9:y")
}

// TestUnknownChunks checks that the two highest bits of an unknown type determine how it is
// handled. See RFC 9260, Section 3.2.
func TestUnknownChunks(t *testing.T) {
	for _, test := range []struct {
		typ    byte
		report string
		read   bool // whether the next chunk is processed
	}{
		{0x3f, "", false},
		{0x7f, "ERROR unrecognized chunk type 7f000008deadbeef", false},
		{0xbf, "", true},
		{0xff, "ERROR unrecognized chunk type ff000008deadbeef", true},
		// FORWARD TSN was not negotiated: RFC 3758, Section 3.3.
		{chunkForwardTSN, "ERROR unrecognized chunk type c0000008deadbeef", true},
	} {
		p := acceptPeer(t, nil)
		p.raw(p.core.tag, peerChunk(test.typ, 0, "deadbeef"), data(1000, whole, 0, 0, "x"))
		var want []string
		if test.report != "" {
			want = append(want, test.report)
		}
		if test.read {
			want = append(want, "SACK 1000")
		}
		if got := p.next(); got != strings.Join(want, " | ") {
			t.Errorf("chunk type %#x: %s, wanted %s", test.typ, got, want)
		}
	}
}

// TestBadLengths checks that a packet is discarded from a chunk with a wrong length on.
func TestBadLengths(t *testing.T) {
	for _, bad := range []string{"00030003", "00030000", "0003ffff 00000000", "0003", "bf000005"} {
		p := acceptPeer(t, nil)
		p.raw(p.core.tag, data(1000, whole, 0, 0, "before"), unhex(bad))
		p.want("SACK 1000")
		p.wantState(StateEstablished)
	}
	for _, short := range [][]byte{peerChunk(chunkSack, 0, "000003e8"),
		peerChunk(chunkData, 3, "000003e8"), peerChunk(chunkShutdown, 0, "")} {
		p := acceptPeer(t, nil)
		p.raw(p.core.tag, short)
		p.want("ABORT protocol violation")
	}
}

// TestWrongTag checks that packets without the right verification tag are discarded. See RFC 9260,
// Section 8.5.
func TestWrongTag(t *testing.T) {
	p := acceptPeer(t, nil)
	for _, tag := range []uint32{0, p.core.tag + 1, peerTag} {
		for _, c := range [][]byte{
			data(1000, whole, 0, 0, "x"), peerChunk(chunkAbort, 0, ""),
			peerChunk(chunkShutdown, 0, "00000000"),
			peerChunk(chunkShutdownComplete, 0, ""), peerChunk(chunkShutdownAck, 0, ""),
			peerChunk(chunkHeartbeat, 0, "0001 0008 11111111"),
		} {
			p.raw(tag, c)
			p.wantNothing("the verification tag is wrong")
			p.wantState(StateEstablished)
		}
	}
	p.raw(p.core.tag, peerChunk(chunkAbort, flagT, ""))
	p.wantState(StateEstablished) // the T bit means that the tag is the peer's
	p.raw(peerTag, peerChunk(chunkAbort, flagT, ""))
	p.wantState(StateClosed)
}

// TestWindow checks that unread messages close the window, and that reading opens it. See RFC 9260,
// Section 6.2.
func TestWindow(t *testing.T) {
	p := acceptPeer(t, &Config{ReceiveWindow: 8192})
	text := strings.Repeat("x", 1000)
	for i := range uint32(8) {
		p.raw(p.core.tag, data(1000+i, whole|flagImmediate, 0, uint16(i), text))
		p.next()
	}
	p.raw(p.core.tag, data(1008, whole, 0, 8, text))
	p.want("SACK 1007 window 0")
	if p.assoc.Stats().Dropped != 1 {
		t.Error("the message that has no room was not dropped")
	}
	var b [1000]byte
	for i := range 8 {
		if n, _, end, ok := p.assoc.Read(b[:]); n != 1000 || !end || !ok {
			t.Fatal(i, n, end, ok)
		}
	}
	p.want("SACK 1007") // the window is open
	p.raw(p.core.tag, data(1008, whole, 0, 8, "again"))
	p.wantRead("0:again")
}

// TestWindowWide checks that a peer with more than half of the window available is not sent a
// window update for each message that is read. See RFC 9260, Section 6.2.
func TestWindowWide(t *testing.T) {
	p := acceptPeer(t, &Config{ReceiveWindow: 8192})
	text := strings.Repeat("x", 1000)
	var b [1000]byte
	for i := uint32(0); i < 24; i += 3 {
		p.raw(p.core.tag, data(1000+i, whole, 0, uint16(i), text),
			data(1001+i, whole, 0, uint16(i+1), text),
			data(1002+i, whole|flagImmediate, 0, uint16(i+2), text))
		p.next() // the SACK chunk for the three
		for range 3 {
			p.assoc.Read(b[:])
		}
		if p.assoc.Ready() {
			t.Fatal("the window is announced, of which the peer had more than half")
		}
	}
}

// TestMissingTSNFitsAlways checks that the missing TSN is accepted even if messages that cannot be
// delivered fill the window.
func TestMissingTSNFitsAlways(t *testing.T) {
	p := acceptPeer(t, &Config{ReceiveWindow: 8192})
	text := strings.Repeat("x", 1000)
	for i := range uint32(9) {
		p.raw(p.core.tag, data(1001+i, whole, 0, uint16(i+1), text))
	}
	p.raw(p.core.tag, data(1000, whole, 0, 0, "first"))
	p.wantRead(append([]string{"0:first"}, repeat("0:"+text, 8)...)...)
}

func repeat(s string, n int) (all []string) {
	for range n {
		all = append(all, s)
	}
	return all
}

// TestPartialDelivery checks that a message longer than the window is read in parts, with nothing
// in between. See RFC 9260, Section 6.9.
func TestPartialDelivery(t *testing.T) {
	p := acceptPeer(t, &Config{ReceiveWindow: 4096})
	text := strings.Repeat("x", 1000)
	p.raw(p.core.tag, data(1000, flagBegin, 0, 0, text), data(1001, 0, 0, 0, text))
	p.wantRead()
	p.raw(p.core.tag, data(1002, 0, 0, 0, text))
	p.wantRead("0:" + text + text + text + "...")
	p.raw(p.core.tag, data(1005, whole, 1, 0, "other"))
	p.wantRead()
	p.raw(p.core.tag, data(1004, flagEnd, 0, 0, "end"))
	p.wantRead()
	p.raw(p.core.tag, data(1003, 0, 0, 0, text))
	p.wantRead("0:"+text+"end", "1:other")
	if p.assoc.in.memory != 0 {
		t.Error("memory", p.assoc.in.memory)
	}
}

// TestPartialDeliveryAborted tests RFC 6458, Section 6.1.7.
func TestPartialDeliveryAborted(t *testing.T) {
	p := acceptPeer(t, &Config{ReceiveWindow: 4096})
	p.raw(p.core.tag, data(1000, flagBegin, 0, 0, strings.Repeat("x", 3000)))
	p.raw(p.core.tag, peerChunk(chunkAbort, 0, ""))
	p.wantRead("0:" + strings.Repeat("x", 3000) + "...")
	p.wantEvent(EventPartialAborted)
	p.wantEvent(EventDown)
}

// TestEventsKeepTheirPlace checks that messages that arrived before the end are read before the
// event.
func TestEventsKeepTheirPlace(t *testing.T) {
	p := acceptPeer(t, nil)
	p.raw(p.core.tag, data(1000, whole, 0, 0, "last"))
	p.send(chunkAbort, 0, "000c 0007 \"bye\" 00")
	if e, ok := p.assoc.NextEvent(); ok {
		t.Errorf("event %+v before the message", e)
	}
	p.wantRead("0:last")
	var abort *AbortError
	if e := p.wantEvent(EventDown); !errors.As(e.Err, &abort) || abort.Cause != CauseUserInitiated ||
		string(abort.Info) != "bye" {
		t.Error(e.Err)
	}
}

// TestFarTSN checks that a TSN too far ahead for a Gap Ack Block is dropped.
func TestFarTSN(t *testing.T) {
	p := acceptPeer(t, nil)
	p.raw(p.core.tag, data(1000+1<<15, whole, 0, 1, "far"))
	p.raw(p.core.tag, data(0x100000000-(1<<30)+999, whole, 0, 1, "old"))
	p.want(fmt.Sprintf("SACK 999 dup %d", uint32(0x100000000-(1<<30)+999)))
	p.wantRead()
}

// TestWindowKept checks that a peer that fills exactly the advertised window loses nothing, even
// with messages that use more memory than their size.
func TestWindowKept(t *testing.T) {
	for _, size := range []int{24, 64, 200, 1000} {
		p := acceptPeer(t, &Config{ReceiveWindow: 65536})
		for tsn, left := uint32(1000), 65536; left >= size; tsn, left = tsn+1, left-size {
			text := strings.Repeat("x", size)
			p.raw(p.core.tag, data(tsn, whole, 0, uint16(tsn-1000), text))
			for p.next() != "" {
			}
		}
		if st := p.assoc.Stats(); st.Dropped != 0 {
			t.Errorf("%d messages of %d bytes were dropped", st.Dropped, size)
		}
	}
}

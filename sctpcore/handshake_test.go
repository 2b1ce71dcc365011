package sctpcore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// This file tests RFC 9260, Section 5.1, with literal packets.

func TestHandshakeFromPeer(t *testing.T) {
	p := acceptPeer(t, nil)
	p.wantState(StateEstablished)
	if out, in := p.assoc.Streams(); out != 10 || in != 10 {
		t.Errorf("%d and %d streams, wanted the smaller numbers, 10 and 10", out, in)
	}
	p.raw(p.core.tag, data(1000, whole, 0, 0, "hello"))
	p.want("SACK 1000")
	p.wantRead("0:hello")
}

func TestHandshakeToPeer(t *testing.T) {
	p := connectPeer(t, nil)
	p.wantState(StateEstablished)
	p.write("hello", Info{Stream: 3})
	p.want("DATA +0 stream 3 ssn 0 EB \"hello\"")
}

// TestDataBehindCookie checks that the packet with COOKIE ECHO may contain DATA. See RFC 9260,
// Section 5.1, step D.
func TestDataBehindCookie(t *testing.T) {
	p := newTestPeer(t, nil)
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit))
	p.want("INIT-ACK")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie), data(1000, whole, 0, 0, "early"))
	p.want("COOKIE-ACK | SACK 1000")
	p.wantEvent(EventUp)
	p.wantRead("0:early")
}

// TestNoStateBeforeCookie checks that an INIT uses no memory. See RFC 9260, Section 5.1.3.
func TestNoStateBeforeCookie(t *testing.T) {
	p := newTestPeer(t, nil)
	p.listen()
	for i := range 1000 {
		p.from = netip.AddrPortFrom(p.from.Addr(), uint16(i+1))
		p.raw(0, peerChunk(chunkInit, 0, peerInit))
		p.want("INIT-ACK")
	}
	if n := len(p.endpoint.byTag) + len(p.endpoint.byPlace) + len(p.endpoint.claimed) +
		len(p.endpoint.bound) +
		len(p.endpoint.replies); n != 0 {
		t.Errorf("%d things are left", n)
	}
}

func TestInitRefused(t *testing.T) {
	for _, test := range []struct{ name, init, answer string }{
		{"initiate tag 0", "00000000 00010000 000a 000a 000003e8", ""},
		{"no streams out", "0000aaaa 00010000 0000 000a 000003e8", "ABORT invalid mandatory parameter"},
		{"no streams in", "0000aaaa 00010000 000a 0000 000003e8", "ABORT invalid mandatory parameter"},
		{"small window", "0000aaaa 000005db 000a 000a 000003e8", "ABORT protocol violation"},
		{"too short", "0000aaaa 00010000 000a 000a", ""},
		{"empty", "", ""},
		{"host name", peerInit + "000b 0008 \"a.b\" 00", "ABORT unresolvable address 000b0008612e6200"},
		{"length of parameter", peerInit + "0005 0009 0a000001", "ABORT protocol violation"},
		{"IPv4 address of 3 bytes", peerInit + "0005 0007 0a000001", "ABORT protocol violation"},
		{"RANDOM of 31 bytes", peerInit + "8002 0023" + strings.Repeat("11", 31) + "00",
			"ABORT protocol violation"},
		{"HMAC-ALGO without SHA-1", peerInit + "8002 0024" + strings.Repeat("11", 32) +
			"8004 0006 0003 0000", "ABORT protocol violation"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newTestPeer(t, &Config{Auth: true})
			p.listen()
			p.raw(0, peerChunk(chunkInit, 0, test.init))
			if test.answer == "" {
				p.wantNothing("it is discarded")
			} else {
				p.want(test.answer)
			}
		})
	}
}

// TestInitTooLong checks that an INIT whose length exceeds the packet, or is less than that of its
// header, is ignored.
func TestInitTooLong(t *testing.T) {
	for _, length := range []string{"0060", "ffff", "0003", "0000"} {
		p := newTestPeer(t, nil)
		p.listen()
		p.raw(0, unhex("0100"+length))
		p.raw(0, unhex("0100"+length+peerInit))
		p.wantNothing("there is no whole chunk")
	}
}

// TestInitWithTag checks that INIT must have a verification tag of 0 and be the only chunk. See RFC
// 9260, Section 4.3, and Section 8.5.1, A.
func TestInitWithTag(t *testing.T) {
	p := newTestPeer(t, nil)
	p.listen()
	p.raw(5, peerChunk(chunkInit, 0, peerInit))
	p.wantNothing("its tag is not 0")
	p.raw(0, peerChunk(chunkInit, 0, peerInit), peerChunk(chunkCookieAck, 0, ""))
	p.wantNothing("it is not alone")
}

// TestUnknownParameters checks that the two highest bits of an unknown type determine how it is
// handled. See RFC 9260, Section 3.2.1.
func TestUnknownParameters(t *testing.T) {
	const ipv4 = "0005 0008 0a000102"
	for _, test := range []struct {
		param, answer string
		addresses     int // whether the address after it is used
	}{
		{"3fff 0006 1122 0000", "INIT-ACK", 1},
		{"7fff 0006 1122 0000", "INIT-ACK unrecognized 7fff00061122", 1},
		{"bfff 0006 1122 0000", "INIT-ACK", 2},
		{"ffff 0006 1122 0000", "INIT-ACK unrecognized ffff00061122", 2},
	} {
		p := newTestPeer(t, nil)
		p.listen()
		p.raw(0, peerChunk(chunkInit, 0, peerInit+test.param+ipv4))
		p.want(test.answer)
		p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
		p.next()
		if n := len(p.assoc.Paths(nil)); n != test.addresses {
			t.Errorf("parameter %s: %d addresses, wanted %d", test.param, n, test.addresses)
		}
	}
}

// TestUnknownParametersOfInitAck checks that they are reported with COOKIE ECHO. See RFC 9260,
// Section 3.2.2.
func TestUnknownParametersOfInitAck(t *testing.T) {
	p := newTestPeer(t, nil)
	p.connect()
	p.want("INIT")
	p.send(chunkInitAck, 0, peerInit+"0007 0008 \"cook\" ffff 0006 1122 0000")
	p.want("COOKIE-ECHO \"cook\" | ERROR unrecognized parameters ffff000611220000")
}

// TestInitTimeout checks that INIT is retransmitted after 1, 2, 4, ... seconds,
// Max.Init.Retransmits times. See RFC 9260, Section 5.1.6.
func TestInitTimeout(t *testing.T) {
	p := newTestPeer(t, &Config{MaxInitRetrans: 3})
	p.connect()
	p.want("INIT")
	tag := p.core.tag
	for i := range 3 {
		p.sleep(time.Second<<i - 1)
		p.wantNothing("T1-init has not expired")
		p.sleep(1)
		p.want("INIT")
		if p.core.tag != tag {
			t.Error("INIT has another tag the second time")
		}
	}
	p.sleep(8 * time.Second)
	p.wantNothing("it was the last time")
	if e := p.wantEvent(EventDown); !errors.Is(e.Err, ErrTimeout) {
		t.Error(e.Err)
	}
}

// TestInitToNextAddress checks that retransmissions of INIT go to the peer's addresses in turn.
func TestInitToNextAddress(t *testing.T) {
	n := newSimNet(t, 4)
	n.down[0] = true
	if err := n.hosts[1].endpoint.Listen(5000, nil); err != nil {
		t.Fatal(err)
	}
	a, err := n.hosts[0].endpoint.Connect(n.now, nil, 0, 5000, simAddr(1, 0), simAddr(1, 1))
	if err != nil {
		t.Fatal(err)
	}
	n.hosts[0].add(a).flush()
	n.until(5*time.Second, func() bool { return a.State() == StateEstablished })
	if i := a.Paths(nil)[1]; !i.Primary {
		t.Errorf("%+v", i)
	}
}

// TestCookieTimeout does the same for COOKIE ECHO.
func TestCookieTimeout(t *testing.T) {
	p := newTestPeer(t, &Config{MaxInitRetrans: 2})
	p.connect()
	p.want("INIT")
	p.send(chunkInitAck, 0, peerInit+"0007 0008 \"cook\"")
	for range 3 {
		p.want("COOKIE-ECHO \"cook\"")
		p.sleep(4 * time.Second)
	}
	p.wantNothing("it was the last time")
	p.wantState(StateClosed)
}

func TestInitAckRefused(t *testing.T) {
	for _, test := range []struct{ name, value, answer string }{
		{"no cookie", peerInit, "ABORT missing mandatory parameter 000000010007"},
		{"no streams", "0000aaaa 00010000 0000 000a 000003e8 0007 0008 \"cook\"",
			"ABORT invalid mandatory parameter"},
		{"host name", peerInit + "000b 0008 \"a.b\" 00", "ABORT unresolvable address 000b0008612e6200"},
		{"small window", "0000aaaa 000005db 000a 000a 000003e8 0007 0008 \"cook\"",
			"ABORT protocol violation"},
	} {
		p := newTestPeer(t, nil)
		p.connect()
		p.want("INIT")
		p.send(chunkInitAck, 0, test.value)
		p.want(test.answer)
		p.wantState(StateClosed)
	}
	p := newTestPeer(t, nil)
	p.connect()
	p.want("INIT")
	p.send(chunkInitAck, 0, "00000000"+peerInit[8:]+"0007 0008 \"cook\"")
	p.wantNothing("a tag of 0 is discarded")
	p.wantState(StateCookieWait)
	p.send(chunkInitAck, 0, "01020304")
	p.wantNothing("it is too short to have a tag")
	p.wantState(StateCookieWait)
	p.raw(p.core.tag+1, peerChunk(chunkInitAck, 0, peerInit+"0007 0008 \"cook\""))
	p.wantNothing("the verification tag is wrong")
	p.from = simAddr(1, 3)
	p.send(chunkInitAck, 0, peerInit+"0007 0008 \"cook\"")
	p.wantNothing("it comes from a foreign address")
	p.wantState(StateCookieWait)
}

// TestNobodyListens tests RFC 9260, Section 8.4, rule 3: ABORT with the initiate tag of INIT and
// without the T bit.
func TestNobodyListens(t *testing.T) {
	p := newTestPeer(t, nil)
	p.raw(0, peerChunk(chunkInit, 0, peerInit))
	p.want("ABORT")
	p.connect()
	p.want("INIT")
	p.send(chunkAbort, 0, "")
	var abort *AbortError
	if e := p.wantEvent(EventDown); !errors.As(e.Err, &abort) || abort.Local || abort.Cause != 0 {
		t.Error(e.Err)
	}
}

// TestCookieRefused tests RFC 9260, Section 5.1.5.
func TestCookieRefused(t *testing.T) {
	begin := func(t *testing.T) *testPeer {
		p := newTestPeer(t, nil)
		p.listen()
		p.raw(0, peerChunk(chunkInit, 0, peerInit))
		p.want("INIT-ACK")
		return p
	}
	t.Run("changed", func(t *testing.T) {
		p := begin(t)
		for i := range p.cookie {
			p.cookie[i] ^= 1
			p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
			p.wantNothing("the cookie has been changed")
			p.cookie[i] ^= 1
		}
		p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie[:20]))
		p.wantNothing("the cookie is too short")
	})
	t.Run("tag", func(t *testing.T) {
		p := begin(t)
		p.raw(p.core.tag+1, chunkOf(chunkCookieEcho, 0, p.cookie))
		p.wantNothing("the verification tag is not that of the cookie")
	})
	t.Run("address", func(t *testing.T) {
		p := begin(t)
		p.from = simAddr(1, 1)
		p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
		p.wantNothing("INIT came from another address and does not list this one")
		if p.assoc != nil {
			t.Error("there is an association")
		}
	})
	t.Run("stale", func(t *testing.T) {
		p := begin(t)
		p.now += time.Minute + 5*time.Microsecond
		p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
		p.want("ERROR stale cookie 00000005")
		if p.assoc != nil {
			t.Error("there is an association")
		}
	})
	t.Run("twice", func(t *testing.T) {
		p := begin(t)
		p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
		p.want("COOKIE-ACK")
		p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
		p.want("COOKIE-ACK") // Section 5.2.4, action D
	})
}

// TestStaleCookie checks that a client begins again with a Cookie Preservative. See RFC 9260,
// Section 5.2.6.
func TestStaleCookie(t *testing.T) {
	p := newTestPeer(t, nil)
	p.connect()
	p.want("INIT")
	p.send(chunkInitAck, 0, peerInit+"0007 0008 \"cook\"")
	p.want("COOKIE-ECHO \"cook\"")
	p.send(chunkError, 0, "0003 0008 000f4240")
	if got := p.next(); got != "INIT" || p.core.preservative != 2*time.Second {
		t.Fatalf("%s, preservative %v", got, p.core.preservative)
	}
}

// TestUnexpectedInSetup tests RFC 9260, Sections 5.2.3 and 5.2.5, and other chunks that are not
// expected during the handshake.
func TestUnexpectedInSetup(t *testing.T) {
	p := newTestPeer(t, nil)
	p.connect()
	p.want("INIT")
	for _, c := range [][]byte{
		peerChunk(chunkCookieAck, 0, ""), data(1000, whole, 0, 0, "x"),
		peerChunk(chunkSack, 0, "00000000 00010000 0000 0000"),
		peerChunk(chunkShutdown, 0, "00000000"), peerChunk(chunkHeartbeat, 0, "0001 0008 11111111"),
		peerChunk(chunkShutdownComplete, 0, ""),
	} {
		p.raw(p.core.tag, c)
		p.wantNothing("the association is not up")
		p.wantState(StateCookieWait)
	}
	p = connectPeer(t, nil)
	p.send(chunkInitAck, 0, peerInit+"0007 0008 \"cook\"")
	p.send(chunkCookieAck, 0, "")
	p.wantNothing("the association is up")
	p.wantState(StateEstablished)
}

// TestOutOfTheBlue tests RFC 9260, Section 8.4.
func TestOutOfTheBlue(t *testing.T) {
	for _, test := range []struct {
		name   string
		chunk  []byte
		answer string
	}{
		{"ABORT", peerChunk(chunkAbort, 0, ""), ""},
		{"SHUTDOWN ACK", peerChunk(chunkShutdownAck, 0, ""), "tag 77 | SHUTDOWN-COMPLETE flags 1"},
		{"SHUTDOWN COMPLETE", peerChunk(chunkShutdownComplete, 0, ""), ""},
		{"COOKIE ACK", peerChunk(chunkCookieAck, 0, ""), ""},
		{"stale cookie", peerChunk(chunkError, 0, "0003 0008 00000000"), ""},
		{"stale cookie, not the first cause",
			peerChunk(chunkError, 0, "0009 0008 00000000 0003 0008 00000000"), ""},
		{"stale cookie, not the first chunk", append(peerChunk(chunkError, 0, "0009 0008 00000000"),
			peerChunk(chunkError, 0, "0003 0008 00000000")...), ""},
		{"another ERROR", peerChunk(chunkError, 0, "0009 0008 00000000"), "tag 77 | ABORT flags 1"},
		{"DATA", data(1, whole, 0, 0, "x"), "tag 77 | ABORT flags 1"},
		{"HEARTBEAT", peerChunk(chunkHeartbeat, 0, "0001 0008 11111111"), "tag 77 | ABORT flags 1"},
		{"INIT with a tag", peerChunk(chunkInit, 0, peerInit), ""},
		{"INIT ACK", peerChunk(chunkInitAck, 0, peerInit+"0007 0008 \"cook\""),
			"tag 77 | ABORT flags 1"},
		{"short INIT ACK", peerChunk(chunkInitAck, 0, "01020304"), "tag 77 | ABORT flags 1"},
		{"SHUTDOWN", peerChunk(chunkShutdown, 0, "00000000"), "tag 77 | ABORT flags 1"},
		{"SACK", peerChunk(chunkSack, 0, "00000000 00010000 0000 0000"), "tag 77 | ABORT flags 1"},
		{"HEARTBEAT ACK", peerChunk(chunkHeartbeatAck, 0, "0001 0008 11111111"),
			"tag 77 | ABORT flags 1"},
		{"unknown chunk", peerChunk(0x3f, 0, ""), "tag 77 | ABORT flags 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newTestPeer(t, nil)
			p.listen()
			p.raw(0x77, test.chunk)
			if test.answer == "" {
				p.wantNothing("it is discarded")
			} else {
				p.want(test.answer)
			}
			p.from = netip.MustParseAddrPort("224.0.0.1:9899")
			p.raw(0x77, test.chunk)
			p.wantNothing("the source is no unicast address")
		})
	}
	p := newTestPeer(t, nil)
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit+"0005 0008 e0000001"))
	p.want("INIT-ACK")
	p.from = netip.MustParseAddrPort("224.0.0.1:9899")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.wantNothing("the source of COOKIE ECHO is no unicast address")
}

// TestChecksum checks that a packet with a wrong CRC32c is discarded. See RFC 9260, Section 6.8.
func TestChecksum(t *testing.T) {
	p := acceptPeer(t, nil)
	b := header{peerPort, corePort, p.core.tag}.append(nil)
	b = append(b, data(1000, whole, 0, 0, "hello")...)
	putChecksum(b)
	for i := range b {
		b[i] ^= 0x10
		p.packet(b)
		b[i] ^= 0x10
	}
	p.wantNothing("each packet has a bit that is wrong")
	p.packet(b)
	p.want("SACK 1000")
}

// TestChecksumVector tests the CRC32c of RFC 3720, Appendix B.4, which SCTP uses too.
func TestChecksumVector(t *testing.T) {
	b := make([]byte, 32)
	putChecksum(b)
	if got := binary.BigEndian.Uint32(b[8:]); got != 0xaa36918a {
		t.Errorf("checksum of 32 zeros is %08x on the wire, wanted aa36918a", got)
	}
}

// TestStreamsAgreed checks that each direction uses the smaller number of streams. See RFC 9260,
// Section 5.1.1.
func TestStreamsAgreed(t *testing.T) {
	for _, test := range []struct{ ourOut, ourIn, out, in uint16 }{{5, 7, 5, 7}, {20, 30, 10, 10}} {
		p := acceptPeer(t, &Config{OutStreams: test.ourOut, MaxInStreams: test.ourIn})
		if out, in := p.assoc.Streams(); out != test.out || in != test.in {
			t.Errorf("%d out and %d in, wanted %+v", out, in, test)
		}
		if err := p.assoc.Send(p.now, []byte("x"), Info{Stream: test.out}); err != ErrStream {
			t.Errorf("Send on stream %d: %v", test.out, err)
		}
	}
}

func TestConfigRefused(t *testing.T) {
	for i, c := range []Config{
		{MTU: 100}, {MaxBurst: -1}, {ReceiveWindow: 1000}, {SackDelay: time.Second},
		{RTOMin: 2 * time.Second, RTOInitial: time.Second},
		{Auth: true, AuthChunks: []byte{chunkInit}},
		{Auth: true, HMACs: nil, AuthChunks: make([]byte, 40)},
	} {
		if err := newTestPeer(t, nil).endpoint.Listen(1, &c); !errors.Is(err, ErrConfig) {
			t.Errorf("configuration %d: %v", i, err)
		}
	}
	e := newTestPeer(t, nil).endpoint
	if _, err := e.Connect(0, nil, 1, 1, netip.MustParseAddrPort("0.0.0.0:1")); !errors.Is(err,
		ErrConfig) {
		t.Error(err)
	}
	if _, err := e.Connect(0, nil, 1, 1, simAddr(0, 0)); err != nil {
		t.Error(err)
	}
	if _, err := e.Connect(0, nil, 1, 1, simAddr(0, 0)); !errors.Is(err, ErrInUse) {
		t.Error(err)
	}
}

// TestErrorsQuoteLittle checks that errors quote only a few bytes from a peer.
func TestErrorsQuoteLittle(t *testing.T) {
	p := acceptPeer(t, nil)
	p.send(chunkAbort, 0, "000c 0404"+strings.Repeat("41", 1024))
	e := p.wantEvent(EventDown)
	if s := fmt.Sprint(e.Err); len(s) > 512 || !strings.Contains(s, "AAAA") {
		t.Errorf("%d bytes: %s", len(s), s)
	}
}

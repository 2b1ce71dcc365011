package sctpcore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
)

// This file tests RFC 9260, Section 5.2: INIT and COOKIE ECHO on an existing association.

// TestBothBegin has both ends send INIT. See RFC 9260, Section 5.2.1, and Section 5.2.4, action B.
func TestBothBegin(t *testing.T) {
	p := newTestPeer(t, nil)
	p.connect()
	p.want("INIT")
	tag, tsn := p.core.tag, p.core.tsn
	p.raw(0, peerChunk(chunkInit, 0, peerInit))
	p.want("INIT-ACK")
	if p.core.tag != tag || p.core.tsn != tsn {
		t.Error("INIT ACK has not the tag and TSN of INIT")
	}
	p.raw(tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.want("COOKIE-ACK")
	p.wantEvent(EventUp)
	p.send(chunkInitAck, 0, peerInit+"0007 0008 \"cook\"")
	p.wantNothing("the association is up")
	p.write("x", Info{})
	p.want("DATA +0 stream 0 ssn 0 EB \"x\"")
}

// TestBothBeginLater does the same in COOKIE-ECHOED. See RFC 9260, Section 5.2.4, action D.
func TestBothBeginLater(t *testing.T) {
	p := newTestPeer(t, nil)
	p.connect()
	p.want("INIT")
	p.raw(0, peerChunk(chunkInit, 0, peerInit))
	p.want("INIT-ACK")
	cookie := p.cookie
	p.send(chunkInitAck, 0, peerInit+"0007 0008 \"cook\"")
	p.want("COOKIE-ECHO \"cook\"")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, cookie))
	p.want("COOKIE-ACK")
	p.wantEvent(EventUp)
	p.send(chunkCookieAck, 0, "")
	p.wantNothing("the association is up already")
}

// TestSimultaneousOpen has two cores connect to each other at the same time.
func TestSimultaneousOpen(t *testing.T) {
	for seed := range uint64(50) {
		n := newSimNet(t, seed)
		n.jitter, n.loss = n.delay*3, 0.1
		var ends [2]*simEnd
		config := &Config{Auth: true}
		for i, h := range n.hosts {
			a, err := h.endpoint.Connect(n.now, config, 700, 700, simAddr(1-i, 0))
			if err != nil {
				t.Fatal(err)
			}
			ends[i] = h.add(a)
			if err := a.SetAuthKey(1, []byte("secret")); err != nil {
				t.Fatal(err)
			}
			if err := a.SetActiveAuthKey(1); err != nil {
				t.Fatal(err)
			}
		}
		n.hosts[0].flush()
		n.hosts[1].flush()
		up := func() bool {
			return ends[0].assoc.State() == StateEstablished && ends[1].assoc.State() == StateEstablished
		}
		n.until(200e9, up)
		ends[0].send("one", Info{})
		ends[1].send("two", Info{})
		n.until(200e9, func() bool { return len(ends[0].got) == 1 && len(ends[1].got) == 1 })
	}
}

// restartPeer returns an established association whose peer sends INIT again, as after a reboot.
func restartPeer(t *testing.T, config *Config) (p *testPeer, oldTag uint32) {
	t.Helper()
	p = acceptPeer(t, config)
	oldTag = p.core.tag
	p.raw(p.core.tag, data(1000, whole, 0, 0, "old"))
	p.next()
	p.raw(0, peerChunk(chunkInit, 0, "0000aaaa"+peerInit[8:]))
	return p, oldTag
}

// TestRestart tests RFC 9260, Section 5.2.2, and Section 5.2.4, action A.
func TestRestart(t *testing.T) {
	p, oldTag := restartPeer(t, nil)
	p.write("lost", Info{})
	if got := p.next(); got != "INIT-ACK" {
		t.Fatal(got)
	}
	if got := p.next(); !strings.HasSuffix(got, "stream 0 ssn 0 EB \"lost\"") {
		t.Fatal(got)
	}
	if p.core.tag == oldTag {
		t.Fatal("the new association has the tag of the old one")
	}
	// The peer uses tag 0xaaaa again. The table of Section 5.2.4 does not mention this case; our
	// own tag is a new one.
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.wantNothing("the peer's tag is as it was")
	p.wantState(StateEstablished)

	p.raw(0, peerChunk(chunkInit, 0, "0000bbbb 00010000 0003 0003 00001388"))
	if got := p.next(); got != "tag bbbb | INIT-ACK" {
		t.Fatal(got)
	}
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie), data(5000, whole, 0, 0, "new"))
	if got := p.next(); got != "tag bbbb | COOKIE-ACK | SACK 5000" {
		t.Fatal(got)
	}
	if !p.assoc.Restarted() { // although the event waits for the unread message
		t.Error("not restarted")
	}
	p.wantRead("0:old")
	p.wantEvent(EventRestart)
	p.endpoint.Bind(p.assoc)
	p.wantRead("0:new")
	if out, in := p.assoc.Streams(); out != 3 || in != 3 || p.assoc.Unacknowledged() != 0 {
		t.Error(out, in, p.assoc.Unacknowledged())
	}
	p.write("x", Info{})
	if got := p.next(); got != "tag bbbb | DATA +0 stream 0 ssn 0 EB \"x\"" {
		t.Error(got)
	}
}

// TestRestartRefused tests Config.RefuseRestart.
func TestRestartRefused(t *testing.T) {
	p, _ := restartPeer(t, &Config{RefuseRestart: true})
	p.wantNothing("INIT is ignored")
}

// TestRestartWithNewAddress checks that a restart cannot take over an association from a new
// address. See RFC 9260, Section 5.2.2, and RFC 5062, Section 5.
func TestRestartWithNewAddress(t *testing.T) {
	p := acceptPeer(t, nil)
	p.raw(0, peerChunk(chunkInit, 0, "0000bbbb"+peerInit[8:]+"0005 0008 0a000909"))
	if got := p.next(); got != "tag bbbb | ABORT restart of an association with new addresses "+
		"000500080a000909" {
		t.Error(got)
	}
	p.wantState(StateEstablished)
}

// TestRestartLinkLocal has a peer with a link-local address, which it lists, restart: the listed
// address, which has no zone, is the one that the packets come from.
func TestRestartLinkLocal(t *testing.T) {
	const listed = "0006 0014 fe800000000000000000000000000001"
	p := newTestPeer(t, nil)
	p.listen()
	p.from = netip.MustParseAddrPort("[fe80::1%eth0]:9899")
	p.raw(0, peerChunk(chunkInit, 0, peerInit+listed))
	p.want("INIT-ACK")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.want("COOKIE-ACK")
	if all := p.assoc.Paths(nil); len(all) != 1 || all[0].Peer != p.from {
		t.Errorf("%+v", all)
	}
	p.raw(0, peerChunk(chunkInit, 0, "0000bbbb 00010000 0003 0003 00001388"+listed))
	if got := p.next(); got != "tag bbbb | INIT-ACK" {
		t.Fatal(got)
	}
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	if got := p.next(); got != "tag bbbb | COOKIE-ACK" {
		t.Fatal(got)
	}
	// Another one is in the same zone, and COOKIE ECHO may come from there.
	p = newTestPeer(t, nil)
	p.listen()
	p.from = netip.MustParseAddrPort("[fe80::1%eth0]:9899")
	p.raw(0, peerChunk(chunkInit, 0, peerInit+"0006 0014 fe800000000000000000000000000002"))
	p.want("INIT-ACK")
	p.from = netip.MustParseAddrPort("[fe80::2%eth0]:9899")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.want("COOKIE-ACK")
	if all := p.assoc.Paths(nil); len(all) != 2 || all[1].Peer.Addr().Zone() != "eth0" {
		t.Errorf("%+v", all)
	}
}

// TestRestartWithoutAuth checks that a restart without SCTP-AUTH does not replace an authenticated
// association.
func TestRestartWithoutAuth(t *testing.T) {
	p := newTestPeer(t, &Config{Auth: true})
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit+peerAuth))
	p.want("INIT-ACK")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.want("COOKIE-ACK")
	p.wantEvent(EventUp)
	p.raw(0, peerChunk(chunkInit, 0, "0000bbbb"+peerInit[8:]))
	p.next()
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.wantNothing("the restart offers no SCTP-AUTH")
	if e, ok := p.assoc.NextEvent(); ok {
		t.Errorf("%+v", e)
	}
}

// TestOldCookie checks that a cookie of an earlier handshake is discarded. See RFC 9260, Section
// 5.2.4, action C.
func TestOldCookie(t *testing.T) {
	p := newTestPeer(t, nil)
	p.listen()
	p.raw(0, peerChunk(chunkInit, 0, peerInit))
	p.want("INIT-ACK")
	old, oldTag := p.cookie, p.core.tag
	p.raw(0, peerChunk(chunkInit, 0, peerInit))
	p.want("INIT-ACK")
	p.raw(p.core.tag, chunkOf(chunkCookieEcho, 0, p.cookie))
	p.want("COOKIE-ACK")
	p.raw(oldTag, chunkOf(chunkCookieEcho, 0, old))
	p.wantNothing("it belongs to another handshake")
}

// TestInitWhileShuttingDown checks that SHUTDOWN ACK answers an INIT in SHUTDOWN-ACK-SENT. See RFC
// 9260, Section 9.2.
func TestInitWhileShuttingDown(t *testing.T) {
	p := acceptPeer(t, nil)
	p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn-1))
	p.want("SHUTDOWN-ACK")
	p.raw(0, peerChunk(chunkInit, 0, "0000bbbb"+peerInit[8:]))
	p.want("SHUTDOWN-ACK")
	p.wantState(StateShutdownAckSent)
}

// TestPeerGone has a peer that does not know the association answer with the T bit. See RFC 9260,
// Section 8.4.
func TestPeerGone(t *testing.T) {
	p := acceptPeer(t, nil)
	p.write("x", Info{})
	p.next()
	p.raw(peerTag, peerChunk(chunkAbort, flagT, ""))
	var abort *AbortError
	if e := p.wantEvent(EventDown); !errors.As(e.Err, &abort) || abort.Local {
		t.Error(e.Err)
	}
}

// TestRebootedPeer has a host reboot and connect again from the same port, over a lossy network.
// The other end's association continues with it.
func TestRebootedPeer(t *testing.T) {
	for seed := range uint64(40) {
		n := newSimNet(t, seed)
		config := &Config{Auth: seed%2 == 0}
		c, s := n.pair(config, config, 1+int(seed%3)/2)
		c.send("before", Info{})
		s.send("lost, or not", Info{})
		n.loss, n.jitter = 0.1, 20e6
		n.run(20e6)
		port, _ := c.assoc.Ports()
		e, err := NewEndpoint(seededReader{rand.NewChaCha8([32]byte{byte(seed), 99})})
		if err != nil {
			t.Fatal(err)
		}
		n.hosts[0].endpoint, n.hosts[0].ends = e, nil
		a, err := e.Connect(n.now, withAddrs(config, c.assoc.config.Addresses), port, 5000, simAddr(1, 0))
		if err != nil {
			t.Fatal(err)
		}
		again := n.hosts[0].add(a)
		again.flush()
		n.until(300e9, func() bool { return a.State() == StateEstablished })
		end := s // the old association, unless an ABORT from the rebooted host ended it
		n.until(300e9, func() bool {
			end = n.hosts[1].ends[len(n.hosts[1].ends)-1]
			return s.has(EventRestart) || end != s && end.assoc.State() == StateEstablished
		})
		again.send("after", Info{})
		n.until(300e9, func() bool {
			return len(end.got) > 0 &&
				string(end.got[len(end.got)-1].data) == "after"
		})
		end.send("back", Info{})
		n.until(300e9, func() bool { return len(again.got) > 0 && string(again.got[0].data) == "back" })
		n.check()
	}
}

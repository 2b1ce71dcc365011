package sctpcore

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// This file tests RFC 9260, Section 9.

// TestShutdown checks that SHUTDOWN is sent after everything is acknowledged.
func TestShutdown(t *testing.T) {
	p := acceptPeer(t, nil)
	p.write("last", Info{})
	p.assoc.Shutdown(p.now)
	p.want("DATA +0 stream 0 ssn 0 EBI \"last\"") // Section 9.2: the last chunk has the I bit
	p.wantState(StateShutdownPending)
	if err := p.assoc.Send(p.now, []byte("x"), Info{}); err != ErrNotEstablished {
		t.Error(err)
	}
	p.sack(0, 65536, "")
	p.want("SHUTDOWN 999")
	p.raw(p.core.tag, data(1000, whole, 0, 0, "late"))
	p.want("SACK 1000 | SHUTDOWN 1000")
	p.sleep(time.Second)
	p.want("SHUTDOWN 1000") // T2-shutdown
	p.send(chunkShutdownAck, 0, "")
	p.want("SHUTDOWN-COMPLETE")
	p.wantRead("0:late")
	if e := p.wantEvent(EventDown); e.Err != ErrClosed {
		t.Error(e.Err)
	}
	if err := p.assoc.Send(p.now, []byte("x"), Info{}); err != ErrClosed {
		t.Error(err)
	}
}

// TestPeerShutdown checks that queued messages are still sent, and that SHUTDOWN acknowledges data.
func TestPeerShutdown(t *testing.T) {
	p := acceptPeer(t, nil)
	p.write("a", Info{})
	p.want("DATA +0 stream 0 ssn 0 EB \"a\"")
	p.write("b", Info{})
	p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn-1))
	p.wantEvent(EventPeerShutdown)
	p.want("DATA +1 stream 0 ssn 1 EB \"b\"")
	p.raw(p.core.tag, data(1000, whole, 0, 0, "x"))
	p.wantNothing("the peer has said that it sends nothing more")
	p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn))
	p.wantNothing("not everything is acknowledged")
	p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn+1))
	p.want("SHUTDOWN-ACK")
	p.sleep(time.Second)
	p.want("SHUTDOWN-ACK")
	p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn+1))
	p.want("SHUTDOWN-ACK")
	p.send(chunkShutdownComplete, 0, "")
	p.wantEvent(EventDown)
	p.wantNothing("it is over")
}

// TestBothShutDown has both ends shut down at the same time.
func TestBothShutDown(t *testing.T) {
	p := acceptPeer(t, nil)
	p.assoc.Shutdown(p.now)
	p.want("SHUTDOWN 999")
	p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn-1))
	p.want("SHUTDOWN-ACK")
	p.send(chunkShutdownAck, 0, "")
	p.want("SHUTDOWN-COMPLETE")
	if p.assoc.Err() != ErrClosed {
		t.Error(p.assoc.Err())
	}
}

// TestShutdownWithoutAnswer checks that an ABORT is sent if the peer does not answer.
func TestShutdownWithoutAnswer(t *testing.T) {
	p := acceptPeer(t, &Config{AssociationMaxRetrans: 2, HeartbeatInterval: -1})
	p.assoc.Shutdown(p.now)
	for range 3 {
		p.want("SHUTDOWN 999")
		p.sleep(10 * time.Second)
	}
	p.want("ABORT user-initiated abort")
	if !errors.Is(p.assoc.Err(), ErrTimeout) {
		t.Error(p.assoc.Err())
	}
}

// TestShutdownGuard checks that a peer that never finishes cannot keep the association open. See
// RFC 9260, Section 9.2, T5-shutdown-guard.
func TestShutdownGuard(t *testing.T) {
	p := acceptPeer(t, &Config{HeartbeatInterval: -1})
	p.assoc.Shutdown(p.now)
	for i := uint32(0); p.assoc.State() == StateShutdownSent; i++ {
		p.raw(p.core.tag, data(1000+i, whole, 0, uint16(i), "more"))
		p.next()
		p.sleep(500 * time.Millisecond)
		if i > 1000 {
			t.Fatal("T5-shutdown-guard does not expire")
		}
	}
	if !errors.Is(p.assoc.Err(), ErrTimeout) {
		t.Error(p.assoc.Err())
	}
}

func TestAbort(t *testing.T) {
	p := acceptPeer(t, nil)
	p.write("never sent", Info{})
	p.assoc.Abort("bye")
	p.want("ABORT user-initiated abort 627965")
	p.wantEvent(EventDown)
	p.raw(p.core.tag, data(1000, whole, 0, 0, "x"))
	p.endpoint.Forget(p.assoc)
	p.raw(p.core.tag, data(1000, whole, 0, 0, "x"))
	if got := p.next(); got != fmt.Sprintf("tag %x | ABORT flags 1", p.core.tag) {
		t.Error(got)
	}
}

// TestShutdownAckInSetup has a peer that still has an earlier association. See RFC 9260, Section
// 8.5.1, E.
func TestShutdownAckInSetup(t *testing.T) {
	p := newTestPeer(t, nil)
	p.connect()
	p.want("INIT")
	p.raw(0x77, peerChunk(chunkShutdownAck, 0, ""))
	p.want("tag 77 | SHUTDOWN-COMPLETE flags 1")
	p.wantState(StateCookieWait)
}

// TestShutdownInSetup checks that SHUTDOWN during the handshake aborts the association.
func TestShutdownInSetup(t *testing.T) {
	p := newTestPeer(t, nil)
	p.connect()
	p.want("INIT")
	p.assoc.Shutdown(p.now)
	p.wantNothing("the peer is not known")
	p.wantEvent(EventDown)
}

// TestShutdownCompleteIsLost checks that a peer that has finished, and answers a late packet
// because it has forgotten the association, ends it in order. Before that, and with an ABORT of its
// own, the peer aborts it. See RFC 9260, Sections 8.4 and 8.5.1.
func TestShutdownCompleteIsLost(t *testing.T) {
	for _, test := range []struct {
		tag      uint32 // 0 is the core's
		flags    byte
		shutdown bool
		closed   bool
	}{
		{peerTag, flagT, true, true},
		{0, 0, true, false},
		{peerTag, flagT, false, false},
	} {
		p := acceptPeer(t, nil)
		if test.shutdown {
			p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn-1))
			p.want("SHUTDOWN-ACK")
			p.wantEvent(EventPeerShutdown)
		}
		tag := test.tag
		if tag == 0 {
			tag = p.core.tag
		}
		p.raw(tag, peerChunk(chunkAbort, test.flags, ""))
		if e := p.wantEvent(EventDown); (e.Err == ErrClosed) != test.closed {
			t.Errorf("%+v: %v", test, e.Err)
		}
	}
}

package sctpcore

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A traffic sends numbered messages on many streams in one direction, and checks that nothing is
// lost, repeated, changed or, within a stream, out of order.
type traffic struct {
	t         testing.TB
	rng       *rand.Rand
	from, to  *simEnd
	streams   int
	unordered bool // the last stream is unordered
	sent      []uint32
	next      []uint32
	seen      map[uint32]bool // of the unordered stream
	arrived   int
}

func newTraffic(from, to *simEnd, seed uint64, streams int) *traffic {
	tr := &traffic{
		t: from.host.net.t, rng: rand.New(rand.NewPCG(seed, 3)), from: from, to: to,
		streams: streams, unordered: true,
		sent: make([]uint32, streams), next: make([]uint32, streams), seen: map[uint32]bool{},
	}
	to.onGot = tr.check
	return tr
}

// send sends one message of up to max bytes, if there is space in the buffer.
func (tr *traffic) send(max int) bool {
	stream := tr.rng.IntN(tr.streams)
	n := 8 + tr.rng.IntN(max)
	b := make([]byte, n)
	for i := 8; i < n; i++ {
		b[i] = byte(i + stream)
	}
	binary.BigEndian.PutUint32(b, tr.sent[stream])
	binary.BigEndian.PutUint32(b[4:], uint32(n))
	info := Info{Stream: uint16(stream), PPID: uint32(stream) << 8,
		Unordered: tr.unordered && stream == tr.streams-1, SackImmediately: n%16 == 0}
	err := tr.from.assoc.Send(tr.from.host.net.now, b, info)
	if err == ErrBufferFull {
		return false
	}
	if err != nil {
		tr.t.Fatalf("Send: %v", err)
	}
	tr.sent[stream]++
	tr.from.flush()
	return true
}

func (tr *traffic) check(m simMessage) {
	stream := int(m.info.Stream)
	n := binary.BigEndian.Uint32(m.data)
	if int(binary.BigEndian.Uint32(m.data[4:])) != len(m.data) || m.info.PPID != uint32(stream)<<8 {
		tr.t.Fatalf("stream %d, message %d: %d bytes of %d, PPID %#x", stream, n, len(m.data),
			binary.BigEndian.Uint32(m.data[4:]), m.info.PPID)
	}
	for i := 8; i < len(m.data); i++ {
		if m.data[i] != byte(i+stream) {
			tr.t.Fatalf("stream %d, message %d is changed at byte %d", stream, n, i)
		}
	}
	switch {
	case m.info.Unordered:
		if tr.seen[n] {
			tr.t.Fatalf("unordered message %d came twice", n)
		}
		tr.seen[n] = true
	case n != tr.next[stream]:
		tr.t.Fatalf("stream %d: message %d came in place of %d", stream, n, tr.next[stream])
	default:
		tr.next[stream]++
	}
	tr.arrived++
}

func (tr *traffic) total() (n int) {
	for _, s := range tr.sent {
		n += int(s)
	}
	return n
}

func (tr *traffic) done() bool { return tr.arrived == tr.total() }

// TestMinuteOfTraffic runs 60 s of traffic in both directions over 16 streams and two paths, with 2
// % loss, reordering and duplication, a failure of the primary path, and a new key every second.
func TestMinuteOfTraffic(t *testing.T) {
	n := newSimNet(t, 60)
	config := &Config{Auth: true, OutStreams: 16, MaxInStreams: 16}
	c, s := n.pair(config, config, 2)
	n.loss, n.duplicate, n.jitter = 0.02, 0.01, 8*time.Millisecond
	there, back := newTraffic(c, s, 1, 16), newTraffic(s, c, 2, 16)
	for second := 0; second < 60; second++ {
		// RFC 6083, Section 4.8: install the next key on both sides, then activate it.
		id := uint16(second + 1)
		secret := fmt.Appendf(nil, "secret %d", id)
		for _, e := range []*simEnd{c, s} {
			if err := e.assoc.SetAuthKey(id, secret); err != nil {
				t.Fatal(err)
			}
			if err := e.assoc.SetActiveAuthKey(id); err != nil {
				t.Fatal(err)
			}
			if id > 30 {
				// Nothing can still need this key: all data of 30 s ago has arrived.
				if err := e.assoc.DeleteAuthKey(id - 31); err != nil {
					t.Fatal(err)
				}
			}
		}
		n.down[0] = second >= 20 && second < 35
		for range 100 {
			there.send(4000)
			back.send(4000)
			n.run(10 * time.Millisecond)
		}
	}
	n.until(2*time.Minute, func() bool { return there.done() && back.done() })
	if there.total() < 3000 || back.total() < 3000 {
		t.Errorf("only %d and %d messages", there.total(), back.total())
	}
	cs, ss := c.assoc.Stats(), s.assoc.Stats()
	if cs.FastRetransmissions == 0 || cs.Timeouts == 0 || cs.AuthFailures+ss.AuthFailures > 0 {
		t.Errorf("%+v", cs)
	}
	t.Logf("%d and %d messages\nclient %+v\nserver %+v", there.total(), back.total(), cs, ss)
	if m := c.assoc.Missing() + s.assoc.Missing(); m != 0 {
		t.Errorf("%d TSNs are missing after everything has arrived", m)
	}
	n.loss = 0
	c.assoc.Shutdown(n.now)
	c.flush()
	n.until(time.Minute, func() bool {
		return c.assoc.Err() == ErrClosed &&
			s.assoc.Err() == ErrClosed
	})
}

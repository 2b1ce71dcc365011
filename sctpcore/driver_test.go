package sctpcore

import (
	"testing"
	"time"
)

// TestTSNs checks that a driver can tell from the TSN of a message that it has read which DATA
// chunks were sent later.
func TestTSNs(t *testing.T) {
	n := newSimNet(t, 1)
	c, s := n.pair(nil, nil, 1)
	before := s.assoc.HighestTSN()
	var first []uint32
	s.onGot = func(simMessage) { first = append(first, s.assoc.ReadTSN()-before) }
	for _, size := range []int{10, 5000, 10} { // 1, 5 and 1 chunks
		if err := c.assoc.Send(n.now, make([]byte, size), Info{}); err != nil {
			t.Fatal(err)
		}
	}
	n.hosts[0].flush()
	n.until(time.Minute, func() bool { return len(first) == 3 })
	if first[0] != 1 || first[1] != 2 || first[2] != 7 || s.assoc.HighestTSN()-before != 7 {
		t.Errorf("messages begin with %d, the highest is %d", first, s.assoc.HighestTSN()-before)
	}
	if s.assoc.Unread() != 0 || s.assoc.Restarted() {
		t.Error("unread, or restarted")
	}
}

// TestSackDelay checks that each packet is acknowledged immediately without a delay, and every
// second one with a delay.
func TestSackDelay(t *testing.T) {
	n := newSimNet(t, 1)
	c, s := n.pair(nil, nil, 1)
	took := func() time.Duration {
		start := n.now
		if err := c.assoc.Send(n.now, []byte("x"), Info{}); err != nil {
			t.Fatal(err)
		}
		n.hosts[0].flush()
		n.until(time.Minute, func() bool { return c.assoc.Unacknowledged() == 0 })
		return n.now - start
	}
	took() // the first DATA is acknowledged at once
	delay := s.assoc.Config().SackDelay
	if d := took(); d != 2*n.delay+delay {
		t.Errorf("acknowledged after %v", d)
	}
	s.assoc.SetSackDelay(0)
	if d := took(); d != 2*n.delay {
		t.Errorf("without delay acknowledged after %v", d)
	}
	s.assoc.SetSackDelay(delay)
	if d := took(); d != 2*n.delay+delay {
		t.Errorf("with delay again acknowledged after %v", d)
	}
}

// TestRTOMin checks that the minimum retransmission timeout applies from the next measurement on,
// to one association only.
func TestRTOMin(t *testing.T) {
	n := newSimNet(t, 1)
	config := &Config{SackDelay: time.Millisecond}
	c, s := n.pair(config, config, 1)
	exchange := func(e *simEnd) time.Duration {
		for range 20 {
			if err := e.assoc.Send(n.now, []byte("x"), Info{}); err != nil {
				t.Fatal(err)
			}
			e.host.flush()
			n.until(time.Minute, func() bool { return e.assoc.Unacknowledged() == 0 })
		}
		return e.assoc.Paths(nil)[0].RTO
	}
	c.assoc.SetRTOMin(20 * time.Millisecond)
	if rto := exchange(c); rto < 20*time.Millisecond || rto > 100*time.Millisecond {
		t.Errorf("RTO %v", rto)
	}
	if rto := exchange(s); rto != time.Second {
		t.Errorf("the other end's RTO %v", rto)
	}
	c.assoc.SetRTOMin(time.Second)
	if rto := exchange(c); rto != time.Second {
		t.Errorf("RTO %v again", rto)
	}
}

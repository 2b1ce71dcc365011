package sctpcore

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// A punctual is traffic whose messages must arrive in time.
type punctual struct {
	*traffic
	sentAt map[[2]uint32]time.Duration // by stream and number
	worst  time.Duration               // the longest time that a message took, since it was set to 0
}

func newPunctual(from, to *simEnd, seed uint64) *punctual {
	p := &punctual{traffic: newTraffic(from, to, seed, 4), sentAt: map[[2]uint32]time.Duration{}}
	to.onGot = func(m simMessage) {
		p.check(m)
		id := [2]uint32{uint32(m.info.Stream), binary.BigEndian.Uint32(m.data)}
		p.worst = max(p.worst, from.host.net.now-p.sentAt[id])
		delete(p.sentAt, id)
	}
	return p
}

func (p *punctual) send(max int) bool {
	before := append([]uint32(nil), p.sent...)
	if !p.traffic.send(max) {
		return false
	}
	for stream, n := range before {
		if p.sent[stream] != n {
			p.sentAt[[2]uint32{uint32(stream), n}] = p.from.host.net.now
		}
	}
	return true
}

// write sends in one of several ways, during which some time may pass.
func (p *punctual) write(rng *rand.Rand, largest int) {
	n := p.from.host.net
	largest = min(largest, p.from.assoc.MaxMessage()-8)
	switch rng.IntN(5) {
	case 0: // small messages, as many as there is space for at most
		for range 1 + rng.IntN(400) {
			if !p.send(1 + rng.IntN(200)) {
				break
			}
		}
	case 1: // small messages, one after the other
		pause := time.Duration(rng.IntN(8)) * time.Millisecond
		for range 1 + rng.IntN(200) {
			p.send(1 + rng.IntN(200))
			n.run(pause)
		}
	case 2: // large ones
		for range 1 + rng.IntN(4) {
			p.send(largest)
		}
	case 3: // of all sizes
		for range 1 + rng.IntN(60) {
			p.send(min(1<<rng.IntN(15), largest))
		}
	case 4:
		n.run(time.Duration(rng.IntN(5000)) * time.Millisecond)
	}
}

// limit returns how long a message may take without loss: what is before it in the send buffer
// passes through the window, and in slow start less than that in each round trip.
func (p *punctual) limit() time.Duration {
	from, to := p.from.assoc.Config(), p.to.assoc.Config()
	if to.SackFrequency > 2 || from.MaxMTU > to.ReceiveWindow/4 {
		return time.Hour // each round trip may need a delayed acknowledgement, or a window probe
	}
	trips := 40 + 2*from.SendBuffer/to.ReceiveWindow
	return time.Duration(trips)*p.from.host.net.delay + to.SackDelay + 100*time.Millisecond
}

func oneOf[T any](rng *rand.Rand, all ...T) T { return all[rng.IntN(len(all))] }

func stallConfig(rng *rand.Rand) *Config {
	c := &Config{
		Auth:          rng.IntN(3) == 0,
		SackDelay:     oneOf(rng, time.Millisecond, 200*time.Millisecond, 500*time.Millisecond),
		SackFrequency: oneOf(rng, 1, 2, 2, 2, 4, 40),
		MaxBurst:      oneOf(rng, 4, 32),
		MaxMTU:        oneOf(rng, 0, 1472, 8972, 16384),
		ReceiveWindow: oneOf(rng, 8000, 0, 0, 1<<20),
		SendBuffer:    oneOf(rng, 20000, 0, 1<<20),
		RTOMin:        oneOf(rng, 0, 20*time.Millisecond),
	}
	return c
}

// TestNothingStalls runs random traffic between random configurations over random networks. No
// message may be lost, repeated or out of order. Without loss, none may take much longer than the
// network, the windows and a delayed acknowledgement explain; and with loss, all must have arrived
// some timeouts later. In the end both sides shut down with messages to be sent.
func TestNothingStalls(t *testing.T) {
	seeds := 300
	if testing.Short() {
		seeds = 20
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { testStalls(t, uint64(seed)) })
	}
}

func testStalls(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 99))
	n := newSimNet(t, seed)
	client, server := stallConfig(rng), stallConfig(rng)
	c, s := n.pair(client, server, 1+rng.IntN(2))
	n.delay = oneOf(rng, 0, time.Millisecond, 20*time.Millisecond, 150*time.Millisecond)
	loss := oneOf(rng, 0, 0, 0.01, 0.05)
	if loss > 0 {
		n.duplicate, n.jitter = 0.01, oneOf(rng, 0, n.delay)
	}
	both := []*punctual{newPunctual(c, s, seed), newPunctual(s, c, seed+1000)}
	// A delayed acknowledgement comes before the RTO, if that has not been lowered.
	brisk := client.RTOMin > 0 || server.RTOMin > 0
	for range 12 {
		n.loss = loss
		for _, p := range both {
			p.worst = 0
			p.to.pause = rng.IntN(6) == 0
		}
		paused := c.pause || s.pause
		for range 1 + rng.IntN(3) {
			both[rng.IntN(2)].write(rng, oneOf(rng, 3000, 20000, 100000))
		}
		n.loss, c.pause, s.pause = 0, false, false
		n.hosts[0].flush()
		n.hosts[1].flush()
		timeouts := c.assoc.Stats().Timeouts + s.assoc.Stats().Timeouts
		n.until(2*time.Minute, func() bool { return both[0].done() && both[1].done() })
		if loss > 0 || paused {
			continue
		}
		if got := c.assoc.Stats().Timeouts + s.assoc.Stats().Timeouts; got != timeouts && !brisk {
			t.Errorf("%d timeouts without loss", got-timeouts)
		}
		for _, p := range both {
			if limit := p.limit(); p.worst > limit {
				t.Errorf("a message took %v, more than %v", p.worst, limit)
			}
		}
	}
	for _, p := range both {
		p.write(rng, 20000)
	}
	ends := []*simEnd{c, s}
	rng.Shuffle(2, func(i, j int) { ends[i], ends[j] = ends[j], ends[i] })
	for _, e := range ends[:1+rng.IntN(2)] {
		e.assoc.Shutdown(n.now)
		e.flush()
	}
	n.until(2*time.Minute, func() bool {
		return c.assoc.Err() == ErrClosed && s.assoc.Err() == ErrClosed
	})
	if !both[0].done() || !both[1].done() {
		t.Errorf("%d of %d and %d of %d messages arrived before the shutdown was complete",
			both[0].arrived, both[0].total(), both[1].arrived, both[1].total())
	}
}

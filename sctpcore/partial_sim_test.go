package sctpcore

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

// TestHostileNetworkPartial sends messages of which some may be abandoned over networks that lose,
// repeat and reorder packets, and whose reader pauses. All others must arrive once and in the order
// of their stream, with nothing left over. See RFC 3758 and RFC 7496.
func TestHostileNetworkPartial(t *testing.T) {
	abandoned := 0
	for seed := range uint64(100) {
		abandoned += hostilePartial(t, seed)
	}
	if abandoned < 500 {
		t.Errorf("only %d messages were abandoned", abandoned)
	}
}

func hostilePartial(t *testing.T, seed uint64) (abandoned int) {
	const streams, messages = 4, 300 // the last stream is unordered
	rng := rand.New(rand.NewPCG(seed, 5))
	n := newSimNet(t, seed)
	config := &Config{Auth: seed&1 != 0, PartialReliability: true, ReceiveWindow: 16384,
		SendBuffer: 20000, MTU: 512, AssociationMaxRetrans: 100}
	c, s := n.pair(config, config, 1+int(seed>>1&1))
	n.loss, n.duplicate = rng.Float64()/4, rng.Float64()/4
	n.jitter = time.Duration(rng.IntN(100)) * time.Millisecond
	reliable := map[uint32]bool{} // those that have not arrived
	last := [streams]uint32{}
	s.onGot = func(m simMessage) {
		id, stream := binary.BigEndian.Uint32(m.data), m.info.Stream
		for i, b := range m.data[4:] {
			if b != byte(i)+byte(id) {
				t.Fatalf("seed %d: message %d is changed at byte %d", seed, id, 4+i)
			}
		}
		if !m.info.Unordered && id <= last[stream] {
			t.Fatalf("seed %d: message %d after %d", seed, id, last[stream])
		}
		last[stream] = id
		if m.info.PPID == 1 && !reliable[id] {
			t.Fatalf("seed %d: message %d twice", seed, id)
		}
		delete(reliable, id)
	}
	for id := uint32(1); id <= messages; id++ {
		b := binary.BigEndian.AppendUint32(nil, id)
		for i := range rng.IntN(1 + rng.IntN(4000)) {
			b = append(b, byte(i)+byte(id))
		}
		info := Info{Stream: uint16(rng.IntN(streams))}
		info.Unordered = info.Stream == streams-1
		switch rng.IntN(3) {
		case 0:
			info.PPID = 1
			reliable[id] = true
		case 1:
			info.Lifetime = time.Duration(1+rng.IntN(1500)) * time.Millisecond
		case 2:
			info.Retransmissions = rng.IntN(4) - 1
			if info.Retransmissions == 0 {
				info.Retransmissions = -1
			}
		}
		for err := error(ErrBufferFull); err != nil; {
			if err = c.assoc.Send(n.now, b, info); err != nil && err != ErrBufferFull {
				t.Fatalf("seed %d: %v", seed, err)
			} else if err != nil {
				n.run(time.Duration(rng.IntN(3000)) * time.Millisecond)
				s.pause = false
				s.flush()
			}
		}
		c.flush()
		if rng.IntN(10) == 0 {
			s.pause = !s.pause && rng.IntN(2) == 0
			s.flush()
			n.run(time.Duration(rng.IntN(300)) * time.Millisecond)
		}
		if s.pause && rng.IntN(4) == 0 {
			s.pause = false
			s.flush()
		}
		n.check()
	}
	n.loss, s.pause = 0, false
	s.flush()
	n.until(30*time.Minute, func() bool {
		return len(reliable) == 0 && c.assoc.out.empty()
	})
	n.run(time.Second)
	n.check()
	if m := s.assoc.in.memory + s.assoc.Missing(); m != 0 {
		t.Fatalf("seed %d: %d is left", seed, m)
	}
	for _, e := range c.events {
		abandoned += b2i(e.Kind == EventAbandoned)
	}
	return abandoned
}

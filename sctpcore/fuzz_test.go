package sctpcore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/fuzzcount"
)

// FuzzInit checks that what is parsed can be marshaled, and parses to the same value again.
func FuzzInit(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		i := randomInit(r)
		f.Add(i.appendTo(nil))
	}
	f.Add(unhex(peerInit + peerAuth + "c000 0004 ffff 0006 1122 0000 000b 0008 61626300"))
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzcount.Input(len(b))
		first, fault := parseInit(b)
		if fault != nil {
			if len(fault.Error()) > 512 {
				t.Fatal("a long error")
			}
			return
		}
		if len(first.addrs) > maxAddresses || len(first.unrecognized) > maxUnrecognized {
			t.Fatal("not bounded")
		}
		first.unrecognized = nil
		if first.preservative > 0 && first.preservative < time.Millisecond {
			t.Fatal(first.preservative)
		}
		second, fault := parseInit(first.appendTo(nil))
		if fault != nil || !reflect.DeepEqual(first, second) {
			t.Fatalf("%v\n%+v\n%+v", fault, first, second)
		}
	})
}

// states bring an association into each state, for FuzzPackets.
var states = []func(t testing.TB, c *Config) *testPeer{
	func(t testing.TB, c *Config) *testPeer { // COOKIE-WAIT
		p := newTestPeer(t, c)
		p.listen()
		p.connect()
		p.next()
		return p
	},
	func(t testing.TB, c *Config) *testPeer { // COOKIE-ECHOED
		p := newTestPeer(t, c)
		p.connect()
		p.next()
		p.send(chunkInitAck, 0, peerInit+"0007 0008 \"cook\"")
		p.next()
		return p
	},
	acceptPeer,
	func(t testing.TB, c *Config) *testPeer { // ESTABLISHED, with data in flight
		p := acceptPeer(t, c)
		for i := range 20 {
			p.write(string(bytes.Repeat([]byte{byte(i)}, 1+i*100)),
				Info{Stream: uint16(i % 3), Unordered: i%4 == 0, Lifetime: time.Duration(i%2) * time.Second})
			p.next()
		}
		return p
	},
	func(t testing.TB, c *Config) *testPeer { // ESTABLISHED, with a probe and data in flight
		c.MaxMTU = 1472
		p := acceptPeer(t, c)
		p.next()
		p.write(string(bytes.Repeat([]byte{1}, 3000)), Info{})
		for p.next() != "" {
		}
		return p
	},
	func(t testing.TB, c *Config) *testPeer { // ESTABLISHED, after packets ceased to arrive
		c.MaxMTU = 1472
		p := acceptPeer(t, c)
		p.next()
		p.raw(p.core.tag, chunkOf(chunkHeartbeatAck, 0, p.last[headerLen+chunkHeaderLen:][:12]))
		p.write(string(bytes.Repeat([]byte{1}, 3000)), Info{})
		for p.next() != "" {
		}
		p.sleep(time.Second)
		return p
	},
	func(t testing.TB, c *Config) *testPeer { // SHUTDOWN-PENDING
		p := acceptPeer(t, c)
		p.write("x", Info{})
		p.assoc.Shutdown(p.now)
		p.next()
		return p
	},
	func(t testing.TB, c *Config) *testPeer { // SHUTDOWN-SENT
		p := acceptPeer(t, c)
		p.assoc.Shutdown(p.now)
		p.next()
		return p
	},
	func(t testing.TB, c *Config) *testPeer { // SHUTDOWN-RECEIVED
		p := acceptPeer(t, c)
		p.write("x", Info{})
		p.next()
		p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn-1))
		return p
	},
	func(t testing.TB, c *Config) *testPeer { // SHUTDOWN-ACK-SENT
		p := acceptPeer(t, c)
		p.send(chunkShutdown, 0, fmt.Sprintf("%08x", p.core.tsn-1))
		p.next()
		return p
	},
}

// FuzzPackets passes packets to an association in each state. The input is a state followed by
// packets: two bytes with a length and the choice of the verification tag, then chunks. In these,
// TSNs from ffffff00 on stand for those that the core expects, and from ffffff80 on for those that
// the core has sent, so that the fuzzer finds valid ones.
func FuzzPackets(f *testing.F) {
	add := func(state byte, packets ...[]byte) {
		in := []byte{state}
		for _, p := range packets {
			in = append(append(in, byte(len(p)), 0), p...)
		}
		f.Add(in)
	}
	for s := range states {
		s := byte(s)
		add(s, data(0xffffff00, whole, 0, 0, "a"), data(0xffffff02, whole, 1, 0, "b"),
			data(0xffffff01, flagBegin|flagUnordered, 0, 0, "c"))
		add(s, peerChunk(chunkSack, 0, "ffffff80 00010000 0001 0001 0002 0003 00000001"),
			peerChunk(chunkSack, 0, "ffffff83 00000000 0000 0000"))
		add(s, peerChunk(chunkShutdown, 0, "ffffff90"), peerChunk(chunkShutdownAck, 0, ""),
			peerChunk(chunkShutdownComplete, 0, ""))
		add(s, peerChunk(chunkHeartbeat, 0, "0001 0008 11111111"),
			peerChunk(chunkHeartbeatAck, 0, "0001 000c 1111111111111111"),
			peerChunk(chunkPad, 0, "00000000"))
		add(s, peerChunk(chunkForwardTSN, 0, "ffffff05 0001 0003"),
			peerChunk(chunkError, 0, "0003 0008 00000001"), peerChunk(chunkAbort, 0, "000c 0004"))
		add(s, peerChunk(chunkInitAck, 0, peerInit+"0007 0008 \"cook\""),
			peerChunk(chunkCookieAck, 0, ""), peerChunk(chunkInit, 0, peerInit), peerChunk(0xff, 0, "1111"))
	}
	// With partial reliability, FORWARD TSN ends within a message.
	add(22, data(0xffffff09, flagBegin, 1, 0, "a"), data(0xffffff0a, 0, 1, 0, "b"),
		data(0xffffff0b, 0, 1, 0, "c"), peerChunk(chunkForwardTSN, 0, "ffffff0a"),
		data(0xffffff0c, flagEnd, 1, 0, "d"))
	f.Fuzz(func(t *testing.T, in []byte) {
		fuzzcount.Input(len(in))
		if len(in) == 0 || len(in) > 4096 {
			return
		}
		p := states[int(in[0])%len(states)](t,
			&Config{PartialReliability: in[0]&16 != 0, ReceiveWindow: 8192, MTU: 512})
		coreTSN := p.core.tsn
		n := 0
		for in = in[1:]; len(in) >= 2 && p.assoc.State() != StateClosed; n++ {
			length, how := int(in[0]), in[1]
			in = in[2:]
			chunks := bytes.Clone(in[:min(length, len(in))])
			in = in[len(chunks):]
			for i := 0; i+4 <= len(chunks); i += 4 {
				switch v := binary.BigEndian.Uint32(chunks[i:]); {
				case v >= 0xffffff80:
					binary.BigEndian.PutUint32(chunks[i:], coreTSN+v&0x7f-8)
				case v >= 0xffffff00:
					binary.BigEndian.PutUint32(chunks[i:], 1000+v&0x7f-8)
				}
			}
			tag := p.assoc.localTag
			switch how % 8 {
			case 1:
				tag = 0
			case 2:
				tag = peerTag
			case 3:
				tag = 77
			}
			p.raw(tag, chunks)
			if how&32 != 0 {
				if at := p.assoc.NextTimeout(); at != never {
					p.now = max(p.now, at)
					p.assoc.Timeout(p.now)
				}
			}
			if how&64 != 0 {
				var b [100]byte
				p.assoc.NextEvent()
				p.assoc.Read(b[:])
			}
			sent := 0
			for p.nextBytes(t) {
				if sent++; sent > 40 {
					t.Fatal("one packet brings about more than 40")
				}
			}
			if err := p.assoc.invariants(); err != nil {
				t.Fatal(err)
			}
		}
		// Whatever happened, the association eventually ends or waits for its peer.
		for range 200 {
			at := p.assoc.NextTimeout()
			if at == never || p.assoc.State() == StateClosed {
				break
			}
			if at < p.now-time.Hour {
				t.Fatal("a timer of long ago")
			}
			p.now = max(p.now, at)
			p.assoc.Timeout(p.now)
			for p.nextBytes(t) {
			}
		}
		if s := p.assoc.State(); s != StateClosed {
			t.Fatalf("state %v after 200 timeouts without an answer", s)
		}
		if m := p.assoc.out.buffered + p.assoc.out.outstanding.count; m != 0 {
			t.Fatalf("%d is left at the end", m)
		}
	})
}

// nextBytes takes the core's next packet, which must be well-formed.
func (p *testPeer) nextBytes(t *testing.T) bool {
	out, ok := p.endpoint.NextPacket()
	if !ok {
		out, ok = p.assoc.NextPacket(p.now, make([]byte, 0, 65536))
	}
	if !ok {
		return false
	}
	_, chunks, ok := parsePacket(out.Data)
	if !ok || len(out.Data)%4 != 0 || len(out.Data) > 1500 {
		t.Fatalf("bad packet % x", out.Data)
	}
	for len(chunks) > 0 {
		if _, chunks, ok = nextChunk(chunks); !ok {
			t.Fatalf("bad chunks in % x", out.Data)
		}
	}
	return true
}

// FuzzNetwork runs two associations over a network that the input controls: messages are sent;
// packets are lost, repeated, delayed and changed; paths fail, keys change, and readers stop.
// Finally the network recovers. Then every message must arrive exactly once and in the order of its
// stream, and both ends must have empty queues.
func FuzzNetwork(f *testing.F) {
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 1))
		b := make([]byte, 64+seed*16)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(seed, b)
	}
	f.Fuzz(func(t *testing.T, seed uint64, script []byte) {
		fuzzcount.Input(8 + len(script))
		if len(script) > 600 {
			return
		}
		hostile(t, seed, script)
	})
}

func hostile(t *testing.T, seed uint64, script []byte) {
	n := newSimNet(t, seed)
	config := &Config{Auth: seed&1 != 0, ReceiveWindow: 16384, SendBuffer: 20000,
		MTU: 512 + int(seed%3)*300, MaxMTU: 512 + int(seed%5)*300, AssociationMaxRetrans: 100,
		MaxBurst: maxBurst + int(seed>>2&1)*28}
	config.MaxMTU = max(config.MTU, config.MaxMTU)
	c, s := n.pair(config, config, 1+int(seed>>1&1))
	there, back := newTraffic(c, s, seed, 5), newTraffic(s, c, seed+1, 5)
	key := uint16(0)
	for len(script) >= 2 {
		op, arg := script[0], int(script[1])
		script = script[2:]
		switch op % 16 {
		case 2: // may be longer than the window
			there.send(15000 + arg*16)
		case 5:
			back.send(15000 + arg*16)
		case 0, 1:
			for range 1 + arg%8 {
				there.send(1 + arg*16)
			}
		case 3, 4:
			for range 1 + arg%8 {
				back.send(1 + arg*16)
			}
		case 6:
			n.loss = float64(arg%100) / 150
		case 7:
			n.duplicate = float64(arg%100) / 100
		case 8:
			n.jitter = time.Duration(arg) * 2 * time.Millisecond
		case 9:
			n.corrupt = float64(arg%100) / 200
		case 10:
			n.down[arg&1] = arg&2 != 0
		case 11:
			s.pause = arg&1 != 0
			s.flush()
		case 12:
			c.pause = arg&1 != 0
			c.flush()
		case 13:
			if config.Auth {
				key++
				for _, e := range []*simEnd{c, s} {
					if e.assoc.SetAuthKey(key, []byte{byte(key)}) != nil || e.assoc.SetActiveAuthKey(key) != nil {
						t.Fatal("no key")
					}
				}
			}
		case 14: // the MTU of links changes, without ICMP
			if config.discovers() {
				n.mtu[arg&1] = 512 + arg*4
			}
		default:
			n.run(time.Duration(arg) * 10 * time.Millisecond)
		}
		n.check()
	}
	n.loss, n.duplicate, n.jitter, n.corrupt = 0, 0, 0, 0
	n.down = [4]bool{}
	c.pause, s.pause = false, false
	c.flush()
	s.flush()
	n.until(30*time.Minute, func() bool {
		return there.done() && back.done() && c.assoc.Unacknowledged()+s.assoc.Unacknowledged() == 0
	})
	n.run(time.Second)
	n.check()
	for _, e := range []*simEnd{c, s} {
		if m := e.assoc.in.memory + e.assoc.Missing() + e.assoc.out.outstanding.count; m != 0 {
			t.Fatalf("%d is left", m)
		}
	}
	c.assoc.Shutdown(n.now)
	c.flush()
	n.until(time.Minute, func() bool {
		return c.assoc.Err() == ErrClosed &&
			s.assoc.Err() == ErrClosed
	})
}

// TestHostileNetwork runs FuzzNetwork with many seeds.
func TestHostileNetwork(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		script := make([]byte, 2*r.IntN(150))
		for i := range script {
			script[i] = byte(r.Uint32())
		}
		hostile(t, seed, script)
	}
}

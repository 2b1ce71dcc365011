package sctpcore

import (
	"crypto/rand"
	"math"
	"net/netip"
	"testing"
	"time"
)

// A barePair is two associations without a network: packets are delivered immediately.
type barePair struct {
	a, b    *Assoc
	buf     []byte
	read    []byte
	packets int
	from    [2]netip.AddrPort
	now     time.Duration
}

func newBarePair(t testing.TB, config *Config) *barePair {
	t.Helper()
	p := &barePair{now: time.Hour, buf: make([]byte, 0, 65536), read: make([]byte, 65536),
		from: [2]netip.AddrPort{simAddr(0, 0), simAddr(1, 0)}}
	ea, err := NewEndpoint(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	eb, err := NewEndpoint(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := eb.Listen(1, config); err != nil {
		t.Fatal(err)
	}
	if p.a, err = ea.Connect(p.now, config, 0, 1, p.from[1]); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		for {
			out, ok := p.a.NextPacket(p.now, p.buf)
			if !ok {
				break
			}
			if p.b == nil {
				p.b = eb.Receive(p.now, p.from[0], netip.Addr{}, out.Data)
			}
		}
		for {
			out, ok := eb.NextPacket()
			if !ok {
				break
			}
			p.a.Receive(p.now, p.from[1], netip.Addr{}, out.Data)
		}
		if p.b != nil {
			p.move(p.b, p.a, 1)
		}
	}
	if p.b == nil || p.a.State() != StateEstablished {
		t.Fatal("no association")
	}
	p.a.NextEvent()
	p.b.NextEvent()
	return p
}

func (p *barePair) move(from, to *Assoc, index int) (moved bool) {
	for {
		out, ok := from.NextPacket(p.now, p.buf)
		if !ok {
			return moved
		}
		moved = true
		p.packets++
		to.Receive(p.now, p.from[index], netip.Addr{}, out.Data)
	}
}

// send sends a message and reads it at the other end.
func (p *barePair) send(t testing.TB, msg []byte) {
	p.now += time.Microsecond
	if err := p.a.Send(p.now, msg, Info{}); err != nil {
		if err != ErrBufferFull {
			t.Fatal(err)
		}
		p.b.Timeout(math.MaxInt64 - 1) // the delayed SACK
	}
	for p.move(p.a, p.b, 0) || p.move(p.b, p.a, 1) {
		for {
			if _, _, _, ok := p.b.Read(p.read); !ok {
				break
			}
		}
	}
}

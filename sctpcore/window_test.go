package sctpcore

import (
	"strings"
	"testing"
)

// beginMessage sends the first chunks of a message, from TSN 1001 on, and skips their SACK chunks.
func beginMessage(p *testPeer, chunks uint32, text string) {
	p.t.Helper()
	for i := range chunks {
		flags := byte(flagImmediate)
		if i == 0 {
			flags |= flagBegin
		}
		p.raw(p.core.tag, data(1001+i, flags, 0, 1, text))
		p.next()
	}
}

// TestWindowForTheRest checks that a peer with the rest of a message to send learns of the space
// for it, although less than a quarter of the window was read.
func TestWindowForTheRest(t *testing.T) {
	p := acceptPeer(t, &Config{ReceiveWindow: 8000})
	text := strings.Repeat("x", 1000)
	p.raw(p.core.tag, data(1000, whole|flagImmediate, 0, 0, text+text[:482]))
	p.want("SACK 1000")
	beginMessage(p, 6, text)
	if p.assoc.in.advertised != 0 {
		t.Fatal("window", p.assoc.in.advertised)
	}
	p.wantRead("0:" + text + text[:482])
	p.want("SACK 1006") // with a window of 2,000 bytes
	if p.assoc.in.advertised != 2000 {
		t.Error("window", p.assoc.in.advertised)
	}
	p.wantRead()
	p.wantNothing("nothing was read")

	// However little that is: the next chunk may need it.
	p = acceptPeer(t, &Config{ReceiveWindow: 8000})
	p.raw(p.core.tag, data(1000, whole|flagImmediate, 0, 0, text[:10]))
	p.want("SACK 1000")
	beginMessage(p, 6, text)
	p.wantRead("0:" + text[:10])
	p.want("SACK 1006")
}

// TestWindowIsFull checks that an incomplete message that fills the window is read in parts when
// nothing else can be read, so that the peer can send its rest.
func TestWindowIsFull(t *testing.T) {
	p := acceptPeer(t, &Config{ReceiveWindow: 8000})
	text := strings.Repeat("x", 1000)
	p.raw(p.core.tag, data(1000, whole|flagImmediate, 0, 0, "short"))
	p.want("SACK 1000")
	beginMessage(p, 7, text)
	var b [10000]byte
	if n, _, end, _ := p.assoc.Read(b[:]); n != 5 || !end {
		t.Fatal(n, end)
	}
	p.wantNothing("there is no window to announce")
	if n, _, end, _ := p.assoc.Read(b[:]); n != 7000 || end {
		t.Fatal(n, end)
	}
	p.want("SACK 1007")
	p.raw(p.core.tag, data(1008, flagEnd|flagImmediate, 0, 1, "end"))
	p.want("SACK 1008")
	p.wantRead("0:end")
}

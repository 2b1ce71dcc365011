package dtlscore

import (
	"bytes"
	"math/rand"
	"runtime"
	"testing"
)

// fragmentOf returns a fragment of a message between two offsets of its body.
func fragmentOf(typ handshakeType, seq uint16, body []byte, from, to int) (handshakeHeader,
	[]byte) {
	return handshakeHeader{typ, len(body), seq, from, to - from}, body[from:to]
}

func mustAdd(t *testing.T, r *reassembler, h handshakeHeader, fragment []byte) {
	t.Helper()
	if err := r.add(0, h, fragment); err != nil {
		t.Fatal(err)
	}
}

func wantMessage(t *testing.T, r *reassembler, typ handshakeType, seq uint16, body []byte) {
	t.Helper()
	m, ok := r.take()
	if !ok || m.typ != typ || m.seq != seq || !bytes.Equal(m.body(), body) {
		t.Fatalf("%v, %v with message_seq %d and %d bytes", ok, m.typ, m.seq, len(m.body()))
	}
}

func wantNone(t *testing.T, r *reassembler) {
	t.Helper()
	if m, ok := r.take(); ok {
		t.Fatalf("%v with message_seq %d too early", m.typ, m.seq)
	}
}

func TestReassembly(t *testing.T) { // RFC 6083, Section 4.7
	body := testBytes(1, 5000)
	in := func(cuts ...[2]int) [][2]int { return cuts }
	for _, tt := range []struct {
		name string
		cuts [][2]int
	}{
		{"whole", in([2]int{0, 5000})},
		{"in order", in([2]int{0, 2000}, [2]int{2000, 5000})},
		{"out of order", in([2]int{3000, 5000}, [2]int{0, 1000}, [2]int{1000, 3000})},
		{"overlapping", in([2]int{0, 3000}, [2]int{1000, 4000}, [2]int{500, 600}, [2]int{2999, 5000})},
		{"the end twice", in([2]int{4999, 5000}, [2]int{4999, 5000}, [2]int{0, 4999})},
		{"whole after a part", in([2]int{10, 20}, [2]int{0, 5000})},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var r reassembler
			for i, cut := range tt.cuts {
				if i > 0 && r.empty() {
					t.Error("nothing waits")
				}
				wantNone(t, &r)
				h, fragment := fragmentOf(typeCertificate, 0, body, cut[0], cut[1])
				mustAdd(t, &r, h, bytes.Clone(fragment))
			}
			wantMessage(t, &r, typeCertificate, 0, body)
			if !r.empty() {
				t.Error("something waits")
			}
		})
	}
}

func TestAttackE2ByteByByte(t *testing.T) {
	body := testBytes(3, 3*blockLen+7)
	for _, order := range [][]int{rand.New(rand.NewSource(1)).Perm(len(body)), nil} {
		var r reassembler
		for i := range body {
			at := len(body) - 1 - i // backwards
			if order != nil {
				at = order[i]
			}
			wantNone(t, &r)
			h, fragment := fragmentOf(typeCertificate, 0, body, at, at+1)
			mustAdd(t, &r, h, fragment)
		}
		wantMessage(t, &r, typeCertificate, 0, body)
	}
}

// Memory is proportional to what has arrived, and the record's buffer can be reused.
func TestReassemblyOwnsItsBytes(t *testing.T) {
	var r reassembler
	record := []byte{1, 2, 3}
	h, fragment := fragmentOf(typeCertificate, 0, record, 0, 3)
	mustAdd(t, &r, h, fragment)
	clear(record)
	wantMessage(t, &r, typeCertificate, 0, []byte{1, 2, 3})
}

func TestEmptyMessage(t *testing.T) {
	var r reassembler
	mustAdd(t, &r, handshakeHeader{typ: typeServerHelloDone}, nil)
	wantMessage(t, &r, typeServerHelloDone, 0, nil)
}

func TestMessagesInAnyOrder(t *testing.T) { // D12
	var r reassembler
	bodies := [][]byte{}
	for i := range futureMessages {
		bodies = append(bodies, testBytes(byte(i), 100+i))
	}
	for i := futureMessages - 1; i >= 0; i-- {
		wantNone(t, &r)
		h, fragment := fragmentOf(typeCertificate, uint16(i), bodies[i], 0, len(bodies[i]))
		mustAdd(t, &r, h, fragment)
	}
	for i, body := range bodies {
		wantMessage(t, &r, typeCertificate, uint16(i), body)
	}
	wantNone(t, &r)
}

// D12: an old message has no effect, whatever it contains; one too far ahead is rejected.
func TestAttackD12MessageSeq(t *testing.T) {
	r := reassembler{next: 5}
	for _, seq := range []uint16{0, 4} {
		for _, fragment := range [][]byte{nil, {1}, {1, 2}} {
			mustAdd(t, &r, handshakeHeader{typeFinished, 2, seq, 0, len(fragment)}, fragment)
			if !r.empty() {
				t.Error("an old message is held")
			}
		}
	}
	wantNone(t, &r)
	err := r.add(0, handshakeHeader{typeServerHelloDone, 0, 5 + futureMessages, 0, 0}, nil)
	if alertOf(err) != AlertUnexpectedMessage {
		t.Error(err)
	}
}

func TestAttackD12Wrap(t *testing.T) {
	r := reassembler{next: 65535}
	if err := r.add(0, handshakeHeader{typeFinished, 1, 0, 0, 1}, []byte{1}); err != nil ||
		!r.empty() {
		t.Errorf("message_seq 0 before the end: %v", err)
	}
	mustAdd(t, &r, handshakeHeader{typeFinished, 1, 65535, 0, 1}, []byte{1})
	wantMessage(t, &r, typeFinished, 65535, []byte{1})
	for _, seq := range []uint16{0, 1, 65535} {
		if err := r.add(0, handshakeHeader{typeFinished, 1, seq, 0, 1},
			[]byte{1}); alertOf(err) != AlertUnexpectedMessage {
			t.Errorf("message_seq %d after the last: %v", seq, err)
		}
	}
	r.restart()
	mustAdd(t, &r, handshakeHeader{typeFinished, 1, 0, 0, 1}, []byte{1})
	wantMessage(t, &r, typeFinished, 0, []byte{1})
}

func TestAttackE2Fragments(t *testing.T) {
	start := func() *reassembler {
		var r reassembler
		mustAdd(t, &r, handshakeHeader{typeCertificate, 100, 0, 0, 3}, []byte{1, 2, 3})
		return &r
	}
	for _, tt := range []struct {
		name  string
		epoch uint64
		h     handshakeHeader
		want  Alert
	}{
		{"other type", 0, handshakeHeader{typeServerHello, 100, 0, 3, 3}, AlertIllegalParameter},
		{"other length", 0, handshakeHeader{typeCertificate, 101, 0, 3, 3}, AlertIllegalParameter},
		{"nothing in it", 0, handshakeHeader{typeCertificate, 100, 0, 3, 0}, AlertUnexpectedMessage},
		{"unknown type", 0, handshakeHeader{99, 100, 0, 3, 3}, AlertUnexpectedMessage},
		{"message_hash", 0, handshakeHeader{typeMessageHash, 32, 0, 0, 3}, AlertUnexpectedMessage},
		{"D7 other epoch", 1, handshakeHeader{typeCertificate, 100, 0, 3, 3}, AlertUnexpectedMessage},
		{"E1 too large", 0, handshakeHeader{typeCertificate, 1<<24 - 1, 0, 0, 3}, AlertDecodeError},
		{"E1 large Finished", 0, handshakeHeader{typeFinished, 65, 1, 0, 3}, AlertDecodeError},
		{"E1 ServerHelloDone with a body", 0, handshakeHeader{typeServerHelloDone, 3, 1, 0, 3},
			AlertDecodeError},
	} {
		if err := start().add(tt.epoch, tt.h, make([]byte, tt.h.fragmentLength)); err == nil ||
			alertOf(err) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// D12: between handshakes nothing is stored: repeated messages are dropped, and messages of no
// handshake are rejected.
func TestAttackD12BetweenHandshakes(t *testing.T) {
	var r reassembler
	for seq := range uint16(3) {
		mustAdd(t, &r, handshakeHeader{typeFinished, 1, seq, 0, 1}, []byte{1})
		wantMessage(t, &r, typeFinished, seq, []byte{1})
	}
	r.restart()
	for _, seq := range []uint16{1, 2} {
		if err := r.add(0, handshakeHeader{typeFinished, 1, seq, 0, 1}, []byte{1}); err != nil ||
			!r.empty() {
			t.Errorf("message_seq %d again: %v", seq, err)
		}
	}
	for _, seq := range []uint16{3, 4, 65535} {
		if err := r.add(0, handshakeHeader{typeFinished, 1, seq, 0, 1},
			[]byte{1}); alertOf(err) != AlertUnexpectedMessage {
			t.Errorf("message_seq %d: %v", seq, err)
		}
	}
	mustAdd(t, &r, handshakeHeader{typeClientHello, 1, 0, 0, 1}, []byte{1})
	wantMessage(t, &r, typeClientHello, 0, []byte{1})
	mustAdd(t, &r, handshakeHeader{typeCertificate, 2, 1, 0, 1}, []byte{1})
	wantNone(t, &r)
}

// E2: fragments of two messages are not mixed.
func TestAttackE2OtherMessage(t *testing.T) {
	var r reassembler
	a, b := testBytes(1, 10), testBytes(100, 10)
	for _, f := range []struct {
		seq      uint16
		body     []byte
		from, to int
	}{{0, a, 0, 5}, {1, b, 5, 10}, {1, b, 0, 5}, {0, a, 5, 10}} {
		wantNone(t, &r)
		h, fragment := fragmentOf(typeCertificate, f.seq, f.body, f.from, f.to)
		mustAdd(t, &r, h, fragment)
	}
	wantMessage(t, &r, typeCertificate, 0, a)
	wantMessage(t, &r, typeCertificate, 1, b)
}

// heap returns the size of the heap.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// E1: a large declared length alone uses almost no memory.
func TestAttackE1DeclaredLength(t *testing.T) {
	const many = 100
	before := heap()
	held := make([]reassembler, many)
	for i := range held {
		mustAdd(t, &held[i], handshakeHeader{typeCertificate, 1 << 18, 0, 1 << 17, 1}, []byte{1})
	}
	if each := (heap() - before) / many; each > 4*blockLen {
		t.Errorf("one byte that arrived costs %d", each)
	}
	runtime.KeepAlive(held)
}

// E2: a million fragments that add nothing.
func TestAttackE2Flood(t *testing.T) {
	var r reassembler
	before := heap()
	for i := range 1_000_000 {
		mustAdd(t, &r, handshakeHeader{typeCertificate, 1 << 18, uint16(i % futureMessages), i % 1000, 1},
			[]byte{1})
	}
	wantNone(t, &r)
	if grown := int64(heap()) - int64(before); grown > futureMessages*8*blockLen {
		t.Errorf("%d bytes are held", grown)
	}
	runtime.KeepAlive(&r)
}

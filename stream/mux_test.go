package stream_test

import (
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A model of a Mux: what each queue holds, by the number of its stream, or rest.
type muxModel struct {
	t      *testing.T
	mux    *stream.Mux
	queues map[uint16]*stream.Queue
	held   map[uint16][]string // of messages
	begun  map[uint16]string   // what Read has left
	made   int
}

const rest = 100 // in place of a stream's number

func newMuxModel(t *testing.T, limit int) *muxModel {
	m := stream.NewMux(limit)
	return &muxModel{t: t, mux: m,
		queues: map[uint16]*stream.Queue{rest: m.Rest()},
		held:   map[uint16][]string{},
		begun:  map[uint16]string{},
	}
}

// of returns the queue for a stream.
func (m *muxModel) of(id uint16) uint16 {
	if _, ok := m.queues[id]; ok {
		return id
	}
	return rest
}

// streamOf is where a message of this test says that it belongs.
func streamOf(message string) (id uint16) {
	fmt.Sscanf(message, "%d", &id)
	return id
}

// message makes a message for a stream, of one of many lengths.
func (m *muxModel) message(id uint16, n int) string {
	m.made++
	return fmt.Sprintf("%d number %d %0*d", id, m.made, n, 0)
}

func (m *muxModel) put(id uint16, n int) {
	s := m.message(id, n)
	m.mux.Put([]byte(s), stream.Info{Stream: id, PPID: uint32(m.made)})
	m.held[m.of(id)] = append(m.held[m.of(id)], s)
}

func (m *muxModel) claim(id uint16) {
	m.queues[id] = m.mux.Claim(id)
	m.claimed(id)
}

func (m *muxModel) claimed(id uint16) {
	var others []string
	for _, s := range m.held[rest] {
		if streamOf(s) == id {
			m.held[id] = append(m.held[id], s)
		} else {
			others = append(others, s)
		}
	}
	m.held[rest] = others
}

func (m *muxModel) claimNext() {
	q, id, ok := m.mux.ClaimNext()
	if ok != (len(m.held[rest]) > 0) || ok && id != streamOf(m.held[rest][0]) {
		m.t.Fatalf("ClaimNext = stream %d, %v, of %q", id, ok, m.held[rest])
	}
	if ok {
		m.queues[id] = q
		m.claimed(id)
	}
}

func (m *muxModel) release(id uint16) {
	m.mux.Release(id)
	delete(m.queues, id)
	delete(m.begun, id)
	m.held[rest] = append(m.held[rest], m.held[id]...)
	delete(m.held, id)
}

func (m *muxModel) readMessage(id uint16, b []byte) {
	n, info, length, ok := m.queues[id].ReadMessage(b)
	if ok != (len(m.held[id]) > 0) {
		m.t.Fatalf("ReadMessage of %d: %v, with %q", id, ok, m.held[id])
	}
	if !ok {
		return
	}
	want := m.held[id][0]
	if length != len(want) || info.Stream != streamOf(want) || n >= 0 && string(b[:n]) != want ||
		n < 0 != (len(want) > len(b)) {
		m.t.Fatalf("ReadMessage of %d: %d, %d, %+v; want %q", id, n, length, info, want)
	}
	if n >= 0 {
		m.held[id] = m.held[id][1:]
	}
}

func (m *muxModel) read(id uint16, b []byte) {
	n, ok := m.queues[id].Read(b)
	if m.begun[id] == "" && len(m.held[id]) > 0 {
		m.begun[id], m.held[id] = m.held[id][0], m.held[id][1:]
	}
	want := m.begun[id][:min(len(b), len(m.begun[id]))]
	if ok != (want != "") || string(b[:n]) != want {
		m.t.Fatalf("Read of %d: %q, %v; want %q", id, b[:n], ok, want)
	}
	m.begun[id] = m.begun[id][n:]
}

// take puts a message in as it comes from a Reader, in whose buffer it stays if it is large.
func (m *muxModel) take(id uint16, size int) {
	s := m.message(id, size)
	a, b := assoctest.Pair(m.t, assoctest.Options{})
	defer a.EndNetwork()
	if err := a.Send([]byte("header"+s), stream.Info{Stream: id}); err != nil {
		m.t.Fatal(err)
	}
	r := stream.NewReader(b)
	got, _, err := r.Next(true)
	if err != nil {
		m.t.Fatal(err)
	}
	m.mux.Take(r, got.Data[len("header"):], got.Info)
	if again, _, err := r.Next(false); err != stream.ErrWouldBlock { // it may use its buffer
		m.t.Fatalf("Next = %q, %v", again.Data, err)
	}
	m.held[m.of(id)] = append(m.held[m.of(id)], s)
}

// readAll ends all claims and reads what there is, after which nothing is kept.
func (m *muxModel) readAll() {
	for id := range uint16(5) {
		m.release(id)
	}
	for len(m.held[rest]) > 0 {
		m.readMessage(rest, make([]byte, 20_000))
	}
	m.read(rest, make([]byte, 20_000))
	if n := m.mux.Size(); n != 0 {
		m.t.Fatalf("%d bytes are kept when all is read", n)
	}
}

// Whatever is claimed, released and read in whatever order: each message comes once, to the right
// reader, in the order of its stream. RFC 6083, Section 4.4.
func TestMux(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		m := newMuxModel(t, 1<<20)
		queue := func() uint16 { return m.of(uint16(r.IntN(5))) }
		for range 300 {
			id, b := uint16(r.IntN(5)), make([]byte, 1+r.IntN(200))
			switch r.IntN(8) {
			case 0, 1:
				m.put(id, r.IntN(200))
			case 2:
				m.claim(id)
			case 3:
				m.release(id)
			case 4:
				m.claimNext()
			case 5:
				m.readMessage(queue(), b)
			case 6:
				m.read(queue(), b)
			case 7:
				m.take(id, r.IntN(2)*10_000)
			}
		}
		m.readAll()
	}
}

// Where there is nothing, nothing is too long either.
func TestQueueIsEmpty(t *testing.T) {
	n, _, length, ok := stream.NewMux(1 << 20).Rest().ReadMessage(nil)
	if n != 0 || length != 0 || ok {
		t.Errorf("ReadMessage of an empty queue: %d, %d, %v", n, length, ok)
	}
}

// A message passes by the queues if it is for one, and nothing is kept.
func TestQueuePasses(t *testing.T) {
	m := stream.NewMux(1000)
	s, unclaimed := stream.Info{Stream: 1}, stream.Info{Stream: 2}
	if !m.Rest().Passes(s) {
		t.Error("a message does not pass by the only queue")
	}
	q := m.Claim(1)
	if !q.Passes(s) || q.Passes(unclaimed) || m.Rest().Passes(s) || !m.Rest().Passes(unclaimed) {
		t.Error("a message is not for the queue of its stream, or that of all others")
	}
	m.Put([]byte("older"), s)
	m.Release(1)
	if m.Rest().Passes(s) {
		t.Error("a message passes by an older one")
	}
	m.Rest().ReadMessage(make([]byte, 10))
	if q.Passes(s) || !m.Rest().Passes(s) {
		t.Error("a message is for a queue that has no claim any more")
	}
}

// Full counts empty messages too; Discard throws away what is there and what comes.
func TestMuxIsBounded(t *testing.T) {
	for _, size := range []int{0, 1, 64, 65, 5000, 16384} {
		m := stream.NewMux(100000)
		n := 0
		for ; !m.Full(); n++ {
			m.Put(make([]byte, size), stream.Info{Stream: uint16(n % 3)})
		}
		if least := 100000 / (2*size + 256); n < least || n*(size+128) < 100000/2 {
			t.Errorf("full after %d messages of %d bytes", n, size)
		}
		m.Claim(1)
		m.Discard()
		m.Put(nil, stream.Info{})
		if _, _, _, ok := m.Rest().ReadMessage(nil); ok || m.Size() != 0 {
			t.Errorf("after Discard: %v, %d bytes", ok, m.Size())
		}
	}
}

// As long as there are messages, whoever waits is woken: each reader that takes one wakes the next.
func TestMuxWakes(t *testing.T) {
	m := stream.NewMux(1 << 20)
	q := m.Claim(1)
	for range 3 {
		m.Put(make([]byte, 10), stream.Info{Stream: 1})
	}
	b := make([]byte, 6)
	seen := make(map[*stream.Queue]uint32)
	for i, take := range []func(){
		func() { q.ReadMessage(make([]byte, 10)) },
		func() { q.ReadMessage(b) }, // too short: still there
		func() { q.Read(b) },
		func() { q.Read(b) },
		func() { m.Release(1); q = m.Rest() },
		func() { m.ClaimNext(); q = m.Claim(1) },
		func() { q.ReadMessage(make([]byte, 10)) },
	} {
		if q.Changes() == seen[q] {
			t.Fatalf("nobody was woken before %d", i)
		}
		seen[q] = q.Changes()
		take()
	}
	if q.Changes() != seen[q] {
		t.Error("somebody was woken for nothing")
	}
}

// Who waits is woken by a message, by Wake of the queue, and by that of all; and does not wait at
// all if that came between the look and the wait.
func TestMuxWait(t *testing.T) {
	for name, wake := range map[string]func(*stream.Mux, *stream.Queue){
		"message":      func(m *stream.Mux, _ *stream.Queue) { m.Put(nil, stream.Info{Stream: 1}) },
		"Wake":         func(_ *stream.Mux, q *stream.Queue) { q.Wake() },
		"Wake of all":  func(m *stream.Mux, _ *stream.Queue) { m.Wake() },
		"what is left": func(m *stream.Mux, q *stream.Queue) { m.Release(1); m.Claim(1); q.Wake() },
	} {
		synctest.Test(t, func(t *testing.T) {
			m := stream.NewMux(1 << 20)
			q := m.Claim(1)
			woken := 0
			go func() {
				q.Wait(q.Changes())
				woken++
			}()
			synctest.Wait()
			if m.Put(nil, stream.Info{Stream: 2}); woken != 0 {
				t.Errorf("%s: a message of another stream has woken a reader", name)
			}
			seen := q.Changes()
			wake(m, q)
			synctest.Wait()
			if woken != 1 {
				t.Errorf("%s does not wake a reader", name)
			}
			q.Wait(seen)
		})
	}
}

// One message wakes one reader, Wake all.
func TestMuxWakesOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := stream.NewMux(1 << 20)
		q := m.Rest()
		var woken atomic.Int32
		for range 3 {
			go func() {
				q.Wait(q.Changes())
				woken.Add(1)
			}()
		}
		synctest.Wait()
		m.Put(nil, stream.Info{})
		synctest.Wait()
		if n := woken.Load(); n != 1 {
			t.Errorf("a message has woken %d readers, want 1", n)
		}
		q.Wake()
		synctest.Wait()
		if n := woken.Load(); n != 3 {
			t.Errorf("Wake has left %d readers waiting", 3-n)
		}
	})
}

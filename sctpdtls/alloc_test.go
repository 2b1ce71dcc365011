//go:build !race

package sctpdtls

import (
	"os"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Not with the race detector, under which a sync.Pool forgets at random.

// A pipe carries a few messages at a time without allocating, as the kernel's associations do.
type pipe struct {
	*memAssociation
	records [4][stream.MaxMessageSize]byte
	infos   [4]stream.Info
	n       [4]int

	mu          sync.Mutex
	changed     sync.Cond // of what follows
	first, last int
	rung        bool // the read deadline has passed
}

func (p *pipe) TrySend(b []byte, info stream.Info) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.last % len(p.n)
	p.last++
	p.n[i], p.infos[i] = copy(p.records[i][:], b), info
	p.changed.Signal()
	return nil
}

func (p *pipe) Recv(b stream.Buffer, wait bool) (stream.Part, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.first == p.last && !p.rung {
		p.changed.Wait()
	}
	if p.rung {
		return stream.Part{}, os.ErrDeadlineExceeded
	}
	i := p.first % len(p.n)
	p.first++
	return stream.Part{N: copy(b.Get(), p.records[i][:p.n[i]]), Info: p.infos[i], End: true}, nil
}

func (p *pipe) SetReadDeadline(t time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rung = !t.IsZero()
	p.changed.Signal()
	return nil
}

// loopBack has what the client of p writes reach the server by a pipe, until the function that it
// returns is called.
func loopBack(p *testPair) (undo func()) {
	loop := &pipe{memAssociation: p.server.assoc.(*memAssociation)}
	loop.changed.L = &loop.mu
	client, server, ring := p.client.assoc, p.server.owner.messages, p.server.alarm.set
	goOn := p.server.stop()
	p.client.assoc, p.server.owner.messages, p.server.alarm.set = loop, stream.NewReader(loop),
		loop.SetReadDeadline
	goOn()
	return func() {
		goOn := p.server.stop()
		p.client.assoc, p.server.owner.messages, p.server.alarm.set = client, server, ring
		goOn()
	}
}

// A message costs no allocation, on a Stream or not, be it kept for another reader or not.
func TestNoAllocations(t *testing.T) {
	p := newTestPair(t, assoctest.Options{}, clientConfig(), serverConfig())
	if cerr, serr := p.handshake(); cerr != nil || serr != nil {
		t.Fatalf("handshake: client %v, server %v", cerr, serr)
	}
	defer p.close()
	defer loopBack(p)()

	var to, from [10]*Stream
	for i := 5; i < len(to); i++ {
		to[i], from[i] = p.client.Stream(uint16(i)), p.server.Stream(uint16(i))
	}
	msg, buf := make([]byte, 1000), make([]byte, MaxMessageSize)
	largest := make([]byte, MaxMessageSize)
	for name, f := range map[string]func() (int, error){
		"WriteMessage and ReadMessage": func() (int, error) {
			if err := p.client.WriteMessage(msg, MessageInfo{Stream: 3, PPID: PPIDNGAP}); err != nil {
				return 0, err
			}
			n, _, err := p.server.ReadMessage(buf)
			return n, err
		},
		"a message of the largest size": func() (int, error) {
			if err := p.client.WriteMessage(largest, MessageInfo{Stream: 3}); err != nil {
				return 0, err
			}
			n, _, err := p.server.ReadMessage(buf)
			return n - len(largest) + len(msg), err
		},
		"Write and Read": func() (int, error) {
			if _, err := p.client.Write(msg); err != nil {
				return 0, err
			}
			return p.server.Read(buf)
		},
		"Write and Read of a Stream": func() (int, error) {
			if _, err := to[5].Write(msg); err != nil {
				return 0, err
			}
			return from[5].Read(buf)
		},
		"Stream by Stream, kept for each other": func() (n int, err error) {
			for _, i := range []int{5, 6, 7} {
				if err := to[i].WriteMessage(msg, MessageInfo{PPID: PPIDNGAP}); err != nil {
					return 0, err
				}
			}
			for _, i := range []int{7, 6, 5} {
				if n, _, err = from[i].ReadMessage(buf); err != nil {
					return 0, err
				}
			}
			return n, nil
		},
		"a Read of a part": func() (n int, err error) {
			if _, err := to[8].Write(msg); err != nil {
				return 0, err
			}
			for n < len(msg) && err == nil {
				var part int
				part, err = from[8].Read(buf[:300])
				n += part
			}
			return n, err
		},
	} {
		if allocs := testing.AllocsPerRun(200, func() {
			if n, err := f(); n != len(msg) || err != nil {
				t.Fatalf("%s: %d bytes, %v", name, n, err)
			}
		}); allocs != 0 {
			t.Errorf("%s cost %v allocations", name, allocs)
		}
	}
}

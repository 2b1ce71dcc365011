//go:build !race

package sctpdtls

import (
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Not with the race detector, under which a sync.Pool forgets at random.

// A pipe carries one message at a time without allocating, as the kernel's associations do.
type pipe struct {
	*memAssociation
	record [stream.MaxMessageSize]byte
	n      int
	info   stream.Info
}

func (p *pipe) TrySend(b []byte, info stream.Info) error {
	p.n, p.info = copy(p.record[:], b), info
	return nil
}

func (p *pipe) Recv(b stream.Buffer, wait bool) (stream.Part, error) {
	return stream.Part{N: copy(b.Get(), p.record[:p.n]), Info: p.info, End: true}, nil
}

// A message costs no allocation, and a connection that nobody reads holds no buffer.
func TestNoAllocations(t *testing.T) {
	p := newTestPair(t, assoctest.Options{}, clientConfig(), serverConfig())
	if cerr, serr := p.handshake(); cerr != nil || serr != nil {
		t.Fatalf("handshake: client %v, server %v", cerr, serr)
	}
	defer p.close()
	loop := &pipe{memAssociation: p.server.assoc.(*memAssociation)}
	client, server := p.client.assoc, p.server.messages
	p.client.assoc, p.server.messages = loop, stream.NewReader(loop)
	defer func() { p.client.assoc, p.server.messages = client, server }()

	msg, buf := make([]byte, 1000), make([]byte, MaxMessageSize)
	for name, f := range map[string]func() (int, error){
		"WriteMessage and ReadMessage": func() (int, error) {
			if err := p.client.WriteMessage(msg, MessageInfo{Stream: 3, PPID: PPIDNGAP}); err != nil {
				return 0, err
			}
			n, _, err := p.server.ReadMessage(buf)
			return n, err
		},
		"Write and Read": func() (int, error) {
			if _, err := p.client.Write(msg); err != nil {
				return 0, err
			}
			return p.server.Read(buf)
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

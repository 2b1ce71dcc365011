//go:build !race

package sctpdtls

import (
	"fmt"
	"os"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A largePipe carries one message of any size, in the parts for which the reader has room.
type largePipe struct {
	pipe
	record []byte
	at     int
	info   stream.Info
}

func (p *largePipe) TrySend(b []byte, info stream.Info) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at < len(p.record) {
		return stream.ErrWouldBlock
	}
	p.record, p.at, p.info = append(p.record[:0], b...), 0, info
	p.changed.Broadcast()
	return nil
}

func (p *largePipe) Send(b []byte, info stream.Info) error {
	p.mu.Lock()
	for p.at < len(p.record) {
		p.changed.Wait()
	}
	p.mu.Unlock()
	return p.TrySend(b, info)
}

func (p *largePipe) Recv(b stream.Buffer, wait bool) (stream.Part, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.at == len(p.record) {
		switch {
		case !wait:
			return stream.Part{}, stream.ErrWouldBlock
		case p.rung:
			return stream.Part{}, os.ErrDeadlineExceeded
		}
		p.changed.Wait()
	}
	n := copy(b.Get(), p.record[p.at:])
	p.at += n
	p.changed.Broadcast()
	return stream.Part{N: n, Info: p.info, End: p.at == len(p.record)}, nil
}

// BenchmarkLargeMessages moves 100 MB in messages of each size through both ends, without a
// kernel. A byte costs no more in a large message.
func BenchmarkLargeMessages(b *testing.B) {
	const all = 100 << 20
	for _, size := range []int{16384, 512 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			b.SetBytes(all)
			b.ReportAllocs()
			messages := 0
			for range b.N { // one connection for each: nobody answers here when it wants new keys
				b.StopTimer()
				p, end := largePipes(b)
				b.StartTimer()
				messages += p.move(b, cut(0, size), all/size)
				b.StopTimer()
				end()
				b.StartTimer()
			}
			b.ReportMetric(float64(messages)/float64(b.N), "messages")
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/all*1000, "ps/byte")
		})
	}
}

// largePipes are two ends with a largePipe from the client to the server, until end.
func largePipes(b *testing.B) (p *testPair, end func()) {
	client, server := clientConfig(), serverConfig()
	takesLarge(1<<20)(client, server)
	p = newTestPair(b, assoctest.Options{}, client, server)
	if cerr, serr := p.handshake(); cerr != nil || serr != nil {
		b.Fatalf("handshake: client %v, server %v", cerr, serr)
	}
	goOn := p.server.stop()
	loop := &largePipe{pipe: pipe{memAssociation: p.server.assoc.(*memAssociation)}}
	loop.changed.L = &loop.mu
	assoc, messages, ring := p.client.assoc, p.server.owner.messages, p.server.alarm.set
	p.client.assoc, p.server.owner.messages = loop, stream.NewReader(loop)
	p.server.alarm.set = loop.SetReadDeadline
	p.server.owner.messages.Allow(p.server.core.MaxRecord(), p.server.core.RecordSize)
	goOn()
	return p, func() {
		goOn := p.server.stop()
		p.client.assoc, p.server.owner.messages, p.server.alarm.set = assoc, messages, ring
		goOn()
		p.close()
	}
}

// move sends a message so many times, and returns how often it came.
func (p *testPair) move(b *testing.B, message []byte, times int) (came int) {
	written := make(chan error, 1)
	go func() {
		var err error
		for n := 0; err == nil && n < times; n++ {
			err = p.client.WriteMessage(message, MessageInfo{Stream: 1})
		}
		written <- err
	}()
	buf := make([]byte, len(message))
	for ; came < times; came++ {
		if n, _, err := p.server.ReadMessage(buf); err != nil || n != len(message) {
			b.Fatalf("%d bytes, %v", n, err)
		}
	}
	if err := <-written; err != nil {
		b.Fatal(err)
	}
	return came
}

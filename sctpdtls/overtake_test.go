package sctpdtls

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Whoever sends Finished last sends no application data before that has arrived, so that the peer
// need not keep any: RFC 6083, Section 4.7, attack H9. OpenSSL would lose it.
func TestAttackH9NoDataBeforeFinishedArrives(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const delay = 50 * time.Millisecond
		p := renegotiating(t, assoctest.Options{Delay: delay})
		var times [2]time.Time
		done := make(chan int, 2)
		for i, c := range []*Conn{p.client, p.server} {
			go func() {
				buf := make([]byte, 10)
				for n := 0; ; n++ {
					if _, _, err := c.ReadMessage(buf); err != nil {
						done <- n
						return
					}
					times[i] = time.Now()
				}
			}()
		}
		if err := p.client.Renegotiate(t.Context()); err != nil {
			t.Fatal(err)
		}
		complete := time.Now() // the server's Finished is here
		go p.server.WriteMessage([]byte("x"), MessageInfo{Stream: 3})
		time.Sleep(time.Second)
		p.close()
		<-done
		<-done
		if d := times[0].Sub(complete); d != 2*delay {
			t.Errorf(
				"the server's message came %v after its Finished, want %v: it left when that was acknowledged",
				d, 2*delay)
		}
	})
}

// A busy association has always one more message for a reader who does not wait.
type busyAssociation struct {
	*memAssociation
	more func()
}

func (b *busyAssociation) Recv(buf stream.Buffer, wait bool) (stream.Part, error) {
	if !wait && b.more != nil {
		b.more()
	}
	return b.memAssociation.Recv(buf, wait)
}

// A peer that sends as fast as this end reads cannot keep it from changing keys, and loses nothing:
// RFC 6083, Section 4.7, attack H9.
func TestAttackH9EndlessDrain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := renegotiating(t, assoctest.Options{})
		b := &busyAssociation{memAssociation: p.client.assoc.(*memAssociation)}
		end := reader(p.server)
		sent := uint32(0)
		b.more = func() {
			// As every writer: while keys change there may be one that the client does not have yet.
			if !p.server.gate.enter() {
				return
			}
			defer p.server.gate.leave()
			record, err := p.server.core.Seal(nil, binary.BigEndian.AppendUint32(nil, sent))
			if err != nil {
				return // the server has closed
			}
			p.clientSCTP.InjectPart(record, stream.Info{Stream: 1}, true)
			sent++
		}
		put(p.client, func(association) *busyAssociation { return b })
		received := make(chan uint32)
		go func() {
			buf := make([]byte, 10)
			for i := uint32(0); ; i++ {
				n, _, err := p.client.ReadMessage(buf)
				if err != nil {
					received <- i
					return
				}
				if n != 4 || binary.BigEndian.Uint32(buf) != i {
					t.Errorf("message %d: %x", i, buf[:n])
				}
			}
		}()
		if err := p.client.Renegotiate(t.Context()); err != nil {
			t.Error(err)
		}
		go p.server.Close()
		if n := <-received; n != sent {
			t.Errorf("%d messages were read, want all %d", n, sent)
		}
		if most := uint32(5 * p.server.config.maxDrained() / messageOverhead); sent > most {
			t.Errorf("%d messages were sent, want no more than %d", sent, most)
		}
		p.client.Close()
		<-end
	})
}

package sctpdtls

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A batching association sends several messages at once, as the kernel's do.
type batching struct {
	*memAssociation
	counted *counters // of the connection
	calls   int
	asks    int   // for an immediate SACK
	wrong   error // what should have asked and did not, or the other way round
}

func (a *batching) TrySendAll(records [][]byte, infos []stream.Info) (n int, err error) {
	a.calls++
	for i, info := range infos {
		if asks := i == len(infos)-1 && !a.counted.oneWay(); info.SackImmediately != asks {
			a.wrong = fmt.Errorf("message %d of %d: SackImmediately is %v, want %v", i, len(infos),
				info.SackImmediately, asks)
		} else if asks {
			a.asks++
		}
	}
	for n < len(records) && err == nil {
		if err = a.TrySend(records[n], infos[n]); err == nil {
			n++
		}
	}
	return n, err
}

// Messages sent together come in their order, whole, and with their own streams and so on, whatever
// space there is: RFC 6083, Section 4.4.
func TestWriteMessages(t *testing.T) {
	for _, buffer := range []int{1 << 20, 50000, 20000} {
		bubble(t, func(t *testing.T) {
			p := connected(t, assoctest.Options{Buffer: buffer})
			b := put(p.client, func(a association) *batching {
				return &batching{memAssociation: a.(*memAssociation), counted: &p.client.counted}
			})
			msgs := make([]Message, 200)
			for i := range msgs {
				size := []int{0, 4, 100, 16384, 5000}[i%5]
				msgs[i] = Message{make([]byte, size),
					MessageInfo{Stream: uint16(i % 10), PPID: uint32(i), Unordered: i%3 == 0}}
				if size > 0 {
					binary.BigEndian.PutUint32(msgs[i].Data, uint32(i))
				}
			}
			done := make(chan error)
			go func() {
				n, err := p.client.WriteMessages(msgs)
				if n != len(msgs) {
					t.Errorf("%d messages were sent", n)
				}
				done <- err
			}()
			buf := make([]byte, MaxMessageSize)
			for i, m := range msgs {
				m.Length = len(m.Data)
				n, info, err := p.server.ReadMessage(buf)
				if err != nil || info != m.MessageInfo || string(buf[:n]) != string(m.Data) {
					t.Fatalf("message %d came as %d bytes with %+v, %v", i, n, info, err)
				}
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			if buffer == 1<<20 && b.calls > 60 { // four of the large ones fit into one batch
				t.Errorf("%d calls", b.calls)
			}
			if b.wrong != nil {
				t.Error(b.wrong)
			}
			if buffer == 1<<20 && (b.asks == 0 || b.asks == b.calls) { // until they are many that go one way
				t.Errorf("%d of %d calls end with a message that is to be acknowledged at once", b.asks,
					b.calls)
			}
			p.close()
		})
	}
}

// What cannot be sent ends it, and all before that has been sent.
func TestWriteMessagesInPart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := partiallyReliable(t, true, true)
		put(p.client, func(a association) *batching {
			return &batching{memAssociation: a.(*memAssociation), counted: &p.client.counted}
		})
		good := Message{[]byte("good"), MessageInfo{Stream: 1}}
		for _, bad := range []struct {
			Message
			is func(error) bool
		}{
			{Message{make([]byte, MaxMessageSize+1), MessageInfo{}},
				func(err error) bool { _, ok := errtype.As[*MessageTooLargeError](err); return ok }},
			{Message{nil, MessageInfo{Stream: 10}},
				func(err error) bool { _, ok := errtype.As[*StreamError](err); return ok }},
			{Message{nil, MessageInfo{Lifetime: 1, Retransmissions: 1}},
				func(err error) bool { return err == errTwoLimits }},
		} {
			for at := range 4 {
				msgs := []Message{good, good, good, good}
				msgs[at] = bad.Message
				if n, err := p.client.WriteMessages(msgs); n != at || !bad.is(err) {
					t.Errorf("WriteMessages with a bad one at %d = %d, %v", at, n, err)
				}
				for range at {
					wantRead(t, p.server, "good", 1)
				}
			}
		}
		if n, err := p.client.WriteMessages(nil); n != 0 || err != nil {
			t.Errorf("WriteMessages of none = %d, %v", n, err)
		}

		many := make([]Message, 100)
		for i := range many {
			many[i].Data = make([]byte, 10000)
		}
		p.client.SetWriteDeadline(time.Now().Add(time.Second))
		n, err := p.client.WriteMessages(many)
		want(t, "WriteMessages without space", err, os.ErrDeadlineExceeded)
		p.client.SetWriteDeadline(time.Time{})
		for range n {
			if _, _, err := p.server.ReadMessage(make([]byte, MaxMessageSize)); err != nil {
				t.Fatal(err)
			}
		}
		mustWrite(t, p.client, "next", MessageInfo{})
		wantRead(t, p.server, "next", 0)
		if err := p.client.CloseWrite(); err != nil {
			t.Error(err)
		}
		sent := len(p.clientSCTP.Sent())
		n, err = p.client.WriteMessages(many)
		want(t, "WriteMessages after CloseWrite", err, net.ErrClosed)
		if sent := len(p.clientSCTP.Sent()) - sent; sent != 0 || n != 0 {
			t.Errorf("WriteMessages has sent %d messages after CloseWrite, and says %d", sent, n)
		}
		p.close()
		_, err = p.client.WriteMessages(many)
		want(t, "WriteMessages after Close", err, net.ErrClosed)
	})
}

// ReadMessages returns what is there, as much as there is room for, and waits only if there is
// nothing.
func TestReadMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		write := func(sizes ...int) {
			t.Helper()
			for i, size := range sizes {
				m := MessageInfo{Stream: uint16(i), PPID: uint32(size), Unordered: i%2 == 1}
				if err := p.client.WriteMessage(make([]byte, size), m); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Second) // of the false clock: SCTP has delivered them
		}
		read := func(room, most int, want ...int) {
			t.Helper()
			b, msgs := make([]byte, room), make([]Message, most)
			n, err := p.server.ReadMessages(b, msgs)
			if err != nil || n != len(want) {
				t.Fatalf("%d messages, %v; want %d", n, err, len(want))
			}
			at := 0
			for i, m := range msgs[:n] {
				if len(m.Data) != want[i] || m.PPID != uint32(want[i]) || m.Length != want[i] {
					t.Errorf("message %d has %d bytes and %+v", i, len(m.Data), m.MessageInfo)
				}
				if at += len(m.Data); len(m.Data) > 0 && &m.Data[len(m.Data)-1] != &b[at-1] {
					t.Errorf("message %d does not lie behind the one before", i)
				}
			}
		}
		write(100, 0, 200, 50)
		read(1000, 10, 100, 0, 200, 50)
		write(100, 200, 50)
		read(100, 10, 100) // no room for the next one
		read(1000, 1, 200)
		msgs := make([]Message, 2)
		n, err := p.server.ReadMessages(nil, msgs)
		if n != 0 || err != io.ErrShortBuffer || msgs[0].Length != 50 {
			t.Errorf("without room: %d, %v, %+v", n, err, msgs[0])
		}
		read(1000, 10, 50)
		if n, err := p.server.ReadMessages(make([]byte, 10), nil); n != 0 || err == nil {
			t.Errorf("for no message: %d, %v", n, err)
		}
		write(1, 2)
		go p.client.Close()
		synctest.Wait()
		read(1000, 10, 1, 2) // before the end
		if n, err := p.server.ReadMessages(make([]byte, 10), msgs); n != 0 || err != io.EOF {
			t.Errorf("at the end: %d, %v", n, err)
		}
		p.server.Close()
	})
}

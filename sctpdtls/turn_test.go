package sctpdtls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// readsItself returns a pair whose server has a reader with the turn, and what that reader gets.
func readsItself(t *testing.T) (p *testPair, read <-chan string) {
	t.Helper()
	p = connected(t, assoctest.Options{})
	p.lend()
	next := p.server.reads(1)
	p.wantTaken()
	return p, next
}

// lend has the server's owner lend its turn: the next reader takes it.
func (p *testPair) lend() {
	p.t.Helper()
	for range lendAfter { // which come by the owner
		next := p.server.reads(1)
		synctest.Wait()
		p.write("first")
		if got := <-next; got != "first" {
			p.t.Fatalf("read %q", got)
		}
	}
}

// wantTaken checks that a reader of the server has the turn.
func (p *testPair) wantTaken() {
	p.t.Helper()
	synctest.Wait()
	if got := p.server.turn.state.Load(); got != taken {
		p.t.Fatalf("the turn is in state %d, want that of a reader", got)
	}
}

// reads returns a channel with what n calls of ReadMessage return.
func (c *Conn) reads(n int) <-chan string {
	texts := make(chan string, n)
	go func() {
		b := make([]byte, MaxMessageSize)
		for range n {
			n, _, err := c.ReadMessage(b)
			if err != nil {
				texts <- err.Error()
				return
			}
			texts <- string(b[:n])
		}
	}()
	return texts
}

func (p *testPair) write(text string) {
	p.t.Helper()
	if err := p.client.WriteMessage([]byte(text), MessageInfo{}); err != nil {
		p.t.Error(err)
	}
}

// A reader who waits alone reads itself, and nothing is kept on the way.
func TestReaderReadsItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, read := readsItself(t)
		ownerReads := at(p.server, 1, func() {})
		p.write("second")
		if got := <-read; got != "second" {
			t.Errorf("read %q", got)
		}
		if synctest.Wait(); ownerReads() || p.server.mux.Size() > 0 {
			t.Error("the owner reads as well, or the message was kept")
		}
		p.close()
	})
}

// Whatever is to end the wait of a reader who reads itself ends it.
func TestReaderWithTurnIsInterrupted(t *testing.T) {
	inAnHour := func(p *testPair) { p.server.SetReadDeadline(time.Now().Add(time.Hour)) }
	for name, c := range map[string]struct {
		interrupt func(p *testPair)
		want      error
	}{
		"deadline":        {func(p *testPair) { p.server.SetReadDeadline(past) }, os.ErrDeadlineExceeded},
		"deadline to be":  {inAnHour, os.ErrDeadlineExceeded},
		"Close":           {func(p *testPair) { go p.server.Close() }, net.ErrClosed},
		"Abort":           {func(p *testPair) { p.server.Abort() }, net.ErrClosed},
		"the peer closes": {func(p *testPair) { go p.client.Close() }, io.EOF},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p, read := readsItself(t)
				c.interrupt(p)
				if got := <-read; got != c.want.Error() {
					t.Errorf("ReadMessage: %s, want %v", got, c.want)
				}
				p.client.Abort()
				p.server.Abort()
			})
		})
	}
}

// What a reader with the turn finds besides messages gets to the owner: it is traced, and the error
// says why the association has ended.
func TestReaderWithTurnFindsEvent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, read := readsItself(t)
		var state AssocState
		p.server.config.Trace = &Trace{Event: func(_ *Conn, ev Event) {
			if change, ok := ev.(AssocChange); ok {
				state = change.State
			}
		}}
		p.client.Abort()
		<-read
		var end *AssociationError
		err := context.Cause(p.server.Context())
		const userAbort = 12 // RFC 9260, Section 3.3.10.12
		if state != AssocAborted || !errors.As(err, &end) || end.Cause != userAbort {
			t.Errorf("the state of the association was traced as %v; ended by %v", state, err)
		}
		p.server.Abort()
	})
}

// Requests are obeyed while a reader has the turn, and while it is left to nobody.
func TestRequestsWithTurnLent(t *testing.T) {
	for _, left := range []bool{false, true} {
		t.Run(fmt.Sprint(left), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p, read := readsItself(t)
				if left {
					p.write("second")
					<-read
				}
				begin := time.Now()
				if err := p.server.KeyUpdate(context.Background(), UpdateRequested); err != nil {
					t.Error(err)
				}
				if took := time.Since(begin); took >= lendTime {
					t.Errorf("KeyUpdate took %v", took)
				}
				p.write("last")
				if !left {
					<-read
				}
				if err := p.server.CloseWrite(); err != nil {
					t.Error(err)
				}
				p.client.Abort()
				p.server.Abort()
			})
		})
	}
}

// A reader who does not come back loses the turn: what the peer does is noticed.
func TestReaderDoesNotComeBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, read := readsItself(t)
		p.write("second")
		<-read
		if got := p.server.turn.state.Load(); got != lent {
			t.Fatalf("the turn is in state %d", got)
		}
		begin := time.Now()
		p.client.Abort()
		<-p.server.Context().Done()
		if took := time.Since(begin); took > 3*lendTime {
			t.Errorf("the end was noticed after %v", took)
		}
		p.server.Abort()
	})
}

// Who cannot read for itself has the owner read at once, where no reader has the turn.
func TestTurnIsRecalled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, read := readsItself(t)
		p.write("second")
		<-read
		begin := time.Now()
		p.write("third")
		s, err := p.server.AcceptStream(context.Background())
		if err != nil || s.ID() != 0 {
			t.Errorf("AcceptStream: %v, %v", s, err)
		}
		if took := time.Since(begin); took > 2*time.Millisecond { // one is the network's
			t.Errorf("it took %v", took)
		}
		p.close()
	})
}

// A reader of several messages who has the turn takes all that have come. Once there was only one,
// it takes some alone, without looking, and none is missed.
func TestReadMessagesWithTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, read := readsItself(t)
		p.write("second")
		<-read
		b, msgs := make([]byte, 200), make([]Message, 20)
		next := 0
		// carry has n messages wait for the reader, and wants it to get so many in one call after the
		// other.
		carry := func(n int, calls ...int) {
			t.Helper()
			for i := range n {
				p.write(fmt.Sprint("message ", next+i))
			}
			time.Sleep(lendTime / 5) // all have come
			for _, want := range calls {
				got, err := p.server.ReadMessages(b, msgs)
				if err != nil || got != want {
					t.Fatalf("%d messages, %v; want %d", got, err, want)
				}
				for _, m := range msgs[:got] {
					if want := fmt.Sprint("message ", next); string(m.Data) != want {
						t.Errorf("read %q, want %q", m.Data, want)
					}
					next++
				}
			}
		}
		carry(5, 5)
		carry(1, 1) // and nothing is behind
		carry(inARow+3, append(slices.Repeat([]int{1}, inARow), 3)...)
		carry(2, 2)
		if got := p.server.turn.state.Load(); got != lent {
			t.Errorf("the turn is in state %d", got)
		}
		p.close()
	})
}

// Readers of other streams, those who wait for one, and those of several messages get theirs while
// one reads itself, and need not wait until the owner looks after the turn.
func TestOthersWithTurnLent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, read := readsItself(t)
		s := p.server.Stream(3)
		got := make(chan string)
		begin := time.Now()
		b := make([]byte, 100)
		onStream := func() {
			n, _, err := s.ReadMessage(b)
			got <- fmt.Sprint(string(b[:n]), err)
		}
		go onStream()
		synctest.Wait()
		p.client.WriteMessage([]byte("three"), MessageInfo{Stream: 3})
		if text := <-got; text != "three<nil>" {
			t.Errorf("the stream's reader got %s", text)
		}
		go onStream()
		synctest.Wait()
		p.write("second") // whose reader leaves the turn to nobody, and the stream's waits
		<-read
		p.client.WriteMessage([]byte("more"), MessageInfo{Stream: 3})
		if text := <-got; text != "more<nil>" {
			t.Errorf("the stream's reader got %s", text)
		}
		go func() {
			s, err := p.server.AcceptStream(context.Background())
			got <- fmt.Sprint(s.ID(), err == nil)
		}()
		synctest.Wait()
		p.client.WriteMessage([]byte("accepted"), MessageInfo{Stream: 5})
		if text := <-got; text != "5 true" {
			t.Errorf("AcceptStream: %s", text)
		}
		go func() {
			all := make([]Message, 2)
			n, err := p.server.ReadMessages(make([]byte, 100), all)
			got <- fmt.Sprint(n, err == nil)
		}()
		synctest.Wait()
		p.write("one of several")
		if text := <-got; text != "1 true" {
			t.Errorf("ReadMessages: %s", text)
		}
		if took := time.Since(begin); took >= lendTime {
			t.Errorf("all took %v", took)
		}
		p.close()
	})
}

// A message that a reader has read for itself comes behind those that another one has left.
func TestTurnKeepsOrder(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, read := readsItself(t)
		s := p.server.Stream(0)
		p.write("older") // for the stream's reader, as the one with the turn finds
		time.Sleep(lendTime / 5)
		begin := time.Now()
		p.server.SetReadDeadline(begin.Add(time.Second))
		s.Close() // now it is for the other, who need not wait for anything else
		if got := <-read; got != "older" || time.Since(begin) > 0 {
			t.Errorf("read %q first, after %v", got, time.Since(begin))
		}
		p.write("newer")
		if got := <-p.server.reads(1); got != "newer" {
			t.Errorf("read %q then", got)
		}
		p.close()
	})
}

// A message that is too long for the buffer of a reader with the turn stays.
func TestTurnShortBuffer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, read := readsItself(t)
		p.write("second")
		<-read
		short := make(chan error)
		go func() {
			_, info, err := p.server.ReadMessage(make([]byte, 3))
			if info.Length != len("third") {
				t.Errorf("length %d", info.Length)
			}
			short <- err
		}()
		synctest.Wait()
		p.write("third")
		want(t, "ReadMessage", <-short, io.ErrShortBuffer)
		if got := <-p.server.reads(1); got != "third" {
			t.Errorf("read %q", got)
		}
		p.close()
	})
}

// What comes between a reader's look at its queue and the moment at which it takes the turn is not
// waited for.
func TestTurnIsTakenLate(t *testing.T) {
	for name, before := range map[string]func(c *Conn){
		"a message":  func(c *Conn) { c.mux.Put([]byte("kept"), stream.Info{}) },
		"a deadline": func(c *Conn) { c.SetReadDeadline(past) },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p, read := readsItself(t)
				p.write("second")
				<-read
				c := p.server
				seen := c.own.read.queue.Changes()
				before(c)
				if !c.turn.take() {
					t.Fatal("the turn is not lent")
				}
				b := make([]byte, 100)
				if _, _, done := c.owner.readFor(c.own.read.queue, seen, b, false); done {
					t.Error("something was read")
				}
				if got := c.turn.state.Load(); got != lent {
					t.Errorf("the turn is in state %d", got)
				}
				c.SetReadDeadline(time.Time{})
				p.client.Abort()
				c.Abort()
			})
		})
	}
}

// A reader who has the turn while no message comes keeps it until the next one, and then the owner
// reads.
func TestTurnIsRecalledInSilence(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p, read := readsItself(t)
		time.Sleep(3 * lendTime)
		if got := p.server.turn.state.Load(); got != recalled {
			t.Errorf("the turn is in state %d", got)
		}
		p.write("second")
		if got := <-read; got != "second" {
			t.Errorf("read %q", got)
		}
		p.client.Abort()
		<-p.server.Context().Done() // noticed at once
		p.server.Abort()
	})
}

// A reader who waits takes the turn as soon as it is lent, whomever the last message was for.
func TestWaitingReaderTakesTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		s := p.server.Stream(3)
		read := p.server.reads(1)
		synctest.Wait()
		for range lendAfter {
			p.client.WriteMessage([]byte("of another stream"), MessageInfo{Stream: s.ID()})
		}
		time.Sleep(lendTime / 2)
		if got := p.server.turn.state.Load(); got != taken {
			t.Errorf("the turn is in state %d", got)
		}
		p.write("for the reader")
		if got := <-read; got != "for the reader" {
			t.Errorf("read %q", got)
		}
		p.close()
	})
}

// While several readers wait, or one who is no reader, the owner keeps the turn.
func TestTurnIsKept(t *testing.T) {
	for name, more := range map[string]func(c *Conn, b []byte) error{
		"two readers": func(c *Conn, b []byte) error {
			_, _, err := c.Stream(3).ReadMessage(b)
			return err
		},
		"AcceptStream": func(c *Conn, _ []byte) error {
			_, err := c.AcceptStream(context.Background())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := connected(t, assoctest.Options{})
				got := make(chan error, 1)
				go func() { got <- more(p.server, make([]byte, 100)) }()
				unread := p.server.Stream(5)
				if name == "two readers" {
					p.server.reads(1)
				}
				synctest.Wait()
				for range 2 * lendAfter {
					p.client.WriteMessage([]byte("unread"), MessageInfo{Stream: unread.ID()})
				}
				time.Sleep(lendTime / 2)
				p.client.Abort()
				if err := <-got; err == nil {
					t.Error("something was read")
				}
				p.server.Abort()
				if p.server.owner.tick != nil {
					t.Error("it was lent")
				}
			})
		})
	}
}

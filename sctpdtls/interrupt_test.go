package sctpdtls

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// These tests interrupt a connection at every point at which it may wait: n counts them, until
// what is done does not come to the n-th any more.

// A read deadline that passes at any point, the answer to the peer's close included, loses no
// message and doubles none.
func TestReadInterruptedEverywhere(t *testing.T) {
	for n, more := 1, true; more; n++ {
		bubble(t, func(t *testing.T) {
			p := connected(t, assoctest.Options{PartSize: 300})
			reached := at(p.server, n, func() { p.server.SetReadDeadline(past) })
			closed := make(chan error)
			go func() {
				for i := range 5 {
					if err := p.client.WriteMessage(fmt.Appendf(nil, "%1000d", i),
						MessageInfo{Stream: uint16(i)}); err != nil {
						t.Error(err)
					}
				}
				closed <- p.client.Close()
			}()
			buf := make([]byte, MaxMessageSize)
			for got := 0; ; {
				n, _, err := p.server.ReadMessage(buf)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					p.server.SetReadDeadline(time.Time{})
					continue
				}
				if err == io.EOF && got == 5 {
					break
				}
				if want := fmt.Sprintf("%1000d", got); err != nil || string(buf[:n]) != want {
					t.Fatalf("interrupted at %d: message %d is %.10q..., %v", n, got, buf[:n], err)
				}
				got++
			}
			if err := <-closed; err != nil {
				t.Errorf("interrupted at %d: the peer's Close: %v", n, err)
			}
			p.close()
			more = reached()
		})
	}
}

// The same while keys change, whoever begins, with messages before, meanwhile and after: attack H9.
func TestAttackH9RenegotiationInterruptedEverywhere(t *testing.T) {
	const messages = 6
	for _, clientBegins := range []bool{true, false} {
		for n, more := 1, true; more; n++ {
			bubble(t, func(t *testing.T) {
				p := renegotiating(t, assoctest.Options{PartSize: 300})
				begins := p.server
				if clientBegins {
					begins = p.client
				}
				reached := at(p.server, n, func() { p.server.SetReadDeadline(past) })
				ends := make(chan error, 3)
				go func() { ends <- begins.Renegotiate(t.Context()) }()
				go func() {
					var err error
					for i := 0; err == nil && i < messages; i++ {
						time.Sleep(700 * time.Microsecond)
						err = p.client.WriteMessage(fmt.Appendf(nil, "%1000d", i), MessageInfo{Stream: 1})
					}
					ends <- err
				}()
				closed := reader(p.client)
				buf := make([]byte, MaxMessageSize)
				for got := 0; got < messages || p.server.ConnectionState().Handshakes < 2; {
					p.server.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
					size, _, err := p.server.ReadMessage(buf)
					if errors.Is(err, os.ErrDeadlineExceeded) {
						continue
					}
					if want := fmt.Sprintf("%1000d", got); err != nil || string(buf[:size]) != want {
						t.Fatalf("interrupted at %d: message %d is %.10q..., %v", n, got, buf[:size], err)
					}
					got++
				}
				more = reached()
				p.server.SetReadDeadline(time.Time{})
				for range 2 {
					if err := <-ends; err != nil {
						t.Errorf("interrupted at %d: %v", n, err)
					}
				}
				p.wantHandshakes(2)
				if err := p.server.Close(); err != nil {
					t.Errorf("interrupted at %d: Close: %v", n, err)
				}
				if err := <-closed; err != io.EOF {
					t.Errorf("interrupted at %d: the client reads %v, want io.EOF", n, err)
				}
				p.client.Close()
			})
		}
	}
}

// A context that is done at any point of a handshake ends it and the association, or comes too late
// and harms nothing.
func TestHandshakeCancelledEverywhere(t *testing.T) {
	for _, side := range []string{"client", "server"} {
		for n, more := 1, true; more; n++ {
			bubble(t, func(t *testing.T) {
				p := newTestPair(t, assoctest.Options{}, clientConfig(), serverConfig())
				c, peer, assoc := p.client, p.server, p.clientSCTP
				if side == "server" {
					c, peer, assoc = p.server, p.client, p.sctp
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				reached := at(c, n, cancel)
				done := make(chan error)
				go func() { done <- peer.Handshake() }()
				err := c.HandshakeContext(ctx)
				if more = reached(); err == nil {
					if err := <-done; err != nil {
						t.Errorf("%s cancelled at %d: the peer: %v", side, n, err)
					}
					c.assoc.(*memAssociation).before.Store(nil)
					pingPong(t, c, peer)
					p.close()
					return
				}
				want(t, fmt.Sprintf("%s cancelled at %d", side, n), err, context.Canceled)
				if _, _, _, aborted := assoc.State(); !aborted {
					t.Errorf("%s cancelled at %d: the association was not aborted", side, n)
				}
				err = <-done
				if _, ok := errtype.As[*AssociationError](err); !ok && peer.state.Load() == nil {
					t.Errorf("%s cancelled at %d: the peer: %v, want an AssociationError", side, n, err)
				}
				peer.Close()
			})
		}
	}
}

// Close at any point of a handshake ends it.
func TestHandshakeClosedEverywhere(t *testing.T) {
	for n, more := 1, true; more; n++ {
		bubble(t, func(t *testing.T) {
			p := newTestPair(t, assoctest.Options{}, clientConfig(), serverConfig())
			closed := make(chan error)
			reached := at(p.client, n, func() {
				go func() { closed <- p.client.Close() }()
				for !p.client.closing.Load() {
					time.Sleep(time.Microsecond) // of the false clock
				}
			})
			done := make(chan error)
			go func() { done <- p.server.Handshake() }()
			err := p.client.Handshake()
			if more = reached(); !more {
				p.client.assoc.(*memAssociation).before.Store(nil)
				<-done
				p.close()
				return
			}
			if err != nil && !errors.Is(err, net.ErrClosed) {
				t.Errorf("closed at %d: %v, want net.ErrClosed", n, err)
			}
			<-done
			p.server.Abort()
			<-closed
			if _, _, closed, _ := p.clientSCTP.State(); !closed {
				t.Errorf("closed at %d: the association was left open", n)
			}
		})
	}
}

// pingPong sends a message each way.
func pingPong(t *testing.T, a, b *Conn) {
	t.Helper()
	buf := make([]byte, 10)
	for range 2 {
		if err := a.WriteMessage([]byte("ping"), MessageInfo{}); err != nil {
			t.Error(err)
		}
		if n, _, err := b.ReadMessage(buf); err != nil || string(buf[:n]) != "ping" {
			t.Errorf("ReadMessage = %q, %v", buf[:n], err)
		}
		a, b = b, a
	}
}

// fill writes until there is no space left, and returns how many messages it wrote. On a busy
// machine, one deadline can pass before the peer answers, but not two in a row.
func fill(t *testing.T, c *Conn) (messages int) {
	t.Helper()
	defer c.SetWriteDeadline(time.Time{})
	for late := 0; late < 2; {
		c.SetWriteDeadline(time.Now().Add(time.Second))
		err := c.WriteMessage(make([]byte, 10000), MessageInfo{Stream: 1})
		switch {
		case err == nil:
			messages, late = messages+1, 0
		case errors.Is(err, os.ErrDeadlineExceeded):
			late++
		default:
			t.Fatal(err)
		}
	}
	return messages
}

// A drain reads a message to its end that has arrived in part, also over a deadline: RFC 6083,
// Section 4.7.
func TestDrainFinishesPartialMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		record, err := p.client.core.Seal(nil, []byte("in two parts"))
		if err != nil {
			t.Fatal(err)
		}
		p.sctp.InjectPart(record[:20], stream.Info{Stream: 1}, false)
		p.server.SetReadDeadline(time.Now().Add(time.Second))
		buf := make([]byte, 100)
		_, _, err = p.server.ReadMessage(buf)
		want(t, "ReadMessage of a part", err, os.ErrDeadlineExceeded)
		p.server.SetReadDeadline(time.Time{})
		drained := make(chan error)
		go func() {
			defer p.server.stop()()
			drained <- p.server.owner.readPending()
		}()
		time.Sleep(time.Second)
		select {
		case err := <-drained:
			t.Errorf("the drain ended within a message: %v", err)
		default:
		}
		p.sctp.InjectPart(record[20:], stream.Info{Stream: 1}, true)
		if err := <-drained; err != nil {
			t.Error(err)
		}
		if n, _, err := p.server.ReadMessage(buf); string(buf[:n]) != "in two parts" || err != nil {
			t.Errorf("ReadMessage = %q, %v", buf[:n], err)
		}
		p.close()
	})
}

// When the buffers of both directions are full, both readers can still send a control record, for
// both go on reading; and nothing is lost.
func TestControlRecordsWhenBuffersAreFull(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		ends := []*Conn{p.client, p.server}
		written := []int{fill(t, p.client), fill(t, p.server)}
		var both sync.WaitGroup
		for i, c := range ends {
			both.Go(func() {
				record, err := c.core.Seal(nil, []byte("control"))
				if err == nil {
					goOn := c.stop()
					c.owner.flight = [][]byte{record}
					goOn()
				}
				if err != nil {
					t.Error(err)
				}
				buf := make([]byte, MaxMessageSize)
				for range written[1-i] {
					if n, _, err := c.ReadMessage(buf); n != 10000 || err != nil {
						t.Errorf("ReadMessage = %d, %v", n, err)
					}
				}
				if n, _, err := c.ReadMessage(buf); string(buf[:n]) != "control" || err != nil {
					t.Errorf("then %q, %v", buf[:n], err)
				}
			})
		}
		both.Wait()
		pingPong(t, p.client, p.server)
		p.close()
	})
}

// A peer that closes and then lets nothing through any more cannot hold up a reader, nor Close.
func TestPeerClosesAndStopsReading(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		goOn := p.client.stop()
		fill(t, p.server)
		p.client.core.Close()
		if err := p.client.owner.obey(); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for range 2 {
			if _, _, err := p.server.ReadMessage(make([]byte, 10)); err != io.EOF {
				t.Errorf("ReadMessage: %v, want io.EOF", err)
			}
		}
		if d := time.Since(start); d > 6*time.Second {
			t.Errorf("io.EOF came after %v", d)
		}
		err := p.server.Close()
		if _, ok := errtype.As[*CloseTimeoutError](err); !ok {
			t.Errorf("Close: %v, want a CloseTimeoutError: not all could be delivered", err)
		}
		if d := time.Since(start); d > 11*time.Second {
			t.Errorf("Close came back after %v", d)
		}
		goOn()
		p.client.Close()
	})
}

// A peer that never stops sending cannot hold Close up either.
func TestCloseUnderFlood(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		f := &flood{memAssociation: p.server.assoc.(*memAssociation), peer: p.client}
		put(p.server, func(association) *flood { return f })
		start := time.Now()
		err := p.server.Close()
		if _, ok := errtype.As[*CloseTimeoutError](err); !ok {
			t.Errorf("Close: %v, want a CloseTimeoutError", err)
		}
		if d := time.Since(start); d > 7*time.Second {
			t.Errorf("Close took %v", d)
		}
		p.client.Close()
	})
}

// A flood is an association on which there is always another message.
type flood struct {
	*memAssociation
	peer *Conn
}

func (f *flood) Recv(b stream.Buffer, wait bool) (stream.Part, error) {
	if _, _, closed, _ := f.State(); closed || wait {
		return f.memAssociation.Recv(b, wait)
	}
	time.Sleep(time.Millisecond)
	record, err := f.peer.core.Seal(nil, []byte("more"))
	return stream.Part{N: copy(b.Get(), record), Info: stream.Info{Stream: 1}, End: true}, err
}

// Close reports when what was written may not have arrived.
func TestCloseTellsOfLoss(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{GiveUp: time.Second}) // before CloseTimeout
		fill(t, p.client)
		done := make(chan error)
		go func() { done <- p.client.Close() }()
		time.Sleep(time.Second)
		p.sctp.Cut()
		err := <-done
		if e, ok := errtype.As[*AssociationError](err); !ok || e.State != AssocLost {
			t.Errorf("Close on a lost association: %v", err)
		}
		p.server.Close()

		p = connected(t, assoctest.Options{})
		fill(t, p.client)
		go func() { done <- p.client.Close() }()
		time.Sleep(time.Second)
		start := time.Now()
		p.client.Abort()
		if err := <-done; err == nil || time.Since(start) != 0 {
			t.Errorf("Close that Abort ends: %v, after %v", err, time.Since(start))
		}
		p.server.Close()
	})
}

// Abort wakes everybody, and reads and writes tell that it was this end.
func TestAbortWakes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		done := make(chan error)
		for range 2 {
			go func() {
				_, _, err := p.client.ReadMessage(make([]byte, 10))
				done <- err
			}()
		}
		fill(t, p.client)
		go func() { done <- p.client.WriteMessage([]byte("x"), MessageInfo{}) }()
		time.Sleep(time.Second)
		p.client.Abort()
		for range 3 {
			want(t, "a call that Abort wakes", <-done, net.ErrClosed)
		}
		p.client.Close()
		want(t, "SetDeadline afterwards", p.client.SetDeadline(time.Time{}), net.ErrClosed)
		p.server.Close()
	})
}

// What waits for a reader is bounded: beyond that nothing is read, until some of it is taken.
// Nothing is thrown away for it: attack E14, RFC 6083, Section 4.7.
func TestAttackE14PendingIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const bound = 2 * (64 + 128) // two small messages
		config := serverConfig()
		config.ReadQueue = bound
		p := newTestPair(t, assoctest.Options{}, clientConfig(), config)
		if cerr, serr := p.handshake(); cerr != nil || serr != nil {
			t.Fatalf("handshake: client %v, server %v", cerr, serr)
		}
		for i := range 5 {
			if err := p.client.WriteMessage([]byte{byte(i)}, MessageInfo{}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		c := p.server
		if c.mux.Size() != bound || !c.full.Load() {
			t.Errorf("%d bytes are kept, want %d; full is %v", c.mux.Size(), bound, c.full.Load())
		}
		buf := make([]byte, 10)
		for i := range 5 {
			if n, _, err := c.ReadMessage(buf); n != 1 || buf[0] != byte(i) || err != nil {
				t.Errorf("ReadMessage = %d, %v, want message %d", n, err, i)
			}
		}
		if c.full.Load() {
			t.Error("there is no room after reading")
		}
		go p.client.Close()
		c.Close()
	})
}

// A message longer than any record is answered with an alert: RFC 6083, Section 4.1, attack H7.
func TestAttackH7TooLargeMessage(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		if err := p.clientSCTP.Send(make([]byte, stream.MaxMessageSize+1),
			stream.Info{Stream: 1}); err != nil {
			t.Fatal(err)
		}
		_, _, err := p.server.ReadMessage(make([]byte, 10))
		if e, ok := errtype.As[*AlertError](err); !ok || !e.Local ||
			e.Alert != dtlscore.AlertRecordOverflow {
			t.Errorf("ReadMessage: %v, want an alert of our own: record_overflow", err)
		}
		_, _, err = p.client.ReadMessage(make([]byte, 10))
		if e, ok := errtype.As[*AlertError](err); !ok || e.Local ||
			e.Alert != dtlscore.AlertRecordOverflow {
			t.Errorf("the peer reads %v, want the alert", err)
		}
		p.server.Close()
		p.client.Close()
	})
}

// A Close that rings the alarm while its owner clears it, because of what it was rung for before,
// takes the owner's place all the same.
func TestCloseWhileAlarmIsReset(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		goOn := p.client.stop()
		set := p.client.alarm.set
		p.client.alarm.set = func(t time.Time) error {
			if t.IsZero() { // by reset: it clears the ring that follows this
				p.client.closing.Store(true)
			}
			return set(t)
		}
		goOn()
		p.client.alarm.ring()
		select {
		case p.client.owner.token <- struct{}{}:
		case <-time.After(time.Second):
			t.Fatal("the owner goes on")
		}
		p.client.alarm.set = set
		p.client.closing.Store(false)
		p.client.alarm.reset()
		go p.client.owner.run()
		p.close()
	})
}

package sctpdtls

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

var _ net.Conn = (*Stream)(nil)

func mustWrite(t *testing.T, w interface {
	WriteMessage([]byte, MessageInfo) error
}, m string, info MessageInfo) {
	t.Helper()
	if err := w.WriteMessage([]byte(m), info); err != nil {
		t.Fatalf("writing %.20q: %v", m, err)
	}
}

func wantRead(t *testing.T, r interface {
	ReadMessage([]byte) (int, MessageInfo, error)
}, m string, stream uint16) {
	t.Helper()
	buf := make([]byte, MaxMessageSize)
	n, info, err := r.ReadMessage(buf)
	if err != nil || string(buf[:n]) != m || info.Stream != stream || info.Length != len(m) {
		t.Fatalf("ReadMessage = %.20q with %+v, %v; want %q of stream %d", buf[:n], info, err, m, stream)
	}
}

// A Stream has the messages of its stream, stream 0 too, with all that SCTP reports about them; the
// Conn has all others, in the order in which they came. RFC 6083, Section 4.4.
func TestStreamClaims(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		zero, three := p.server.Stream(0), p.server.Stream(3)
		if p.server.Stream(3) != three || three.ID() != 3 || three.Conn() != p.server {
			t.Error("not the same Stream")
		}
		for i := range uint16(6) {
			mustWrite(t, p.client, fmt.Sprint("first of ", i), MessageInfo{Stream: i})
			mustWrite(t, p.client.Stream(i), fmt.Sprint("second of ", i),
				MessageInfo{Stream: 9, PPID: 66, Unordered: true})
		}
		buf := make([]byte, 100)
		for _, s := range []*Stream{three, zero} {
			wantRead(t, s, fmt.Sprint("first of ", s.ID()), s.ID())
			want := MessageInfo{Stream: s.ID(), PPID: 66, Unordered: true, Length: 11}
			if n, info, err := s.ReadMessage(buf); n != 11 || info != want || err != nil {
				t.Errorf("ReadMessage = %d with %+v, %v; want %+v", n, info, err, want)
			}
		}
		for _, i := range []uint16{1, 2, 4, 5} {
			wantRead(t, p.server, fmt.Sprint("first of ", i), i)
			wantRead(t, p.server, fmt.Sprint("second of ", i), i)
		}
		if err := p.client.Stream(10).WriteMessage(nil, MessageInfo{}); !errors.As(err,
			new(*StreamError)) {
			t.Errorf("writing to stream 10 of 10: %v", err)
		}
		p.close()
	})
}

// Claims that come late, and end early, lose nothing and keep the order.
func TestStreamClaimedLateAndClosed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		for i := range 4 {
			mustWrite(t, p.client, fmt.Sprint(i), MessageInfo{Stream: 1 + uint16(i%2)})
		}
		p.server.Stream(5).SetReadDeadline(time.Now().Add(time.Second))
		_, _, err := p.server.Stream(5).ReadMessage(nil) // has all of them kept
		want(t, "reading an idle stream", err, os.ErrDeadlineExceeded)

		one := p.server.Stream(1)
		wantRead(t, one, "0", 1)
		one.Close()
		want(t, "Close again", one.Close(), nil)
		_, err = one.Read(make([]byte, 1))
		want(t, "Read of a closed Stream", err, net.ErrClosed)
		_, err = one.Write(make([]byte, 1))
		want(t, "Write to a closed Stream", err, net.ErrClosed)
		want(t, "SetDeadline of a closed Stream", one.SetDeadline(time.Time{}), net.ErrClosed)

		wantRead(t, p.server, "1", 2)
		wantRead(t, p.server, "3", 2)
		again := p.server.Stream(1)
		if again == one {
			t.Error("a closed Stream is given out again")
		}
		mustWrite(t, p.client, "4", MessageInfo{Stream: 1})
		wantRead(t, again, "2", 1)
		wantRead(t, again, "4", 1)
		p.close()
	})
}

// Read gives bytes of one message at a time; ReadMessage passes a rest by, and keeps what does not
// fit.
func TestStreamRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{PartSize: 2})
		s := p.server.Stream(7)
		for _, m := range []string{"hello", "", "big", "world"} {
			mustWrite(t, p.client.Stream(7), m, MessageInfo{})
		}
		buf := make([]byte, 4)
		read := func(want string) {
			t.Helper()
			if n, err := s.Read(buf); err != nil || string(buf[:n]) != want {
				t.Fatalf("Read = %q, %v, want %q", buf[:n], err, want)
			}
		}
		read("hell")
		wantRead(t, s, "", 7)
		if _, info, err := s.ReadMessage(buf[:2]); err != io.ErrShortBuffer || info.Length != 3 {
			t.Errorf("ReadMessage into 2 bytes: %+v, %v", info, err)
		}
		wantRead(t, s, "big", 7)
		read("o")
		read("worl")
		read("d")
		if n, err := s.Read(nil); n != 0 || err != nil {
			t.Errorf("Read(nil) = %d, %v", n, err)
		}
		p.client.Close()
		if _, err := s.Read(buf); err != io.EOF {
			t.Errorf("Read after the peer's Close: %v, want io.EOF", err)
		}
		p.server.Close()
		_, err := s.Read(buf)
		want(t, "Read after Close", err, net.ErrClosed)
	})
}

// AcceptStream gives a Stream for each stream on which something comes, once, and what came.
func TestAcceptStream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := p.server.AcceptStream(ctx)
		want(t, "AcceptStream", err, context.DeadlineExceeded)

		p.server.Stream(2) // claimed, so not to be accepted
		var writer sync.WaitGroup
		writer.Go(func() {
			for range 2 {
				for _, i := range []uint16{4, 2, 9} {
					time.Sleep(time.Second)
					mustWrite(t, p.client, fmt.Sprint(i), MessageInfo{Stream: i})
				}
			}
		})
		for _, i := range []uint16{4, 9} {
			s, err := p.server.AcceptStream(t.Context())
			if err != nil || s.ID() != i || s != p.server.Stream(i) {
				t.Fatalf("AcceptStream = %v, %v, want stream %d", s, err, i)
			}
			wantRead(t, s, fmt.Sprint(i), i)
		}
		for range 2 {
			wantRead(t, p.server.Stream(2), "2", 2)
		}
		writer.Wait()
		go p.client.Close()
		if _, err := p.server.AcceptStream(t.Context()); err != io.EOF {
			t.Errorf("AcceptStream at the end: %v, want io.EOF", err)
		}
		p.server.Close()
	})
}

// Each Stream, and the Conn, has its own deadlines, whoever of them reads from the association.
func TestStreamDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{Window: 20000})
		start := time.Now()
		var all sync.WaitGroup
		read := func(r net.Conn, after time.Duration) {
			r.SetReadDeadline(start.Add(after))
			all.Go(func() {
				_, err := r.Read(make([]byte, 1))
				want(t, "Read", err, os.ErrDeadlineExceeded)
				if d := time.Since(start); d != after {
					t.Errorf("Read came back after %v, want %v", d, after)
				}
			})
		}
		for i, after := range []time.Duration{5, 3, 9, 1, 7} {
			read(p.server.Stream(uint16(i)), after*time.Second)
		}
		read(p.server, 4*time.Second)
		all.Wait()

		// Changed while they wait: earlier, later, and in the past.
		for i, s := range []*Stream{p.server.Stream(0), p.server.Stream(1), p.server.Stream(2)} {
			start = time.Now()
			s.SetReadDeadline(start.Add(10 * time.Second))
			other := p.server.Stream(8)
			other.SetReadDeadline(time.Time{})
			// The first reader reads from the association.
			for _, r := range [][]*Stream{{s, other}, {other, s}}[i%2] {
				all.Go(func() {
					_, err := r.Read(make([]byte, 1))
					want(t, "Read", err, os.ErrDeadlineExceeded)
				})
				synctest.Wait()
			}
			new := []time.Time{start.Add(2 * time.Second), start.Add(20 * time.Second), past}[i]
			s.SetReadDeadline(new)
			other.SetReadDeadline(new)
			all.Wait()
			if d := max(0, new.Sub(start)); time.Since(start) != d {
				t.Errorf("%d: Read came back after %v, want %v", i, time.Since(start), d)
			}
		}
		p.close()
	})
}

// So it is with writers when there is no space, whichever of them waits for the association.
func TestStreamWriteDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{Window: 20000})
		fill(t, p.client)
		p.client.SetWriteDeadline(time.Time{})
		start := time.Now()
		var all sync.WaitGroup
		for i, after := range []time.Duration{5, 3, 9, 1, 7} {
			s := p.client.Stream(uint16(i))
			s.SetWriteDeadline(start.Add(after * time.Second))
			all.Go(func() {
				_, err := s.Write(make([]byte, 1))
				want(t, "Write", err, os.ErrDeadlineExceeded)
				if d := time.Since(start); d != after*time.Second {
					t.Errorf("Write came back after %v, want %vs", d, int(after))
				}
			})
			synctest.Wait()
		}
		all.Wait()
		for i := range uint16(3) { // Close wakes the first in the line, and others
			all.Go(func() {
				_, err := p.client.Stream(i).Write(make([]byte, 1))
				want(t, "Write", err, net.ErrClosed)
			})
			p.client.Stream(i).SetWriteDeadline(time.Time{})
			synctest.Wait()
		}
		for i := range uint16(3) {
			p.client.Stream(i).Close()
		}
		all.Wait()
		p.server.Abort()
		p.client.Abort()
	})
}

// Several readers wait at the same time: one of them reads from the association and serves all
// others, and when it goes another takes over: by a message, its deadline, its Close.
func TestReadersServeEachOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		const streams = 6
		got := make(chan string, 100)
		var all sync.WaitGroup
		for i := range uint16(streams) {
			s := p.server.Stream(i)
			all.Go(func() {
				buf := make([]byte, 100)
				for {
					n, _, err := s.ReadMessage(buf)
					if err != nil {
						got <- fmt.Sprint(i, " ended")
						return
					}
					got <- string(buf[:n])
				}
			})
			synctest.Wait() // so stream 0 has the association
		}
		for _, i := range []uint16{3, 5, 1, 0, 0, 2, 4, 3} {
			mustWrite(t, p.client, fmt.Sprint("to ", i), MessageInfo{Stream: i})
			if g := <-got; g != fmt.Sprint("to ", i) {
				t.Fatalf("%q was served, want %d", g, i)
			}
		}
		for i := range uint16(streams - 1) {
			if i%2 == 0 {
				p.server.Stream(i).Close()
			} else {
				p.server.Stream(i).SetReadDeadline(past)
			}
			if g := <-got; g != fmt.Sprint(i, " ended") {
				t.Fatalf("%q, want that %d ended", g, i)
			}
			mustWrite(t, p.client, "the last", MessageInfo{Stream: streams - 1})
			if g := <-got; g != "the last" {
				t.Fatalf("%q was served", g)
			}
		}
		p.close()
		all.Wait()
	})
}

// A stream that nobody reads holds up the others when the bound is reached, and not before: nothing
// is thrown away, nothing grows, and all goes on as soon as it is read. Close does not wait for
// that. Attack E14.
func TestAttackE14UnreadStream(t *testing.T) {
	bubble(t, func(t *testing.T) {
		config := serverConfig()
		config.ReadQueue = 100 << 10
		p := newTestPair(t, assoctest.Options{Window: 50 << 10}, clientConfig(), config)
		if cerr, serr := p.handshake(); cerr != nil || serr != nil {
			t.Fatalf("handshake: client %v, server %v", cerr, serr)
		}
		unread, read := p.server.Stream(1), p.server.Stream(2)
		const messages = 300
		big := bytes.Repeat([]byte("x"), 4000)
		var writers sync.WaitGroup
		writers.Go(func() {
			big := bytes.Clone(big)
			for n := range 2 * messages {
				big[0] = byte(n / 2)
				if err := p.client.WriteMessage(big, MessageInfo{Stream: uint16(1 + n%2)}); err != nil {
					t.Error(err)
					return
				}
			}
		})
		buf := make([]byte, MaxMessageSize)
		readAll := func(s *Stream) (n int) {
			for ; n < messages; n++ {
				s.SetReadDeadline(time.Now().Add(time.Minute))
				size, _, err := s.ReadMessage(buf)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					return n
				}
				if err != nil || size != len(big) || buf[0] != byte(n) {
					t.Fatalf("message %d: %d bytes beginning with %d, %v", n, size, buf[0], err)
				}
			}
			return n
		}
		if n := readAll(read); n < 20 || n >= messages {
			t.Errorf("%d messages came before it stopped", n)
		}
		if n := p.server.mux.Size(); n < config.ReadQueue || n > config.ReadQueue+MaxMessageSize {
			t.Errorf("%d bytes are kept", n)
		}
		rest := make(chan int)
		go func() {
			n := 0
			buf := make([]byte, MaxMessageSize)
			for ; n < messages; n++ {
				if _, _, err := unread.ReadMessage(buf); err != nil {
					t.Error(err)
				}
			}
			rest <- n
		}()
		for n := 20; n < messages; n++ { // as many as are left, at most
			read.SetReadDeadline(time.Now().Add(time.Minute))
			if _, _, err := read.ReadMessage(buf); err != nil {
				break
			}
		}
		<-rest
		writers.Wait()

		for range messages { // once more, and nobody reads
			p.client.SetWriteDeadline(time.Now().Add(time.Second))
			if p.client.WriteMessage(big, MessageInfo{Stream: 1}) != nil {
				break
			}
		}
		closed := make(chan error)
		go func() { closed <- p.client.Close() }()
		if err := p.server.Close(); err != nil {
			t.Errorf("Close with a full queue: %v", err)
		}
		<-closed
	})
}

// partiallyReliable returns both ends after their handshake; those that the arguments name ask for
// partial reliability.
func partiallyReliable(t *testing.T, client, server bool) *testPair {
	t.Helper()
	c, s := clientConfig(), serverConfig()
	c.SCTP.PartialReliability, s.SCTP.PartialReliability = client, server
	p := newTestPair(t, assoctest.Options{}, c, s)
	if cerr, serr := p.handshake(); cerr != nil || serr != nil {
		t.Fatalf("handshake: client %v, server %v", cerr, serr)
	}
	return p
}

// One end has a message given up by a peer that asks for it: RFC 6083, Section 4.4.
func TestPartialReliability(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := partiallyReliable(t, true, true)
		for _, m := range []MessageInfo{{Lifetime: time.Second}, {Retransmissions: 3},
			{Retransmissions: -1}} {
			mustWrite(t, p.client, "x", m)
			sent := p.clientSCTP.Sent()
			last := sent[len(sent)-1].Info
			if want := (stream.Info{SackImmediately: true, Lifetime: m.Lifetime,
				Retransmissions: m.Retransmissions}); last != want {
				t.Errorf("sent with %+v, want %+v", last, want)
			}
		}
		if err := p.client.WriteMessage(nil, MessageInfo{Lifetime: 1,
			Retransmissions: 1}); err != errTwoLimits {
			t.Errorf("both limits: %v", err)
		}
		p.close()
	})
}

// Unless both ends have asked for partial reliability, no message can have a lifetime, and the
// error says what to set.
func TestPartialReliabilityNotAgreed(t *testing.T) {
	for _, tt := range []struct{ client, server bool }{{false, false}, {true, false}, {false, true}} {
		bubble(t, func(t *testing.T) {
			p := partiallyReliable(t, tt.client, tt.server)
			for _, m := range []MessageInfo{{Lifetime: time.Second}, {Retransmissions: 3},
				{Retransmissions: -1}, {Lifetime: 1, Retransmissions: 1}} {
				for end, c := range map[*Conn]*Conn{p.client: p.server, p.server: p.client} {
					before, _ := end.Stats()
					check := func(call string, err error) {
						t.Helper()
						e, ok := errtype.As[*PartialReliabilityError](err)
						if peer := end.config.SCTP.PartialReliability; !ok || e.Peer != peer {
							t.Errorf("%s with %+v, asked for by client %v, server %v: %v", call, m, tt.client, tt.server,
								err)
						}
					}
					check("WriteMessage", end.WriteMessage([]byte("x"), m))
					n, err := end.WriteMessages([]Message{{[]byte("sent"), MessageInfo{}}, {[]byte("x"), m}})
					if check("WriteMessages", err); n != 1 {
						t.Errorf("WriteMessages has sent %d", n)
					}
					if after, _ := end.Stats(); after.MessagesSent != before.MessagesSent+1 {
						t.Error("something was sent")
					}
					wantRead(t, c, "sent", 0)
				}
			}
			p.close()
		})
	}
}

package sctpdtls

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
)

// renegotiating returns both ends after their handshake, of which each may begin another.
func renegotiating(t *testing.T, o assoctest.Options,
	changes ...func(client, server *Config)) *testPair {
	t.Helper()
	client, server := clientConfig(), serverConfig()
	client.Renegotiation, server.Renegotiation = RenegotiateFreely, RenegotiateFreely
	client.MaxVersion, server.MaxVersion = VersionDTLS12, VersionDTLS12
	for _, change := range changes {
		change(client, server)
	}
	p := newTestPair(t, o, client, server)
	if cerr, serr := p.handshake(); cerr != nil || serr != nil {
		t.Fatalf("handshake: client %v, server %v", cerr, serr)
	}
	return p
}

func (p *testPair) wantHandshakes(n int) {
	p.t.Helper()
	for _, c := range []*Conn{p.client, p.server} {
		if s := c.ConnectionState(); s.Handshakes != n || s.AuthKeyID != uint16(n) {
			p.t.Errorf("%v: %d handshakes, key %d, want %d", c.LocalAddr(), s.Handshakes, s.AuthKeyID, n)
		}
	}
	cs, ss := p.client.ConnectionState(), p.server.ConnectionState()
	a, aerr := cs.ExportKeyingMaterial("EXPORTER_x", nil, 32)
	b, berr := ss.ExportKeyingMaterial("EXPORTER_x", nil, 32)
	if aerr != nil || berr != nil || !bytes.Equal(a, b) {
		p.t.Errorf("keying material %x (%v) and %x (%v)", a, aerr, b, berr)
	}
}

// reader reads messages until an error, and sends that.
func reader(c *Conn) <-chan error {
	end := make(chan error, 1)
	go func() {
		b := make([]byte, MaxMessageSize)
		for {
			if _, _, err := c.ReadMessage(b); err != nil {
				end <- err
				return
			}
		}
	}()
	return end
}

// readerWhoCloses is reader that closes c at its end, as programs do.
func readerWhoCloses(c *Conn) <-chan error {
	read, end := reader(c), make(chan error, 1)
	go func() {
		err := <-read
		c.Close()
		end <- err
	}()
	return end
}

// renegotiate calls Renegotiate at the client, at the server or, at the same time, at both.
func (p *testPair) renegotiate(t *testing.T, begins string) {
	t.Helper()
	var calls sync.WaitGroup
	for _, c := range []*Conn{p.client, p.server} {
		if begins == "both" || (begins == "client") == (c == p.client) {
			calls.Go(func() {
				if err := c.Renegotiate(t.Context()); err != nil {
					t.Errorf("%v: Renegotiate: %v", c.LocalAddr(), err)
				}
			})
		}
	}
	calls.Wait()
}

// Either side begins, or both at once, many times; each time the old key goes: RFC 6083, Section
// 4.8, attack D11. Whoever calls Renegotiate does the work when nobody reads.
func TestAttackD11Renegotiate(t *testing.T) {
	for _, begins := range []string{"client", "server", "both"} {
		for _, reads := range []string{"nobody", "the peer", "both"} {
			if begins == "both" && reads == "the peer" || begins != "both" && reads == "nobody" {
				continue // the same as another, or nobody to answer
			}
			t.Run(begins+" begins, "+reads+" reads", func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					p := renegotiating(t, assoctest.Options{})
					var ends []<-chan error
					for _, c := range []*Conn{p.client, p.server} {
						if reads == "both" || reads == "the peer" && (begins == "client") == (c == p.server) {
							ends = append(ends, reader(c))
						}
					}
					start := time.Now()
					const times = 12
					for n := range times {
						p.renegotiate(t, begins)
						time.Sleep(10 * time.Millisecond) // until the peer is done too
						p.wantHandshakes(n + 2)
						for _, a := range []*assoctest.Assoc{p.clientSCTP, p.sctp} {
							if keys, active, _, _ := a.State(); len(keys) != 1 || active != uint16(n+2) {
								t.Errorf("%v: keys %v, active %d after handshake %d", a.LocalAddr(), keys, active, n+2)
							}
						}
					}
					if d := time.Since(start); d > times*30*time.Millisecond {
						t.Errorf("it took %v of a clock that only timers move", d)
					}
					if n, m := p.clientSCTP.Dropped(), p.sctp.Dropped(); n+m != 0 {
						t.Errorf("%d and %d messages came under a key that was not known", n, m)
					}
					p.close()
					for _, end := range ends {
						<-end
					}
				})
			})
		}
	}
}

// traffic sends numbered messages on all streams, both ways, until stop is closed, and checks that
// each arrives once and in its order.
type traffic struct {
	t        testing.TB
	streams  uint16
	stop     chan struct{}
	writers  sync.WaitGroup
	readers  sync.WaitGroup
	sent     map[*Conn][]uint32 // by stream; of the writer
	received map[*Conn][]uint32 // of the reader
}

func startTraffic(p *testPair, streams uint16, size func(n uint32) int) *traffic {
	f := &traffic{t: p.t, streams: streams, stop: make(chan struct{}), sent: map[*Conn][]uint32{},
		received: map[*Conn][]uint32{}}
	for _, c := range []*Conn{p.client, p.server} {
		sent := make([]uint32, streams)
		f.sent[c] = sent
		for id := range streams {
			f.writers.Go(func() { f.write(c, id, &sent[id], size) })
		}
		received := make([]uint32, streams)
		f.received[c] = received
		f.readers.Go(func() { f.read(c, received) })
	}
	return f
}

func (f *traffic) write(c *Conn, id uint16, sent *uint32, size func(uint32) int) {
	for {
		select {
		case <-f.stop:
			return
		default:
		}
		b := make([]byte, max(4, size(*sent)))
		binary.BigEndian.PutUint32(b, *sent)
		if err := c.WriteMessage(b, MessageInfo{Stream: id, PPID: uint32(id)}); err != nil {
			f.t.Errorf("%v: writing message %d on stream %d: %v", c.LocalAddr(), *sent, id, err)
			return
		}
		*sent++
	}
}

func (f *traffic) read(c *Conn, received []uint32) {
	b := make([]byte, MaxMessageSize)
	for {
		n, info, err := c.ReadMessage(b)
		if err != nil {
			if err != io.EOF && !errors.Is(err, net.ErrClosed) {
				f.t.Errorf("%v: reading: %v", c.LocalAddr(), err)
			}
			return
		}
		if got, want := binary.BigEndian.Uint32(b[:n]),
			received[info.Stream]; got != want || info.PPID != uint32(info.Stream) {
			f.t.Errorf("%v: message %d on stream %d (PPID %d), want %d", c.LocalAddr(), got, info.Stream,
				info.PPID, want)
			return
		}
		received[info.Stream]++
	}
}

// end stops the writers, lets everything arrive, closes by close, and compares.
func (f *traffic) end(p *testPair, arrive time.Duration, shut func()) (messages uint32) {
	close(f.stop)
	f.writers.Wait()
	time.Sleep(arrive)
	shut()
	f.readers.Wait()
	for _, way := range []struct{ from, to *Conn }{{p.client, p.server}, {p.server, p.client}} {
		if sent, received := f.sent[way.from], f.received[way.to]; !slices.Equal(sent, received) {
			f.t.Errorf("from %v: sent %v, received %v", way.from.LocalAddr(), sent, received)
		}
		for _, n := range f.sent[way.from] {
			messages += n
		}
	}
	return messages
}

// Nothing is lost, doubled or reordered while keys change under load, with small buffers, large
// messages in parts, and peers that begin at the same time. RFC 6083, Section 4.7; attacks H9, D11.
func TestAttackH9RenegotiateUnderLoad(t *testing.T) {
	for _, o := range []assoctest.Options{
		{Streams: 16, Delay: time.Millisecond, Window: 1 << 15},
		{Streams: 16, Delay: 20 * time.Millisecond, Window: 1 << 18, PartSize: 1000},
	} {
		for _, begins := range []string{"client", "server", "both"} {
			t.Run(fmt.Sprintf("%v %v", begins, o.Delay), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					p := renegotiating(t, o)
					f := startTraffic(p, o.Streams, func(n uint32) int {
						time.Sleep(time.Duration(n%3) * time.Millisecond) // for the false clock to move
						return int(n * 977 % 3000)
					})
					const times = 3
					for range times {
						p.renegotiate(t, begins)
						time.Sleep(50 * time.Millisecond)
					}
					if n := p.client.ConnectionState().Handshakes; n != times+1 {
						t.Errorf("%d handshakes, want %d", n, times+1)
					}
					if n := f.end(p, time.Second, p.close); n < 1000 {
						t.Errorf("only %d messages", n)
					}
				})
			})
		}
	}
}

// Both ends begin while neither reads and the buffers of both are full: it waits for readers, as do
// the writers, and goes on when they come.
func TestRenegotiateWithFullBuffers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := renegotiating(t, assoctest.Options{Window: 1 << 15})
		var writers sync.WaitGroup
		bound := p.client.config.readQueue()
		each := 2 * bound / MaxMessageSize
		for _, c := range []*Conn{p.client, p.server} {
			writers.Go(func() {
				for range each {
					if err := c.WriteMessage(make([]byte, MaxMessageSize), MessageInfo{}); err != nil {
						t.Errorf("%v: %v", c.LocalAddr(), err)
						return
					}
				}
			})
		}
		time.Sleep(time.Second)
		calls := make(chan error, 2)
		for _, c := range []*Conn{p.client, p.server} {
			go func() { calls <- c.Renegotiate(context.Background()) }()
		}
		time.Sleep(2 * time.Second)
		var readers sync.WaitGroup
		for _, c := range []*Conn{p.client, p.server} {
			if n := c.mux.Size(); n > bound+2*MaxMessageSize {
				t.Errorf("%v keeps %d bytes", c.LocalAddr(), n)
			}
			readers.Go(func() {
				b := make([]byte, MaxMessageSize)
				for n := range each {
					if _, _, err := c.ReadMessage(b); err != nil {
						t.Errorf("%v: message %d: %v", c.LocalAddr(), n, err)
						return
					}
				}
			})
		}
		for range 2 {
			if err := <-calls; err != nil {
				t.Errorf("Renegotiate: %v", err)
			}
		}
		readers.Wait()
		writers.Wait()
		time.Sleep(time.Second)
		p.wantHandshakes(2)
		p.close()
	})
}

// Deadlines of readers and writers hold during a renegotiation, and after them it goes on.
func TestDeadlinesDuringRenegotiation(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := renegotiating(t, assoctest.Options{Delay: 100 * time.Millisecond})
		end := reader(p.server)
		done := make(chan error, 1)
		go func() { done <- p.client.Renegotiate(t.Context()) }()
		b := make([]byte, 10)
		for timeouts := 0; ; timeouts++ {
			start := time.Now()
			p.client.SetReadDeadline(start.Add(30 * time.Millisecond))
			_, _, err := p.client.ReadMessage(b)
			want(t, "ReadMessage with a deadline", err, os.ErrDeadlineExceeded)
			if d := time.Since(start); d != 30*time.Millisecond {
				t.Errorf("ReadMessage took %v", d)
			}
			if len(done) > 0 {
				if timeouts < 5 {
					t.Errorf("only %d deadlines passed in the renegotiation", timeouts)
				}
				break
			}
		}
		if err := <-done; err != nil {
			t.Error(err)
		}

		// A writer whose deadline passes while keys change, and one who waits longer.
		p.client.SetReadDeadline(time.Time{})
		go func() { done <- p.client.Renegotiate(t.Context()) }()
		time.Sleep(250 * time.Millisecond) // in the flush
		p.client.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
		start := time.Now()
		want(t, "Write while keys change", p.client.WriteMessage([]byte("x"), MessageInfo{}),
			os.ErrDeadlineExceeded)
		if d := time.Since(start); d != 20*time.Millisecond {
			t.Errorf("WriteMessage took %v", d)
		}
		p.client.SetWriteDeadline(time.Time{})
		if err := p.client.WriteMessage([]byte("x"), MessageInfo{}); err != nil {
			t.Error(err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second) // the server waits until its Finished has arrived
		p.wantHandshakes(3)
		p.close()
		<-end
	})
}

// A program that reads and writes in one goroutine, with deadlines, does not wait for itself: its
// write brings the handshake on that its read has left.
func TestWriterDrivesWhenNobodyReads(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := renegotiating(t, assoctest.Options{Delay: 100 * time.Millisecond})
		end := reader(p.client)
		done := make(chan error, 1)
		go func() { done <- p.client.Renegotiate(t.Context()) }()
		held := false
		for i := range 40 {
			p.server.SetReadDeadline(time.Now().Add(15 * time.Millisecond))
			_, _, err := p.server.ReadMessage(make([]byte, 10))
			want(t, "ReadMessage", err, os.ErrDeadlineExceeded)
			held = held || p.server.gate.state.Load()&gateShut != 0
			if err := p.server.WriteMessage([]byte("heartbeat"), MessageInfo{}); err != nil {
				t.Errorf("write %d: %v", i, err)
			}
		}
		if !held {
			t.Error("no write had to wait")
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		p.wantHandshakes(2)
		p.close()
		<-end
	})
}

// A limit of time ends the call, and neither the connection nor the renegotiation.
func TestRenegotiateTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := renegotiating(t, assoctest.Options{})
		goOn := p.client.stop()
		start := time.Now()
		err := p.server.Renegotiate(context.Background()) // the client does not answer
		want(t, "Renegotiate", err, os.ErrDeadlineExceeded)
		want(t, "Renegotiate", err, context.DeadlineExceeded)
		if d := time.Since(start); d != 10*time.Second {
			t.Errorf("it took %v", d)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		want(t, "Renegotiate", p.server.Renegotiate(ctx), context.Canceled)
		goOn()
		cend, send := reader(p.client), reader(p.server)
		if err := p.server.Renegotiate(t.Context()); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		p.wantHandshakes(2)
		p.close()
		<-cend
		<-send
	})
}

func TestRenegotiateRefused(t *testing.T) { // RFC 6083, Section 4.6
	bubble(t, func(t *testing.T) {
		for _, byClient := range []bool{true, false} {
			p := renegotiating(t, assoctest.Options{}, func(client, server *Config) {
				client.Renegotiation, server.Renegotiation = RenegotiateNever, RenegotiateWhenCalled
				if byClient {
					client.Renegotiation, server.Renegotiation = server.Renegotiation, client.Renegotiation
				}
			})
			c, other := p.server, p.client
			if byClient {
				c, other = other, c
			}
			end := reader(other)
			for range 2 {
				want(t, "Renegotiate", c.Renegotiate(t.Context()), ErrRenegotiationRefused)
			}
			want(t, "Renegotiate without leave", other.Renegotiate(t.Context()), dtlscore.ErrMisuse)
			p.wantHandshakes(1)
			if _, err := c.Write([]byte("still there")); err != nil {
				t.Error(err)
			}
			p.close()
			<-end
			want(t, "Renegotiate after Close", c.Renegotiate(t.Context()), net.ErrClosed)
		}
	})
}

// Close ends a renegotiation at any of its moments, in time, and those who wait for it.
func TestCloseDuringRenegotiation(t *testing.T) {
	for _, closer := range []string{"client", "server", "both"} {
		for ms := range 10 {
			bubble(t, func(t *testing.T) {
				p := renegotiating(t, assoctest.Options{Delay: 2 * time.Millisecond})
				cend, send := readerWhoCloses(p.client), readerWhoCloses(p.server)
				done := make(chan error, 1)
				go func() { done <- p.client.Renegotiate(t.Context()) }()
				time.Sleep(time.Duration(ms) * 2 * time.Millisecond)
				start := time.Now()
				var closes sync.WaitGroup
				for _, c := range []*Conn{p.client, p.server} {
					if closer == "both" || (closer == "client") == (c == p.client) {
						closes.Go(func() {
							if err := c.Close(); err != nil {
								t.Errorf("%s closes after %d: %v", closer, 2*ms, err)
							}
						})
					}
				}
				closes.Wait()
				if err := <-done; err != nil && !errors.Is(err, net.ErrClosed) && err != ErrPeerClosed {
					t.Errorf("%s closes after %d: Renegotiate: %v", closer, 2*ms, err)
				}
				for _, end := range []<-chan error{cend, send} {
					if err := <-end; err != io.EOF && !errors.Is(err, net.ErrClosed) ||
						errors.Is(err, io.ErrUnexpectedEOF) {
						t.Errorf("%s closes after %d: ReadMessage: %v", closer, 2*ms, err)
					}
				}
				if d := time.Since(start); d > 100*time.Millisecond {
					t.Errorf("%s closes after %d: it took %v", closer, 2*ms, d)
				}
				p.close()
			})
		}
	}
}

// Another certificate is for OnPeerChanged to judge: attack G3.
func TestAttackG3OnPeerChanged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		asked := 0
		p := renegotiating(t, assoctest.Options{}, func(client, server *Config) {
			chain := []tls.Certificate{pki().Server, pki().Renewed}
			server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
				next := chain[0]
				chain = chain[1:]
				return &next, nil
			}
			client.OnPeerChanged = func(old, new ConnectionState) error {
				asked++
				if old.PeerCertificates[0].Equal(new.PeerCertificates[0]) {
					t.Error("the same certificate")
				}
				return nil
			}
		})
		end := reader(p.server)
		if err := p.client.Renegotiate(t.Context()); err != nil {
			t.Error(err)
		}
		if asked != 1 {
			t.Errorf("OnPeerChanged was called %d times", asked)
		}
		p.close()
		<-end
	})
}

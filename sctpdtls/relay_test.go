package sctpdtls

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// After CloseWrite nothing can be written, all that the peer has written can still be read, and
// then io.EOF: requirements 1.62 and 1.63.
func TestCloseWrite(t *testing.T) {
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		for _, reads := range []bool{false, true} {
			bubble(t, func(t *testing.T) {
				client := clientConfig()
				client.MinVersion, client.MaxVersion = version, version
				p := newTestPair(t, assoctest.Options{Delay: 10 * time.Millisecond}, client, serverConfig())
				if cerr, serr := p.handshake(); cerr != nil || serr != nil {
					t.Fatal(cerr, serr)
				}
				const messages = 50
				for _, c := range []*Conn{p.client, p.server} {
					for i := range messages {
						if err := c.WriteMessage([]byte{byte(i)}, MessageInfo{Stream: 1}); err != nil {
							t.Fatal(err)
						}
					}
				}
				read := func(c *Conn) <-chan error {
					done := make(chan error, 1)
					go func() {
						buf := make([]byte, 10)
						for i := 0; ; i++ {
							if _, _, err := c.ReadMessage(buf); err != nil || buf[0] != byte(i) {
								if i != messages {
									t.Errorf("%v: message %d: %v, %v", c.LocalAddr(), i, buf[0], err)
								}
								done <- err
								return
							}
						}
					}()
					return done
				}
				send := read(p.server)
				var cend <-chan error
				if reads {
					cend = read(p.client)
				}
				for range 2 { // the second time nothing is left to do
					if err := p.client.CloseWrite(); err != nil {
						t.Errorf("CloseWrite: %v", err)
					}
				}
				want(t, "WriteMessage", p.client.WriteMessage([]byte("x"), MessageInfo{}), net.ErrClosed)
				if !reads {
					cend = read(p.client)
				}
				want(t, "the server's reader", <-send, io.EOF)
				if err := p.server.CloseWrite(); err != nil { // without that the client's reader would wait
					t.Errorf("the server's CloseWrite: %v", err)
				}
				want(t, "the client's reader", <-cend, io.EOF)
				p.close()
			})
		}
	}
}

// CloseWrite is bounded when the peer does not read, and ends with the connection.
func TestCloseWriteTimeout(t *testing.T) {
	bubble(t, func(t *testing.T) {
		config := serverConfig()
		config.ReadQueue = 1
		p := newTestPair(t, assoctest.Options{Window: 20000}, clientConfig(), config)
		if cerr, serr := p.handshake(); cerr != nil || serr != nil {
			t.Fatalf("handshake: client %v, server %v", cerr, serr)
		}
		for range 4 { // of which the server keeps one
			if err := p.client.WriteMessage(make([]byte, 16000), MessageInfo{}); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		err := p.client.CloseWrite()
		if ne, ok := errtype.As[net.Error](err); !ok || !ne.Timeout() || time.Since(start) != p.client.config.closeTimeout() {
			t.Errorf("CloseWrite: %v after %v", err, time.Since(start))
		}
		p.server.Abort()
		want(t, "CloseWrite", p.client.CloseWrite(), io.ErrUnexpectedEOF)
		p.client.Close()
	})
}

// relayTraffic has both ends write on 16 streams, as long as more says, and reads it all: nothing
// is lost, comes twice or out of order within its stream. finish has the ends write no more and
// waits for the last message.
func relayTraffic(t *testing.T, ends [2]*Relay, pause func()) (finish func()) {
	const streams = 16
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for i, r := range ends {
		var writers sync.WaitGroup
		var sent [streams]uint32
		all := make(chan struct{})
		for s := range sent {
			writers.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if err := r.WriteMessage(binary.BigEndian.AppendUint32(nil, sent[s]), MessageInfo{Stream: uint16(s)}); err != nil {
						t.Errorf("end %d, stream %d, message %d: %v", i, s, sent[s], err)
						return
					}
					sent[s]++
					pause()
				}
			})
		}
		go func() { writers.Wait(); close(all) }()
		readers.Go(func() { // what the other end gets
			var next [streams]uint32
			total, buf := uint32(0), make([]byte, 16)
			for last := ^uint32(0); total != last; total++ {
				n, info, err := ends[1-i].ReadMessage(buf)
				if err != nil {
					t.Errorf("end %d: after %d messages: %v", 1-i, total, err)
					return
				}
				if n == 1 { // the last one, from stream 0
					<-all
					last = 0
					for _, n := range sent {
						last += n
					}
					total--
					continue
				}
				if got := binary.BigEndian.Uint32(buf[:n]); got != next[info.Stream] {
					t.Errorf("end %d, stream %d: message %d, want %d", 1-i, info.Stream, got, next[info.Stream])
				}
				next[info.Stream]++
			}
		})
		readers.Go(func() {
			<-all
			if err := r.WriteMessage([]byte{0}, MessageInfo{}); err != nil {
				t.Errorf("end %d: %v", i, err)
			}
		})
	}
	return func() { close(stop); readers.Wait() }
}

// The ends change over to one successor after the other while both write, and lose nothing:
// requirement 1.70.
func TestRelay(t *testing.T) {
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		for _, late := range []time.Duration{0, 5 * time.Millisecond, 50 * time.Millisecond} {
			t.Run(versionName(version)+" taken after "+late.String(), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					pair := func() *testPair {
						client := clientConfig()
						client.MinVersion, client.MaxVersion = version, version
						p := newTestPair(t, assoctest.Options{Streams: 16, Delay: 2 * time.Millisecond}, client, serverConfig())
						if cerr, serr := p.handshake(); cerr != nil || serr != nil {
							t.Fatal(cerr, serr)
						}
						return p
					}
					first := pair()
					ends := [2]*Relay{NewRelay(first.client), NewRelay(first.server)}
					finish := relayTraffic(t, ends, func() { time.Sleep(time.Millisecond) })
					pairs := []*testPair{first}
					for range 5 {
						taken := make(chan error, 1)
						err := ends[0].Redial(t.Context(), func(context.Context) (*Conn, error) {
							next := pair()
							pairs = append(pairs, next)
							go func() {
								time.Sleep(late)
								taken <- ends[1].Take(next.server)
							}()
							time.Sleep(20 * time.Millisecond) // the old one may be closed before this returns
							return next.client, nil
						})
						if err := errors.Join(err, <-taken); err != nil {
							t.Error(err)
						}
					}
					failed := errors.New("no")
					want(t, "Redial", ends[0].Redial(t.Context(), func(context.Context) (*Conn, error) { return nil, failed }), failed)
					time.Sleep(30 * time.Millisecond)
					finish()
					var closes sync.WaitGroup
					for _, r := range ends {
						closes.Go(func() {
							if err := r.Close(); err != nil {
								t.Error(err)
							}
						})
					}
					closes.Wait()
					for i, p := range pairs {
						for _, a := range []*assoctest.Assoc{p.clientSCTP, p.sctp} {
							if _, _, closed, aborted := a.State(); !closed || aborted {
								t.Errorf("association %d of %v: closed %v, aborted %v", i, a.LocalAddr(), closed, aborted)
							}
						}
					}
					want(t, "WriteMessage after Close", ends[0].WriteMessage([]byte("x"), MessageInfo{}), net.ErrClosed)
				})
			})
		}
	}
}

// Without a successor the end of the connection is the end, and it is told how it came.
func TestRelayEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, tt := range []struct {
			name        string
			end         func(c *Conn)
			want, write error
		}{
			{"Close", func(c *Conn) { c.Close() }, io.EOF, ErrPeerClosed},
			{"Abort", func(c *Conn) { c.Abort() }, io.ErrUnexpectedEOF, io.ErrUnexpectedEOF},
		} {
			p := connected(t, assoctest.Options{})
			r := NewRelay(p.client)
			ended := make(chan struct{})
			go func() { tt.end(p.server); close(ended) }()
			_, _, err := r.ReadMessage(make([]byte, 10))
			want(t, tt.name+": ReadMessage", err, tt.want)
			<-ended
			want(t, tt.name+": WriteMessage", r.WriteMessage([]byte("x"), MessageInfo{}), tt.write)
			r.Close()
		}
	})
}

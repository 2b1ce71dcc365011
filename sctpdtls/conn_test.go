package sctpdtls

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A handshake and a close between two of ours wait for the network and for no timer: not for a
// delayed SACK, not for a retransmission for lack of a key. RFC 7053; RFC 6083, Section 4.8.
func TestHandshakeNeedsNoTimer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		start := time.Now()
		p := connected(t, assoctest.Options{Delay: time.Millisecond})
		p.close()
		// SCTP's four packets, two flights each way, close_notify each way, and no more.
		if d := time.Since(start); d > 14*time.Millisecond {
			t.Errorf("it took %v of a clock that only timers move, with a delay of 1ms", d)
		}
		if n, m := p.clientSCTP.Dropped(), p.sctp.Dropped(); n+m != 0 {
			t.Errorf("%d messages to the client and %d to the server came under a key that was not known", n,
				m)
		}
	})
}

// All control records go on stream 0, ordered, PPID 0; the last of a flight asks for an immediate
// SACK. In DTLS 1.2 every record up to the flush before ChangeCipherSpec goes under key 0, every
// later one under key 1; in DTLS 1.3 the server's records up to its Finished and the client's
// before that one, which has epoch 2. RFC 6083, Sections 4.3, 4.4 and 4.8; RFC 7053; attacks H3,
// H4.
func TestAttackH4KeysOfTheHandshake(t *testing.T) {
	const changeCipherSpec, epoch2, epoch3 = 20, 0x2e, 0x2f
	for _, test := range []struct {
		version         uint16
		client, server  byte // first byte of the first record under key 1
		clientHas, last int  // records of the client, with one of data; of the server under key 0
	}{
		{VersionDTLS12, changeCipherSpec, changeCipherSpec, 7, 5},
		{VersionDTLS13, epoch2, epoch3, 5, 6},
	} {
		bubble(t, func(t *testing.T) {
			config := clientConfig()
			config.MaxVersion = test.version
			p := newTestPair(t, assoctest.Options{}, config, serverConfig())
			if cerr, serr := p.handshake(); cerr != nil || serr != nil {
				t.Fatalf("handshake: client %v, server %v", cerr, serr)
			}
			if err := p.client.WriteMessage([]byte("data"),
				MessageInfo{Stream: 3, PPID: PPIDNGAP}); err != nil {
				t.Fatal(err)
			}
			if n := len(p.clientSCTP.Sent()); n != test.clientHas {
				t.Errorf("%d records of the client, want %d", n, test.clientHas)
			}
			for _, a := range []*assoctest.Assoc{p.clientSCTP, p.sctp} {
				first := map[bool]byte{true: test.client, false: test.server}[a == p.clientSCTP]
				switched := false
				for i, s := range a.Sent() {
					if !switched && s.Data[0] == first {
						switched = true
						if first == changeCipherSpec && !a.Sent()[i-1].Info.SackImmediately {
							t.Errorf(
								"%v: the flush before ChangeCipherSpec waits for an acknowledgement that may be delayed",
								a.LocalAddr())
						}
						if a == p.sctp && i != test.last {
							t.Errorf("the server sent %d records under key 0, want %d", i, test.last)
						}
					}
					if wantKey := map[bool]uint16{false: 0, true: 1}[switched]; s.Key != wantKey {
						t.Errorf("%v: record %d of type %#x went under key %d, want %d", a.LocalAddr(), i, s.Data[0],
							s.Key, wantKey)
					}
					want := stream.Info{SackImmediately: s.Info.SackImmediately}
					if a == p.clientSCTP && i == test.clientHas-1 {
						want = stream.Info{Stream: 3, PPID: 66, SackImmediately: true}
					}
					if s.Info != want {
						t.Errorf("%v: record %d of type %#x went with %+v, want %+v", a.LocalAddr(), i, s.Data[0],
							s.Info, want)
					}
				}
				// Both Finished came under the new key, so that the old one has gone.
				if keys, active, _, _ := a.State(); !slices.Equal(keys, []uint16{1}) || active != 1 ||
					!switched {
					t.Errorf("%v: keys %v with %d active, want 1 alone", a.LocalAddr(), keys, active)
				}
			}
			p.close()
		})
	}
}

func TestConnectionState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{Streams: 4})
		for _, c := range []*Conn{p.client, p.server} {
			s := c.ConnectionState()
			if !s.HandshakeComplete || s.OutStreams != 4 || s.InStreams != 4 || s.AuthKeyID != 1 ||
				len(s.PeerCertificates) == 0 {
				t.Errorf("state %+v", s)
			}
		}
		p.close()
	})
}

// Messages keep their bytes, stream, PPID and order flag: RFC 6083, Section 4.4.
func TestMessages(t *testing.T) {
	for _, o := range []assoctest.Options{{}, {PartSize: 100}, {Delay: time.Second}} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := connected(t, o)
				buf := make([]byte, MaxMessageSize)
				for i, n := range []int{1, 20, 1000, MaxMessageSize, 0} {
					msg := bytes.Repeat([]byte{byte(n)}, n)
					want := MessageInfo{Stream: uint16(i), PPID: uint32(1000 + i), Unordered: i%2 == 1, Length: n}
					if err := p.client.WriteMessage(msg, want); err != nil {
						t.Fatal(err)
					}
					got, info, err := p.server.ReadMessage(buf)
					if err != nil || !bytes.Equal(buf[:got], msg) || info != want {
						t.Errorf("%d bytes with %+v came as %d with %+v, error %v", n, want, got, info, err)
					}
				}
				p.close()
			})
		})
	}
}

func TestMessageTooLarge(t *testing.T) { // RFC 6083, Section 1.1
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		sent := len(p.clientSCTP.Sent())
		err := p.client.WriteMessage(make([]byte, MaxMessageSize+1), MessageInfo{})
		if e, ok := errtype.As[*MessageTooLargeError](err); !ok || e.Size != MaxMessageSize+1 {
			t.Errorf("WriteMessage of 2^14+1 bytes: %v", err)
		}
		for name, w := range map[string]io.Writer{"Conn": p.client, "Stream": p.client.Stream(1)} {
			n, err := w.Write(make([]byte, MaxMessageSize+1))
			if e, ok := errtype.As[*MessageTooLargeError](err); n != 0 || !ok || e.Size != MaxMessageSize+1 {
				t.Errorf("Write of 2^14+1 bytes to a %s: %d, %v", name, n, err)
			}
		}
		err = p.client.WriteMessage(make([]byte, 1), MessageInfo{Stream: 10})
		if e, ok := errtype.As[*StreamError](err); !ok || e.Stream != 10 || e.Streams != 10 {
			t.Errorf("WriteMessage to stream 10 of 10: %v", err)
		}
		if n := len(p.clientSCTP.Sent()); n != sent {
			t.Errorf("%d messages were sent all the same", n-sent)
		}
		p.close()
	})
}

// A message that does not fit stays, and Read never mixes two.
func TestShortBuffer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		for _, m := range []string{"hello", "world"} {
			if _, err := p.client.Write([]byte(m)); err != nil {
				t.Fatal(err)
			}
		}
		buf := make([]byte, 3)
		if _, info, err := p.server.ReadMessage(buf); err != io.ErrShortBuffer || info.Length != 5 {
			t.Errorf("ReadMessage into 3 bytes: %+v, %v", info, err)
		}
		var got []string
		for len(got) < 4 {
			n, err := p.server.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(buf[:n]))
		}
		if want := []string{"hel", "lo", "wor", "ld"}; !slices.Equal(got, want) {
			t.Errorf("Read gave %q, want %q", got, want)
		}
		p.close()
	})
}

// A deadline interrupts, and loses nothing.
func TestDeadlines(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{Window: 20000})
		start := time.Now()
		p.server.SetReadDeadline(start.Add(3 * time.Second))
		buf := make([]byte, MaxMessageSize)
		_, _, err := p.server.ReadMessage(buf)
		want(t, "ReadMessage", err, os.ErrDeadlineExceeded)
		if d := time.Since(start); d != 3*time.Second {
			t.Errorf("ReadMessage came back after %v, want 3s", d)
		}
		p.server.SetReadDeadline(time.Time{})

		p.client.SetWriteDeadline(time.Now().Add(2 * time.Second))
		sent := 0
		for err = nil; err == nil; sent++ {
			err = p.client.WriteMessage(make([]byte, 9000), MessageInfo{})
		}
		want(t, "WriteMessage to a peer that does not read", err, os.ErrDeadlineExceeded)
		p.client.SetWriteDeadline(time.Time{})
		for range sent - 1 {
			if n, _, err := p.server.ReadMessage(buf); n != 9000 || err != nil {
				t.Fatalf("ReadMessage = %d, %v", n, err)
			}
		}
		if err := p.client.WriteMessage([]byte("after"), MessageInfo{}); err != nil {
			t.Error(err)
		}
		if n, _, err := p.server.ReadMessage(buf); string(buf[:n]) != "after" || err != nil {
			t.Errorf("after the deadlines: %q, %v", buf[:n], err)
		}
		p.close()
	})
}

// Many goroutines write and read at the same time.
func TestConcurrentUse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected(t, assoctest.Options{})
		const writers, each = 4, 50
		var wg sync.WaitGroup
		for w := range writers {
			for _, c := range []*Conn{p.client, p.server} {
				wg.Go(func() {
					for i := range each {
						if err := c.WriteMessage(fmt.Append(nil, i), MessageInfo{Stream: uint16(w)}); err != nil {
							t.Error(err)
						}
					}
				})
			}
		}
		for _, c := range []*Conn{p.client, p.server} {
			var mu sync.Mutex
			got := 0
			for range 2 {
				wg.Go(func() {
					buf := make([]byte, 100)
					for {
						mu.Lock()
						if got == writers*each {
							mu.Unlock()
							return
						}
						got++
						mu.Unlock()
						if _, _, err := c.ReadMessage(buf); err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
		}
		wg.Wait()
		p.close()
	})
}

// Any number of empty messages in a row arrives, and a reader of bytes, who is not woken by them,
// obeys its deadline.
func TestEmptyMessages(t *testing.T) {
	const messages = 1000
	for _, version := range []uint16{VersionDTLS12, VersionDTLS13} {
		bubble(t, func(t *testing.T) {
			client := clientConfig()
			client.MaxVersion = version
			p := newTestPair(t, assoctest.Options{}, client, serverConfig())
			if cerr, serr := p.handshake(); cerr != nil || serr != nil {
				t.Fatal(cerr, serr)
			}
			for range messages {
				if err := p.client.WriteMessage(nil, MessageInfo{Stream: 1}); err != nil {
					t.Fatal(err)
				}
			}
			for i := range messages {
				if n, info, err := p.server.ReadMessage(nil); n != 0 || info.Stream != 1 || err != nil {
					t.Fatalf("message %d: %d, %+v, %v", i, n, info, err)
				}
			}
			stop := make(chan struct{})
			go func() {
				defer close(stop)
				for range messages {
					p.client.WriteMessage(nil, MessageInfo{})
					time.Sleep(time.Millisecond)
				}
			}()
			p.server.SetReadDeadline(time.Now().Add(messages / 2 * time.Millisecond))
			start := time.Now()
			_, err := p.server.Read(make([]byte, 10))
			want(t, "Read", err, os.ErrDeadlineExceeded)
			if d := time.Since(start); d > messages/2*time.Millisecond {
				t.Errorf("Read came back after %v", d)
			}
			<-stop
			p.close()
		})
	}
}

// What Dial did not return can be closed, as with package net: nothing panics.
func TestNil(t *testing.T) {
	var c *Conn
	var s *Stream
	var l *Listener
	errs := map[string]error{
		"Close": c.Close(), "Abort": c.Abort(), "CloseWrite": c.CloseWrite(), "Handshake": c.Handshake(),
		"HandshakeContext": c.HandshakeContext(t.Context()),
		"SetDeadline":      c.SetDeadline(time.Time{}), "SetReadDeadline": c.SetReadDeadline(time.Time{}),
		"SetWriteDeadline": c.SetWriteDeadline(time.Time{}),
		"WriteMessage":     c.WriteMessage(nil, MessageInfo{}),
		"KeyUpdate":        c.KeyUpdate(t.Context(), UpdateRequested),
		"Renegotiate":      c.Renegotiate(t.Context()),
		"SetPrimary":       c.SetPrimary(netip.Addr{}), "BindAdd": c.BindAdd(netip.Addr{}),
		"BindRemove": c.BindRemove(netip.Addr{}), "SetStreamPriority": c.SetStreamPriority(0, 0),
		"Stream's Close": s.Close(), "Stream's WriteMessage": s.WriteMessage(nil, MessageInfo{}),
		"Stream's SetDeadline":      s.SetDeadline(time.Time{}),
		"Stream's SetReadDeadline":  s.SetReadDeadline(time.Time{}),
		"Stream's SetWriteDeadline": s.SetWriteDeadline(time.Time{}),
		"Listener's Close":          l.Close(), "Listener's SetDeadline": l.SetDeadline(time.Time{}),
	}
	_, errs["Read"] = c.Read(nil)
	_, _, errs["ReadMessage"] = c.ReadMessage(nil)
	_, errs["Write"] = c.Write(nil)
	_, errs["WriteMessages"] = c.WriteMessages(nil)
	_, errs["Paths"] = c.Paths()
	_, errs["Stats"] = c.Stats()
	_, errs["AcceptStream"] = c.AcceptStream(t.Context())
	_, errs["Stream's Read"] = s.Read(nil)
	_, _, errs["Stream's ReadMessage"] = s.ReadMessage(nil)
	_, errs["Stream's Write"] = s.Write(nil)
	_, errs["Accept"] = l.Accept()
	_, errs["AcceptConn"] = l.AcceptConn(t.Context())
	errs["Close of the zero value"] = new(Conn).Close()
	for call, err := range errs {
		want(t, call, err, syscall.EINVAL)
	}
	if c.LocalAddr() != nil || c.RemoteAddr() != nil || s.LocalAddr() != nil ||
		s.RemoteAddr() != nil || l.Addr() != nil {
		t.Error("nothing has an address")
	}
	if c.Stream(1) != nil || s.Conn() != nil || s.ID() != 0 || c.ConnectionState().HandshakeComplete {
		t.Error("nothing has a state")
	}
}

package sctpdtls

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Every size on every stream is 3 GB, each byte of which is encrypted, decrypted and compared.
var everySize = flag.Bool("every-size", false, "echo all large messages on all streams")

const largest = 8<<20 + 1

// takesLarge makes both ends take messages of so many bytes.
func takesLarge(n int) func(client, server *Config) {
	return func(client, server *Config) { client.MaxMessageSize, server.MaxMessageSize = n, n }
}

// largeNetwork has room for large messages.
var largeNetwork = assoctest.Options{
	Streams: 16, Window: 32 << 20, Buffer: 32 << 20, PartSize: 100_000, Forget: true,
	MTU: 9000, // for speed
}

// largeSizes are all powers of two up to 8 MiB, one more and one less.
func largeSizes() (sizes []int) {
	for n := 1; n <= 8<<20; n *= 2 {
		sizes = append(sizes, n-1, n, n+1)
	}
	return slices.Compact(sizes)
}

// pattern is what messages are cut out of: no two of the same size are alike.
var pattern = sync.OnceValue(func() []byte {
	b := make([]byte, largest+1000)
	r := rand.NewChaCha8([32]byte{1})
	r.Read(b)
	return b
})

// cut returns the message of a stream with a size.
func cut(id uint16, size int) []byte { return pattern()[id:][:size] }

// Messages of every size go both ways and come back on 16 streams at once, while messages are lost
// and overtake each other, and keys change.
func TestLargeMessages(t *testing.T) {
	pattern()
	const original, echo = 1, 2 // PPIDs
	bubble(t, func(t *testing.T) {
		o := largeNetwork
		o.Loss, o.Jitter, o.RTO, o.Seed = 0.05, 20*time.Millisecond, 100*time.Millisecond, 1
		p := connected13(t, o, func(client, server *Config) {
			takesLarge(largest)(client, server)
			client.RekeyAfter, server.RekeyAfter = RekeyPolicy{Records: 100}, RekeyPolicy{Records: 100}
		})
		sizes := largeSizes()
		var all sync.WaitGroup
		for _, c := range []*Conn{p.client, p.server} {
			if s := c.ConnectionState(); s.MaxRead != largest || s.MaxWrite != largest {
				t.Fatalf("may read %d and write %d", s.MaxRead, s.MaxWrite)
			}
			for id := range uint16(o.Streams) {
				mine := slices.DeleteFunc(slices.Clone(sizes), func(n int) bool {
					if *everySize || n <= 1<<16+1 {
						return false
					}
					return (n+int(id))%16 != 0 || n > 1<<20+1 && n != 8<<20
				})
				s := c.Stream(id)
				all.Go(func() { // what this end asks
					for _, n := range mine {
						if err := s.WriteMessage(cut(id, n), MessageInfo{PPID: original}); err != nil {
							t.Errorf("stream %d: writing %d bytes: %v", id, n, err)
							return
						}
					}
				})
				answers := make(chan int, len(sizes)) // room for all, or both ends may wait for each other
				all.Go(func() {
					for n := range answers {
						if err := s.WriteMessage(cut(id, n), MessageInfo{PPID: echo}); err != nil {
							t.Errorf("stream %d: answering %d bytes: %v", id, n, err)
						}
					}
				})
				all.Go(func() {
					defer close(answers)
					asked, answered := 0, 0
					for asked < len(mine) || answered < len(mine) {
						data, info, err := readWhole(s)
						if err != nil {
							t.Errorf("stream %d: %v", id, err)
							return
						}
						if !bytes.Equal(data, cut(id, len(data))) || info.Stream != id || info.Length != len(data) {
							t.Errorf("stream %d: %d bytes are not what was sent: %+v", id, len(data), info)
						}
						want := &asked
						if info.PPID == echo {
							want = &answered
						} else {
							answers <- len(data)
						}
						if len(data) != mine[*want] {
							t.Errorf("stream %d: %d bytes, want %d", id, len(data), mine[*want])
						}
						*want++
					}
				})
			}
		}
		all.Wait()
		for _, c := range []*Conn{p.client, p.server} {
			if epoch := c.core.Epoch(); epoch < 4 || c.mux.Size() != 0 {
				t.Errorf("epoch %d, %d bytes are kept", epoch, c.mux.Size())
			}
		}
		p.close()
	})
}

// readWhole reads a message of any size.
func readWhole(s interface {
	ReadMessage(b []byte) (int, MessageInfo, error)
}) ([]byte, MessageInfo, error) {
	buf := make([]byte, 100)
	n, info, err := s.ReadMessage(buf)
	if err == io.ErrShortBuffer {
		buf = make([]byte, info.Length) // which it says
		n, info, err = s.ReadMessage(buf)
	}
	return buf[:n], info, err
}

// Where only one end asks for large messages, or a version of DTLS has none, the usual limit holds,
// and the error says what each end takes.
func TestLargeMessagesNeedBothEnds(t *testing.T) {
	for name, test := range map[string]struct {
		client, server int
		old            bool
		limit, own     int // of the client
	}{
		"neither": {0, 0, false, MaxMessageSize, MaxMessageSize},
		"client":  {1 << 20, 0, false, MaxMessageSize, MaxMessageSize},
		"server":  {0, 1 << 20, false, MaxMessageSize, MaxMessageSize},
		"1.2":     {1 << 20, 1 << 20, true, MaxMessageSize, MaxMessageSize},
		"both":    {1 << 18, 1 << 19, false, 1 << 19, 1 << 18},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				p := connected13(t, largeNetwork, func(client, server *Config) {
					client.MaxMessageSize, server.MaxMessageSize = test.client, test.server
					if test.old {
						server.MinVersion, server.MaxVersion = VersionDTLS12, VersionDTLS12
						client.MinVersion = VersionDTLS12
					}
				})
				s := p.client.Stream(1)
				data := make([]byte, test.limit+1)
				for _, write := range []func() error{
					func() error { return p.client.WriteMessage(data, MessageInfo{}) },
					func() error { _, err := p.client.Write(data); return err },
					func() error { _, err := s.Write(data); return err },
					func() error { return s.WriteMessage(data, MessageInfo{}) },
					func() error { _, err := p.client.WriteMessages([]Message{{Data: data}, {}}); return err },
				} {
					err := write()
					e, ok := errtype.As[*MessageTooLargeError](err)
					want := MessageTooLargeError{Size: test.limit + 1, Limit: test.limit, Own: test.own}
					if !ok || *e != want {
						t.Fatalf("%v", err)
					}
				}
				if err := s.WriteMessage(data[1:], MessageInfo{}); err != nil {
					t.Error(err)
				}
				if got, _, err := readWhole(p.server.Stream(1)); err != nil || !bytes.Equal(got, data[1:]) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				p.close()
			})
		})
	}
}

func TestMessageTooLargeErrorSaysWhatToDo(t *testing.T) {
	for e, want := range map[MessageTooLargeError]string{
		{Size: 16385}: "message of 16385 bytes: .* at most 16384 .* split .* Config.MaxMessageSize",
		{Size: 1 << 20, Limit: 1 << 14, Own: 1 << 14}: "1048576 bytes.* 16384 .* 16384 .*both ends",
		{Size: 1 << 20, Limit: 1 << 16, Own: 1 << 17}: "1048576 bytes.* 65536 .* 131072 .*the peer's",
	} {
		if text := e.Error(); !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("%+v: %s", e, text)
		}
	}
}

// A peer that sends more than was agreed on, or large messages before it is authenticated, ends the
// connection with record_overflow, and nothing of the message is delivered.
func TestAttackF8MoreThanAgreed(t *testing.T) {
	for _, takes := range []int{0, 20_000, 1 << 20} {
		bubble(t, func(t *testing.T) {
			p := connected13(t, largeNetwork, takesLarge(takes))
			most := p.server.core.MaxRecord()
			if n := max(takes+24, stream.MaxMessageSize); most != n {
				t.Fatalf("a record may have %d bytes, want %d", most, n)
			}
			if err := p.clientSCTP.Send(make([]byte, most+1), stream.Info{Stream: 1}); err != nil {
				t.Fatal(err)
			}
			_, _, err := p.server.ReadMessage(make([]byte, 2<<20))
			alert, ok := errtype.As[*AlertError](err)
			if !ok || !alert.Local || alert.Alert != dtlscore.AlertRecordOverflow {
				t.Errorf("takes %d: %v", takes, err)
			}
			if e, ok := errtype.As[*stream.MessageSizeError](err); !ok || e.Max != most {
				t.Errorf("takes %d: %v", takes, err)
			}
			_, _, err = p.client.ReadMessage(make([]byte, 10))
			alert, ok = errtype.As[*AlertError](err)
			if !ok || alert.Alert != dtlscore.AlertRecordOverflow {
				t.Errorf("takes %d: the peer is told %v", takes, err)
			}
			p.client.Abort()
			p.server.Abort()
		})
	}
	bubble(t, func(t *testing.T) { // a stranger
		client, server := clientConfig(), serverConfig()
		takesLarge(8<<20)(client, server)
		p := newTestPair(t, largeNetwork, client, server)
		err := p.clientSCTP.Send(make([]byte, stream.MaxMessageSize+1), stream.Info{Stream: 0})
		if err != nil {
			t.Fatal(err)
		}
		err = p.server.Handshake()
		if e, ok := errtype.As[*stream.MessageSizeError](err); !ok || e.Max != stream.MaxMessageSize {
			t.Errorf("before the handshake: %v", err)
		}
		p.client.Abort()
		p.server.Abort()
	})
}

// E4: what is kept for a large message is its size, and what is taken for one that has begun
// follows what has arrived.
func TestAttackE4MemoryOfLargeMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected13(t, largeNetwork, takesLarge(8<<20))
		const n = 3 << 20
		if err := p.client.WriteMessage(make([]byte, n), MessageInfo{Stream: 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if kept := p.server.mux.Size(); kept < n || kept > n+n/8 {
			t.Errorf("%d bytes are kept of %d", kept, n)
		}
		if got, _, err := readWhole(p.server.Stream(1)); err != nil || len(got) != n {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if kept := p.server.mux.Size(); kept != 0 {
			t.Errorf("%d bytes are kept of nothing", kept)
		}
		// A header that promises 8 MiB, and no more than 100 kB of them.
		heap := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		record, err := p.client.core.Seal(nil, make([]byte, 8<<20))
		if err != nil {
			t.Fatal(err)
		}
		part := bytes.Clone(record[:100_000])
		record = nil
		before := heap()
		p.sctp.InjectPart(part, stream.Info{Stream: 1}, false)
		time.Sleep(time.Second)
		if after := heap(); after > before+uint64(len(part))*9 {
			t.Errorf("a part of %d bytes took %d", len(part), after-before)
		}
		p.client.Abort()
		p.server.Abort()
	})
}

// A reader of bytes reads a large message in pieces, and one with a short buffer is informed how
// long it is.
func TestReadsOfLargeMessages(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := connected13(t, largeNetwork, takesLarge(1<<20))
		const n = 1 << 20
		for range 2 {
			sent := []Message{
				{Data: cut(0, 100)}, {Data: cut(1, n)}, {Data: cut(2, 50_000)}, {Data: cut(3, 5)},
			}
			if sent, err := p.client.WriteMessages(sent); err != nil || sent != 4 {
				t.Fatalf("%d sent, %v", sent, err)
			}
			for i, m := range sent {
				buf := make([]byte, len(m.Data)-1)
				k, info, err := p.server.ReadMessage(buf)
				if err != io.ErrShortBuffer || info.Length != len(m.Data) || k != 0 {
					t.Fatalf("message %d in a short buffer: %d, %+v, %v", i, k, info, err)
				}
				got := make([]byte, 0, len(m.Data))
				for buf := make([]byte, 9999); len(got) < len(m.Data); {
					k, err := p.server.Read(buf)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, buf[:k]...)
				}
				if !bytes.Equal(got, m.Data) {
					t.Errorf("message %d: %d bytes", i, len(got))
				}
			}
		}
		p.close()
	})
}

// What cannot hold a message is found before there is a socket.
func TestBuffersAreCheckedForLargeMessages(t *testing.T) {
	for name, set := range map[string]func(c *Config){
		"ReadQueue":   func(c *Config) { c.ReadQueue = 1<<20 - 1 },
		"ReadBuffer":  func(c *Config) { c.SCTP.ReadBuffer = 1 << 19 },
		"WriteBuffer": func(c *Config) { c.SCTP.WriteBuffer = 1 << 19 },
	} {
		client, server := clientConfig(), serverConfig()
		takesLarge(1<<20)(client, server)
		set(client)
		set(server)
		_, err := Dial("sctp", "127.0.0.1:1", client)
		if e, ok := errtype.As[*OptionError](err); !ok || e.Option != name {
			t.Errorf("Dial with a small %s: %v", name, err)
		}
		_, err = Listen("sctp", "127.0.0.1:0", server)
		if e, ok := errtype.As[*OptionError](err); !ok || e.Option != name {
			t.Errorf("Listen with a small %s: %v", name, err)
		}
		if name == "ReadQueue" {
			_, err = Client(nil, client)
			if _, ok := errtype.As[*OptionError](err); !ok {
				t.Errorf("Client with a small %s: %v", name, err)
			}
		}
	}
	for _, n := range []int{-1, 100, 1 << 30} {
		client, server := clientConfig(), serverConfig()
		takesLarge(n)(client, server)
		if _, err := Dial("sctp", "127.0.0.1:1", client); !errors.Is(err, dtlscore.ErrMisuse) {
			t.Errorf("Dial with a MaxMessageSize of %d: %v", n, err)
		}
		if _, err := Listen("sctp", "127.0.0.1:0", server); !errors.Is(err, dtlscore.ErrMisuse) {
			t.Errorf("Listen with a MaxMessageSize of %d: %v", n, err)
		}
	}
}

// Large messages cross SCTP in user space inside UDP, each way, and the window there is as large as
// they need.
func TestLargeMessagesOverUDP(t *testing.T) {
	client, server := clientConfig(), serverConfig()
	takesLarge(2<<20)(client, server)
	port := freeUDPPort(t)
	client.SCTP.UDPEncapPort, server.SCTP.UDPEncapPort = port, port
	l, err := Listen("sctp+udp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		c, err := l.AcceptConn(context.Background())
		for err == nil {
			var data []byte
			var info MessageInfo
			if data, info, err = readWhole(c); err == nil {
				err = c.WriteMessage(data, MessageInfo{Stream: info.Stream})
			}
		}
		if err == io.EOF {
			err = c.Close()
		}
		done <- err
	}()
	c, err := Dial("sctp+udp", l.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	if s := c.ConnectionState(); s.MaxWrite != 2<<20 || s.MaxRead != 2<<20 {
		t.Errorf("may write %d and read %d", s.MaxWrite, s.MaxRead)
	}
	for i, n := range []int{1, 16384, 16385, 300_000, 1 << 20, 2 << 20} {
		id := uint16(i)
		if err := c.WriteMessage(cut(id, n), MessageInfo{Stream: id}); err != nil {
			t.Fatal(err)
		}
		got, info, err := readWhole(c)
		if err != nil || info.Stream != id || !bytes.Equal(got, cut(id, n)) {
			t.Fatalf("%d bytes came as %d, %v", n, len(got), err)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// While someone sends one large message after the other, a small one of another stream comes in
// its turn.
func TestLargeMessagesAreFair(t *testing.T) {
	bubble(t, func(t *testing.T) {
		o := largeNetwork
		o.Window, o.Buffer = 1<<20, 1<<20+1<<16
		p := connected13(t, o, takesLarge(1<<20))
		p.server.SetReadDeadline(time.Now().Add(time.Hour)) // the network has heartbeats forever
		var all sync.WaitGroup
		write := func(id uint16, n, times int) {
			for range times {
				if err := p.client.Stream(id).WriteMessage(cut(id, n), MessageInfo{}); err != nil {
					t.Errorf("stream %d: %v", id, err)
				}
			}
		}
		all.Go(func() { write(1, 1<<20, 10) })
		synctest.Wait() // as many as there is space for
		time.Sleep(time.Second)
		all.Go(func() { write(2, 5, 1) })
		synctest.Wait()
		at := -1
		for i := range 11 {
			data, info, err := readWhole(p.server)
			if err != nil || !bytes.Equal(data, cut(info.Stream, len(data))) {
				t.Fatalf("message %d: %d bytes, %v", i, len(data), err)
			}
			if info.Stream == 2 {
				at = i
			}
		}
		all.Wait()
		if at < 1 || at > 8 { // so many are in buffers, or wait before it
			t.Errorf("the small message came after %d of 10 large ones", at)
		}
		p.close()
	})
}

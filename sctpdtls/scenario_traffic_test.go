package sctpdtls

import (
	"encoding/binary"
	"slices"
	"sync"
	"time"
)

// What a network may do to messages, and what it must not: RFC 6083, Sections 4.4 and 4.7; attacks
// D11, H8, H9.
var trafficScenarios = []scenario{
	{name: "streams overtake each other", net: weather{delay: time.Millisecond,
		jitter: 6 * time.Millisecond}, run: func(s *stage) {
		s.connect()
		for _, c := range s.ends() {
			s.send(c, 0, 100)
		}
		for _, c := range s.ends() {
			s.receive(c, 0, 100)
		}
		s.wantClosed(s.closeAll())
	}},
	{name: "unordered messages arrive once each",
		net:   weather{delay: time.Millisecond, jitter: 6 * time.Millisecond, loss: 0.02, lasting: true},
		setUp: patient, run: func(s *stage) {
			s.connect()
			const messages = 100
			for i := range messages {
				must(s.T, s.client.WriteMessage([]byte{byte(i)},
					MessageInfo{Stream: uint16(i % 3), Unordered: true}))
			}
			var got []int
			buf := make([]byte, 100)
			for range messages {
				n, info, err := s.server.ReadMessage(buf)
				if err != nil || n != 1 || !info.Unordered || info.Stream != uint16(buf[0])%3 {
					s.Fatalf("%d bytes with %+v, %v", n, info, err)
				}
				got = append(got, int(buf[0]))
			}
			slices.Sort(got)
			if len(slices.Compact(got)) != messages {
				s.Errorf("received %v", got)
			}
			s.wantClosed(s.closeAll())
		}},
	{name: "messages that were given up leave no gap",
		net: weather{delay: time.Millisecond, loss: 0.1, partial: true, lasting: true}, setUp: givingUp,
		run: func(s *stage) {
			s.connect()
			const messages = 200
			for i := range messages {
				info := MessageInfo{Stream: 1, Lifetime: time.Millisecond}
				if i%10 == 9 {
					info.Lifetime = 0
				}
				must(s.T, s.client.WriteMessage([]byte{byte(i)}, info))
			}
			must(s.T, s.client.WriteMessage([]byte{messages}, MessageInfo{Stream: 1}))
			last, reliable := -1, 0
			for buf := make([]byte, 100); last < messages; {
				n, _, err := s.server.ReadMessage(buf)
				if err != nil || n != 1 || int(buf[0]) <= last {
					s.Fatalf("%d bytes, message %d after %d, %v", n, buf[0], last, err)
				}
				if last = int(buf[0]); last%10 == 9 {
					reliable++
				}
			}
			if reliable != messages/10 {
				s.Errorf("%d reliable messages arrived of %d", reliable, messages/10)
			}
			s.wantClosed(s.closeAll())
		}},
	{name: "new keys by either end under load",
		net: weather{delay: 2 * time.Millisecond, jitter: 4 * time.Millisecond, loss: 0.02,
			lasting: true}, setUp: patient, run: func(s *stage) {
			s.connect()
			f := s.startLoad(6)
			for i := range 6 {
				var both sync.WaitGroup
				for k, c := range s.ends() {
					if i%3 == 2 || i%3 == k { // one, the other, both
						both.Go(func() {
							if err := s.newKeys(c); err != nil {
								s.Errorf("%s: new keys: %v", s.name(c), err)
							}
						})
					}
				}
				both.Wait()
			}
			f.end(s)
		}},
}

// patient gives a network that loses time for handshakes and closing.
func patient(client, server *Config) {
	for _, c := range []*Config{client, server} {
		c.HandshakeTimeout, c.CloseTimeout = patienceOfAll, patienceOfAll
	}
}

// givingUp is patient, and has messages given up.
func givingUp(client, server *Config) {
	patient(client, server)
	client.SCTP.PartialReliability, server.SCTP.PartialReliability = true, true
}

const patienceOfAll = 30 * time.Second

// A load is numbered messages on many streams, both ways.
type load struct {
	stop    chan struct{}
	writers sync.WaitGroup
	readers sync.WaitGroup
	sent    map[*Conn][]uint32 // by stream
	got     map[*Conn][]uint32
}

func (s *stage) startLoad(streams int) *load {
	f := &load{stop: make(chan struct{}), sent: map[*Conn][]uint32{}, got: map[*Conn][]uint32{}}
	for _, c := range s.ends() {
		sent, got := make([]uint32, streams), make([]uint32, streams)
		f.sent[c], f.got[s.other(c)] = sent, got
		for id := range streams {
			f.writers.Go(func() {
				for {
					select {
					case <-f.stop:
						return
					case <-time.After(time.Millisecond):
					}
					if err := c.WriteMessage(binary.BigEndian.AppendUint32(nil, sent[id]),
						MessageInfo{Stream: uint16(id)}); err != nil {
						s.Errorf("%s: stream %d: %v", s.name(c), id, err)
						return
					}
					sent[id]++
				}
			})
		}
		f.readers.Go(func() { f.read(s, s.other(c), got) })
	}
	return f
}

func (f *load) read(s *stage, c *Conn, got []uint32) {
	buf := make([]byte, 100)
	for {
		n, info, err := c.ReadMessage(buf)
		if err != nil {
			return // what is missing is seen at the end
		}
		if number := binary.BigEndian.Uint32(buf[:n]); number != got[info.Stream] {
			s.Errorf("%s: stream %d: message %d, want %d", s.name(c), info.Stream, number, got[info.Stream])
		}
		got[info.Stream]++
	}
}

// end stops the writers, closes and compares.
func (f *load) end(s *stage) {
	s.Helper()
	close(f.stop)
	f.writers.Wait()
	for _, c := range s.ends() { // all that was written is read up to the close_notify
		if err := c.CloseWrite(); err != nil {
			s.Errorf("%s: CloseWrite: %v", s.name(c), err)
		}
	}
	f.readers.Wait()
	s.wantClosed(s.closeAll())
	for _, c := range s.ends() {
		if sent, got := f.sent[c], f.got[s.other(c)]; !slices.Equal(sent, got) {
			s.Errorf("%s sent %v, received was %v", s.name(c), sent, got)
		}
	}
}

package sctpdtls

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/assoctest"
)

// A tally is what came on each stream of one end, by the numbers in the messages.
type tally struct {
	mu   sync.Mutex
	came map[uint16]map[uint32]int
	n    int
}

func (y *tally) add(stream uint16, number uint32) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.came[stream] == nil {
		y.came[stream] = make(map[uint32]int)
	}
	y.came[stream][number]++
	y.n++
}

// Streams that are read by their own readers, by those of the Conn, by several at once, closed and
// claimed again, with deadlines that pass all the time, a small bound, messages in parts, and keys
// that change: each message comes once, in the order of its stream as long as one reads it; nobody
// waits forever. RFC 6083, Sections 4.4 and 4.7.
func TestStreamStorm(t *testing.T) {
	const ordered, claimed, streams, each = 3, 6, 8, 150 // numbers of streams up to which they are so
	for _, queue := range []int{1 << 20, 20000, 1} {
		t.Run(fmt.Sprint("ReadQueue ", queue), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				client, server := clientConfig(), serverConfig()
				client.ReadQueue, server.ReadQueue = queue, queue
				p := newTestPair(t, assoctest.Options{PartSize: 3000, Window: 50000, Buffer: 30000}, client,
					server)
				if cerr, serr := p.handshake(); cerr != nil || serr != nil {
					t.Fatalf("handshake: client %v, server %v", cerr, serr)
				}
				var writers, readers sync.WaitGroup
				for _, c := range []*Conn{p.client, p.server} {
					for id := range uint16(streams) {
						writers.Go(func() { stormWriter(t, c, id, id < claimed, each) })
					}
					writers.Go(func() {
						for range 5 {
							time.Sleep(20 * time.Millisecond)
							if err := c.KeyUpdate(context.Background(), UpdateRequested); err != nil &&
								!errors.Is(err, os.ErrDeadlineExceeded) {
								t.Errorf("KeyUpdate: %v", err)
							}
						}
					})
				}
				for _, c := range []*Conn{p.client, p.server} {
					y := &tally{came: make(map[uint16]map[uint32]int)}
					done := func() bool { y.mu.Lock(); defer y.mu.Unlock(); return y.n == streams*each }
					for id := range uint16(ordered) {
						readers.Go(func() { inOrder(t, c.Stream(id), each, y) })
					}
					for id := uint16(ordered); id < claimed; id++ {
						for range 2 {
							readers.Go(func() {
								stormReader(t, c, func() messageReader { return c.Stream(id) }, done,
									y)
							})
						}
					}
					for id := uint16(claimed); id < streams; id++ {
						readers.Go(func() { stormReader(t, c, func() messageReader { return c }, done, y) })
					}
					defer func() {
						for id := range uint16(streams) {
							for i := range uint32(each) {
								if y.came[id][i] != 1 {
									t.Fatalf("message %d of stream %d came %d times", i, id, y.came[id][i])
								}
							}
						}
					}()
				}
				writers.Wait()
				readers.Wait()
				p.close()
			})
		})
	}
}

// stormWriter writes numbered messages of all sizes to a stream, by a Stream that is closed now and
// then, or without.
func stormWriter(t *testing.T, c *Conn, id uint16, byStream bool, each int) {
	r := rand.New(rand.NewPCG(uint64(id), 1))
	for i := 0; i < each; {
		b := make([]byte, 4+r.IntN(1000)*r.IntN(3)*r.IntN(3))
		binary.BigEndian.PutUint32(b, uint32(i))
		write, deadline := c.WriteMessage, c.SetWriteDeadline
		if byStream {
			s := c.Stream(id)
			write, deadline = s.WriteMessage, s.SetWriteDeadline
		}
		if r.IntN(4) == 0 {
			deadline(time.Now().Add(time.Duration(r.IntN(2000)) * time.Microsecond))
		}
		err := write(b, MessageInfo{Stream: id})
		switch {
		case err == nil:
			i++
		case errors.Is(err, os.ErrDeadlineExceeded):
			deadline(time.Time{})
		case errors.Is(err, net.ErrClosed) && byStream: // by its reader
		default:
			t.Errorf("stream %d: %v", id, err)
			return
		}
		time.Sleep(time.Duration(r.IntN(300)) * time.Microsecond)
	}
}

type messageReader interface {
	ReadMessage([]byte) (int, MessageInfo, error)
	SetReadDeadline(time.Time) error
}

// inOrder reads all of a stream, as its only reader.
func inOrder(t *testing.T, s *Stream, each int, y *tally) {
	b := make([]byte, MaxMessageSize)
	for i := 0; i < each; {
		if i%3 == 0 {
			s.SetReadDeadline(time.Now().Add(time.Duration(50+i*10) * time.Microsecond))
		}
		n, info, err := s.ReadMessage(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			s.SetReadDeadline(time.Time{})
			continue
		}
		if err != nil || n < 4 || info.Stream != s.id || binary.BigEndian.Uint32(b) != uint32(i) {
			t.Errorf("stream %d, message %d: %d bytes, number %d, %+v, %v", s.id, i, n,
				binary.BigEndian.Uint32(b), info, err)
			return
		}
		y.add(info.Stream, uint32(i))
		i++
	}
}

// stormReader reads until all has come to its end of the connection, whoever read it, and closes
// Streams now and then.
func stormReader(t *testing.T, c *Conn, from func() messageReader, done func() bool, y *tally) {
	b := make([]byte, MaxMessageSize)
	for i := 1; !done(); i++ {
		r := from()
		if i%20 == 0 {
			if s, ok := r.(*Stream); ok {
				s.Close()
				continue
			}
		}
		r.SetReadDeadline(time.Now().Add(time.Duration(i%7) * time.Millisecond))
		n, info, err := r.ReadMessage(b[:(i%2)*len(b)])
		switch {
		case err == nil && n >= 4:
			y.add(info.Stream, binary.BigEndian.Uint32(b))
		case err == nil:
			t.Errorf("%d bytes with %+v", n, info)
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, net.ErrClosed),
			err == io.ErrShortBuffer:
		default:
			t.Errorf("reading: %v", err)
			return
		}
	}
}

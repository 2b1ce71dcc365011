//go:build kernel

package netns

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// traffic sends messages in both directions between two endpoints in this process as fast as
// possible, with one writer for each stream of each endpoint. The messages are numbered, so that it
// counts those that are lost, duplicated, out of order or changed.
type traffic struct {
	t       testing.TB
	ends    [2]*sctpdtls.Conn
	streams uint16
	size    func(n uint64) int // size of message n in bytes, at least headerSize
	slow    time.Duration      // time that a reader takes for each message

	stop  atomic.Bool
	ended atomic.Pointer[error] // how the connection ended, if it is meant to end
	fatal bool                  // it is
	work  sync.WaitGroup
	start time.Time
	took  time.Duration
	tally [2]tally // of what each endpoint sent
}

// A tally counts the messages in one direction.
type tally struct {
	sent, delivered atomic.Uint64 // updated during the traffic
	bytes           atomic.Uint64 // of those delivered

	doubled, disordered, damaged uint64 // written by the reader
}

func (y *tally) lost() uint64 { return y.sent.Load() - y.delivered.Load() }

// Message n begins with n and a byte that says whether it is the last of its stream. The last
// stream is unordered.
const headerSize = 9

// sizes returns small sizes, some that need several packets, and now and then the largest.
func sizes(n uint64) int {
	switch {
	case n%500 == 499:
		return sctpdtls.MaxMessageSize
	case n%10 == 9:
		return 3000
	}
	return headerSize + int(n*977%500)
}

// startTraffic starts traffic on this number of streams.
func startTraffic(t testing.TB, streams uint16, a, b *sctpdtls.Conn) *traffic {
	f := &traffic{t: t, ends: [2]*sctpdtls.Conn{a, b}, streams: streams, size: sizes}
	return f.begin()
}

func (f *traffic) begin() *traffic {
	f.start = time.Now()
	for from, to := range f.ends {
		if from == 1 && to == f.ends[0] {
			break // the peer is a server that echoes
		}
		for stream := range f.streams {
			f.work.Go(func() { f.write(from, stream) })
		}
		f.work.Go(func() { f.read(f.ends[1-from], from) })
	}
	return f
}

// finish makes the writers send their last messages, waits until everything has arrived, and
// reports whether no error was found.
func (f *traffic) finish() bool {
	f.stop.Store(true)
	for _, c := range f.ends {
		c.SetDeadline(time.Now().Add(Patience))
	}
	f.work.Wait()
	f.took = time.Since(f.start)
	good := !f.fatal
	for i := range f.tally {
		y := &f.tally[i]
		if y.lost() != 0 && !f.fatal || y.doubled != 0 || y.disordered != 0 || y.damaged != 0 {
			f.t.Errorf("from end %d: %d messages lost of %d, %d came twice, %d out of order, %d damaged", i,
				y.lost(), y.sent.Load(), y.doubled, y.disordered, y.damaged)
			good = false
		}
		f.ends[i].SetDeadline(time.Time{})
	}
	return good
}

func (f *traffic) delivered() uint64 {
	return f.tally[0].delivered.Load() + f.tally[1].delivered.Load()
}

// String returns the counts as text.
func (f *traffic) String() string {
	n, seconds := f.delivered(), f.took.Seconds()
	bytes := f.tally[0].bytes.Load() + f.tally[1].bytes.Load()
	return fmt.Sprintf("%d messages (%d + %d) in %.1f s: %.0f a second, %.2f MB/s", n,
		f.tally[0].delivered.Load(), f.tally[1].delivered.Load(),
		seconds, float64(n)/seconds, float64(bytes)/seconds/1e6)
}

func (f *traffic) write(end int, stream uint16) {
	msg := make([]byte, sctpdtls.MaxMessageSize)
	for n, last := uint64(0), false; !last; n++ {
		last = f.stop.Load()
		b := msg[:f.size(n)]
		f.fill(b, end, stream, n, last)
		info := sctpdtls.MessageInfo{Stream: stream, PPID: uint32(stream) + 1,
			Unordered: f.unordered(stream)}
		f.tally[end].sent.Add(1)
		if err := f.ends[end].WriteMessage(b, info); err != nil {
			f.tally[end].sent.Add(^uint64(0))
			f.failed(fmt.Errorf("end %d, stream %d: writing message %d: %w", end, stream, n, err))
			return
		}
	}
}

func (f *traffic) unordered(stream uint16) bool { return f.streams > 1 && stream == f.streams-1 }

// fill writes the contents of message n of a stream to b.
func (f *traffic) fill(b []byte, end int, stream uint16, n uint64, last bool) {
	binary.BigEndian.PutUint64(b, n)
	b[8] = 0
	if last {
		b[8] = 1
	}
	for i := headerSize; i < len(b); i++ {
		b[i] = pattern(end, stream, n)
	}
}

func pattern(end int, stream uint16, n uint64) byte {
	return byte(uint64(end)*101 + uint64(stream)*17 + n)
}

// failed records the error of the connection.
func (f *traffic) failed(err error) {
	f.stop.Store(true)
	if f.fatal {
		f.ended.CompareAndSwap(nil, &err)
	} else {
		f.t.Error(err)
	}
}

// read reads from c until everything that endpoint from sent has arrived.
func (f *traffic) read(c *sctpdtls.Conn, from int) {
	y := &f.tally[from]
	next := make([]uint64, f.streams) // the expected number in each ordered stream
	// for the unordered stream, of which next is the first number that has not arrived
	early := map[uint64]bool{}
	total := make([]uint64, f.streams) // 0 while unknown
	buf := make([]byte, sctpdtls.MaxMessageSize)
	for open := int(f.streams); open > 0; {
		size, info, err := c.ReadMessage(buf)
		if err != nil {
			f.failed(fmt.Errorf("reading what end %d sent, %d messages came: %w", from, y.delivered.Load(),
				err))
			return
		}
		if f.slow > 0 && !f.stop.Load() {
			time.Sleep(f.slow)
		}
		y.delivered.Add(1)
		y.bytes.Add(uint64(size))
		s := info.Stream
		n, ok := f.check(buf[:size], info, from)
		if !ok {
			y.damaged++
			continue
		}
		if buf[8] == 1 {
			total[s] = n + 1
		}
		switch {
		case n < next[s] || early[n] && f.unordered(s):
			y.doubled++
		case f.unordered(s):
			for early[n] = true; early[next[s]]; next[s]++ {
				delete(early, next[s])
			}
		default:
			if n != next[s] {
				y.disordered++
			}
			next[s] = n + 1
		}
		if total[s] > 0 && next[s] == total[s] {
			open--
		}
	}
}

// check returns the number of a message, and whether the message is unchanged.
func (f *traffic) check(b []byte, info sctpdtls.MessageInfo, from int) (n uint64, ok bool) {
	if len(b) < headerSize || info.Stream >= f.streams {
		return 0, false
	}
	n = binary.BigEndian.Uint64(b)
	if len(b) != f.size(n) || info.PPID != uint32(info.Stream)+1 ||
		info.Unordered != f.unordered(info.Stream) {
		return n, false
	}
	for _, c := range b[headerSize:] {
		if c != pattern(from, info.Stream, n) {
			return n, false
		}
	}
	return n, true
}

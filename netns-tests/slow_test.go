//go:build kernel

package netns

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

var slowTime = flag.Duration("slow", time.Second, "how long TestAttackE14SlowReaders writes")

// TestAttackE14SlowReaders writes as much as goes to peers of which some do not read at all, some
// read slowly, and some read at once. What is kept for those who do not read is bounded, the others
// do not wait for them, and all that was sent is there when they read at last. Attack E14.
func TestAttackE14SlowReaders(t *testing.T) {
	p := newOpenSSLPair(t) // hosts and certificates; there is no OpenSSL here
	ln := p.listen(t, p.config(t, "server", nil))
	groups := []*readerGroup{
		{name: "reads at once", pause: 0},
		{name: "reads a message each 10 ms", pause: 10 * time.Millisecond},
		{name: "does not read before the end", pause: *slowTime},
	}
	stop := make(chan struct{})
	for _, c := range groups {
		for range readersOfAKind {
			c.join(t, p, ln)
		}
	}
	fast := groups[0]
	fast.begin(t, stop)
	time.Sleep(*slowTime / 4)
	alone := float64(fast.written()) / (slowTime.Seconds() / 4)
	for _, c := range groups[1:] {
		c.begin(t, stop)
	}
	memory := startMemory(*slowTime/16, fast.written)
	before := fast.written()
	began := time.Now()
	time.Sleep(*slowTime)
	// Whoever waits for those that do not read waits until the end.
	enough := uint64(alone * slowTime.Seconds() / 10)
	for fast.written()-before < enough && time.Since(began) < Patience {
		time.Sleep(10 * time.Millisecond)
	}
	written, took := fast.written()-before, time.Since(began)
	beside := float64(written) / took.Seconds()
	memory.finish()
	memory.check(t)
	var b strings.Builder
	fmt.Fprintf(&b, "%d peers of each kind, messages of %d bytes for %v:\n\n"+
		"| peer | most messages written to one | sent to all | delivered | lost |\n"+
		"|---|---|---|---|---|\n",
		readersOfAKind, slowSize, *slowTime)
	for _, c := range groups {
		c.giveUp()
	}
	close(stop)
	for _, c := range groups {
		most := c.most.Load() // now that time is over
		c.end(t)
		fmt.Fprintf(&b, "| %s | %d | %d | %d | %d |\n", c.name, most, c.sent.Load(), c.delivered.Load(),
			c.sent.Load()-c.delivered.Load())
		if c.sent.Load() != c.delivered.Load() {
			t.Errorf("the peer that %s: %d messages were sent, %d came", c.name, c.sent.Load(),
				c.delivered.Load())
		}
	}
	fmt.Fprintf(&b, "\nPeers that read at once received %.0f messages per second before the others "+
		"connected, and %.0f beside them.\n\n%s", alone, beside, memory.table())
	leave(t, "slow.md", b.String())
	const kept = 4 << 20 // bytes, in the socket buffers of both ends
	if n := groups[2].most.Load() * slowSize; n > kept {
		t.Errorf("%d bytes are kept for a peer that does not read", n)
	}
	if written < enough {
		t.Errorf("%.0f messages a second to those that read, and beside those that do not %d in %v",
			alone, written, took)
	}
}

const (
	readersOfAKind = 3
	slowSize       = 200 // bytes of each message
)

// A readerGroup is the peers of one kind, and the goroutines that write to them.
type readerGroup struct {
	name  string
	pause time.Duration // before each message, until writing ends

	writers, readers      []*sctpdtls.Conn
	work                  sync.WaitGroup
	sent, delivered, most atomic.Uint64
}

func (c *readerGroup) written() uint64 { return c.sent.Load() }

func (c *readerGroup) join(t *testing.T, p *opensslPair, ln *sctpdtls.Listener) {
	t.Helper()
	reader, err := p.dial(t, p.config(t, "client", nil))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), Patience)
	defer cancel()
	writer, err := ln.AcceptConn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { writer.Abort() })
	c.readers, c.writers = append(c.readers, reader), append(c.writers, writer)
}

func (c *readerGroup) begin(t *testing.T, stop <-chan struct{}) {
	for i := range c.writers {
		c.work.Go(func() { c.write(t, c.writers[i], stop) })
		c.work.Go(func() { c.read(t, c.readers[i], stop) })
	}
}

// giveUp ends the wait of writers for room. It is called before the end, after which they set the
// deadline of their last message.
func (c *readerGroup) giveUp() {
	for _, w := range c.writers {
		w.SetWriteDeadline(time.Now())
	}
}

// end waits until all that was written has come.
func (c *readerGroup) end(t *testing.T) {
	c.work.Wait()
	closeBoth(t, append(c.writers, c.readers...)...)
}

// write numbers its messages; the last one says so.
func (c *readerGroup) write(t *testing.T, conn *sctpdtls.Conn, stop <-chan struct{}) {
	msg := make([]byte, slowSize)
	info := sctpdtls.MessageInfo{Stream: 1}
	for n := uint64(0); ; n++ {
		binary.BigEndian.PutUint64(msg, n)
		err := conn.WriteMessage(msg, info)
		if errors.Is(err, os.ErrDeadlineExceeded) || err == nil && ended(stop) {
			if err == nil {
				c.sent.Add(1)
				n++
			}
			<-stop
			conn.SetWriteDeadline(time.Now().Add(Patience))
			binary.BigEndian.PutUint64(msg, n)
			msg[8] = 1
			err = conn.WriteMessage(msg, info)
			if err == nil {
				c.sent.Add(1)
				return
			}
		}
		if err != nil {
			t.Errorf("writing to a peer that %s, message %d: %v", c.name, n, err)
			conn.Abort() // the reader waits for the last message
			return
		}
		c.sent.Add(1)
		for most := c.most.Load(); n >= most && !c.most.CompareAndSwap(most, n+1); most = c.most.Load() {
		}
	}
}

func ended(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

func (c *readerGroup) read(t *testing.T, conn *sctpdtls.Conn, stop <-chan struct{}) {
	buf := make([]byte, slowSize)
	if c.pause >= *slowTime {
		<-stop
	}
	for n := uint64(0); ; n++ {
		if c.pause > 0 {
			select {
			case <-time.After(c.pause):
			case <-stop:
			}
		}
		size, _, err := conn.ReadMessage(buf)
		if err != nil || size != slowSize || binary.BigEndian.Uint64(buf) != n {
			t.Errorf("a peer that %s, message %d: got %d bytes, number %d, %v", c.name, n, size,
				binary.BigEndian.Uint64(buf), err)
			conn.Abort()
			return
		}
		c.delivered.Add(1)
		if buf[8] == 1 {
			return
		}
	}
}

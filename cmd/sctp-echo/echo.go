package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// maxInFlight bounds the bytes that have been sent and are not back. A server that
// echoes stops reading when it cannot write; with less than what SCTP buffers on
// the way (some 100 KiB in each direction by default), neither side waits forever.
const maxInFlight = 64 << 10

// maxWrong is how many wrong echoes show that more will not help.
const maxWrong = 10

type echoOptions struct {
	count     int // 0 is until interrupted
	size      int
	streams   int // messages go to streams 0 to streams-1 in turn
	ppid      uint32
	unordered bool
	interval  time.Duration // 0 sends the next message when the echo is back
	timeout   time.Duration // for one echo
	all       bool          // print every echo, not a sample
}

// An echoClient sends messages, and checks and times what comes back. One goroutine
// does it all, so that a time is not that of the scheduler.
type echoClient struct {
	session session
	echoOptions
	printf func(format string, args ...any)

	waiting     []message // sent and not yet back, oldest first
	sent        int
	received    int // what came back right
	wrong       int
	interrupted bool
	rtt         rtts
	next        time.Time // when the next message is due; with an interval only
	want        []byte    // scratch of payload
}

// A message is one that has been sent.
type message struct {
	seq    int
	stream uint16
	at     time.Time
}

// run sends and receives until all echoes are back, something is lost, or ctx ends,
// which is no error. A few wrong echoes do not end it.
func (c *echoClient) run(ctx context.Context) error {
	past := time.Unix(1, 0)
	stop := context.AfterFunc(ctx, func() {
		c.session.SetReadDeadline(past)
		c.session.SetWriteDeadline(past)
	})
	defer stop()

	buf := make([]byte, max(c.size, sctpdtls.MaxMessageSize))
	for c.more() || len(c.waiting) > 0 {
		now := time.Now()
		var err error
		if c.due(now) {
			c.session.SetWriteDeadline(now.Add(c.timeout))
			if ctx.Err() == nil { // else the deadline may have undone that of ctx
				err = c.send(now)
			}
		} else {
			c.session.SetReadDeadline(c.wakeUp())
			if ctx.Err() == nil {
				err = c.receive(buf)
			}
		}
		if ctx.Err() != nil {
			c.interrupted = true
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// more reports whether there are messages left to send.
func (c *echoClient) more() bool { return c.count == 0 || c.sent < c.count }

// due reports whether the next message may go now.
func (c *echoClient) due(now time.Time) bool {
	switch {
	case !c.more():
		return false
	case c.interval == 0:
		return len(c.waiting) == 0
	}
	return c.roomInFlight() && !now.Before(c.next)
}

func (c *echoClient) roomInFlight() bool {
	return len(c.waiting) == 0 || (len(c.waiting)+1)*c.size <= maxInFlight
}

// wakeUp returns when to stop waiting for an echo: when the oldest is lost, or the next
// message is due.
func (c *echoClient) wakeUp() time.Time {
	if len(c.waiting) == 0 {
		return c.next
	}
	t := c.waiting[0].at.Add(c.timeout)
	if c.interval > 0 && c.more() && c.roomInFlight() && c.next.Before(t) {
		t = c.next
	}
	return t
}

func (c *echoClient) send(now time.Time) error {
	m := message{seq: c.sent + 1, stream: uint16(c.sent % c.streams), at: now}
	if err := c.session.WriteMessage(c.payload(m), sctpdtls.MessageInfo{
		Stream: m.stream, PPID: c.ppid, Unordered: c.unordered,
	}); err != nil {
		return fmt.Errorf("sending message %d on stream %d: %w", m.seq, m.stream, err)
	}
	c.sent++
	c.waiting = append(c.waiting, m)
	if c.interval > 0 {
		c.next = c.next.Add(c.interval)
		if c.next.Before(now) { // held up, or the first: no burst to catch up
			c.next = now.Add(c.interval)
		}
	}
	return nil
}

// payload returns the content of m, which is valid until the next call. It begins with
// what distinguishes messages, for the sake of short ones.
func (c *echoClient) payload(m message) []byte {
	b := c.want[:0]
	for len(b) < c.size {
		b = strconv.AppendInt(b, int64(m.seq), 10)
		b = append(b, '/')
		b = strconv.AppendInt(b, int64(m.stream), 10)
		b = append(b, " sctp-echo. "...)
	}
	c.want = b
	return b[:c.size]
}

func (c *echoClient) receive(buf []byte) error {
	n, info, err := c.session.ReadMessage(buf)
	if errors.Is(err, io.ErrShortBuffer) { // it is no echo; check says what is wrong
		buf = make([]byte, info.Length)
		n, info, err = c.session.ReadMessage(buf)
	}
	now := time.Now()
	switch {
	case err == nil:
		c.check(buf[:n], info, now)
		if c.wrong >= maxWrong {
			return fmt.Errorf("%d echoes were wrong: is the peer an echo server?", c.wrong)
		}
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		// SCTP does not lose messages: one that is late means that the peer does
		// not echo, or that the association stands still, and more will not help.
		if len(c.waiting) > 0 && !now.Before(c.waiting[0].at.Add(c.timeout)) {
			m := c.waiting[0]
			return fmt.Errorf(
				"no echo of message %d on stream %d within %v: is the peer an echo server, and is the path up?",
				m.seq, m.stream, c.timeout)
		}
		return nil // the next message is due
	case errors.Is(err, io.EOF):
		return errors.New(
			"the peer closed the connection before all echoes were back: its log may say why")
	}
	return fmt.Errorf("waiting for echoes: %w", err)
}

// check compares what came back with what is waited for.
func (c *echoClient) check(data []byte, info sctpdtls.MessageInfo, now time.Time) {
	i, problem := c.match(data, info)
	if i < 0 {
		c.wrong++
		c.printf("wrong: %s\n", problem)
		return
	}
	m := c.waiting[i]
	c.waiting = slices.Delete(c.waiting, i, i+1)
	if problem != "" {
		c.wrong++
		c.printf("wrong: message %d on stream %d: %s\n", m.seq, m.stream, problem)
		return
	}
	c.received++
	c.rtt.add(now.Sub(m.at))
	if c.all || sampled(c.received) {
		ppid := ""
		if c.ppid != 0 {
			ppid = fmt.Sprintf(" ppid=%d", c.ppid)
		}
		c.printf("%d bytes: stream=%d seq=%d%s time=%s ms\n", len(data), m.stream, m.seq, ppid,
			millis(now.Sub(m.at)))
	}
}

// match finds the message that came back as data, and says what is wrong with it, if
// anything is. Its index is negative if there is none.
func (c *echoClient) match(data []byte, info sctpdtls.MessageInfo) (i int, problem string) {
	same := func(m message) bool { return bytes.Equal(data, c.payload(m)) }
	onStream := func(m message) bool { return m.stream == info.Stream }

	oldest := slices.IndexFunc(c.waiting, onStream)
	i = slices.IndexFunc(c.waiting, func(m message) bool { return onStream(m) && same(m) })
	switch {
	case i >= 0 && info.PPID != c.ppid:
		return i, fmt.Sprintf("came back with PPID %d instead of %d", info.PPID, c.ppid)
	case i > oldest && !c.unordered:
		return i, fmt.Sprintf("came back before message %d", c.waiting[oldest].seq)
	case i >= 0:
		return i, ""
	}
	if i = slices.IndexFunc(c.waiting, same); i >= 0 {
		return i, fmt.Sprintf("came back on stream %d", info.Stream)
	}
	if oldest < 0 {
		return -1, fmt.Sprintf("%d bytes on stream %d, where no echo is due", len(data), info.Stream)
	}
	return oldest, difference(data, c.payload(c.waiting[oldest]))
}

// difference says in what got is not want.
func difference(got, want []byte) string {
	if len(got) != len(want) {
		return fmt.Sprintf("came back with %d bytes instead of %d", len(got), len(want))
	}
	for i := range got {
		if got[i] != want[i] {
			return fmt.Sprintf("byte %d is 0x%02x instead of 0x%02x", i, got[i], want[i])
		}
	}
	return ""
}

// sampled reports whether the nth of many echoes is worth a line: the first ten, then
// every tenth, from the hundredth on every hundredth, and so on.
func sampled(n int) bool {
	step := 1
	for n >= 10*step {
		step *= 10
	}
	return n%step == 0
}

// summary ends the output, like ping's.
func (c *echoClient) summary(peer string, took time.Duration) {
	missing := "lost"
	if c.interrupted {
		missing = "under way"
	}
	c.printf("\n--- %s echo statistics ---\n", peer)
	c.printf("%d sent, %d received, %d %s, %d wrong, time %s ms\n",
		c.sent, c.received, len(c.waiting), missing, c.wrong, millis(took))
	if line := c.rtt.String(); line != "" {
		c.printf("%s\n", line)
	}
}

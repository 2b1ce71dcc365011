// Package peer is one end of the measured associations: DTLS over SCTP with package sctpdtls, and
// plain SCTP with and without SCTP-AUTH, used in the same way. The program cpeer does the same in
// C.
package peer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A server drops messages with the first PPID, and echoes those with the second.
const (
	discarded = 1
	echoed    = 2
)

// Serve runs a server. It writes "ready" when it can be reached, and runs until it is killed. Like
// a client, it answers the command "memory".
func Serve(o *Options, in io.Reader, out io.Writer) error {
	accept, err := o.listen()
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "ready")
	go answer(in, out, memory)
	var held []link
	defer func() { runtime.KeepAlive(held) }()
	for {
		l, err := accept()
		if err != nil {
			return err
		}
		if o.Hold {
			held = append(held, l)
		} else {
			go serve(l)
		}
	}
}

// answer answers each command with a line, usually a number.
func answer[T float64 | string](in io.Reader, out io.Writer,
	command func(line string) (T, error)) error {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		v, err := command(lines.Text())
		if err != nil {
			return err
		}
		fmt.Fprintln(out, v)
	}
	return nil
}

// memory collects garbage, and returns the number of bytes that this process uses.
func memory(command string) (float64, error) {
	if command != "memory" {
		return 0, fmt.Errorf("no such command: %s", command)
	}
	var m runtime.MemStats
	debug.FreeOSMemory()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse), nil
}

func serve(l link) {
	defer l.close()
	b := make([]byte, stream.MaxMessageSize)
	for {
		n, stream, ppid, err := l.receive(b)
		if err != nil {
			return
		}
		if ppid == echoed {
			if err := l.send(b[:n], stream, ppid); err != nil {
				return
			}
		}
	}
}

// Client makes the associations, writes "ready", and answers each command that it reads with one
// line: the number of messages or connections per second.
func Client(o *Options, in io.Reader, out io.Writer) error {
	dial, err := o.dialer()
	if err != nil {
		return err
	}
	c := &client{options: o, dial: dial}
	for range o.Associations {
		l, err := dial()
		if err != nil {
			return err
		}
		c.links = append(c.links, l)
	}
	fmt.Fprintln(out, "ready")
	err = answer(in, out, func(line string) (string, error) {
		var number int
		if n, _ := fmt.Sscanf(line, "handshakes %d", &number); n == 1 {
			return c.handshakes(number)
		}
		v, err := c.command(line)
		return fmt.Sprint(v), err
	})
	for _, l := range c.links {
		l.close()
	}
	return err
}

type client struct {
	options *Options
	dial    func() (link, error)
	links   []link
	buffers [][]byte // of links that have carried messages
	count   int      // messages that the last command has sent
}

// Begin and End are called before and after the work to be profiled. Package profile looks for
// their addresses.
//
//go:noinline
func Begin() { marks.Add(1) }

//go:noinline
func End() { marks.Add(-1) }

var marks atomic.Int32 // so that the two functions are not empty

// profile runs a command, or a number of handshakes, while the machine counts instructions. It
// returns the number of messages or handshakes.
func (c *client) profile(command string) (n float64, err error) {
	Begin()
	if _, err := fmt.Sscanf(command, "handshakes %f", &n); err == nil {
		for range int(n) {
			l, err := c.dial()
			if err != nil {
				return 0, err
			}
			c.links = append(c.links, l)
		}
		End()
		return n, nil
	}
	_, err = c.command(command)
	End()
	return float64(c.count), err
}

func (c *client) command(line string) (float64, error) {
	if rest, ok := strings.CutPrefix(line, "profile "); ok {
		return c.profile(rest)
	}
	var size, batch, window, rate, ms int
	if n, _ := fmt.Sscanf(line, "discard %d %d", &size, &ms); n == 2 {
		return c.onAll(func(l link, b []byte, end time.Time) (int, error) {
			return c.sendAll(l, b, size, end)
		}, ms)
	}
	if n, _ := fmt.Sscanf(line, "batch %d %d %d", &size, &batch, &ms); n == 3 {
		return c.onAll(func(l link, b []byte, end time.Time) (int, error) {
			return c.sendBatches(l, b, size, batch, end)
		}, ms)
	}
	if n, _ := fmt.Sscanf(line, "echo %d %d %d", &size, &window, &ms); n == 3 {
		return c.onAll(func(l link, b []byte, end time.Time) (int, error) {
			return c.sendAndAwait(l, b, size, window, end)
		}, ms)
	}
	if n, _ := fmt.Sscanf(line, "pace %d %d %d", &size, &rate, &ms); n == 3 {
		return c.sendPaced(size, rate, time.Duration(ms)*time.Millisecond)
	}
	if n, _ := fmt.Sscanf(line, "grow %d", &size); n == 1 {
		return c.grow(size)
	}
	return memory(line)
}

// grow makes associations concurrently until there are n, and returns the number per second.
func (c *client) grow(n int) (rate float64, err error) {
	begin, before := time.Now(), len(c.links)
	more := make([]link, n-before)
	failed := make([]error, len(more))
	var wait sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range more {
		slots <- struct{}{}
		wait.Go(func() {
			more[i], failed[i] = c.dial()
			<-slots
		})
	}
	wait.Wait()
	c.links = append(c.links, more...)
	return float64(n-before) / time.Since(begin).Seconds(), errors.Join(failed...)
}

// onAll returns the number of messages per second on all associations.
func (c *client) onAll(work func(l link, b []byte, end time.Time) (int, error), ms int) (float64,
	error) {
	var wait sync.WaitGroup
	counts, failed := make([]int, len(c.links)), make([]error, len(c.links))
	for len(c.buffers) < len(c.links) {
		c.buffers = append(c.buffers, make([]byte, stream.MaxMessageSize))
	}
	begin := time.Now()
	end := begin.Add(time.Duration(ms) * time.Millisecond)
	for i, l := range c.links {
		wait.Go(func() { counts[i], failed[i] = work(l, c.buffers[i], end) })
	}
	wait.Wait()
	took := time.Since(begin)
	c.count = 0
	for i, n := range counts {
		if failed[i] != nil {
			return 0, failed[i]
		}
		c.count += n
	}
	return float64(c.count) / took.Seconds(), nil
}

// turns returns how often something is done between two readings of the clock, which may be a
// system call.
func (c *client) turns() int { return max(1, 32/len(c.links)) }

func (c *client) sendAll(l link, b []byte, size int, end time.Time) (n int, err error) {
	for ok := true; ok; ok = time.Now().Before(end) {
		for range c.turns() {
			if err := l.send(b[:size], uint16(n%c.options.Streams), discarded); err != nil {
				return 0, err
			}
			n++
		}
	}
	return n + 2, c.finish(l, b, size)
}

func (c *client) sendBatches(l link, b []byte, size, batch int, end time.Time) (n int, err error) {
	send := l.sender(b[:size], batch, c.options.Streams, discarded)
	for ok := true; ok; ok = time.Now().Before(end) {
		if err := send(batch); err != nil {
			return 0, err
		}
		n += batch
	}
	return n + 2, c.finish(l, b, size)
}

// pace is how often a paced sender sends.
const pace = 20 * time.Millisecond

// sendPaced sends rate messages per second on all associations together for d: at the beginning of
// each interval of pace, each association sends its messages of this interval together. It returns
// how many were received per second, until the last answer and for at least d.
func (c *client) sendPaced(size, rate int, d time.Duration) (float64, error) {
	b := make([]byte, stream.MaxMessageSize)
	each := float64(rate) / float64(len(c.links)) // per second
	count := int(each * d.Seconds())
	sends := make([]func(n int) error, len(c.links))
	for i, l := range c.links {
		sends[i] = l.sender(b[:size], count, c.options.Streams, discarded)
	}
	begin := time.Now()
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for sent := 0; ; <-tick.C {
		due := min(count, int((time.Since(begin)+pace).Seconds()*each))
		for _, send := range sends {
			if err := send(due - sent); err != nil {
				return 0, err
			}
		}
		if sent = due; sent == count {
			break
		}
	}
	for _, l := range c.links {
		if err := l.send(b[:size], 0, echoed); err != nil {
			return 0, err
		}
	}
	for _, l := range c.links {
		if err := await(l, b, 1); err != nil {
			return 0, err
		}
	}
	took := max(time.Since(begin), d)
	c.count = (count + 2) * len(c.links)
	return float64(c.count) / took.Seconds(), nil
}

// finish sends one more message, whose echo proves that all earlier ones were received.
func (c *client) finish(l link, b []byte, size int) error {
	if err := l.send(b[:size], 0, echoed); err != nil {
		return err
	}
	return await(l, b, 1)
}

// await receives messages.
func await(l link, b []byte, expected int) error {
	for range expected {
		if _, _, _, err := l.receive(b); err != nil {
			return err
		}
	}
	return nil
}

func (c *client) sendAndAwait(l link, b []byte, size, window int, end time.Time) (n int,
	err error) {
	for ; n < window; n++ {
		if err := l.send(b[:size], uint16(n%c.options.Streams), echoed); err != nil {
			return 0, err
		}
	}
	for ok := true; ok; ok = time.Now().Before(end) {
		for range c.turns() {
			if err := await(l, b, 1); err != nil {
				return 0, err
			}
			if err := l.send(b[:size], uint16(n%c.options.Streams), echoed); err != nil {
				return 0, err
			}
			n++
		}
	}
	return n, await(l, b, window)
}

// Between two handshakes a client sleeps, so that both ends finish closing the previous connection.
//
// It takes many naps. After a system call in a program that was idle, the monitor of Go's scheduler
// looks around every 20 µs, which costs up to 7 % of a handshake. Once it has found nothing 50
// times in a row it does so less and less often. Without the naps, it would be awake in some phases
// of a measurement, and asleep in others.
const (
	naps = 60
	nap  = time.Millisecond
)

// handshakes makes n connections in succession. It returns the number per second, and the median
// and the 99th percentile of their times in milliseconds. The time to close them is excluded.
func (c *client) handshakes(n int) (string, error) {
	var spent time.Duration
	each := make([]time.Duration, n)
	for i := range each {
		for range naps {
			time.Sleep(nap)
		}
		begin := time.Now()
		l, err := c.dial()
		each[i] = time.Since(begin)
		if err != nil {
			return "", err
		}
		spent += each[i]
		l.close()
	}
	slices.Sort(each)
	below := func(percent int) float64 { return each[(n-1)*percent/100].Seconds() * 1000 }
	return fmt.Sprint(float64(n)/spent.Seconds(), below(50), below(99)), nil
}

package sctpdtls

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"os"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
)

// Endings at every step of a handshake, a renegotiation and a KeyUpdate: whenever one of the ends
// may wait for its association, something ends the connection. ; attacks C6, H11.

// A stepEnding ends a connection at any step.
type stepEnding struct {
	name  string
	clean bool // what was written is delivered, if the handshake was complete, and then io.EOF
	do    func(s *stage, c *Conn, cancel func())
}

// restarted is an ending after which the client's end knows nothing.
const restarted = "restarted"

// other returns what may be read at the other end, if not that it was cut off.
func (e stepEnding) other() []error {
	if e.name == restarted {
		return []error{net.ErrClosed}
	}
	return []error{io.EOF}
}

var stepEndings = []stepEnding{
	{"Close", true, func(s *stage, c *Conn, _ func()) {
		go c.Close()
		for !c.closing.Load() {
			time.Sleep(time.Microsecond)
		}
	}},
	{"cancelled", true, func(_ *stage, _ *Conn, cancel func()) { cancel() }},
	{"Abort", false, func(s *stage, c *Conn, _ func()) {
		go c.Abort()
		for !c.closing.Load() {
			time.Sleep(time.Microsecond)
		}
	}},
	{"ABORT", false, func(_ *stage, c *Conn, _ func()) { under(c).Abort() }},
	{"SHUTDOWN", false, func(_ *stage, c *Conn, _ func()) { under(c).Shutdown() }},
	{"killed", false, func(_ *stage, c *Conn, _ func()) { under(c).Close() }},
	{restarted, false, func(s *stage, _ *Conn, _ func()) {
		if a := s.restart(s.T, under(s.client)); a != nil {
			s.newer = append(s.newer, a)
		}
	}},
	{hostGone, false, func(s *stage, _ *Conn, _ func()) { s.cut() }},
}

// stepScenarios are in memory only where an association restarts: a kernel can take longer for that
// than a handshake may, and it then meets the listener instead. The scenarios after the handshake
// have it.
func stepScenarios() (out []scenario) {
	for _, e := range stepEndings {
		first := len(out)
		for _, side := range bothSides {
			out = append(out, scenario{name: fmt.Sprintf("%s at each step of the handshake, %s", e.name,
				side.name), run: func(s *stage) {
				s.steps(func(n int) bool { return s.endHandshake(n, e, side.of) })
			}})
			if e.name == "cancelled" {
				continue // it ends the call, and not the connection
			}
			for _, begins := range bothSides {
				out = append(out, scenario{name: fmt.Sprintf("%s at each step of new keys, %s, begun by the %s",
					e.name, side.name, begins.name), run: func(s *stage) {
					s.steps(func(n int) bool { return s.endRekey(n, e, side.of, begins.of) })
				}})
			}
		}
		for i := range out[first:] {
			out[first+i].memoryOnly, out[first+i].gone = e.name == restarted, e.name == hostGone
		}
	}
	return out
}

// steps tries every step until there are no more; over a kernel, which takes its time, only one of
// them, another for each scenario, unless the flag -every-step is given.
func (s *stage) steps(try func(n int) (more bool)) {
	_, inMemory := s.world.(*memoryWorld)
	if inMemory || *everyStep {
		for n := 1; try(n); n++ {
		}
		return
	}
	h := fnv.New32()
	h.Write([]byte(s.Name()))
	try(1 + int(h.Sum32()%17))
}

var everyStep = flag.Bool("every-step", false, "end connections at every step over a kernel too")

// endHandshake ends the handshake at step n of one side, and reports whether it had so many.
func (s *stage) endHandshake(n int, e stepEnding, side func(*stage) *Conn) (more bool) {
	s.Helper()
	s.meet()
	c := side(s)
	other := s.other(c)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	reached := atStep(c, n, func() { e.do(s, c, cancel) })
	at := fmt.Sprintf("%s at step %d", e.name, n)
	var err, oerr error
	s.within(scenarioHandshakeTimeout+alertTime, at+": the handshake", func() {
		done := make(chan error)
		go func() { done <- other.Handshake() }()
		err = c.HandshakeContext(ctx)
		oerr = <-done
	})
	if more = reached(); !more {
		if err != nil || oerr != nil {
			s.Errorf("without an ending: %v, the other end: %v", err, oerr)
		}
		s.wantClosed(s.closeAll())
		return false
	}
	if e.name == "cancelled" && err == nil { // too late
		s.closeAll()
	} else {
		s.wantBadEnd(at, err, net.ErrClosed, context.Canceled)
		if oerr == nil {
			oerr = s.readToEnd(other)
		}
		s.wantBadEnd(at+", the other end", oerr, e.other()...)
		if oerr == io.EOF && !e.clean {
			s.Errorf("%s, the other end: io.EOF without a close_notify", at)
		}
	}
	s.cleanUp()
	return true
}

// endRekey does the same in the middle of a renegotiation, or a KeyUpdate, that one side begins.
func (s *stage) endRekey(n int, e stepEnding, side, begins func(*stage) *Conn) (more bool) {
	s.Helper()
	s.connect()
	c, b := side(s), begins(s)
	other := s.other(c)
	at := fmt.Sprintf("%s at step %d", e.name, n)
	const messages = 8
	s.send(c, 0, messages)
	s.settle(c)
	reached := atStep(c, n, func() { e.do(s, c, nil) })
	read := make(chan error, 2)
	got := 0
	go func() {
		var err error
		got, err = s.readPrefix(other, messages)
		read <- err
	}()
	ended := make(chan error, 1)
	go func() { ended <- s.readToEnd(c) }()
	var err error
	s.within(scenarioHandshakeTimeout+lostAfter, at+": new keys", func() { err = s.newKeys(b) })
	if more = reached(); !more {
		if err != nil {
			s.Errorf("without an ending: %v", err)
		}
		s.wantClosed(s.closeAll())
	} else {
		s.wantBadEnd(at+": new keys", err, net.ErrClosed, ErrPeerClosed, os.ErrDeadlineExceeded)
		s.within(lostAfter, at+": the end", func() {
			s.wantBadEnd(at, <-ended, net.ErrClosed)
			err = <-read
		})
		s.wantBadEnd(at+", the other end", err, e.other()...)
		if (err == io.EOF) != e.clean {
			s.Errorf("%s: the other end reads %v", at, err)
		}
		if got != messages && e.name != restarted { // they had been acknowledged
			s.Errorf("%s: the other end has read %d messages of %d", at, got, messages)
		}
	}
	s.cleanUp()
	return more
}

// newKeys renegotiates or updates keys, as the version has it.
func (s *stage) newKeys(c *Conn) error {
	if c.ConnectionState().Version == VersionDTLS13 {
		return c.KeyUpdate(context.Background(), UpdateRequested)
	}
	return c.Renegotiate(context.Background())
}

// cleanUp closes what the next step does not need, and wants nothing to be left of it.
func (s *stage) cleanUp() {
	s.Helper()
	s.closeAll()
	s.mend()
	for _, a := range s.newer {
		a.Abort()
	}
	s.newer = nil
	for _, c := range s.ends() {
		s.wantNothingLeft(c)
	}
	s.until("no association is left", func() bool { return s.left() == "" })
}

// wantBadEnd wants err to say that a connection, or a call, has ended as something outside wanted
// it.
func (s *stage) wantBadEnd(what string, err error, others ...error) {
	s.Helper()
	_, timeout := errtype.As[*HandshakeTimeoutError](err)
	if err != nil && !timeout && !errors.Is(err, io.ErrUnexpectedEOF) && !isAny(others...)(err) {
		s.Errorf("%s: %v", what, err)
	}
}

// readToEnd reads until there is an error.
func (s *stage) readToEnd(c *Conn) (err error) {
	buf := make([]byte, MaxMessageSize)
	for err == nil {
		_, _, err = c.ReadMessage(buf)
	}
	return err
}

// readPrefix reads to the end what send has sent, of which there may be less.
func (s *stage) readPrefix(c *Conn, messages int) (n int, err error) {
	next := [4]int{0, 1, 2, 3}
	buf := make([]byte, 100)
	for {
		size, info, err := c.ReadMessage(buf)
		if err != nil {
			return n, err
		}
		k := (info.Stream + 3) % 4
		if want := fmt.Sprint(next[k]); string(buf[:size]) != want {
			s.Errorf("stream %d: message %q, want %s", info.Stream, buf[:size], want)
		}
		next[k] += 4
		n++
	}
}

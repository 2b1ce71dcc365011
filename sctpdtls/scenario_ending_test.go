package sctpdtls

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// How a connection ends after its handshake: attacks C6, C7, H1, H11; RFC 6083, Sections 4.2 and
// 4.9.
var endingScenarios = slices.Concat(orderlyEndings, sideways(suddenEndings))

// An end of a connection, and what it is called.
var bothSides = []struct {
	name string
	of   func(s *stage) *Conn
}{
	{"client", func(s *stage) *Conn { return s.client }},
	{"server", func(s *stage) *Conn { return s.server }},
}

// A suddenEnding is one in which an end has no say. What comes to the other end before is
// delivered, then it reads an AssociationError.
type suddenEnding struct {
	name string
	do   func(s *stage, c *Conn) // to the association of c
	ends []AssocState            // one of these is in the other end's error
	own  func(err error) bool    // whether c may read this
}

// hostGone is an ending of which the peer gets no packet.
const hostGone = "host gone"

var suddenEndings = []suddenEnding{
	{"ABORT", func(s *stage, c *Conn) { under(c).Abort() }, []AssocState{AssocAborted},
		isAny(net.ErrClosed)},
	{"Abort", func(s *stage, c *Conn) { c.Abort() }, []AssocState{AssocAborted}, isAny(net.ErrClosed)},
	{"SHUTDOWN without close_notify", func(s *stage, c *Conn) { under(c).Shutdown() },
		[]AssocState{AssocShutdown}, isAny(io.ErrUnexpectedEOF)},
	// If the other end's last control record is unread, it is an ABORT.
	{"killed", func(s *stage, c *Conn) { under(c).Close() }, []AssocState{AssocShutdown, AssocAborted},
		isAny(net.ErrClosed)},
	{"killed with messages unread", func(s *stage, c *Conn) {
		goOn := c.stop()
		s.send(s.other(c), 0, 1)
		s.settle(s.other(c))
		s.until("it was received", func() bool { return s.unread(under(c)) })
		under(c).Close()
		goOn()
	}, []AssocState{AssocAborted}, isAny(net.ErrClosed)},
	{hostGone, func(s *stage, c *Conn) { s.cut() }, []AssocState{AssocLost},
		isAny(io.ErrUnexpectedEOF)},
}

func isAny(targets ...error) func(error) bool {
	return func(err error) bool {
		return slices.ContainsFunc(targets, func(target error) bool { return errors.Is(err, target) })
	}
}

func endedBy(ends ...AssocState) func(error) bool {
	return func(err error) bool {
		e, ok := errtype.As[*AssociationError](err)
		return ok && slices.Contains(ends, e.State) && errors.Is(err, io.ErrUnexpectedEOF) &&
			!errors.Is(err, net.ErrClosed)
	}
}

// sideways makes scenarios of sudden endings: of either side, with the other end waiting in a read
// or not.
func sideways(endings []suddenEnding) (out []scenario) {
	for _, e := range endings {
		for _, side := range bothSides {
			gone := e.name == hostGone
			out = append(out, scenario{name: e.name + ", " + side.name, gone: gone, run: func(s *stage) {
				s.connect()
				c := side.of(s)
				other := s.other(c)
				s.send(c, 0, 10)
				s.settle(c)
				e.do(s, c)
				s.receive(other, 0, 10)
				s.within(lostAfter, "the end", func() {
					s.wantEnd(other, "an AssociationError", endedBy(e.ends...))
				})
				wantPeersEnd(s.T, "WriteMessage", other.WriteMessage([]byte("x"), MessageInfo{}))
				s.wantEnd(c, "that it has ended", e.own)
				s.closeAll()
			}}, scenario{name: e.name + " while the other end waits, " + side.name, gone: gone,
				run: func(s *stage) {
					s.connect()
					c := side.of(s)
					other := s.other(c)
					read := make(chan error, 1)
					go func() {
						var err error
						for err == nil {
							_, _, err = other.ReadMessage(make([]byte, 100))
						}
						read <- err
					}()
					s.settle(c)
					e.do(s, c)
					s.within(lostAfter, "the end", func() {
						// What was read before it was killed is not unread.
						if err := <-read; !endedBy(e.ends...)(err) {
							s.Errorf("reading: %v, want an AssociationError with end %d", err, e.ends)
						}
					})
					s.closeAll()
				}})
		}
	}
	return out
}

var orderlyEndings = []scenario{
	{name: "client closes", run: func(s *stage) { closeAndRead(s, s.closer("client")) }},
	{name: "server closes", run: func(s *stage) { closeAndRead(s, s.closer("server")) }},
	{name: "client closes, in a network that loses",
		net: weather{delay: time.Millisecond, loss: 0.05, lasting: true}, setUp: patient,
		run: func(s *stage) {
			closeAndRead(s, s.closer("client"))
		}},
	{name: "both close", run: func(s *stage) {
		s.connect()
		s.wantClosed(s.closeAll())
	}},
	// Messages that nobody reads are lost with the connection.
	{name: "both close with messages unread", run: func(s *stage) {
		s.connect()
		for _, c := range s.ends() {
			s.send(c, 0, 20)
		}
		for _, c := range s.ends() {
			s.receive(c, 0, 8)
		}
		s.wantClosed(s.closeAll())
	}},
	{name: "both close with messages in flight", net: weather{delay: 20 * time.Millisecond},
		run: func(s *stage) {
			s.connect()
			for _, c := range s.ends() {
				s.send(c, 0, 100)
			}
			s.wantClosed(s.closeAll())
		}},
	{name: "half closed", run: func(s *stage) { // what the peer has written before it answers is read
		for _, side := range bothSides {
			s.connect()
			c := side.of(s)
			other := s.other(c)
			s.send(c, 0, 40)
			s.send(other, 0, 40)
			s.within(scenarioCloseTimeout, "CloseWrite",
				func() { must(s.T, c.CloseWrite(), c.CloseWrite()) })
			want(s.T, "WriteMessage", c.WriteMessage([]byte("x"), MessageInfo{}), net.ErrClosed)
			next := nextMessages{0, 1, 2, 3} // the first 20 can be any, as streams are independent
			s.receiveNext(other, &next, 20)
			s.send(other, 40, 60)
			s.receiveNext(other, &next, 20)
			s.wantEnd(other, "io.EOF", isAny(io.EOF))
			s.send(other, 60, 80) // the answer: each direction ends by itself
			s.receive(c, 0, 80)
			must(s.T, other.CloseWrite())
			s.wantEnd(c, "io.EOF", isAny(io.EOF))
			must(s.T, c.CloseWrite(), other.CloseWrite())
			s.wantClosed(s.closeAll())
			want(s.T, "CloseWrite after Close", c.CloseWrite(), net.ErrClosed)
		}
	}},
	{name: "half closed by both while others read and write", run: func(s *stage) {
		s.connect()
		read, wrote := make(chan error), make(chan error)
		for _, c := range s.ends() {
			go func() { read <- s.readToEnd(c) }()
			go func() {
				var err error
				for err == nil {
					err = c.WriteMessage(make([]byte, 100), MessageInfo{})
				}
				wrote <- err
			}()
		}
		done := make(chan error)
		for _, c := range s.ends() {
			s.until("messages have gone", func() bool { n, _ := c.core.KeyUsage(); return n > 20 })
			go func() { done <- c.CloseWrite() }()
		}
		for range s.ends() {
			if err := <-done; err != nil {
				s.Errorf("CloseWrite: %v", err)
			}
			want(s.T, "WriteMessage", <-wrote, net.ErrClosed)
			if err := <-read; err != io.EOF {
				s.Errorf("reading: %v, want io.EOF", err)
			}
		}
		s.wantClosed(s.closeAll())
	}},
	{name: "half closed against a peer that does not read", timesOut: true, run: func(s *stage) {
		s.connect()
		goOn := s.server.stop()
		fill(s.T, s.client)
		s.within(scenarioCloseTimeout, "CloseWrite", func() {
			want(s.T, "CloseWrite", s.client.CloseWrite(), os.ErrDeadlineExceeded)
		})
		goOn()
		done := make(chan error)
		go func() { done <- s.readToEnd(s.client) }()
		if err := s.readToEnd(s.server); err != io.EOF {
			s.Errorf("the peer then reads %v, want io.EOF", err)
		}
		must(s.T, s.server.CloseWrite())
		if err := <-done; err != io.EOF {
			s.Errorf("reading: %v, want io.EOF", err)
		}
		s.wantClosed(s.closeAll())
	}},
	{name: "half closed when the host is gone", timesOut: true, gone: true, run: func(s *stage) {
		s.connect()
		s.send(s.client, 0, 1)
		s.cut()
		s.send(s.client, 1, 2)
		s.within(lostAfter, "CloseWrite", func() {
			if s.client.CloseWrite() == nil {
				s.Error("CloseWrite: no error")
			}
		})
		s.wantTruncation(s.client)
		s.closeAll()
		s.mend()
	}},
	{name: "closed while others read and write", run: func(s *stage) {
		s.connect()
		done := make(chan error)
		for range 2 {
			go func() { _, _, err := s.client.ReadMessage(make([]byte, 10)); done <- err }()
			go func() {
				var err error
				for err == nil {
					err = s.client.WriteMessage(make([]byte, 1000), MessageInfo{})
				}
				done <- err
			}()
		}
		read := reader(s.server)
		s.until("messages have gone", func() bool { n, _ := s.client.core.KeyUsage(); return n > 20 })
		if err := s.closeInTime(s.client); err != nil {
			s.Errorf("Close: %v", err)
		}
		for range 4 {
			want(s.T, "a call that Close wakes", <-done, net.ErrClosed)
		}
		if err := <-read; err != io.EOF {
			s.Errorf("the peer reads %v, want io.EOF", err)
		}
		s.closeAll()
	}},
	// Close waits until everything is acknowledged.
	{name: "closed against a peer that does not read", timesOut: true, run: func(s *stage) {
		s.connect()
		goOn := s.server.stop()
		fill(s.T, s.client)
		err := s.closeInTime(s.client)
		goOn()
		if _, ok := errtype.As[*CloseTimeoutError](err); !ok || !isTimeout(err) {
			s.Errorf("Close: %v, want a CloseTimeoutError", err)
		}
		s.wantTruncation(s.server)
		s.closeAll()
	}},
	{name: "host gone, then closed", timesOut: true, gone: true, run: func(s *stage) {
		s.connect()
		s.cut()
		s.closeInTime(s.client) // may be content: all that was written had arrived
		s.mend()
		s.wantTruncation(s.server)
		s.closeAll()
	}},
	{name: "host gone with messages in flight, then closed", timesOut: true, gone: true,
		run: func(s *stage) {
			s.connect()
			s.cut()
			s.send(s.client, 0, 10)
			err := s.closeInTime(s.client)
			if _, ok := errtype.As[*CloseTimeoutError](err); !ok {
				s.Errorf("Close: %v, want a CloseTimeoutError: nothing was acknowledged", err)
			}
			s.closeAll()
			s.mend()
		}},
	{name: "host gone for a while", net: weather{lasting: true}, run: func(s *stage) {
		s.connect()
		s.cut()
		s.send(s.client, 0, 10)
		s.until("some time has passed", passed(100*time.Millisecond))
		s.mend()
		s.receive(s.server, 0, 10)
		s.wantClosed(s.closeAll())
	}},
	{name: "host gone while writing", gone: true, run: func(s *stage) {
		s.connect()
		s.cut()
		s.within(lostAfter, "WriteMessage", func() {
			var err error
			for err == nil {
				err = s.client.WriteMessage(make([]byte, 10000), MessageInfo{})
			}
			wantPeersEnd(s.T, "WriteMessage", err)
		})
		s.wantEnd(s.client, "that it is lost", endedBy(AssocLost))
		s.closeAll()
	}},
	{name: "restarted", run: func(s *stage) { // H1: nothing of the new association is delivered
		s.connect()
		s.send(s.client, 0, 4)
		s.settle(s.client)
		old := s.client
		record, err := old.core.Seal(nil, []byte("replayed"))
		if err != nil {
			s.Fatal(err)
		}
		again := s.restart(s.T, under(old))
		if again != nil { // the server has not ended it yet
			again.Send(record, stream.Info{Stream: 1})
			defer again.Abort()
		}
		s.receive(s.server, 0, 4)
		s.wantEnd(s.server, "that it was restarted", endedBy(AssocRestarted))
		wantPeersEnd(s.T, "WriteMessage", s.server.WriteMessage([]byte("x"), MessageInfo{}))
		s.closeAll()
	}},
	{name: "restarted while others read and write", run: func(s *stage) {
		s.connect()
		read := reader(s.server)
		s.settle(s.client)
		s.settle(s.server)
		if again := s.restart(s.T, under(s.client)); again != nil {
			defer again.Abort()
		}
		if err := <-read; !endedBy(AssocRestarted)(err) {
			s.Errorf("reading: %v, want that it was restarted", err)
		}
		s.closeAll()
	}},
	{name: "aborted before the server begins", run: func(s *stage) {
		s.meet()
		done := make(chan error, 1)
		go func() { done <- s.client.Handshake() }()
		s.until("the ClientHello has come", func() bool { return s.unread(under(s.server)) })
		under(s.client).Abort()
		s.until("the ABORT has come", func() bool {
			_, _, err := under(s.server).Missing()
			return err != nil
		})
		<-done
		if err := s.server.Handshake(); !endedBy(AssocAborted)(err) {
			s.Errorf("handshake: %v, want that it was aborted", err)
		}
		s.closeAll()
	}},
	{name: "a Listener is closed while handshakes run", run: func(s *stage) { // E12
		socket, dial := s.listener(s.T)
		client, server := s.configs()
		ln := newListener(socket, server)
		var ends []*Conn
		done := make(chan error)
		for i := range 6 {
			c := s.newEnd(dial(), client, dtlscore.Client)
			ends = append(ends, c)
			switch {
			case i < 2: // these say nothing
				continue
			case i < 4: // these are through, and nobody accepts them
				if err := c.Handshake(); err != nil {
					s.Error(err)
				}
			}
			go func() {
				err := c.Handshake()
				for err == nil {
					_, _, err = c.ReadMessage(make([]byte, 10))
				}
				done <- err
			}()
		}
		s.within(scenarioCloseTimeout+alertTime, "Close of the Listener", func() {
			if err := ln.Close(); err != nil {
				s.Error(err)
			}
		})
		for range 4 {
			if err := <-done; err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) && !isAlert(err) {
				s.Errorf("a client then: %v", err)
			}
		}
		_, err := ln.AcceptConn(context.Background())
		want(s.T, "AcceptConn", err, net.ErrClosed)
		for _, c := range ends {
			s.client = c
			s.closeInTime(c)
			s.wantNothingLeft(c)
		}
	}},
}

func isAlert(err error) bool {
	_, ok := errtype.As[*AlertError](err)
	return ok
}

func isTimeout(err error) bool {
	var e net.Error
	return errors.As(err, &e) && e.Timeout()
}

// closer connects and returns an end.
func (s *stage) closer(name string) *Conn {
	s.Helper()
	s.connect()
	if name == "client" {
		return s.client
	}
	return s.server
}

// closeAndRead closes c with messages on their way; the other end reads all of them, and io.EOF.
func closeAndRead(s *stage, c *Conn) {
	s.Helper()
	s.send(c, 0, 100)
	closed := make(chan error)
	go func() { closed <- s.closeInTime(c) }()
	other := s.other(c)
	s.receive(other, 0, 100)
	s.wantEnd(other, "io.EOF", func(err error) bool { return err == io.EOF })
	if err := <-closed; err != nil {
		s.Errorf("Close: %v", err)
	}
	want(s.T, "WriteMessage", other.WriteMessage([]byte("x"), MessageInfo{}), ErrPeerClosed)
	s.wantClosed(s.closeAll())
	s.wantEnd(c, "that it is closed", isAny(net.ErrClosed))
	want(s.T, "WriteMessage after Close", c.WriteMessage([]byte("x"), MessageInfo{}), net.ErrClosed)
}

func (s *stage) wantClosed(client, server error) {
	s.Helper()
	if client != nil || server != nil {
		s.Errorf("Close of the client: %v, of the server: %v", client, server)
	}
}

// wantTruncation reads to the end, which must be an AssociationError.
func (s *stage) wantTruncation(c *Conn) {
	s.Helper()
	var err error
	s.within(lostAfter, "the end", func() {
		for err == nil {
			_, _, err = c.ReadMessage(make([]byte, MaxMessageSize))
		}
	})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		s.Errorf("%s: reading: %v, want a truncation", s.name(c), err)
	}
}

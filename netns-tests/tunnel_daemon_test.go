//go:build kernel

package netns

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// This file has daemons without security for tests of failures. The far daemon is the test binary
// in its own process: it checks that the numbers of messages have no gap, and echoes them, which
// acknowledges them end to end. Near daemons are sockets of the test, or processes that are killed.

var (
	plainDaemon = flag.String("daemon", "", "be a daemon without security: ADDRESS:PORT")
	dialDaemon  = flag.String("dial-daemon", "", "be one that dials, and reads one echo")
	unread      = flag.Bool("unread", false, "send another message, and do not read its echo")
)

const daemonStreams = 8

func daemonOptions() *sctpsock.Options {
	return &sctpsock.Options{Options: stream.Options{
		OutStreams: daemonStreams, MaxInStreams: daemonStreams,
	}}
}

// runDaemon echoes messages until the process is killed.
func runDaemon() error {
	addr, err := netip.ParseAddrPort(*plainDaemon)
	if err != nil {
		return err
	}
	l, err := sctpsock.Listen([]netip.AddrPort{addr}, daemonOptions())
	if err != nil {
		return err
	}
	fmt.Println("listening")
	for {
		s, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer s.Close()
			n, err := echoNumbers(s)
			fmt.Printf("ended after %d: %v\n", n, err)
		}()
	}
}

// runDialling waits until the process is killed.
func runDialling() error {
	addr, err := netip.ParseAddrPort(*dialDaemon)
	if err != nil {
		return err
	}
	s, err := sctpsock.Dial(context.Background(), nil, []netip.AddrPort{addr}, daemonOptions())
	if err != nil {
		return err
	}
	if err := sendNumber(s, 0, 0); err != nil {
		return err
	}
	if _, _, err := receiveNumber(s); err != nil {
		return err
	}
	if *unread {
		if err := sendNumber(s, 1, 0); err != nil {
			return err
		}
	}
	fmt.Println("done")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// echoNumbers returns how many messages arrived in order, and how the association ended. A message
// that cannot be sent any more may fail with EPIPE, whatever the end is; what Recv returns says it.
func echoNumbers(s *sctpsock.Socket) (n int, err error) {
	for over := false; ; {
		number, info, err := receiveNumber(s)
		if err != nil {
			return n, err
		}
		if number != n {
			return n, fmt.Errorf("number %d in place of %d", number, n)
		}
		n++
		over = over || sendNumber(s, number, info.Stream) != nil
	}
}

const numberFormat = "message %d"

func sendNumber(s *sctpsock.Socket, n int, to uint16) error {
	// unlike what Diameter and others have, so that it stays
	return s.Send(fmt.Appendf(nil, numberFormat, n), stream.Info{Stream: to, PPID: uint32(1000 + n)})
}

// room is a stream.Buffer of fixed size.
type room []byte

func (r room) Get() []byte { return r }
func (room) Put()          {}

func receiveNumber(s *sctpsock.Socket) (n int, info stream.Info, err error) {
	b := make(room, 100)
	for {
		p, err := s.Recv(b, true)
		if err != nil {
			return 0, info, err
		}
		if p.Event != nil {
			continue
		}
		if _, err := fmt.Sscanf(string(b[:p.N]), numberFormat, &n); err != nil || !p.End {
			return 0, info, fmt.Errorf("%q is no message", b[:p.N])
		}
		if p.Info.PPID != uint32(1000+n) {
			return 0, info, fmt.Errorf("message %d has protocol identifier %d", n, p.Info.PPID)
		}
		return n, p.Info, nil
	}
}

// echoDaemon starts a far daemon.
func (p *tunnelPair) echoDaemon(port uint16) *Process {
	p.t.Helper()
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	d := p.core.Start(p.t, self, "-daemon", netip.AddrPortFrom(loopback, port).String())
	d.WaitFor("listening")
	return d
}

// A nearDaemon is an association of the near host. Its messages are numbered, and echoed.
type nearDaemon struct {
	t    *testing.T
	s    *sctpsock.Socket
	sent atomic.Int64
	// may be too low after the association has ended: the missing messages may have arrived or not
	echoed atomic.Int64
	ended  chan error // receives how the association ended
}

// dialNear sets up an association with the tunnel on a port, and waits for the echo of one message.
func (p *tunnelPair) dialNear(port uint16) *nearDaemon {
	p.t.Helper()
	s, err := p.tryNear(port)
	if err != nil {
		p.t.Fatal(err)
	}
	d := p.newNear(s)
	d.served()
	return d
}

// newNear reads the messages of an association.
func (p *tunnelPair) newNear(s *sctpsock.Socket) *nearDaemon {
	d := &nearDaemon{t: p.t, s: s, ended: make(chan error, 1)}
	p.t.Cleanup(func() { s.Close() })
	go func() {
		for {
			n, _, err := receiveNumber(d.s)
			if err != nil {
				d.ended <- err
				return
			}
			if int64(n) != d.echoed.Load() {
				d.ended <- fmt.Errorf("echo of %d in place of %d", n, d.echoed.Load())
				return
			}
			d.echoed.Add(1)
		}
	}()
	return d
}

// tryNear sets up an association with the tunnel on a port.
func (p *tunnelPair) tryNear(port uint16) (s *sctpsock.Socket, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), Patience)
	defer cancel()
	p.ran.Do(p.t, func() {
		s, err = sctpsock.Dial(ctx, nil, []netip.AddrPort{netip.AddrPortFrom(loopback, port)},
			daemonOptions())
	})
	return s, err
}

// send sends the next message.
func (d *nearDaemon) send() error {
	if err := sendNumber(d.s, int(d.sent.Load()), 1); err != nil {
		return err
	}
	d.sent.Add(1)
	return nil
}

// sendAll sends messages as fast as they are accepted until stop is called.
func (d *nearDaemon) sendAll() (stop func()) {
	var stopped atomic.Bool
	var done sync.WaitGroup
	done.Go(func() {
		for !stopped.Load() && d.send() == nil {
		}
	})
	return func() {
		stopped.Store(true)
		done.Wait()
	}
}

// served waits until all messages, and one more, have been echoed.
func (d *nearDaemon) served() {
	d.t.Helper()
	if err := d.use(); err != nil {
		d.t.Fatalf("an association that is left alone: %v", err)
	}
}

// all waits until all messages have been echoed.
func (d *nearDaemon) all() {
	d.t.Helper()
	if err := d.echoes(); err != nil {
		d.t.Fatalf("an association that is left alone: %v", err)
	}
}

// use is served for an association that may end.
func (d *nearDaemon) use() error {
	if err := d.send(); err != nil {
		return err
	}
	return d.echoes()
}

func (d *nearDaemon) echoes() error {
	for end := time.Now().Add(Patience); d.echoed.Load() < d.sent.Load(); {
		time.Sleep(time.Millisecond)
		select {
		case err := <-d.ended:
			return err
		default:
		}
		if time.Now().After(end) {
			return fmt.Errorf("%d messages of %d were echoed", d.echoed.Load(), d.sent.Load())
		}
	}
	return nil
}

// wantEnd waits for the end of the association and checks that it is an ABORT or clean.
func (d *nearDaemon) wantEnd(want error) {
	d.t.Helper()
	select {
	case err := <-d.ended:
		if !errors.Is(err, want) {
			d.t.Errorf("the near daemon sees %v, want %v", err, want)
		}
	case <-time.After(Patience):
		d.t.Errorf("the association has not ended")
	}
}

// end ends the association cleanly, and waits until the far endpoint has ended it too.
func (d *nearDaemon) end() {
	d.t.Helper()
	if err := d.s.Shutdown(); err != nil {
		d.t.Error(err)
	}
	d.wantEnd(io.EOF)
}

// Package core measures what needs no network: record protection and handshakes of package
// dtlscore, compared with crypto/tls, pion/dtls and the bare AEAD.
package core

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/bench/certs"
	"github.com/seed-41f70523/dtls-sctp/bench/measure"
	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// Sizes are the sizes of messages in bytes.
var Sizes = []int{64, 256, 1024, 4096, 16384}

// Contests returns all contests.
func Contests() ([]measure.Contest, error) {
	set := certs.New()
	contests, err := records(set)
	return append(contests, handshakes(set)...), err
}

// Counted returns the contests of records, for a machine whose clock counts instructions, one per
// nanosecond.
func Counted() ([]measure.Contest, error) {
	all, err := Contests()
	var contests []measure.Contest
	for _, c := range all {
		if !strings.HasPrefix(c.Name, "record/") {
			continue
		}
		isPion := func(who measure.Contestant) bool { return who.Name == "pion/dtls" }
		c.Contestants = slices.DeleteFunc(c.Contestants, isPion)
		for i, who := range c.Contestants {
			c.Contestants[i].Run = func(d time.Duration) (measure.Sample, error) {
				sample, err := who.Run(d)
				counted := make(measure.Sample)
				for figure, value := range sample {
					counted[strings.Replace(figure, " ns", " instructions", 1)] = value
				}
				return counted, err
			}
		}
		contests = append(contests, c)
	}
	return contests, err
}

// dtlsPair is a connection of package dtlscore.
type dtlsPair struct {
	ends  [2]*dtlscore.Conn
	inbox [2][][]byte
	done  int // completed handshakes
}

// connectDTLS makes a handshake with the smallest possible driver, and continues until nothing is
// in flight.
func connectDTLS(client, server *dtlscore.Config) (*dtlsPair, error) {
	p := new(dtlsPair)
	var failed [2]error
	p.ends[0], failed[0] = dtlscore.Client(client)
	p.ends[1], failed[1] = dtlscore.Server(server)
	if err := errors.Join(failed[:]...); err != nil {
		return nil, err
	}
	for _, end := range p.ends {
		if err := end.Start(); err != nil {
			return nil, err
		}
	}
	if err := p.settle(); err != nil {
		return nil, err
	}
	if p.done != 2 {
		return nil, errors.New("the handshake has come to a halt")
	}
	return p, nil
}

// settle executes the events of both ends until nothing is in flight.
func (p *dtlsPair) settle() error {
	for i := range p.ends {
		if err := p.obey(i); err != nil {
			return err
		}
	}
	for len(p.inbox[0])+len(p.inbox[1]) > 0 {
		for i := range p.ends {
			if err := p.receive(i, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *dtlsPair) receive(i int, obey bool) error {
	for len(p.inbox[i]) > 0 {
		record := p.inbox[i][0]
		p.inbox[i] = p.inbox[i][1:]
		if _, err := p.ends[i].Receive(record, true, dtlscore.Tag{}); err != nil {
			return err
		}
		if !obey {
			continue
		}
		if err := p.obey(i); err != nil {
			return err
		}
	}
	return nil
}

func (p *dtlsPair) obey(i int) error {
	for {
		switch e := p.ends[i].NextEvent(); e.Kind {
		case dtlscore.EventNone:
			return nil
		case dtlscore.EventSend:
			p.inbox[1-i] = append(p.inbox[1-i], e.Data)
		case dtlscore.EventReadPending:
			if err := p.receive(i, false); err != nil {
				return err
			}
			if err := p.ends[i].PendingRead(); err != nil {
				return err
			}
		case dtlscore.EventHandshakeComplete:
			p.done++
		}
	}
}

// onProcessors calls f with GOMAXPROCS set to n.
func onProcessors(n int, f func() (measure.Sample, error)) (measure.Sample, error) {
	before := runtime.GOMAXPROCS(n)
	defer runtime.GOMAXPROCS(before)
	return f()
}

// repeat calls f for about d and returns the time per call.
func repeat(d time.Duration, f func() error) (nanoseconds float64, err error) {
	start := processorTime()
	n := 0
	for processorTime()-start < d {
		if err := f(); err != nil {
			return 0, fmt.Errorf("call %d: %w", n, err)
		}
		n++
	}
	return float64((processorTime() - start).Nanoseconds()) / float64(n), nil
}

// processorTime returns the processor time of all threads of this process. Unlike wall-clock time,
// it does not advance while other processes run.
func processorTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic(err) // cannot happen on Linux
	}
	return time.Duration(t.Nano())
}

// Package association measures associations of the Linux kernel between two processes, in two
// network namespaces that are connected by a cable with an MTU of 1500: DTLS with package sctpdtls
// and with OpenSSL, and plain SCTP with and without SCTP-AUTH.
package association

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// Sizes are the sizes of messages in bytes.
var Sizes = []int{64, 256, 1024, 4096, 16384}

// A Program is one of the programs to compare: the implementation of both ends.
type Program struct {
	Name      string
	C         bool   // implemented by cpeer
	Kind      string // this and the following are options of the peer
	HMAC      int
	SACKDelay int
	Version   string
	Batch     int  // messages sent together
	Resume    bool // resume sessions in handshakes
}

// HMAC identifiers. See RFC 4895, Section 3.3.
const (
	hmacSHA1   = 1
	hmacSHA256 = 3
)

// sha256 returns p with SHA-256 as the HMAC.
func (p Program) sha256() Program {
	p.Name += " SHA-256"
	p.HMAC = hmacSHA256
	return p
}

// batched returns p with several messages sent together.
func (p Program) batched() Program {
	p.Name += " batch"
	p.Batch = 32
	return p
}

// resumed returns p with resumed sessions.
func (p Program) resumed() Program {
	p.Name += " resumed"
	p.Resume = true
	return p
}

// The programs, with their names in results. Like OpenSSL, all use SHA-1 unless the name says
// otherwise, and acknowledge with default settings. Programs that are compared take turns shortly
// after each other.
var (
	dtls     = Program{Name: "dtls1.2", Kind: "dtls", HMAC: hmacSHA1, SACKDelay: -1, Version: "1.2"}
	dtls13   = Program{Name: "dtls1.3", Kind: "dtls", HMAC: hmacSHA1, SACKDelay: -1, Version: "1.3"}
	openssl  = Program{Name: "openssl", Kind: "openssl", C: true, HMAC: hmacSHA1, SACKDelay: -1}
	openssl0 = Program{Name: "openssl no delay", Kind: "openssl", C: true, HMAC: hmacSHA1}
	authGo   = Program{Name: "auth in Go", Kind: "auth", HMAC: hmacSHA1, SACKDelay: -1}
	plainGo  = Program{Name: "plain in Go", Kind: "plain", SACKDelay: -1}

	checked    = []Program{openssl, dtls.batched(), dtls, authGo, dtls13}
	everywhere = []Program{openssl, dtls.batched(), authGo.batched(), dtls, authGo, dtls13.batched(),
		dtls13, openssl.sha256(), dtls.sha256().batched(), dtls.sha256(), dtls13.sha256().batched(),
		dtls13.sha256()}
	everything   = append(slices.Clone(everywhere), plainGo)
	inHandshakes = []Program{dtls, dtls13, dtls.resumed(), dtls13.resumed(), openssl0, authGo, openssl}
)

// CheckedSizes are the sizes of messages of the part "check".
var CheckedSizes = []int{64, 1024, 16384}

// A shape is a number of associations and streams, and what is measured with them.
type shape struct {
	part                  string // its name
	associations, streams int
	kinds                 []string
	sizes                 []int
	programs              []Program
	turns                 int // factor of a turn's length
	rounds                int // maximum
}

// Many associations have many messages in flight even with a window of 1, and need more time for
// the same number of messages each.
var shapes = []shape{
	{"check", 1, 1, []string{"discard", "echo1"}, CheckedSizes, checked, 1, 9},
	{"1x1", 1, 1, []string{"discard", "echo1", "echo32"}, Sizes, everything, 1, 9},
	{"1x16", 1, 16, []string{"discard", "echo1"}, CheckedSizes, everywhere, 1, 3},
	{"64x1", 64, 1, []string{"discard", "echo1"}, []int{64, 1024}, everywhere, 8, 3},
	{"1000x1", 1000, 1, []string{"discard", "echo1"}, []int{64, 1024}, []Program{openssl, dtls, authGo,
		dtls13, openssl.sha256(), dtls.sha256(), dtls13.sha256()}, 20, 1},
}

// Parts returns the names of what Run can measure: handshakes, ASSOCIATIONSxSTREAMS, and check,
// which is a part of 1x1.
func Parts() []string {
	parts := []string{"handshakes"}
	for _, s := range shapes {
		parts = append(parts, s.part)
	}
	return parts
}

// Run runs the contests of the parts, with at most the given number of rounds and turns of length
// d. Only programs for which wanted returns true take part, and those in C only if n has them. Run
// calls save when there are new results.
func Run(r *measure.Report, n *Network, parts []string, wanted func(program string) bool,
	d time.Duration, rounds int, save func() error) error {
	var failed []error
	if slices.Contains(parts, "handshakes") {
		failed = append(failed, handshakes(r, n, manyHandshakes), save())
	}
	for _, s := range shapes {
		if slices.Contains(parts, s.part) {
			s.programs = slices.DeleteFunc(slices.Clone(s.programs),
				func(p Program) bool { return !wanted(p.Name) })
			failed = append(failed, s.run(r, n, d, min(s.rounds, rounds)), save())
		}
	}
	return errors.Join(failed...)
}

// Try runs a little of everything for a short time, to show that it works.
func Try(r *measure.Report, n *Network, d time.Duration) error {
	little := shape{"", 1, 2, []string{"discard", "echo1", "echo32"}, []int{64, 16384},
		[]Program{dtls, dtls.batched(), authGo, authGo.batched()}, 1, 1}
	return errors.Join(
		little.run(r, n, d, 1),
		handshakes(r, n, 2),
		Idle(r, n, dtls.Name, 10, false),
	)
}

func (s shape) run(r *measure.Report, n *Network, d time.Duration, rounds int) error {
	clients := make(map[Program]*process)
	defer func() {
		for _, c := range clients {
			c.end()
		}
	}()
	connect := func(p Program) error {
		c, err := n.client(p, s.associations, s.streams)
		if err == nil {
			clients[p.peer()] = c
		}
		return err
	}
	var able []Program
	var failed []error
	for _, p := range n.able(s.programs) {
		if clients[p.peer()] == nil {
			if err := connect(p); err != nil {
				failed = append(failed, err)
				continue
			}
		}
		able = append(able, p)
	}
	for _, kind := range s.kinds {
		for _, size := range s.sizes {
			contest := measure.Contest{Name: fmt.Sprintf("%s/%d/%d associations/%d streams", kind, size,
				s.associations, s.streams)}
			for _, p := range able {
				if p.Batch > 0 && kind != "discard" {
					continue // an echo sends messages one at a time
				}
				run := func(d time.Duration) (measure.Sample, error) {
					c := clients[p.peer()]
					rate, err := c.turn(p.command(kind, size), d)
					if err != nil && connect(p) == nil { // reconnect for the next contest
						c.end()
					}
					return measure.Sample{"messages/s": rate}, err
				}
				contest.Contestants = append(contest.Contestants,
					measure.Contestant{Name: p.Name, Foreign: p.C, Run: run})
			}
			failed = append(failed,
				r.Run(n.progress, []measure.Contest{contest}, rounds, time.Duration(s.turns)*d))
		}
	}
	return errors.Join(failed...)
}

// peer returns p without what a peer does not need to know: programs that differ only in that share
// a peer.
func (p Program) peer() Program {
	p.Name, p.Batch = "", 0
	return p
}

// command returns a command for a client of p, without its time.
func (p Program) command(kind string, size int) string {
	window, echo := strings.CutPrefix(kind, "echo")
	switch {
	case echo:
		return fmt.Sprintf("echo %d %s", size, window)
	case p.Batch > 0:
		return fmt.Sprintf("batch %d %d", size, p.Batch)
	}
	return fmt.Sprintf("discard %d", size)
}

// HandshakeFigures are the figures that a peer reports about handshakes.
var HandshakeFigures = []string{"connections/s", MedianTime, "ms, 99 %"}

// MedianTime is the figure that is the same in each run, to half a hundredth.
const MedianTime = "ms, median"

// The number of handshakes in a program's only turn. In Go, single handshakes vary by a fifth,
// depending on what the garbage collector has left. This many, starting with a collection, vary by
// less than a hundredth. Handshakes in C do not vary.
const (
	manyHandshakes = 96
	inC            = 16
)

// handshakes measures successive handshakes; number applies to full ones in Go.
func handshakes(r *measure.Report, n *Network, number int) error {
	contest := measure.Contest{Name: "handshakes"}
	var failed []error
	for _, p := range n.able(inHandshakes) {
		c, err := n.client(p, 0, 1)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		defer c.end()
		mine := number
		switch {
		case p.C:
			mine = min(number, inC)
		case p.Resume: // they are shorter
			mine = 2 * number
		}
		run := func(time.Duration) (measure.Sample, error) {
			v, err := c.handshakes(mine)
			sample := measure.Sample{}
			for i := range v {
				sample[HandshakeFigures[i]] = v[i]
			}
			return sample, err
		}
		contest.Contestants = append(contest.Contestants, measure.Contestant{Name: p.Name, Run: run})
	}
	failed = append(failed, r.Run(n.progress, []measure.Contest{contest}, 1, 0))
	return errors.Join(failed...)
}

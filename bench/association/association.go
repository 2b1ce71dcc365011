// Package association measures what goes over an association of the kernel, between two
// processes in two network namespaces with a cable of MTU 1500 between them: DTLS with
// package sctpdtls and with OpenSSL, and bare SCTP, with AUTH and without.
package association

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// Sizes are those of the messages.
var Sizes = []int{64, 256, 1024, 4096, 16384}

// A Program is one that is compared with others: both ends of it.
type Program struct {
	Name      string
	C         bool   // it is cpeer
	Kind      string // the rest is what the peer is told
	HMAC      int
	SACKDelay int
	Version   string
	Batch     int  // messages that are sent together
	Resume    bool // sessions, in handshakes
}

// The identifiers of HMACs: RFC 4895, Section 3.3.
const (
	hmacSHA1   = 1
	hmacSHA256 = 3
)

// sha256 returns p with another HMAC.
func (p Program) sha256() Program {
	p.Name += " SHA-256"
	p.HMAC = hmacSHA256
	return p
}

// batched returns p as it sends several messages together.
func (p Program) batched() Program {
	p.Name += " batch"
	p.Batch = 32
	return p
}

// resumed returns p as it resumes sessions.
func (p Program) resumed() Program {
	p.Name += " resumed"
	p.Resume = true
	return p
}

// The programs, under the names that they have in results. As OpenSSL does, all authenticate by
// SHA-1 unless the name says otherwise, and acknowledge as they do by default. Those that are
// compared take turns close together.
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

// CheckedSizes are those of the messages of the part “check”.
var CheckedSizes = []int{64, 1024, 16384}

// A shape is how many associations and streams carry messages, and what is done.
type shape struct {
	part                  string // its name
	associations, streams int
	kinds                 []string
	sizes                 []int
	programs              []Program
	turns                 int // how many times as long as others
	rounds                int // at most
}

// Many associations have many messages under way with a window of 1 already, and need longer for
// the same number of messages each.
var shapes = []shape{
	{"check", 1, 1, []string{"discard", "echo1"}, CheckedSizes, checked, 1, 9},
	{"1x1", 1, 1, []string{"discard", "echo1", "echo32"}, Sizes, everything, 1, 9},
	{"1x16", 1, 16, []string{"discard", "echo1"}, CheckedSizes, everywhere, 1, 3},
	{"64x1", 64, 1, []string{"discard", "echo1"}, []int{64, 1024}, everywhere, 8, 3},
	{"1000x1", 1000, 1, []string{"discard", "echo1"}, []int{64, 1024}, []Program{openssl, dtls, authGo,
		dtls13, openssl.sha256(), dtls.sha256(), dtls13.sha256()}, 20, 1},
}

// Parts are the names of what Run can measure: handshakes, ASSOCIATIONSxSTREAMS, and check, which
// is a little of 1x1.
func Parts() []string {
	parts := []string{"handshakes"}
	for _, s := range shapes {
		parts = append(parts, s.part)
	}
	return parts
}

// Run holds the contests of the parts, with at most so many rounds; d is the time of a turn. Only
// programs take part of which wanted says so, those in C only if n has them. It calls save when
// there is something new.
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

// Try runs a little of all for a short time, to show that it works.
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
					continue // an echo answers one by one
				}
				run := func(d time.Duration) (measure.Sample, error) {
					c := clients[p.peer()]
					rate, err := c.turn(p.command(kind, size), d)
					if err != nil && connect(p) == nil { // a new one for the next contest
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

// peer returns p without what no peer needs to know: programs that differ in it share one.
func (p Program) peer() Program {
	p.Name, p.Batch = "", 0
	return p
}

// command returns what a client of p is told, but for the time.
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

// HandshakeFigures are what a peer tells of handshakes: how many, and how long each took.
var HandshakeFigures = []string{"connections/s", "ms, median", "ms, 99 %"}

// manyHandshakes are those of a program's only turn. In Go single ones differ by a fifth, by what
// the garbage collector has left and by how often the scheduler's monitor wakes; so many together,
// beginning with a collection, do by a hundredth. Each of those in C is as the last.
const (
	manyHandshakes = 96
	inC            = 16
)

// handshakes are made one after another, so many full ones by programs in Go.
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
		case p.Resume: // shorter
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

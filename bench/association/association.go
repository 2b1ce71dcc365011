// Package association measures what goes over an association of the kernel, between two
// processes in two network namespaces with a cable of MTU 1500 between them: DTLS with
// package sctpdtls and with OpenSSL, and bare SCTP, with AUTH and without.
package association

import (
	"errors"
	"fmt"
	"slices"
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
	Batch     int
	Resume    bool // sessions, in handshakes
}

const (
	sha1   = 1
	sha256 = 3

	batch = 32 // messages
)

// The programs, under the names that they have in results. As OpenSSL does, all authenticate by
// SHA-1 unless the name says otherwise, and acknowledge as they do by default. Those that are
// compared take turns close together.
var (
	dtls    = Program{Name: "dtls1.2", Kind: "dtls", HMAC: sha1, SACKDelay: -1, Version: "1.2"}
	dtls13  = Program{Name: "dtls1.3", Kind: "dtls", HMAC: sha1, SACKDelay: -1, Version: "1.3"}
	dtls256 = Program{Name: "dtls1.2 SHA-256", Kind: "dtls", HMAC: sha256, SACKDelay: -1,
		Version: "1.2"}
	openssl    = Program{Name: "openssl", Kind: "openssl", C: true, HMAC: sha1, SACKDelay: -1}
	openssl256 = Program{Name: "openssl SHA-256", Kind: "openssl", C: true, HMAC: sha256,
		SACKDelay: -1}
	openssl0 = Program{Name: "openssl no delay", Kind: "openssl", C: true, HMAC: sha1,
		SACKDelay: 0}
	authGo    = Program{Name: "auth in Go", Kind: "auth", HMAC: sha1, SACKDelay: -1}
	plainGo   = Program{Name: "plain in Go", Kind: "plain", SACKDelay: -1}
	dtlsBatch = Program{Name: "dtls1.2 batch", Kind: "dtls", HMAC: sha1, SACKDelay: -1,
		Version: "1.2", Batch: batch}
	dtls256Batch = Program{Name: "dtls1.2 SHA-256 batch", Kind: "dtls", HMAC: sha256, SACKDelay: -1,
		Version: "1.2", Batch: batch}
	authGoBatch = Program{Name: "auth in Go batch", Kind: "auth", HMAC: sha1, SACKDelay: -1,
		Batch: batch}
	checked    = []Program{openssl, dtlsBatch, dtls, authGo, dtls13}
	everything = []Program{openssl, dtlsBatch, authGoBatch, dtls, authGo, dtls13, openssl256,
		dtls256Batch, dtls256, plainGo}
	selected    = []Program{openssl, dtlsBatch, dtls, authGo}
	dtlsResumed = Program{Name: "dtls1.2 resumed", Kind: "dtls", HMAC: sha1, SACKDelay: -1,
		Version: "1.2", Resume: true}
	dtls13Resume = Program{Name: "dtls1.3 resumed", Kind: "dtls", HMAC: sha1, SACKDelay: -1,
		Version: "1.3", Resume: true}
	inHandshakes = []Program{dtls, dtls13, dtlsResumed, dtls13Resume, openssl0, authGo, openssl}
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
	rounds                int
}

// Many associations have many messages under way with a window of 1 already.
var shapes = []shape{
	{"check", 1, 1, []string{"discard", "echo1"}, CheckedSizes, checked, 9},
	{"1x1", 1, 1, []string{"discard", "echo1", "echo32"}, Sizes, everything, 9},
	{"1x16", 1, 16, []string{"discard", "echo1"}, CheckedSizes, selected, 3},
	{"64x1", 64, 1, []string{"discard", "echo1"}, []int{64, 1024}, selected, 2},
	{"1000x1", 1000, 1, []string{"discard", "echo1"}, []int{64, 1024},
		[]Program{openssl, dtls, authGo}, 1},
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

// Run holds the contests of the parts, with at most so many rounds; d is the time of a turn.
// Programs in C are left out unless n has them. It calls save when there is something new.
func Run(r *measure.Report, n *Network, parts []string, d time.Duration, rounds int,
	save func() error) error {
	var failed []error
	if slices.Contains(parts, "handshakes") {
		failed = append(failed, handshakes(r, n, d, rounds), save())
	}
	for _, s := range shapes {
		if slices.Contains(parts, s.part) {
			failed = append(failed, s.run(r, n, d, min(s.rounds, rounds)), save())
		}
	}
	return errors.Join(failed...)
}

// Try runs a little of all for a short time, to show that it works.
func Try(r *measure.Report, n *Network, d time.Duration) error {
	little := shape{"", 1, 2, []string{"discard", "echo1", "echo32"}, []int{64, 16384},
		[]Program{dtls, dtlsBatch, authGo, authGoBatch}, 1}
	return errors.Join(
		little.run(r, n, d, 1),
		handshakes(r, n, d, 1),
		Scale(r, n, 10, d),
	)
}

func (s shape) run(r *measure.Report, n *Network, d time.Duration, rounds int) error {
	var clients []*process
	defer func() {
		for _, c := range clients {
			c.end()
		}
	}()
	var all, single []measure.Contestant // an echo answers one by one, so that batches are for one way
	var failed []error
	command := "" // of the contest
	for _, p := range n.able(s.programs) {
		c, err := n.client(p, s.associations, s.streams)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		clients = append(clients, c)
		mine := len(clients) - 1
		contestant := measure.Contestant{Name: p.Name, Foreign: p.C,
			Run: func(d time.Duration) (measure.Sample, error) {
				rate, err := clients[mine].ask(fmt.Sprintf("%s %d", command, d.Milliseconds()))
				if err != nil { // a new one for the next contest
					if again, err := n.client(p, s.associations, s.streams); err == nil {
						clients[mine].end()
						clients[mine] = again
					}
				}
				return measure.Sample{"messages/s": rate}, err
			}}
		all = append(all, contestant)
		if p.Batch == 0 {
			single = append(single, contestant)
		}
	}
	for _, kind := range s.kinds {
		for _, size := range s.sizes {
			contest := measure.Contest{
				Name: fmt.Sprintf("%s/%d/%d associations/%d streams", kind, size, s.associations,
					s.streams),
				Contestants: all,
			}
			command = fmt.Sprintf("discard %d", size)
			if kind != "discard" {
				contest.Contestants = single
				command = fmt.Sprintf("echo %d %s", size, kind[len("echo"):])
			}
			for _, c := range contest.Contestants {
				c.Run(d / 8) // so that the path and the programs are warm; an error comes again
			}
			failed = append(failed, r.Run(n.progress, []measure.Contest{contest}, rounds, d))
		}
	}
	return errors.Join(failed...)
}

// HandshakeFigures are what a peer tells of handshakes: how many, and how long each took.
var HandshakeFigures = []string{"connections/s", "ms, median", "ms, 95 %", "ms, 99 %"}

// handshakes are made one after another. OpenSSL takes 200 ms for each unless
// acknowledgements are not delayed, so that it has few turns otherwise.
func handshakes(r *measure.Report, n *Network, d time.Duration, rounds int) error {
	contest := measure.Contest{Name: "handshakes"}
	var failed []error
	for _, p := range n.able(inHandshakes) {
		c, err := n.client(p, 0, 1)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		defer c.end()
		contest.Contestants = append(contest.Contestants,
			measure.Contestant{Name: p.Name, Run: func(d time.Duration) (measure.Sample, error) {
				v, err := c.askAll(fmt.Sprintf("handshakes %d", d.Milliseconds()), len(HandshakeFigures))
				sample := measure.Sample{}
				for i := range v {
					sample[HandshakeFigures[i]] = v[i]
				}
				return sample, err
			}})
	}
	for _, c := range contest.Contestants {
		c.Run(d) // the first connections of a program in Go touch memory that later ones use again
	}
	failed = append(failed, r.Run(n.progress, []measure.Contest{contest}, rounds, 10*d))
	return errors.Join(failed...)
}

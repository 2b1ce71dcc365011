// Package report makes of results what people read, and compares them with a kept baseline.
package report

import (
	"fmt"

	"github.com/seed-41f70523/dtls-sctp/bench/association"
	"github.com/seed-41f70523/dtls-sctp/bench/core"
	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// A Claim says how many times as fast A should be as B, at least.
type Claim struct {
	Group         string
	Contest, A, B string
	Figure        string
	Target        float64 // 0: none, it is only compared with the baseline
}

// Name is what the baseline calls it.
func (c Claim) Name() string { return fmt.Sprintf("%s %s: %s / %s", c.Contest, c.Figure, c.A, c.B) }

// Groups of claims, in words.
const (
	besideAEAD      = "a record sealed and opened, beside the bare AEAD"
	besideTLS       = "a record sealed and opened, beside crypto/tls"
	besidePion      = "a record sealed and opened, beside pion/dtls"
	inParallel      = "two goroutines that seal for one connection, beside one"
	handshakesInMem = "handshakes in memory, beside crypto/tls and pion/dtls"
	oneWay          = "messages one way, beside OpenSSL"
	oneWayBare      = "messages one way, beside bare SCTP with AUTH driven the same way"
	roundTrip       = "echo, one message under way, beside OpenSSL"
	window32        = "echo, 32 messages under way, beside OpenSSL"
	overSCTP        = "handshakes over SCTP, one after another, beside OpenSSL"
)

// Claims returns all of them.
func Claims() []Claim {
	var claims []Claim
	add := func(group, contest, a, b, figure string, target float64) {
		claims = append(claims, Claim{group, contest, a, b, figure, target})
	}
	for _, size := range core.Sizes {
		contest := fmt.Sprintf("record/%d", size)
		for _, version := range []string{"1.2", "1.3"} {
			// Within 1.25 times the time, and within 1.5 times that of a small one.
			target := 1 / 1.25
			if size < 1024 {
				target = 1 / 1.5
			}
			bare := map[string]string{"1.2": "aead", "1.3": "aead 1.3"}[version]
			add(besideAEAD, contest, "dtls"+version, bare, "both ns", target)
			add(besideTLS, contest, "dtls"+version, "crypto/tls "+version, "both ns", 1)
			add(besidePion, contest, "dtls"+version, "pion/dtls", "both ns", 5)
		}
		add(inParallel, fmt.Sprintf("parallel/%d", size), "2", "1", "records/s", 1.7)
		add(inParallel, fmt.Sprintf("parallel/%d", size), "2", "2 apart", "records/s", 0)
	}
	for _, version := range []string{"1.2", "1.3"} {
		for _, kind := range []string{"full/server", "full/mutual", "resumed/server", "resumed/mutual"} {
			contest := "handshake/" + version + "/" + kind
			add(handshakesInMem, contest, "dtls", "crypto/tls", "µs", 0)
			add(handshakesInMem, contest, "dtls", "pion/dtls", "µs", 0)
		}
	}
	for _, size := range association.Sizes {
		target := 1.5
		switch {
		case size > 4096:
			target = 1
		case size > 256:
			target = 1.2
		}
		one := func(kind string) string { return fmt.Sprintf("%s/%d/1 associations/1 streams", kind, size) }
		add(oneWay, one("discard"), "dtls1.2 batch", "openssl", "messages/s", target)
		add(oneWay, one("discard"), "dtls1.2", "openssl", "messages/s", 0)
		add(oneWay, one("discard"), "dtls1.2 SHA-256 batch", "openssl SHA-256", "messages/s", 0)
		add(oneWayBare, one("discard"), "dtls1.2 batch", "auth in Go batch", "messages/s", 0.95)
		add(oneWayBare, one("discard"), "dtls1.2", "auth in Go", "messages/s", 0.95)
		add(roundTrip, one("echo1"), "dtls1.2", "openssl", "messages/s", 1)
		add(window32, one("echo32"), "dtls1.2", "openssl", "messages/s", 0)
	}
	add(overSCTP, "handshakes", "dtls1.2", "openssl no delay", "connections/s", 1.5)
	add(overSCTP, "handshakes", "dtls1.3", "openssl no delay", "connections/s", 0)
	add(overSCTP, "handshakes", "dtls1.2", "openssl", "connections/s", 100)
	return claims
}

// Ratios returns what r says of the claims; those that were not measured are missing.
func Ratios(r *measure.Report) map[string]measure.Ratio {
	ratios := make(map[string]measure.Ratio)
	for _, c := range Claims() {
		if ratio, ok := r.Ratio(c.Contest, c.A, c.B, c.Figure); ok {
			ratios[c.Name()] = ratio
		}
	}
	return ratios
}

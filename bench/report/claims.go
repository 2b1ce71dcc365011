// Package report presents results in tables and charts, and compares them with a baseline.
package report

import (
	"fmt"

	"github.com/seed-41f70523/dtls-sctp/bench/association"
	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// A claim is a comparison of two programs in a contest, which the baseline includes.
type claim struct {
	contest, a, b string
	figure        string
}

func (c claim) name() string { return fmt.Sprintf("%s %s: %s / %s", c.contest, c.figure, c.a, c.b) }

// claims returns the comparisons that the check makes, in contests of the part check: see
// [association.Parts]. Echoes with a window of 32 are excluded, because the number of messages per
// wakeup varies by some hundredths. Of handshakes the median is compared: a resumed handshake of
// DTLS 1.2 whose Finished comes before the peer has installed its key takes ten times as long, and
// how many of 200 do varies, so that the rate varies by 8 %.
func claims() []claim {
	var all []claim
	add := func(contest, figure string, pairs ...[2]string) {
		for _, p := range pairs {
			all = append(all, claim{contest, p[0], p[1], figure})
		}
	}
	for _, size := range association.CheckedSizes {
		messages := func(kind string, pairs ...[2]string) {
			add(fmt.Sprintf("%s/%d/1 associations/1 streams", kind, size), "messages/s", pairs...)
		}
		messages("discard", [2]string{"dtls1.2", "openssl"}, [2]string{"dtls1.2", "auth in Go"},
			[2]string{"dtls1.2 batch", "openssl"}, [2]string{"dtls1.3", "auth in Go"})
		messages("echo1", [2]string{"dtls1.2", "openssl"}, [2]string{"dtls1.3", "auth in Go"})
		for _, version := range []string{"1.2", "1.3"} {
			bare := map[string]string{"1.2": "aead", "1.3": "aead 1.3"}[version]
			add(fmt.Sprintf("record/%d", size), "both instructions", [2]string{"dtls" + version, bare})
		}
	}
	for _, who := range []string{"dtls1.2", "dtls1.3", "dtls1.2 resumed", "dtls1.3 resumed"} {
		add("handshakes", association.MedianTime, [2]string{who, "openssl no delay"})
	}
	return all
}

// ratios returns the ratios of the claims in r, except those that were not measured.
func ratios(r *measure.Report) map[string]float64 {
	found := make(map[string]float64)
	for _, c := range claims() {
		if ratio, ok := r.Ratio(c.contest, c.a, c.b, c.figure); ok {
			found[c.name()] = ratio
		}
	}
	return found
}

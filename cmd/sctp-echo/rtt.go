package main

import (
	"fmt"
	"math"
	"time"
)

// rtts summarizes round-trip times as ping does, without storing them.
type rtts struct {
	n        int
	min, max time.Duration
	mean, m2 float64 // in nanoseconds; Welford's running mean and sum of squared differences
}

func (r *rtts) add(d time.Duration) {
	if r.n == 0 || d < r.min {
		r.min = d
	}
	r.max = max(r.max, d)
	r.n++
	delta := float64(d) - r.mean
	r.mean += delta / float64(r.n)
	r.m2 += delta * (float64(d) - r.mean)
}

// String returns the last line of ping's output, or "" without measurements. As in ping, mdev is
// the standard deviation.
func (r *rtts) String() string {
	if r.n == 0 {
		return ""
	}
	mdev := math.Sqrt(r.m2 / float64(r.n))
	return fmt.Sprintf("rtt min/avg/max/mdev = %s/%s/%s/%s ms", millis(r.min),
		millis(time.Duration(r.mean)), millis(r.max), millis(time.Duration(mdev)))
}

// millis formats d in milliseconds with three decimal digits.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.3f", float64(d)/float64(time.Millisecond))
}

package sctpdtls

import "time"

// A logLimit bounds how many records nobody has authenticated the reason of: whoever is on the path
// can make SCTP report errors and addresses without end.
type logLimit struct {
	used    int     // of the burst
	skipped int     // records since the last that was written
	since   instant // when used was right
}

// So many of them are written at once, and one more each time that the interval has passed.
const (
	logBurst    = 64
	logInterval = 10 * time.Second
)

// allow reports whether one more record may be written, and how many were not before it.
func (l *logLimit) allow(now instant) (skipped int, ok bool) {
	if passed := int(time.Duration(now-l.since) / logInterval); passed > 0 {
		l.used, l.since = max(0, l.used-passed), now
	}
	if l.used == logBurst {
		l.skipped++
		return 0, false
	}
	l.used++
	skipped, l.skipped = l.skipped, 0
	return skipped, true
}

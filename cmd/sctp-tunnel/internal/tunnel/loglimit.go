package tunnel

import (
	"sync"
	"time"
)

// A logLimit bounds the log lines that strangers cause: a flood of refused handshakes must not fill
// the disk. The metrics count them all.
type logLimit struct {
	mu      sync.Mutex // guards the following
	used    int        // of logBurst
	since   time.Time  // when used was correct
	omitted int        // lines since the last one that was allowed
}

// At most logBurst lines are written at once, and one more after each logInterval.
const (
	logBurst    = 100
	logInterval = 100 * time.Millisecond
)

// allow reports whether one more line may be written, and how many were omitted before it.
func (l *logLimit) allow() (omitted int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if n := now.Sub(l.since) / logInterval; n >= time.Duration(l.used) {
		l.used, l.since = 0, now
	} else {
		l.used, l.since = l.used-int(n), l.since.Add(n*logInterval)
	}
	if l.used == logBurst {
		l.omitted++
		return 0, false
	}
	l.used++
	omitted, l.omitted = l.omitted, 0
	return omitted, true
}

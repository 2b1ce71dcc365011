package tunnel

import (
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/loglimit"
)

// A logLimit bounds the log lines that strangers cause: a flood of refused handshakes must not fill
// the disk. The metrics count them all.
type logLimit struct {
	began time.Time
	mu    sync.Mutex // guards limit
	limit loglimit.Limit
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
	return l.limit.Allow(time.Since(l.began), logBurst, logInterval)
}

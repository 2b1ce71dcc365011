package sctpdtls

import "time"

// An instant is a time in eight bytes, for a connection has several, and one that can be read
// without a lock: in nanoseconds by the monotonic clock. 0 is none.
type instant int64

// century is more than there may be between a deadline and now.
const century = 100 * 365 * 24 * time.Hour

// zeroInstant is before all times, also those of testing/synctest.
var zeroInstant = time.Now().Add(-century)

func now() instant { return instant(time.Since(zeroInstant)) }

// instantOf takes t by the clock that it is of, which may not be the monotonic one.
func instantOf(t time.Time) instant {
	if t.IsZero() {
		return 0
	}
	return max(1, now()+instant(min(time.Until(t), century)))
}

// since returns the time from i until now.
func (i instant) since() time.Duration { return time.Duration(now() - i) }

// reached reports whether i is a time, and has come.
func (i instant) reached() bool { return i != 0 && now() >= i }

func (i instant) time() time.Time {
	if i == 0 {
		return time.Time{}
	}
	return zeroInstant.Add(time.Duration(i))
}

// Package loglimit bounds how many log records strangers can cause.
package loglimit

import "time"

// A Limit allows a burst of records, and one more after each interval. The zero value has allowed
// none. Its methods must not be called concurrently.
type Limit struct {
	used    int           // of the burst
	omitted int           // records since the last one that was allowed
	since   time.Duration // when used was correct
}

// Allow reports whether one more record may be written at the time now, which is relative to any
// fixed time, and how many records were omitted before it. burst and interval are the same in each
// call.
func (l *Limit) Allow(now time.Duration, burst int, interval time.Duration) (omitted int, ok bool) {
	if n := (now - l.since) / interval; n >= time.Duration(l.used) {
		l.used, l.since = 0, now
	} else {
		l.used, l.since = l.used-int(n), l.since+n*interval
	}
	if l.used == burst {
		l.omitted++
		return 0, false
	}
	l.used++
	omitted, l.omitted = l.omitted, 0
	return omitted, true
}

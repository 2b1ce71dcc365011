package sctpdtls

import (
	"sync"
	"sync/atomic"
	"time"
)

// An alarm wakes the owner of a connection while it waits for the association, and bounds that
// wait. The read deadline of the association serves for both, and for nothing else.
type alarm struct {
	set  func(time.Time) error // the read deadline of the association
	bell chan struct{}         // for an owner that waits for something else; has room for one ring

	rung atomic.Bool // since the last reset

	mu    sync.Mutex // guards the following
	muted bool       // rings are ignored: only limit counts
	limit instant    // of the owner; 0 is none
}

// past is a deadline that wakes whoever waits.
var past = time.Unix(1, 0)

// ring wakes the owner, or makes its next wait end at once, until it calls reset.
func (a *alarm) ring() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.muted || a.rung.Swap(true) {
		return
	}
	a.set(past) // fails only when the association is closed, which wakes the owner too
	a.wake()
}

// wake wakes an owner that waits for the bell.
func (a *alarm) wake() {
	select {
	case a.bell <- struct{}{}:
	default:
	}
}

// reset is called by the owner before it looks for what it was woken for.
func (a *alarm) reset() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.clear()
}

func (a *alarm) clear() {
	select {
	case <-a.bell:
	default:
	}
	a.rung.Store(false)
	a.set(a.limit.time())
}

// limitTo bounds the waits of the owner, which nothing else ends from now on.
func (a *alarm) limitTo(t time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.limit, a.muted = instantOf(t), true
	a.clear()
}

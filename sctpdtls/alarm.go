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
	rung atomic.Bool           // since the last reset

	mu    sync.Mutex    // guards the following
	muted bool          // rings are ignored: only limit counts
	limit instant       // of the owner; 0 is none
	bell  chan struct{} // has room for one ring; nil until the first wait, which is rare
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
	a.ringBell()
}

// wait waits until someone rings or wakes the owner, which waits for something else than the
// association. It may return before, as the first call does: nobody has rung a bell that was not
// there.
func (a *alarm) wait() {
	if a.bell == nil {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.bell = make(chan struct{}, 1)
		return
	}
	<-a.bell
}

// wake has the owner return from wait.
func (a *alarm) wake() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ringBell()
}

func (a *alarm) ringBell() {
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

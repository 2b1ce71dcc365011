package main

import (
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
)

// A ticker is a [time.Ticker] without a timer of Go's, which would make each wait for a message
// longer: see [sctpsock.AfterFunc].
type ticker struct {
	C chan struct{}
	d time.Duration

	mu   sync.Mutex // guards the following
	stop func()     // of what is due next; nil: it was stopped
}

// newTicker returns one that ticks every d; never if d is not positive.
func newTicker(d time.Duration) *ticker {
	t := &ticker{C: make(chan struct{}, 1), d: d, stop: func() {}}
	t.mu.Lock()
	defer t.mu.Unlock()
	if d > 0 {
		t.stop = sctpsock.AfterFunc(d, t.tick)
	}
	return t
}

func (t *ticker) tick() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop == nil {
		return
	}
	select {
	case t.C <- struct{}{}:
	default: // one is enough for who does not come
	}
	t.stop = sctpsock.AfterFunc(t.d, t.tick)
}

// Stop ends it.
func (t *ticker) Stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.stop != nil {
		t.stop()
		t.stop = nil
	}
}

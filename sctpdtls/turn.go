package sctpdtls

import (
	"sync/atomic"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A turn says who reads from the association while a connection is open: its owner, or a reader,
// one message after the other, while the owner waits for the alarm's bell. So a message wakes one
// goroutine, not two one after the other, and need not be kept between them.
//
// A reader who has his message leaves the turn to the next one. If none comes for some
// milliseconds, the owner reads again, so that it sees what the peer asks for, and its end.
type turn struct {
	alarm *alarm
	later func() // has tick called after those milliseconds

	state   atomic.Int32
	wanted  atomic.Bool  // by a reader who waits alone
	waiting atomic.Int32 // readers who wait for their queue, or are about to
	crowded atomic.Bool  // the turn was recalled
	ticking atomic.Bool  // tick will be called

	// The following belong to who has the turn.
	taken  int // how often it was taken
	before int // at the last tick
}

// The states of a turn.
const (
	owners  int32 = iota // the owner reads
	lent                 // a reader may take it
	readers              // a reader reads
)

// take reports whether the caller may read, until it calls leave or giveBack.
func (t *turn) take() bool {
	if !t.state.CompareAndSwap(lent, readers) {
		return false
	}
	t.taken++
	return true
}

// leave lets readers take the turn.
func (t *turn) leave() {
	t.state.Store(lent)
	switch {
	case t.waiting.Load() > 0:
		t.recall()
	case t.alarm.rung.Load():
		t.alarm.wake()
	case !t.ticking.Load() && !t.ticking.Swap(true):
		t.later()
	}
}

// giveBack gives the turn back to the owner.
func (t *turn) giveBack() {
	t.state.Store(owners)
	t.alarm.wake()
}

// recall gives it back if nobody has it, for a reader who waits for his queue.
func (t *turn) recall() {
	if t.state.CompareAndSwap(lent, owners) {
		t.crowded.Store(true)
		t.alarm.wake()
	}
}

// tick gives the turn back if no reader has come since the last tick.
func (t *turn) tick() {
	t.ticking.Store(false)
	switch {
	case !t.take(): // who has it starts the clock again
	case t.taken == t.before+1:
		t.giveBack()
	default:
		t.before = t.taken
		t.leave()
	}
}

// await waits for q as [stream.Queue.Wait] does, but returns at once if the caller, who is able to
// read for itself, may do so.
func (t *turn) await(q *stream.Queue, seen uint32, able bool) {
	alone := t.waiting.Add(1) == 1
	defer t.waiting.Add(-1)
	switch {
	case !able:
		t.recall()
	case t.state.Load() == lent:
		return
	case alone:
		t.wanted.Store(true)
	}
	q.Wait(seen)
}

// interrupt has a reader who has taken the turn look around.
func (t *turn) interrupt() {
	if t.state.Load() == readers {
		t.alarm.ring()
	}
}

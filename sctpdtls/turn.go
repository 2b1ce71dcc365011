package sctpdtls

import (
	"sync/atomic"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A turn says who reads from the association while a connection is open: its owner or, while the
// owner lends its turn, readers, each until it has a message. Such a message wakes one goroutine,
// not two one after the other, and need not be kept between them.
//
//	state     who reads   the next state
//	owners    the owner   lent: lend
//	lent      nobody      taken: take; owners: recall
//	taken     a reader    lent: leave; owners: giveBack; recalled: recall
//	recalled  a reader    owners: leave, giveBack
type turn struct {
	alarm   *alarm
	state   atomic.Int32
	waiting atomic.Int32 // for their queue: readers; one who is not able to read is two
}

// The states of a turn.
const (
	owners   int32 = iota // the owner reads
	lent                  // nobody does; a reader may take it
	taken                 // a reader does, until it has read something
	recalled              // likewise, and then the owner
)

// take reports whether the caller, a reader, may read until it calls leave or giveBack.
func (t *turn) take() bool { return t.state.CompareAndSwap(lent, taken) }

// leave lets the next reader take the turn, or gives it back to an owner who wants it.
func (t *turn) leave() {
	if !t.state.CompareAndSwap(taken, lent) {
		t.giveBack()
	}
}

// giveBack gives the turn back to the owner.
func (t *turn) giveBack() {
	t.state.Store(owners)
	t.alarm.wake()
}

// recall gives the turn back to the owner, if need be as soon as the reader who has it leaves it.
func (t *turn) recall() {
	for {
		switch s := t.state.Load(); {
		case s == owners, s == recalled, t.state.CompareAndSwap(taken, recalled):
			return
		case t.state.CompareAndSwap(lent, owners):
			t.alarm.wake()
			return
		}
	}
}

// await waits for q as [stream.Queue.Wait] does, and recalls the turn. But it returns at once if
// the caller, who is able to read itself, may take it.
func (t *turn) await(q *stream.Queue, seen uint32, able bool) {
	weight := int32(2)
	if able {
		weight = 1
	}
	t.waiting.Add(weight)
	defer t.waiting.Add(-weight)
	if able && t.state.Load() == lent {
		return
	}
	t.recall()
	q.Wait(seen)
}

// interrupt makes a reader who has the turn give it back.
func (t *turn) interrupt() {
	if s := t.state.Load(); s == taken || s == recalled {
		t.alarm.ring()
	}
}

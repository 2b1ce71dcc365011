package sctpdtls

import (
	"errors"
	"os"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// mayLend reports whether the turn is to be lent.
func (o *owner) mayLend() bool { return o.alone >= lendAfter && !o.mustPause() }

// lend has readers read until the turn comes back: because one of them gives it back, or several
// wait, the alarm is rung, or no message has come for lendTime. Then it processes what was found.
func (o *owner) lend() error {
	t := &o.turn
	if t.state.Store(lent); t.waiting.Load() > 0 {
		o.mux.Wake() // who waits for a queue, and is to read
	}
	for received := ^uint64(0); t.state.Load() != owners; o.alarm.wait() {
		switch n := o.counted.messagesReceived.Load(); {
		case o.alarm.rung.Load():
			t.recall()
		case o.ticking.Load(): // lendTime is not over
		case n == received: // no message has come in it
			t.recall()
		default:
			received = n
			o.startTick()
		}
	}
	found := o.found
	o.alone, o.found = 0, finding{}
	switch {
	case found.err != nil:
		return o.over(found.err)
	case found.event != nil:
		return o.event(found.event)
	}
	return o.core.Err()
}

// lendTime is about how long nobody reads from the association when a reader does not come back.
const lendTime = 10 * time.Millisecond

// startTick wakes the owner after lendTime: by the association, if it can, for one of Go's timers
// makes other waits dearer.
func (o *owner) startTick() {
	if o.tick == nil {
		o.tick = func() {
			o.ticking.Store(false)
			o.alarm.wake()
		}
	}
	o.ticking.Store(true)
	if a, ok := o.assoc.(interface{ Later(f func()) }); ok {
		a.Later(o.tick)
		return
	}
	time.AfterFunc(lendTime, o.tick)
}

// readFor reads for a reader who has taken the turn, and has found nothing in q since its Changes
// were seen. It returns when there may be something: in b if done is set, else in q, perhaps. If b
// is nil, it is in q. If many is set, what has come behind is in q too. All but messages of the
// application is left to the owner.
func (o *owner) readFor(q *stream.Queue, seen uint32, b []byte, many bool) (
	n int, info MessageInfo, done bool,
) {
	if q.Changes() != seen { // what is to interrupt a reader may have come before it had the turn
		o.turn.leave()
		return 0, info, false
	}
	for got := 0; !o.alarm.rung.Load() && !o.mustPause(); {
		m, event, err := o.messages.Next(got == 0)
		if got > 0 && err == stream.ErrWouldBlock {
			o.nothingBehind(got)
			o.turn.leave()
			return n, info, done
		}
		if err != nil || event != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) { // which is the alarm
				o.found = finding{event, err}
			}
			break
		}
		data, err := o.receiveFor(&m)
		if data != nil && b != nil && !done && len(data) <= len(b) && q.Passes(m.Info) {
			n, info, done = copy(b, data), messageInfo(m.Info, len(data)), true
		} else if data != nil {
			o.queue(data, m.Info)
		}
		if data != nil {
			got++
		}
		if err != nil || !o.quiet() || o.core.Err() != nil {
			break
		}
		if (done || o.mux.Size() > 0) && !(many && o.looksBehind(got)) {
			o.turn.leave()
			return n, info, done
		}
	}
	o.turn.giveBack()
	return n, info, done
}

// receiveFor is receive in the goroutine of a reader. If a callback panics there, it ends the
// connection, and the owner gets its turn back.
func (o *owner) receiveFor(m *stream.Message) (data []byte, err error) {
	panics := true
	defer func() {
		if panics {
			o.core.Fail(dtlscore.AlertInternalError, errPanic)
			o.turn.giveBack()
		}
	}()
	data, err = o.receive(m)
	panics = false
	return data, err
}

// looksBehind reports whether a reader of many messages, who has got so many, looks whether there
// is another one. To look in vain is a system call. So once nothing was behind a message, those
// that follow are taken alone, inARow of them.
func (o *owner) looksBehind(got int) bool {
	if got == 1 && o.single > 0 {
		o.single--
		return false
	}
	return got < stream.MaxBatch
}

// nothingBehind is called when there was no message behind so many.
func (o *owner) nothingBehind(got int) {
	if got == 1 {
		o.single = inARow
	}
}

const inARow = 8

package sctpdtls

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A timeLimit is a deadline that a user has set, of a Conn or of a Stream.
type timeLimit struct {
	t     atomic.Int64 // an instant; changed with mu held
	mu    sync.Mutex   // guards the following, and what a readLimit and a writeLimit have
	timer *time.Timer  // until t
}

func (l *timeLimit) get() instant { return instant(l.t.Load()) }

// passed reports whether the deadline has passed, so that a call that timed out may say so. As a
// rule there is none.
func (l *timeLimit) passed() bool { return l.t.Load() != 0 && l.past() }

func (l *timeLimit) past() bool { return l.get().reached() }

func reached(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// await has whose, which l is part of, look again when the deadline passes. It is called with mu
// held, as look is.
func (l *timeLimit) await(whose interface{ look() }) {
	t := l.get()
	switch {
	case t == 0 && l.timer != nil:
		l.timer.Stop()
	case t == 0:
	case l.timer == nil:
		l.timer = time.AfterFunc(-t.since(), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			whose.look()
		})
	default:
		l.timer.Reset(-t.since())
	}
}

// A readLimit is the deadline of those who read messages of a queue.
type readLimit struct {
	timeLimit
	queue *stream.Queue // who waits for it is woken when the deadline has passed
	turn  *turn         // which a reader of queue may have taken
}

func (l *readLimit) set(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.t.Store(int64(instantOf(t)))
	l.look()
}

func (l *readLimit) look() {
	if l.passed() {
		l.queue.Wake()
		l.turn.interrupt()
		return
	}
	l.await(l)
}

// A writeLimit is the deadline of those who write.
type writeLimit struct {
	timeLimit
	expired chan struct{} // closed when the deadline has passed; nil if nobody ever waited
}

func (l *writeLimit) set(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.t.Store(int64(instantOf(t)))
	if l.expired != nil {
		l.look()
	}
}

// wait returns a channel that is closed when the deadline has passed, be it changed meanwhile.
func (l *writeLimit) wait() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.expired == nil {
		l.expired = make(chan struct{})
		l.look()
	}
	return l.expired
}

func (l *writeLimit) look() {
	passed := l.passed()
	l.expire(passed)
	if !passed {
		l.await(l)
	}
}

// expire closes expired, or makes another one if it has been closed.
func (l *writeLimit) expire(passed bool) {
	closed := false
	select {
	case <-l.expired:
		closed = true
	default:
	}
	switch {
	case passed && !closed:
		close(l.expired)
	case !passed && closed:
		l.expired = make(chan struct{})
	}
}

// A writeDeadline is the write deadline of the association: that of the writer who waits for space,
// or past while the owner wants nobody to wait there.
type writeDeadline struct {
	set func(time.Time) error // of the association

	mu    sync.Mutex  // guards the following
	shut  bool        // writers shall not wait
	poked bool        // the writer shall look around
	user  *writeLimit // of the writer, or the last one
	owner instant     // the owner's own deadline while shut
	last  instant     // that was set
}

// use makes l the deadline, of the writer who is about to wait, and is called again before each
// wait: what it was to look around for, it looks for then.
func (d *writeDeadline) use(l *writeLimit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.user, d.poked = l, false
	d.apply()
}

// changed says that l has been set.
func (d *writeDeadline) changed(l *writeLimit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.user == l {
		d.apply()
	}
}

// poke makes a writer who waits, or is about to, look around.
func (d *writeDeadline) poke() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.poked = true
	d.apply()
}

// take sets the deadline to t, whatever writers want, until giveBack.
func (d *writeDeadline) take(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.owner, d.shut = instantOf(t), true
	d.apply()
}

func (d *writeDeadline) giveBack() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = false
	d.apply()
}

// apply is called with mu held. The association's method fails only when it is closed, as all else
// will then.
func (d *writeDeadline) apply() {
	t := instant(0)
	switch {
	case d.shut:
		t = d.owner
	case d.poked:
		t = instantOf(past)
	case d.user != nil:
		t = d.user.get()
	}
	if t != d.last {
		d.last = t
		d.set(t.time())
	}
}

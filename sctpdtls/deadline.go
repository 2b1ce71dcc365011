package sctpdtls

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A timeLimit is a deadline that a user has set, of a Conn or of a Stream.
type timeLimit struct {
	queue *stream.Queue // if not nil, who waits for it is woken when t has passed
	turn  *turn         // then: which a reader of queue may have taken
	t     atomic.Int64  // an instant; changed with mu held

	mu      sync.Mutex    // guards the following
	expired chan struct{} // closed when t has passed; nil if nobody ever waited
	timer   *time.Timer   // until t
}

func (l *timeLimit) set(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.t.Store(int64(instantOf(t)))
	if l.expired != nil || l.queue != nil {
		l.look()
	}
}

func (l *timeLimit) get() instant { return instant(l.t.Load()) }

// passed reports whether the deadline has passed, so that a call that timed out may say so.
func (l *timeLimit) passed() bool { return l.get().reached() }

func reached(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

// wait returns a channel that is closed when the deadline has passed, be it changed meanwhile.
func (l *timeLimit) wait() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.expired == nil {
		l.expired = make(chan struct{})
		l.look()
	}
	return l.expired
}

// look is called with mu held when the deadline has changed or may have passed.
func (l *timeLimit) look() {
	t := l.get()
	passed := t.reached()
	if passed && l.queue != nil {
		l.queue.Wake()
		l.turn.interrupt()
	}
	if l.expired != nil {
		l.expire(passed)
	}
	if passed {
		return
	}
	switch {
	case t == 0 && l.timer != nil:
		l.timer.Stop()
	case t == 0:
	case l.timer == nil:
		l.timer = time.AfterFunc(-t.since(), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.look()
		})
	default:
		l.timer.Reset(-t.since())
	}
}

// expire closes expired, or makes another one if it has been closed.
func (l *timeLimit) expire(passed bool) {
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

	mu    sync.Mutex // guards the following
	shut  bool       // writers shall not wait
	poked bool       // the writer shall look around
	user  *timeLimit // of the writer, or the last one
	owner instant    // the owner's own deadline while shut
	last  instant    // that was set
}

// use makes l the deadline, of the writer who is about to wait, and is called again before each
// wait: what it was to look around for, it looks for then.
func (d *writeDeadline) use(l *timeLimit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.user, d.poked = l, false
	d.apply()
}

// changed says that l has been set.
func (d *writeDeadline) changed(l *timeLimit) {
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

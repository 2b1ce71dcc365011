package sctpdtls

import (
	"sync"
	"time"
)

// A timeLimit is a deadline that a user has set, of a Conn or of a Stream. The
// association has only one for reading and one for writing: it is that of the one who waits for
// the association, see deadline. Those who wait for somebody else use wait.
type timeLimit struct {
	mu      sync.Mutex // guards the following
	t       time.Time
	expired chan struct{} // closed when t has passed; nil if nobody ever waited
	timer   *time.Timer   // of expired
}

func (l *timeLimit) set(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.t = t
	if l.expired != nil {
		l.look()
	}
}

func (l *timeLimit) get() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.t
}

// passed reports whether the deadline has passed, so that a call that timed out may say so.
func (l *timeLimit) passed() bool { return reached(l.get()) }

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
	closed := false
	select {
	case <-l.expired:
		closed = true
	default:
	}
	left := time.Until(l.t)
	if !l.t.IsZero() && left <= 0 {
		if !closed {
			close(l.expired)
		}
		return
	}
	if closed {
		l.expired = make(chan struct{})
	}
	switch {
	case l.t.IsZero() && l.timer != nil:
		l.timer.Stop()
	case l.t.IsZero():
	case l.timer == nil:
		l.timer = time.AfterFunc(left, func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.look()
		})
	default:
		l.timer.Reset(left)
	}
}

// A deadline settles who rules one of the association's deadlines: the user who waits for
// the association, or for a while the driver.
type deadline struct {
	set func(time.Time) error // of the association

	mu     sync.Mutex // guards the following
	user   *timeLimit
	driver time.Time // rules while taken
	taken  bool
	lent   bool // taken, but by one who may be poked
	poked  bool // whoever waits is to look around
	now    time.Time
}

// past is a deadline that wakes whoever waits.
var past = time.Unix(1, 0)

// use makes l the user's deadline, of the one who is about to wait.
func (d *deadline) use(l *timeLimit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.user != l {
		d.user = l
		d.apply()
	}
}

// changed says that l has been set.
func (d *deadline) changed(l *timeLimit) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.user == l {
		d.apply()
	}
}

// take sets the deadline to t, whatever the user wants, until giveBack.
func (d *deadline) take(t time.Time) { d.rule(t, true, false) }

// lend takes away the user's deadline until giveBack, from one who does not mind to be poked.
func (d *deadline) lend() { d.rule(time.Time{}, true, true) }

func (d *deadline) giveBack() { d.rule(time.Time{}, false, false) }

func (d *deadline) rule(t time.Time, taken, lent bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.driver, d.taken, d.lent, d.poked = t, taken, lent, false
	d.apply()
}

// poke makes a call that waits, or the next one, fail as if a deadline had passed, until unpoke. It
// does nothing to one who has taken the deadline: that one knows what to do.
func (d *deadline) poke() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.taken || d.lent {
		d.poked = true
		d.apply()
	}
}

func (d *deadline) unpoke() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.poked {
		d.poked = false
		d.apply()
	}
}

// apply is called with mu held. The association's method fails only when it is closed, as all else will then.
func (d *deadline) apply() {
	var t time.Time
	switch {
	case d.poked:
		t = past
	case d.taken:
		t = d.driver
	default:
		t = d.user.get()
	}
	if t != d.now {
		d.now = t
		d.set(t)
	}
}

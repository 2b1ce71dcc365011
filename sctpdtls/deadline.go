package sctpdtls

import (
	"sync"
	"time"
)

// A deadline settles who rules one of the association's deadlines: the user by
// SetReadDeadline or SetWriteDeadline, or for a while the driver.
type deadline struct {
	set func(time.Time) error // of the association

	mu     sync.Mutex // guards the following
	user   time.Time
	driver time.Time // rules while taken
	taken  bool
	lent   bool // taken, but by one who may be poked
	poked  bool // whoever waits is to look around
}

// past is a deadline that wakes whoever waits.
var past = time.Unix(1, 0)

func (d *deadline) setUser(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.user = t
	if d.taken || d.poked {
		return nil
	}
	return d.set(t)
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
	switch {
	case d.poked:
		d.set(past)
	case d.taken:
		d.set(d.driver)
	default:
		d.set(d.user)
	}
}

// passed reports whether the user's deadline has passed, so that a call that
// timed out may say so.
func (d *deadline) passed() bool { return reached(d.get()) }

func reached(t time.Time) bool { return !t.IsZero() && !time.Now().Before(t) }

func (d *deadline) get() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.user
}

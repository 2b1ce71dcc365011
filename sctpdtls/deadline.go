package sctpdtls

import (
	"sync"
	"time"
)

// A deadline settles who rules one of the association's deadlines: the user by
// SetReadDeadline or SetWriteDeadline, or for a while the driver.
type deadline struct {
	set func(time.Time) error // of the association

	mu    sync.Mutex // guards the following
	user  time.Time
	taken bool
}

// past is a deadline that wakes whoever waits.
var past = time.Unix(1, 0)

func (d *deadline) setUser(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.user = t
	if d.taken {
		return nil
	}
	return d.set(t)
}

// take sets the deadline to t, whatever the user wants, until giveBack.
func (d *deadline) take(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken = true
	d.set(t) // fails only when the association is closed, as all else will
}

func (d *deadline) giveBack() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken = false
	d.set(d.user)
}

// passed reports whether the user's deadline has passed, so that a call that
// timed out may say so.
func (d *deadline) passed() bool {
	t := d.get()
	return !t.IsZero() && !time.Now().Before(t)
}

func (d *deadline) get() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.user
}

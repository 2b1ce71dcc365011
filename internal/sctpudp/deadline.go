package sctpudp

import "time"

// A deadline is guarded by Assoc.mu.
type deadline struct {
	timer  *time.Timer
	passed bool
}

// SetReadDeadline implements stream.Association.
func (a *Assoc) SetReadDeadline(t time.Time) error { return a.set(&a.read, t) }

// SetWriteDeadline implements stream.Association.
func (a *Assoc) SetWriteDeadline(t time.Time) error { return a.set(&a.write, t) }

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

func (a *Assoc) set(d *deadline, t time.Time) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	d.stop()
	d.passed = !t.IsZero() && !time.Now().Before(t)
	if !t.IsZero() && !d.passed && !a.closed {
		var timer *time.Timer
		timer = time.AfterFunc(time.Until(t), func() {
			a.mu.Lock()
			defer a.mu.Unlock()
			if d.timer == timer { // else another was set meanwhile
				d.passed = true
				a.wakeAll()
			}
		})
		d.timer = timer
	}
	a.wakeAll()
	return nil
}

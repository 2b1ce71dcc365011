package sctpsock

import (
	"testing"
	"time"
)

// Calls come when they are due, whatever order they were asked for in. Nothing is left of one that
// was stopped: TestMain would find who waits for it.
func TestAfterFunc(t *testing.T) {
	for range 3 { // the timer is used again
		begin, called := time.Now(), make(chan time.Duration)
		after := func(d time.Duration) (stop func()) {
			return AfterFunc(d, func() { called <- d })
		}
		stop := after(time.Hour)
		after(20 * time.Millisecond)
		after(5 * time.Millisecond)
		after(-time.Millisecond)
		stop()
		stop()
		seen := make(map[time.Duration]bool)
		for range 3 {
			d := <-called
			if took := time.Since(begin); took < d || seen[d] {
				t.Errorf("what is due after %v is called after %v", d, took)
			}
			seen[d] = true
		}
	}
}

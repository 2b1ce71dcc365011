package sctpdtls

import (
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Nobody is inside a shut gate, and all come in when it opens.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		var inside, passed atomic.Int32
		var writers sync.WaitGroup
		for range 8 {
			writers.Go(func() {
				for range 100 {
					for {
						changed := g.changed()
						if g.enter() {
							break
						}
						<-changed
					}
					inside.Add(1)
					time.Sleep(time.Millisecond) // of the false clock
					inside.Add(-1)
					g.leave()
					passed.Add(1)
				}
			})
		}
		synctest.Wait()
		if n := passed.Load(); n != 0 {
			t.Errorf("%d passed a gate that was never opened", n)
		}
		for range 50 {
			g.open()
			time.Sleep(2500 * time.Microsecond)
			g.shut()
			if n := inside.Load(); n != 0 {
				t.Fatalf("%d writers are inside a shut gate", n)
			}
		}
		g.open()
		writers.Wait()
		if n := passed.Load(); n != 800 {
			t.Errorf("%d passed, want 800", n)
		}
	})
}

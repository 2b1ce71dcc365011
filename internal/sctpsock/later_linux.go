package sctpsock

import (
	"sync"
	"time"
)

// Later calls f some milliseconds later, in another goroutine. [time.AfterFunc] would do that, but
// while one of its timers is pending, each wait takes additional work, half as much as to decrypt a
// small message. So all sockets share one timer of the kernel.
func (s *Socket) Later(f func()) {
	if !later.add(f) {
		time.AfterFunc(laterTime, f)
	}
}

const laterTime = 10 * time.Millisecond

var later laterCalls

type laterCalls struct {
	sync.Mutex
	calls []func() // when the timer has run out; not empty while it runs
	timer *kernelTimer
}

// add reports whether f will be called.
func (l *laterCalls) add(f func()) bool {
	l.Lock()
	defer l.Unlock()
	if l.timer == nil {
		var err error
		if l.timer, err = newKernelTimer(); err != nil {
			return false
		}
	}
	if len(l.calls) == 0 {
		if l.timer.start(laterTime) != nil {
			return false
		}
		go l.run()
	}
	l.calls = append(l.calls, f)
	return true
}

// run waits for the timer once.
func (l *laterCalls) run() {
	l.timer.wait()
	l.Lock()
	calls := l.calls
	l.calls = nil
	l.Unlock()
	for _, f := range calls {
		f()
	}
}

package sctpsock

import (
	"sync"
	"syscall"
	"time"
)

// A takenError is the last error of an association, if Send or recvmmsg got it: the kernel reports
// it once, to whichever call comes first.
type takenError struct {
	mu    sync.Mutex // not on the data path; guards the following fields
	errno syscall.Errno
	known chan struct{} // closed when errno is set, if wait waits for that
}

func (e *takenError) set(errno syscall.Errno) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.errno = errno
	if e.known != nil {
		close(e.known)
		e.known = nil
	}
}

// takenLimit is how long wait waits. The goroutine that got the error has only to be scheduled.
const takenLimit = time.Second

// wait returns the error when recvmsg has none. Send may have got it from the kernel in another
// thread, and not called set yet. The result is 0 if somebody else got the error, with SO_ERROR.
func (e *takenError) wait() syscall.Errno {
	e.mu.Lock()
	errno := e.errno
	if errno != 0 {
		e.mu.Unlock()
		return errno
	}
	known := make(chan struct{})
	e.known = known
	e.mu.Unlock()
	limit := time.NewTimer(takenLimit)
	defer limit.Stop()
	select {
	case <-known:
	case <-limit.C:
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.errno
}

package sctpsock

import (
	"sync/atomic"
	"time"
)

// Pause waits for d, to some microseconds. time.Sleep waits for at least a millisecond
// when the program has nothing else to do, which is as long as a handshake takes.
// For longer times it is time.Sleep.
func Pause(d time.Duration) {
	if d <= 0 || d >= 2*time.Millisecond || pause(d) != nil {
		time.Sleep(d)
	}
}

// idleTimer is one that nobody uses. It stays open: to close a descriptor wakes the monitor of Go's
// scheduler, which costs more than a handshake's system calls.
var idleTimer atomic.Pointer[kernelTimer]

// pause waits for a timer of the kernel, which gives the processor to others meanwhile.
func pause(d time.Duration) (err error) {
	t := idleTimer.Swap(nil)
	if t == nil {
		if t, err = newKernelTimer(); err != nil {
			return err
		}
	}
	if err = t.start(d); err == nil {
		t.wait()
	}
	if !idleTimer.CompareAndSwap(nil, t) {
		t.file.Close()
	}
	return err
}

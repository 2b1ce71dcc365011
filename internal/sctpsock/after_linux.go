package sctpsock

import (
	"container/heap"
	"sync"
	"time"
)

// AfterFunc calls f in its own goroutine after d, as [time.AfterFunc] does, unless the returned
// function is called first. All calls share one timer of the kernel: see [Socket.Later].
func AfterFunc(d time.Duration, f func()) (stop func()) {
	c := &afterCall{at: time.Now().Add(d), f: f}
	if after.add(c) {
		return func() { after.remove(c) }
	}
	t := time.AfterFunc(d, f)
	return func() { t.Stop() }
}

var after afterCalls

// afterCalls are the pending calls.
type afterCalls struct {
	mu      sync.Mutex // guards the following
	timer   *kernelTimer
	queue   afterQueue
	running bool // run waits for the timer
}

type afterCall struct {
	at    time.Time
	f     func()
	index int // in the queue; -1 when it is not there
}

// add reports whether c will be called.
func (a *afterCalls) add(c *afterCall) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.timer == nil {
		var err error
		if a.timer, err = newKernelTimer(); err != nil {
			return false
		}
	}
	heap.Push(&a.queue, c)
	if c.index == 0 && a.arm() != nil {
		heap.Remove(&a.queue, c.index)
		return false
	}
	if !a.running {
		a.running = true
		go a.run()
	}
	return true
}

func (a *afterCalls) remove(c *afterCall) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c.index < 0 {
		return
	}
	heap.Remove(&a.queue, c.index) // the timer may run out in vain
	if len(a.queue) == 0 {
		a.timer.start(1) // run ends
	}
}

// arm starts the timer for the first call.
func (a *afterCalls) arm() error {
	return a.timer.start(max(time.Until(a.queue[0].at), 1))
}

// run waits for the timer as long as there are calls.
func (a *afterCalls) run() {
	for {
		a.timer.wait()
		a.mu.Lock()
		for len(a.queue) > 0 && !a.queue[0].at.After(time.Now()) {
			go heap.Pop(&a.queue).(*afterCall).f()
		}
		if len(a.queue) == 0 {
			a.running = false
			a.mu.Unlock()
			return
		}
		if a.arm() != nil { // it never fails when it could be started before
			panic("sctpsock: a timer of the kernel cannot be started again")
		}
		a.mu.Unlock()
	}
}

// An afterQueue is a [heap.Interface], the call that is due next first.
type afterQueue []*afterCall

func (q afterQueue) Len() int           { return len(q) }
func (q afterQueue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q afterQueue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *afterQueue) Push(c any) {
	c.(*afterCall).index = len(*q)
	*q = append(*q, c.(*afterCall))
}

func (q *afterQueue) Pop() any {
	last := len(*q) - 1
	c := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	c.index = -1
	return c
}

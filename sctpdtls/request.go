package sctpdtls

import (
	"context"
	"fmt"
	"os"
	"sync"
)

// A task is what someone can ask the owner of a connection for.
type task uint8

const (
	renegotiateTask task = iota // another handshake of DTLS 1.2
	keyUpdateTask               // KeyUpdate of DTLS 1.3
	closeWriteTask              // close_notify
	tasks
)

// A request asks the owner for a task.
type request struct {
	task  task
	ask   KeyUpdateRequest // of KeyUpdate
	begun bool             // by the owner
	done  chan struct{}    // closed at the end
	err   error            // valid then
	next  *request         // of the same task
}

func newRequest(t task) *request { return &request{task: t, done: make(chan struct{})} }

// wait waits until r is done or ctx is. In the latter case r stays pending.
func (r *request) wait(ctx context.Context) error {
	select {
	case <-r.done:
		return r.err
	case <-ctx.Done():
		return fmt.Errorf("sctpdtls: the peer has not acknowledged everything yet: %w: %w", ctx.Err(),
			os.ErrDeadlineExceeded)
	}
}

// requests are those that are not done, of a task in the order in which they came.
type requests struct {
	mu     sync.Mutex      // guards the following
	oldest [tasks]*request // with the next ones behind them
	end    error           // answers all that come later
}

// add makes r pending.
func (q *requests) add(r *request) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.push(r)
}

// join returns a pending request of the task, or makes one.
func (q *requests) join(t task) *request {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r := q.oldest[t]; r != nil {
		return r
	}
	r := newRequest(t)
	q.push(r)
	return r
}

// push is called with mu held.
func (q *requests) push(r *request) {
	if q.end != nil {
		r.err = q.end
		close(r.done)
		return
	}
	last := &q.oldest[r.task]
	for *last != nil {
		last = &(*last).next
	}
	*last = r
}

// first returns the oldest request of a task, or nil.
func (q *requests) first(t task) *request {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.oldest[t]
}

// finish answers the oldest request of a task, if there is one, and reports whether another one
// follows.
func (q *requests) finish(t task, err error) (more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	r := q.oldest[t]
	if r == nil {
		return false
	}
	q.oldest[t] = r.next
	r.err = err
	close(r.done)
	return r.next != nil
}

// finishAll answers all requests of a task.
func (q *requests) finishAll(t task, err error) {
	for q.finish(t, err) {
	}
}

// close answers all requests, and those that come later.
func (q *requests) close(err error) {
	q.mu.Lock()
	if q.end == nil {
		q.end = err
	}
	q.mu.Unlock()
	for t := range tasks {
		q.finishAll(t, err)
	}
}

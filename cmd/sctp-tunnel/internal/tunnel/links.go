package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// links are the connections of a pair, one after the other.
type links struct {
	mu    sync.Mutex
	moved *sync.Cond // when any of it changes

	// conns are those that are not closed yet, the oldest first. The last one is written to. Those
	// before are read to their end, and closed.
	conns  []*sctpdtls.Conn
	coming bool // a successor is under way
	over   bool // there will be none any more

	leaving sync.WaitGroup // connections that are being closed
}

func newLinks(c *sctpdtls.Conn) *links {
	l := &links{conns: []*sctpdtls.Conn{c}}
	l.moved = sync.NewCond(&l.mu)
	return l
}

// newest returns the connection that is written to.
func (l *links) newest() *sctpdtls.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conns[len(l.conns)-1]
}

// write is WriteMessages of the newest connection, whichever it is meanwhile.
func (l *links) write(msgs []sctpdtls.Message) (n int, err error) {
	for {
		c := l.newest()
		sent, err := c.WriteMessages(msgs[n:])
		n += sent
		// Exactly this error: this end has ended the connection, and the next message was not sent.
		if err != net.ErrClosed || l.newest() == c {
			return n, err
		}
	}
}

// follow returns the connection to read from when c has been read to its end, nil if that is the
// end of all. failed is told if what was written to c does not arrive.
func (l *links) follow(c *sctpdtls.Conn, failed func(error)) *sctpdtls.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if i := slices.Index(l.conns, c); i >= 0 && i+1 < len(l.conns) {
			l.leaving.Go(func() {
				// The far daemon may read what was written to c as slowly as it likes: Close has a limit.
				for errors.Is(c.CloseWrite(), context.DeadlineExceeded) {
				}
				err := c.Close()
				l.mu.Lock()
				l.conns = slices.DeleteFunc(l.conns, func(o *sctpdtls.Conn) bool { return o == c })
				l.mu.Unlock()
				if err != nil {
					failed(fmt.Errorf("switching to another connection: %w", err))
				}
			})
			return l.conns[i+1]
		}
		if !l.coming || l.over {
			l.over = true
			return nil
		}
		l.moved.Wait()
	}
}

// begin says that a successor is under way, of the connection that it returns; nil if there shall
// be none. Until changeOver is called, the end of that connection is not the end of all.
func (l *links) begin() *sctpdtls.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.coming {
		return nil
	}
	l.coming = true
	return l.conns[len(l.conns)-1]
}

// changeOver ends what begin has begun. It makes next the connection that is written to, unless it
// is nil, and ends what this end writes to the one before. If ended, nothing is written to next
// either. It reports whether there was still an association to change over.
func (l *links) changeOver(next *sctpdtls.Conn, ended func() bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.moved.Broadcast()
	l.coming = false
	if next == nil || l.over {
		return false
	}
	old := l.conns[len(l.conns)-1]
	l.conns = append(l.conns, next)
	l.leaving.Go(func() {
		old.CloseWrite() // an error is also that of Close, or of reading
		if ended() {
			next.CloseWrite()
		}
	})
	return true
}

// abort ends all connections by ABORT.
func (l *links) abort() {
	l.mu.Lock()
	l.over = true
	l.moved.Broadcast()
	all := slices.Clone(l.conns)
	l.mu.Unlock()
	for _, c := range all {
		c.Abort()
	}
}

// finish waits until all connections but the newest are closed.
func (l *links) finish() {
	l.mu.Lock()
	l.over = true
	l.moved.Broadcast()
	l.mu.Unlock()
	l.leaving.Wait()
}

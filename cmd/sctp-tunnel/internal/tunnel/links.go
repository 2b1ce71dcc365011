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

// links are the successive connections of a pair.
type links struct {
	mu    sync.Mutex
	moved *sync.Cond // signals a change of any of the following

	// conns are the connections that are not closed yet, oldest first. Only the last one is written
	// to. The others are read to their end and closed.
	conns  []*sctpdtls.Conn
	coming bool // a successor is being set up
	over   bool // there will be no other connection

	leaving sync.WaitGroup // connections that are being closed
}

func newLinks(c *sctpdtls.Conn) *links {
	l := &links{conns: []*sctpdtls.Conn{c}}
	l.moved = sync.NewCond(&l.mu)
	return l
}

// newest returns the connection to write to.
func (l *links) newest() *sctpdtls.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conns[len(l.conns)-1]
}

// write calls WriteMessages of the newest connection, also if that changes meanwhile.
func (l *links) write(msgs []sctpdtls.Message) (n int, err error) {
	for {
		c := l.newest()
		sent, err := writeTo(c, msgs[n:])
		n += sent
		// Exactly this error means that this end has closed the connection and did not send the
		// message.
		if err != net.ErrClosed || l.newest() == c {
			return n, err
		}
	}
}

// writeTo is WriteMessages of a connection.
func writeTo(c *sctpdtls.Conn, msgs []sctpdtls.Message) (n int, err error) {
	if len(msgs) != 1 {
		return c.WriteMessages(msgs)
	}
	if err := c.WriteMessage(msgs[0].Data, msgs[0].MessageInfo); err != nil {
		return 0, err
	}
	return 1, nil
}

// follow returns the connection to read from after c has been read to its end, or nil if there is
// none. It calls failed if what was written to c does not arrive.
func (l *links) follow(c *sctpdtls.Conn, failed func(error)) *sctpdtls.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		if i := slices.Index(l.conns, c); i >= 0 && i+1 < len(l.conns) {
			l.leaving.Go(func() {
				// The far daemon may read slowly what was written to c, but Close has a limit.
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

// begin announces a successor of the connection that it returns, or returns nil if there must be
// none. Until changeOver is called, the end of that connection does not end the association.
func (l *links) begin() *sctpdtls.Conn {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.coming {
		return nil
	}
	l.coming = true
	return l.conns[len(l.conns)-1]
}

// changeOver ends what begin began. It makes next the connection to write to, unless it is nil, and
// ends writing to the previous one. If ended returns true, writing to next ends too. It reports
// whether there was still an association.
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
		old.CloseWrite() // Close or a read reports an error too
		if ended() {
			next.CloseWrite()
		}
	})
	return true
}

// abort aborts all connections.
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

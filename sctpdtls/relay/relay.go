// Package relay carries messages over successive DTLS connections, for applications that need a
// connection for longer than its keys can be used.
package relay

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A Relay carries messages over successive connections, and loses none when it changes to the next
// one. In DTLS 1.3, this is how the key of SCTP-AUTH is renewed: see [sctpdtls.AuthKeyNearLimit].
//
// Both ends need a Relay. The end that dials, always the same, calls Redial, and the other end
// calls Take when it has accepted the new connection. From then on, messages are written to the new
// connection, and read from it once the old one has been read to its end. So the messages of a
// stream stay in order, and those in transit in both directions arrive. The application decides how
// the accepting end finds out which connection a new one replaces, for example by the peer's
// certificate.
//
// All methods may be called concurrently by any goroutine. Both ends must read, or the change does
// not complete. Nothing else may read, write or close the connections, and they must not have
// Streams.
type Relay struct {
	out atomic.Pointer[sctpdtls.Conn] // is written to
	in  atomic.Pointer[sctpdtls.Conn] // is read from

	mu      sync.Mutex       // guards the following
	next    []*sctpdtls.Conn // are read after in
	dialing int              // calls of Redial that have no connection yet
	closed  bool
	change  chan struct{} // closed when any of it changes

	leaving sync.WaitGroup // connections that are being closed
}

// New returns a Relay that begins with c.
func New(c *sctpdtls.Conn) *Relay {
	r := &Relay{change: make(chan struct{})}
	r.out.Store(c)
	r.in.Store(c)
	return r
}

// Conn returns the connection that is written to.
func (r *Relay) Conn() *sctpdtls.Conn {
	if r == nil {
		return nil
	}
	return r.out.Load()
}

// ok reports whether there is a relay at all.
func (r *Relay) ok() bool { return r.Conn() != nil }

// Redial calls dial for a new connection, and changes to it. It returns when the peer has changed
// too, or with an error that matches os.ErrDeadlineExceeded if ctx is done before that. Messages
// can be read and written meanwhile. If dial fails, nothing changes.
func (r *Relay) Redial(ctx context.Context,
	dial func(context.Context) (*sctpdtls.Conn, error)) error {
	if !r.ok() {
		return syscall.EINVAL
	}
	// The peer may have changed over before dial returns: whoever finds the old connection closed
	// waits.
	r.update(func() { r.dialing++ })
	next, err := dial(ctx)
	var old *sctpdtls.Conn
	r.update(func() {
		r.dialing--
		if err == nil {
			old, err = r.append(next)
		}
	})
	if err != nil {
		return err
	}
	return awaitGoodbye(ctx, old)
}

// Take changes to next, which the peer's Redial has dialed. It returns when everything written to
// the previous connection has been acknowledged and close_notify has been sent, or after
// [sctpdtls.Config].CloseTimeout with an error that matches os.ErrDeadlineExceeded; then
// [Relay.ReadMessage] completes this.
func (r *Relay) Take(next *sctpdtls.Conn) error {
	if !r.ok() {
		return syscall.EINVAL
	}
	var old *sctpdtls.Conn
	var err error
	r.update(func() { old, err = r.append(next) })
	if err != nil {
		return err
	}
	return old.CloseWrite()
}

// append makes next the connection that is written to. It runs with mu held.
func (r *Relay) append(next *sctpdtls.Conn) (old *sctpdtls.Conn, err error) {
	if r.closed {
		r.leave(next)
		return nil, net.ErrClosed
	}
	r.next = append(r.next, next)
	return r.out.Swap(next), nil
}

// update changes what mu guards, and wakes who waits for that.
func (r *Relay) update(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
	close(r.change)
	r.change = make(chan struct{})
}

// leave closes a connection that nobody uses any more, beside everything else.
func (r *Relay) leave(c *sctpdtls.Conn) { r.leaving.Go(func() { c.Close() }) }

// WriteMessage is [sctpdtls.Conn.WriteMessage] of the newest connection.
func (r *Relay) WriteMessage(b []byte, info sctpdtls.MessageInfo) error {
	if !r.ok() {
		return syscall.EINVAL
	}
	for {
		c := r.out.Load()
		// Exactly this error: the peer has closed, and nothing of b was sent. An end by accident is for
		// the caller.
		if err := c.WriteMessage(b, info); err != net.ErrClosed ||
			!r.settled(func() bool { return r.out.Load() != c }) {
			return err
		}
	}
}

// ReadMessage is [sctpdtls.Conn.ReadMessage] of the oldest connection that has not been read to its
// end. It returns io.EOF at the end of the newest.
func (r *Relay) ReadMessage(b []byte) (n int, info sctpdtls.MessageInfo, err error) {
	if !r.ok() {
		return 0, info, syscall.EINVAL
	}
	for {
		c := r.in.Load()
		if n, info, err = c.ReadMessage(b); err != io.EOF {
			return n, info, err
		}
		if !r.settled(func() bool {
			if r.in.Load() == c && len(r.next) > 0 {
				r.in.Store(r.next[0])
				r.next = r.next[1:]
				r.leave(c)
			}
			return r.in.Load() != c
		}) {
			return n, info, err
		}
	}
}

// settled reports whether there is a successor, and waits while one is being dialed. found is
// called with mu held.
func (r *Relay) settled(found func() bool) bool {
	for {
		r.mu.Lock()
		ok, wait, change := found(), r.dialing > 0 && !r.closed, r.change
		r.mu.Unlock()
		if ok || !wait {
			return ok
		}
		<-change
	}
}

// Close closes all connections, as [sctpdtls.Conn.Close] does, and returns the error of the newest.
func (r *Relay) Close() error {
	if !r.ok() {
		return syscall.EINVAL
	}
	var all []*sctpdtls.Conn
	r.update(func() {
		r.closed = true
		all = append([]*sctpdtls.Conn{r.in.Load()}, r.next...)
	})
	newest := all[len(all)-1]
	for _, c := range all[:len(all)-1] {
		r.leave(c)
	}
	err := newest.Close()
	r.leaving.Wait()
	return err
}

// awaitGoodbye waits for the close_notify of c's peer.
func awaitGoodbye(ctx context.Context, c *sctpdtls.Conn) error {
	select {
	case <-c.Context().Done():
		if err := context.Cause(c.Context()); err != io.EOF {
			return err
		}
		return nil
	case <-ctx.Done():
		return errors.Join(ctx.Err(), os.ErrDeadlineExceeded)
	}
}

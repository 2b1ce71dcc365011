package sctpdtls

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A Listener accepts associations and performs their handshakes concurrently, limited in number and
// time. Accept returns authenticated connections only. A peer that is slow or fails does not block
// it, and is not visible there: see [Trace].HandshakeDone. A Listener is a net.Listener.
type Listener struct {
	socket stream.Listener
	addr   net.Addr
	config *Config
	core   *dtlscore.Config // of all connections

	ready     chan *Conn    // handshakes that succeeded
	slots     chan struct{} // one for each handshake under way
	hostLimit *hostLimit    // how many of those each host has
	ctx       context.Context
	stop      context.CancelFunc
	done      sync.WaitGroup
	once      sync.Once
	err       error // of closing the socket

	mu       sync.Mutex // guards the following
	deadline time.Time
	changed  chan struct{} // closed when deadline changes
}

// Listen listens on address: “host:port”, “a/b:port” for several addresses of this host,
// or “:port” for all of them (only IPv4 on a kernel without IPv6). The network is
// “sctp”, “sctp4” or “sctp6”, or one of these followed by “+udp” for SCTP in this
// process inside UDP (RFC 6951), or by “+ip” for SCTP in this process directly over IP (see
// [Dial]). With “+udp”, [SCTPOptions].UDPEncapPort is the UDP port to listen on, or 9899
// if that is 0. With both, clients learn of several addresses, but not of a wildcard. Errors
// are a *[net.OpError].
func Listen(network, address string, config *Config) (*Listener, error) {
	opError := &net.OpError{Op: "listen", Net: network}
	fail := func(err error) (*Listener, error) {
		opError.Err = err
		return nil, opError
	}
	if config == nil {
		return fail(errNoConfig)
	}
	if _, err := dtlscore.Server(config.core()); err != nil {
		return fail(err) // now rather than at every connection
	}
	sctp, under := below(network)
	addr, err := ResolveAddr(context.Background(), sctp, address)
	if err != nil {
		return fail(err)
	}
	opError.Addr = addr
	listen := listenKernel
	if under != "" {
		listen = listenUDP
	}
	socket, err := listen(network, addr, config)
	if err != nil {
		return fail(err)
	}
	return newListener(socket, config), nil
}

// NewListener returns a Listener for the associations of inner, as [tls.NewListener] does for
// connections. Closing it closes inner.
func NewListener(inner stream.Listener, config *Config) (*Listener, error) {
	if config == nil {
		return nil, errNoConfig
	}
	if err := config.check(); err != nil {
		return nil, err
	}
	if _, err := dtlscore.Server(config.core()); err != nil {
		return nil, err // now rather than at every connection
	}
	return newListener(inner, config), nil
}

func newListener(socket stream.Listener, config *Config) *Listener {
	ctx, stop := context.WithCancel(context.Background())
	l := &Listener{
		socket:    socket,
		addr:      socket.Addr(),
		config:    config,
		core:      config.core(),
		ready:     make(chan *Conn),
		slots:     make(chan struct{}, config.maxHandshakes()),
		hostLimit: newHostLimit(config.maxHandshakesPerHost()),
		ctx:       ctx,
		stop:      stop,
		changed:   make(chan struct{}),
	}
	l.done.Add(1)
	go l.run()
	return l
}

// run accepts associations until the Listener is closed.
func (l *Listener) run() {
	defer l.done.Done()
	wait := time.Duration(0)
	for {
		select {
		case l.slots <- struct{}{}:
		case <-l.ctx.Done():
			return
		}
		a, err := l.socket.Accept()
		if err != nil {
			<-l.slots
			if l.ctx.Err() != nil || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrClosed) {
				l.stop() // whoever has closed it, Accept must not wait forever
				return
			}
			// Out of descriptors, or the peer was gone already: others may fare better.
			l.config.handshakeDone(nil, ConnectionState{}, err)
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			select {
			case <-time.After(wait):
			case <-l.ctx.Done():
				return
			}
			continue
		}
		wait = 0
		l.done.Add(1)
		go func() {
			defer l.done.Done()
			defer func() { <-l.slots }()
			l.serve(a)
		}()
	}
}

// serve does one handshake and waits for Accept to take the connection.
func (l *Listener) serve(a stream.Association) {
	c, err := l.handshake(a, hostOfPeer(a.RemoteAddr()))
	if err != nil {
		return // Trace was told
	}
	select {
	case l.ready <- c:
	case <-l.ctx.Done():
		c.Close()
	}
}

// handshake makes a connection of an association with host.
func (l *Listener) handshake(a stream.Association, host netip.Prefix) (*Conn, error) {
	if err := l.hostLimit.enter(host); err != nil { // a flood is refused before it costs anything
		return nil, l.refuse(a, err)
	}
	defer l.hostLimit.leave(host)
	core, err := dtlscore.Server(l.core)
	if err != nil {
		return nil, l.refuse(a, err)
	}
	c, err := newConn(a, l.config, core)
	if err != nil {
		return nil, l.refuse(a, err)
	}
	return c, c.HandshakeContext(l.ctx) // which reports why
}

func (l *Listener) refuse(a stream.Association, err error) error {
	a.Abort()
	l.config.handshakeDone(a.RemoteAddr(), ConnectionState{}, err)
	return err
}

// Accept waits for the next connection whose handshake has succeeded, a *[Conn].
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.AcceptConn(context.Background())
	if err != nil {
		return nil, err
	}
	return c, nil
}

// ok reports whether there is a Listener at all.
func (l *Listener) ok() bool { return l != nil && l.socket != nil }

// AcceptConn is like Accept, but gives up when ctx is done. After Close, its error matches
// net.ErrClosed.
func (l *Listener) AcceptConn(ctx context.Context) (*Conn, error) {
	if !l.ok() {
		return nil, syscall.EINVAL
	}
	fail := func(err error) (*Conn, error) {
		return nil, &net.OpError{Op: "accept", Net: l.Addr().Network(), Addr: l.Addr(), Err: err}
	}
	for {
		if l.ctx.Err() != nil {
			return fail(net.ErrClosed)
		}
		l.mu.Lock()
		deadline, changed := l.deadline, l.changed
		l.mu.Unlock()
		var timeout <-chan time.Time
		if !deadline.IsZero() {
			left := time.Until(deadline)
			if left <= 0 {
				return fail(os.ErrDeadlineExceeded)
			}
			timeout = time.After(left)
		}
		select {
		case c := <-l.ready:
			return c, nil
		case <-l.ctx.Done():
		case <-timeout:
		case <-changed:
		case <-ctx.Done():
			return fail(ctx.Err())
		}
	}
}

// Addr returns the addresses that the Listener listens on, an *[Addr]: the unspecified address if
// it listens on all addresses of the host.
func (l *Listener) Addr() net.Addr {
	if l == nil {
		return nil
	}
	return l.addr
}

// SetDeadline makes Accept fail with os.ErrDeadlineExceeded after t.
func (l *Listener) SetDeadline(t time.Time) error {
	if !l.ok() {
		return syscall.EINVAL
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.deadline = t
	close(l.changed)
	l.changed = make(chan struct{})
	return nil
}

// Close stops listening, ends handshakes in progress, and closes the connections that have not been
// accepted, which it waits for as [Conn.Close] does. Accepted connections are not affected. Close
// can be called again.
func (l *Listener) Close() error {
	if !l.ok() {
		return syscall.EINVAL
	}
	l.once.Do(func() {
		l.stop()
		l.err = l.socket.Close()
		l.done.Wait()
	})
	return l.err
}

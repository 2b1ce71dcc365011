package tunnel

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// serve is the Run of a Server. It connects to the daemon during the handshake, when the peer is
// authenticated. Without a daemon the handshake fails, so that no peer thinks that it has reached
// one.
func (r *run) serve(ctx context.Context) error {
	admissions := &admissions{waiting: make(map[string]*admission)}
	config := r.config()
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*sctpdtls.Config, error) {
		return r.admit(ctx, admissions, hello)
	}
	config.Trace.HandshakeDone = func(peer net.Addr, _ sctpdtls.ConnectionState, err error) {
		if err == nil {
			return
		}
		if peer != nil {
			admissions.take(peer).discard()
		}
		r.refuse(peer, handshakeReason(err), err)
	}
	l, err := sctpdtls.Listen("sctp", r.Listen, config)
	if err != nil {
		return withHolder(err, listened(ctx, r.Listen))
	}
	defer admissions.close()
	defer l.Close()
	r.table = openListenTable()
	defer r.table.close()
	r.setReady(nil)
	defer r.setReady(errNotRunning)
	r.log.Info("listening", "addr", l.Addr().String(), "role", r.Role.String())
	for {
		conn, err := l.AcceptConn(ctx)
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			return err
		}
		r.associations.Go(func() { r.welcome(ctx, admissions.take(conn.RemoteAddr()), conn) })
	}
}

// welcome forwards messages between a peer and the daemon that was dialed for it.
func (r *run) welcome(ctx context.Context, a *admission, conn *sctpdtls.Conn) {
	if a == nil { // closed meanwhile
		conn.Abort()
		return
	}
	if isProbe(conn.ConnectionState()) {
		answerProbe(ctx, conn, r.Limits.Handshake)
		a.discard()
		return
	}
	r.watch.Handshake(r.Name, a.took)
	if a.pair != nil {
		a.pair.succeed(conn)
		return
	}
	defer func() { <-r.slots }()
	r.carry(ctx, a.daemon, conn, func() {}, nil)
	a.daemon.Abort() // for a restart, which carry leaves; else it has ended
}

// An admission is what a handshake in progress needs, and its results.
type admission struct {
	r      *run
	daemon stream.Association // nil for a probe, and with pair
	pair   *pair              // whose connection this one replaces
	took   time.Duration      // from ClientHello to the peer's Finished
}

// discard is called if the peer does not complete the handshake. It ends the association with the
// daemon after the daemon has had time to accept it.
func (a *admission) discard() {
	if a != nil && a.pair != nil {
		a.pair.links.changeOver(nil, nil)
	}
	if a == nil || a.daemon == nil {
		return
	}
	time.AfterFunc(probeTime, func() {
		a.daemon.Shutdown()
		a.daemon.Close()
		<-a.r.slots
	})
}

// admit returns the configuration for one client, which checks the client and connects to the
// daemon.
func (r *run) admit(
	ctx context.Context, all *admissions, hello *tls.ClientHelloInfo,
) (*sctpdtls.Config, error) {
	began := time.Now()
	peer := hello.Conn.RemoteAddr()
	out, in := r.Limits.Streams, r.Limits.Streams
	if s, ok := hello.Conn.(interface{ Streams() (out, in uint16) }); ok {
		out, in = s.Streams()
	}
	config := r.config()
	if slices.Contains(hello.SupportedProtos, probeProtocol) {
		config.NextProtos = []string{probeProtocol}
	} else if p := offeredSuccessor(hello.SupportedProtos); p != "" {
		config.NextProtos = []string{p}
	} else if slices.Contains(hello.SupportedProtos, tunnelProtocol) {
		config.NextProtos = []string{tunnelProtocol}
	}
	verify := config.VerifyConnection
	first := true
	config.VerifyConnection = func(state sctpdtls.ConnectionState) error {
		if verify != nil {
			if err := verify(state); err != nil {
				return err
			}
		}
		if err := r.allow(state); err != nil || !first {
			return err
		}
		first = false
		a := &admission{r: r, took: time.Since(began)}
		if isSuccessor(state) {
			var err error
			if a.pair, err = r.predecessor(state); err != nil {
				return &notAllowedError{err}
			}
			if !all.put(peer, a) {
				a.discard()
				return net.ErrClosed
			}
			return nil
		}
		target := r.target(state)
		if isProbe(state) {
			if yes, known := r.table.listens(ctx, target); known {
				if !yes {
					return &unreachableError{errNotListening}
				}
				if !all.put(peer, a) {
					return net.ErrClosed
				}
				return nil
			}
		}
		// The streams on which the peer sends are those on which the daemon receives, and the
		// reverse.
		if err := r.reserve(); err != nil {
			return &unreachableError{err}
		}
		ctx, cancel := context.WithTimeout(ctx, r.Limits.Handshake)
		defer cancel()
		var err error
		if a.daemon, err = r.dialDaemon(ctx, target, peer, in, out); err != nil {
			<-r.slots
			return &unreachableError{err}
		}
		if !all.put(peer, a) {
			a.discard()
			return net.ErrClosed
		}
		return nil
	}
	return config, nil
}

// reserve takes one of the slots for associations.
func (r *run) reserve() error {
	select {
	case r.slots <- struct{}{}:
		return nil
	default:
		return errFull
	}
}

var errFull = errors.New("the maximum number of associations (max-associations) is reached")

// admissions are the admissions of peers whose handshakes are not complete, by their addresses.
type admissions struct {
	mu      sync.Mutex
	waiting map[string]*admission // nil when closed
}

// key does not depend on the order in which the kernel lists the addresses of an association.
func key(peer net.Addr) string {
	a, _ := peer.(*sctpdtls.Addr)
	if a == nil {
		return ""
	}
	sorted := *a
	sorted.IPAddrs = slices.SortedFunc(slices.Values(a.IPAddrs), func(a, b net.IPAddr) int {
		return slices.Compare(a.IP.To16(), b.IP.To16())
	})
	return sorted.String()
}

func (a *admissions) put(peer net.Addr, one *admission) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.waiting == nil {
		return false
	}
	a.waiting[key(peer)].discard() // of an association that the kernel no longer has
	a.waiting[key(peer)] = one
	return true
}

func (a *admissions) take(peer net.Addr) *admission {
	a.mu.Lock()
	defer a.mu.Unlock()
	one := a.waiting[key(peer)]
	delete(a.waiting, key(peer))
	return one
}

// close discards the remaining admissions when nothing is accepted any more.
func (a *admissions) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, one := range a.waiting {
		one.discard()
	}
	a.waiting = nil
}

package tunnel

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/legible"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// accept is the Run of a Client. A daemon takes an accepted association for one with the far
// daemon, so associations are accepted only while the target can be reached. The socket begins to
// listen when a probe, a connection without messages, has reached the target. It stops when a
// connection for an association fails, or when the last one ends because of the peer.
func (r *run) accept(ctx context.Context) error {
	g := &gate{run: r, dials: make(chan struct{}, r.Limits.Handshakes)}
	for wait := firstProbe; ctx.Err() == nil; {
		if err := r.probe(ctx); err != nil {
			r.unreachable(err)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
			wait = min(2*wait, r.Limits.Probe)
			continue
		}
		wait = firstProbe
		if err := g.open(ctx); err != nil {
			return err
		}
	}
	r.setReady(errNotRunning)
	return nil
}

const firstProbe = 100 * time.Millisecond

// unreachable logs that a target cannot be reached, once for each reason.
func (r *run) unreachable(err error) {
	r.mu.Lock()
	known := r.notReady != nil && r.notReady.Error() == err.Error()
	r.notReady = err
	r.mu.Unlock()
	if !known {
		r.log.Warn("not listening: the target cannot be reached",
			"target", r.Target, "err", legible.Text(err.Error()))
	}
}

// gated reports whether the service listens only while its target can be reached. With Redirect
// there may be many targets.
func (r *run) gated() bool { return !r.Redirect && !r.AlwaysListen }

// dial makes a connection with the far end. out and in are the streams that the daemon requests.
func (r *run) dial(
	ctx context.Context, config *sctpdtls.Config, target string, out, in uint16,
) (*sctpdtls.Conn, error) {
	from, err := resolve(ctx, r.Source)
	if err != nil {
		return nil, err
	}
	return r.dialFrom(ctx, from, config, target, out, in)
}

// dialFirst is dial for an association of the daemon, which finds out whether the far end is a
// tunnel. An endpoint that refuses the protocol is dialed again without one, and for refusalTime
// only without one.
func (r *run) dialFirst(
	ctx context.Context, target string, out, in uint16,
) (*sctpdtls.Conn, error) {
	if !r.wantsOther(target) {
		config := r.config()
		config.NextProtos = []string{tunnelProtocol}
		conn, err := r.dial(ctx, config, target, out, in)
		if !isNoProtocol(err) {
			return conn, err
		}
		r.setWantsOther(target, true)
	}
	return r.dial(ctx, r.config(), target, out, in)
}

// refusalTime is how long a refusal of tunnelProtocol counts. It is not authenticated, and the
// endpoint may be replaced by a tunnel.
const refusalTime = 10 * time.Minute

// wantsOther reports whether the endpoint at a target has refused tunnelProtocol.
func (r *run) wantsOther(target string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	refused, yes := r.others[target]
	if yes && time.Since(refused) >= refusalTime {
		delete(r.others, target)
		return false
	}
	return yes
}

func (r *run) setWantsOther(target string, yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if delete(r.others, target); yes {
		r.others[target] = time.Now()
	}
}

func (r *run) dialFrom(
	ctx context.Context, from *sctpdtls.Addr, config *sctpdtls.Config, target string, out, in uint16,
) (*sctpdtls.Conn, error) {
	config.SCTP.OutStreams, config.SCTP.MaxInStreams = out, in
	verify := config.VerifyConnection
	config.VerifyConnection = func(state sctpdtls.ConnectionState) error {
		if verify != nil {
			if err := verify(state); err != nil {
				return err
			}
		}
		return r.allow(state)
	}
	ctx, cancel := context.WithTimeout(ctx, r.Limits.Handshake)
	defer cancel()
	began := time.Now()
	conn, err := (&sctpdtls.Dialer{Config: config, LocalAddr: from}).DialConn(ctx, "sctp", target)
	if err != nil {
		return nil, withHolder(err, addrPorts(from))
	}
	r.watch.Handshake(r.Name, time.Since(began))
	return conn, nil
}

// A gate is the listening socket of a Client, which exists only while the target can be reached.
type gate struct {
	*run
	dials chan struct{} // one for each connection in progress

	mu       sync.Mutex
	listener *sctpsock.Listener
	carried  int // associations with a connection
}

// open accepts associations until the gate is closed or ctx is done.
func (g *gate) open(ctx context.Context) error {
	addr, err := resolve(ctx, g.Listen)
	if err != nil {
		return err
	}
	l, err := sctpsock.Listen(addrPorts(addr), g.clearOptions())
	if err != nil {
		return withHolder(err, addrPorts(addr))
	}
	g.mu.Lock()
	g.listener = l
	g.mu.Unlock()
	defer g.close()
	defer context.AfterFunc(ctx, g.close)()
	g.setReady(nil)
	g.log.Info("listening", "addr", sctpsock.Addr(l.Addrs()).String(), "role", g.Role.String())
	for {
		s, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil { // perhaps out of descriptors
			g.log.Warn("cannot accept", "err", err)
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			continue
		}
		g.associations.Go(func() { g.serve(ctx, s) })
	}
}

var errLooking = errors.New("the target is being probed")

// close stops listening, and aborts what was not accepted.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.listener != nil {
		g.listener.Close()
		g.listener = nil
		g.setReady(errLooking)
	}
}

// serve makes a connection for an association of the daemon, and forwards messages until they end.
func (g *gate) serve(ctx context.Context, s *sctpsock.Socket) {
	from := sctpsock.Addr(s.RemoteAddrs())
	if err := g.reserve(); err != nil {
		s.Abort()
		g.refuse(from, Full, err)
		return
	}
	defer func() { <-g.slots }()
	for {
		conn, target, err := g.connect(ctx, s)
		if err != nil {
			if ctx.Err() == nil && g.gated() {
				g.close()
			}
			s.Abort()
			g.refuse(from, handshakeReason(err), err)
			return
		}
		leave := g.enter()
		// The peer has ended the association. If it was the only one, the target may be unreachable.
		doubt := sync.OnceFunc(func() {
			if leave() && g.gated() {
				g.close()
			}
		})
		redial := func(ctx context.Context, old *sctpdtls.Conn) (*sctpdtls.Conn, error) {
			return g.dialSuccessor(ctx, old, target)
		}
		why := g.carry(ctx, kernelAssociation{s}, conn, doubt, redial)
		leave()
		if why != DaemonRestart || ctx.Err() != nil {
			s.Abort() // after a restart while the tunnel stops; otherwise it has ended
			return
		}
		// To the daemon this is a new association, so the far daemon gets a new one too.
		if err := s.Renew(); err != nil {
			s.Abort()
			return
		}
	}
}

// enter counts an association that has a connection. The function that it returns ends that at its
// first call, and reports whether there was no other left then: of several that end at the same
// time, it is one that was the last.
func (g *gate) enter() (leave func() (last bool)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.carried++
	return sync.OnceValue(func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.carried--
		return g.carried == 0
	})
}

// connect makes the connection for an association of the daemon, with the same number of streams,
// and returns the address of the far end.
func (g *gate) connect(
	ctx context.Context, s *sctpsock.Socket,
) (conn *sctpdtls.Conn, target string, err error) {
	acknowledgeAtOnce(s) // not every kernel passes this on to accepted sockets
	select {
	case g.dials <- struct{}{}:
		defer func() { <-g.dials }()
	case <-ctx.Done():
		return nil, "", ctx.Err()
	}
	target = g.Target
	if g.Redirect {
		to, err := originalDestination(s)
		if err != nil {
			return nil, "", err
		}
		target = sctpsock.Addr([]netip.AddrPort{to}).String()
	}
	toDaemon, fromDaemon := s.Streams()
	conn, err = g.dialFirst(ctx, target, fromDaemon, toDaemon)
	return conn, target, err
}

package tunnel

import (
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// In DTLS 1.3 a connection cannot renew the key of SCTP-AUTH, nor show another certificate. So
// another connection takes its place, if both ends are tunnels: the client dials it, and says by
// ALPN (RFC 7301) whose successor it is. From then on each end writes to the successor, ends the
// old connection by close_notify, and reads from the successor when it has read the old one to its
// end. So nothing is lost, and streams keep their order. If the handshake ends in such a way that
// one end may have changed over and the other one not, the association is aborted: at no time is a
// message lost in silence.
//
// Whether the far end is a tunnel a client learns from the first connection, in which it offers
// tunnelProtocol: another endpoint knows nothing of it. So only a tunnel is dialed again.
//
// What follows successorProtocol is made of the secrets of the connection before. It names it, and
// need not be secret: the peer proves again who it is.
const (
	tunnelProtocol    = "sctp-tunnel"
	successorProtocol = "sctp-tunnel-successor "
	successorLabel    = "EXPERIMENTAL sctp-tunnel successor"
)

// nameOfSuccessor returns the protocol that names the successor of a connection, or "" if it can
// have none.
func nameOfSuccessor(s sctpdtls.ConnectionState) string {
	tunnels := s.NegotiatedProtocol == tunnelProtocol || isSuccessor(s)
	if s.Version != sctpdtls.VersionDTLS13 || !tunnels {
		return ""
	}
	name, err := s.ExportKeyingMaterial(successorLabel, nil, 16)
	if err != nil {
		return ""
	}
	return successorProtocol + hex.EncodeToString(name)
}

// offeredSuccessor returns the name of a successor that a client offers.
func offeredSuccessor(protocols []string) string {
	i := slices.IndexFunc(protocols, func(p string) bool {
		return strings.HasPrefix(p, successorProtocol)
	})
	if i < 0 {
		return ""
	}
	return protocols[i]
}

// isSuccessor reports whether a connection is a successor.
func isSuccessor(state sctpdtls.ConnectionState) bool {
	return strings.HasPrefix(state.NegotiatedProtocol, successorProtocol)
}

var (
	errNoPredecessor = errors.New("the connection to replace does not exist")
	errOtherPeer     = errors.New("the replacement of a connection has a different peer or daemon")
	errNoTunnel      = errors.New("the far end is not an sctp-tunnel, or has lost the connection")
	errLessThan      = errors.New("the replacement of a connection has fewer streams, " +
		"or a smaller message size")
)

// predecessor returns the pair whose connection a peer's new connection is to replace. From now on
// the pair waits for that.
func (r *run) predecessor(next sctpdtls.ConnectionState) (*pair, error) {
	r.mu.Lock()
	p := r.bySuccessor[next.NegotiatedProtocol]
	r.mu.Unlock()
	if p == nil {
		return nil, errNoPredecessor
	}
	if err := r.samePeer(p.info.Now(), next); err != nil {
		return nil, err
	}
	if p.links.begin() == nil {
		return nil, errNoPredecessor
	}
	return p, nil
}

// target returns the daemon that a peer of a server reaches.
func (r *run) target(state sctpdtls.ConnectionState) string {
	if r.Route != nil {
		if to := r.Route(state); to != "" {
			return to
		}
	}
	return r.Target
}

// dialSuccessor makes the successor of a connection.
func (r *run) dialSuccessor(
	ctx context.Context, old *sctpdtls.Conn, target string,
) (*sctpdtls.Conn, error) {
	name := nameOfSuccessor(old.ConnectionState())
	if name == "" {
		return nil, errNoTunnel
	}
	config := r.config()
	config.NextProtos = []string{name}
	from, err := resolve(ctx, r.Source)
	if err != nil {
		return nil, err
	}
	if from != nil {
		from.Port = 0 // the old connection uses it
	}
	before := old.ConnectionState()
	next, err := r.dialFrom(ctx, from, config, target, before.OutStreams, before.InStreams)
	if isNoProtocol(err) {
		return nil, errNoTunnel
	}
	if err != nil {
		return nil, err
	}
	switch state := next.ConnectionState(); {
	case state.NegotiatedProtocol != name:
		r.associations.Go(func() { closeLater(ctx, next) })
		return nil, errNoTunnel
	case Identity(state) != Identity(before):
		err = errOtherPeer
	case state.OutStreams < before.OutStreams || state.MaxWrite < before.MaxWrite:
		err = errLessThan
	}
	if err != nil {
		next.Abort()
		return nil, &inDoubtError{err}
	}
	return next, nil
}

// An inDoubtError is the failure of a successor that the far end may consider successful.
type inDoubtError struct{ error }

func (e *inDoubtError) Unwrap() error { return e.error }

// inDoubt reports whether the far end may have switched although this end has not. Then the end of
// the old connection does not mean anything: the far end may have written to the new one since.
func inDoubt(err error) bool {
	if _, ok := errtype.As[*inDoubtError](err); ok {
		return true
	}
	if e, ok := errtype.As[*sctpdtls.HandshakeTimeoutError](err); ok {
		return e.KeyInUse // Finished may have arrived
	}
	_, lost := errtype.As[*sctpdtls.AssociationError](err)
	return lost
}

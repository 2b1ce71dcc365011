package tunnel

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/legible"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A renewal says when the keys and certificates of a connection are renewed: by a renegotiation in
// DTLS 1.2, and by a successor in DTLS 1.3. The library itself updates the keys of DTLS 1.3.
type renewal struct {
	// life is the number of DATA chunks that a key of SCTP-AUTH may protect in each direction: the
	// transmission sequence numbers that prevent replays have 32 bits (RFC 4895, Section 9). The
	// key is renewed after due chunks, by default three quarters of that.
	life, due uint64
	// interval is the time between two checks.
	interval time.Duration
	// margin is how long before a certificate expires its renewal is attempted, or after three
	// quarters of its lifetime if that is later. The attempt is repeated whenever half of the
	// remaining time has passed, because the file may have been replaced meanwhile.
	margin time.Duration
}

func (n renewal) withDefaults() renewal {
	n.life = cmp.Or(n.life, 1<<31)
	return renewal{
		life:     n.life,
		due:      cmp.Or(n.due, n.life/4*3),
		interval: cmp.Or(n.interval, time.Minute),
		margin:   cmp.Or(n.margin, time.Hour),
	}
}

// recordLife is the number of records that a key of DTLS 1.2 protects before this end renegotiates:
// a third of the limit of AES-GCM (RFC 9325, Section 4.4).
const recordLife = 1 << 23

// chunkPayload is the smallest payload of a full DATA chunk: a path's MTU may be 512 bytes.
const chunkPayload = 400

// A renewer manages the keys and certificates of a pair's connection.
type renewer struct {
	renewal
	pair   *pair
	log    *slog.Logger
	own    func() []tls.Certificate // of this end, for the next handshake
	redial redial                   // nil: the peer connects
	after  func(time.Duration, func()) (stop func())

	conn   *sctpdtls.Conn // the newest connection; the following fields describe it
	key    uint16         // identifier of the key of SCTP-AUTH
	before [2]uint64      // chunks that were sent before the key was installed, by Direction
	peers  time.Time      // when the peer's certificate expires
	first  time.Time      // when the first certificate of either end expires
	ask    time.Duration  // how long before that to attempt a renewal
	alone  bool           // the peer does not take part in the renewal
}

// A redial makes the successor of a connection.
type redial func(ctx context.Context, old *sctpdtls.Conn) (*sctpdtls.Conn, error)

// run renews until ctx is done.
func (n *renewer) run(ctx context.Context) {
	due := make(chan struct{}, 1)
	for n.look(ctx) {
		wait := n.interval
		if !n.peers.IsZero() {
			wait = min(wait, max(time.Until(n.peers), 0)+time.Millisecond)
		}
		stop := n.after(wait, func() { due <- struct{}{} })
		select {
		case <-ctx.Done():
			stop()
			return
		case <-due:
		}
	}
}

// look renews what is due, and reports whether the association continues.
func (n *renewer) look(ctx context.Context) bool {
	n.refresh()
	used := n.chunks()
	now := time.Now()
	switch {
	case !n.peers.IsZero() && now.After(n.peers):
		n.pair.fail(Expired, &expiredError{Identity(n.conn.ConnectionState()), n.peers})
		return false
	case used >= n.life:
		n.pair.fail(KeysUsedUp, errKeysUsedUp)
		return false
	case used >= n.due:
		n.renew(ctx, "keys")
	case !n.first.IsZero() && n.first.Sub(now) < n.ask:
		for left := max(n.first.Sub(now), 0); n.ask > left; {
			n.ask /= 2
		}
		n.renew(ctx, "certificates")
	}
	return true
}

// refresh checks whether either end has made another handshake.
func (n *renewer) refresh() {
	conn := n.pair.links.newest()
	state := conn.ConnectionState()
	if conn == n.conn && state.AuthKeyID == n.key {
		return
	}
	n.conn, n.key = conn, state.AuthKeyID
	n.before = [2]uint64{n.carried(Out), n.carried(In)}
	n.peers = expiry(state)
	first := ownExpiry(n.own())
	if first.IsZero() || !n.peers.IsZero() && n.peers.Before(first) {
		first = n.peers
	}
	if first.Equal(n.first) {
		return // after a failed attempt less time is left
	}
	n.first, n.ask = first, min(n.margin, time.Until(first)/4)
	if n.redial == nil { // so that the two ends do not begin at the same time
		n.ask = n.ask / 4 * 3
	}
}

// carried returns an upper bound of the number of DATA chunks that were sent in a direction.
func (n *renewer) carried(d Direction) uint64 {
	messages, bytes := n.pair.info.Carried(d)
	return messages + bytes/chunkPayload
}

// chunks returns the number of chunks that the key of SCTP-AUTH has protected, in the direction
// with more.
func (n *renewer) chunks() uint64 {
	return max(n.carried(Out)-n.before[Out], n.carried(In)-n.before[In])
}

// renew makes both ends change their keys and present their certificates.
func (n *renewer) renew(ctx context.Context, why string) {
	if n.alone {
		return
	}
	var err error
	if n.conn.ConnectionState().Version == sctpdtls.VersionDTLS13 {
		err = n.succeed(ctx, why)
		n.alone = err == errNoTunnel
	} else if err = n.conn.Renegotiate(ctx); err == nil {
		n.log.Info("association changed its keys", "why", why)
	} else {
		n.alone = errors.Is(err, sctpdtls.ErrRenegotiationRefused) ||
			errors.Is(err, sctpdtls.ErrPeerIncompatible)
	}
	if err != nil && ctx.Err() == nil {
		n.log.Warn("association cannot change its keys", "why", why, "err", legible.Text(err.Error()))
	}
}

// succeed switches to a successor, if this end makes it.
func (n *renewer) succeed(ctx context.Context, why string) error {
	if n.redial == nil || n.pair.links.begin() == nil {
		return nil
	}
	next, err := n.redial(ctx, n.conn)
	switch {
	case inDoubt(err):
		n.pair.fail(peerReason(err), fmt.Errorf("switching to another connection: %w", err))
	case err != nil:
		n.pair.links.changeOver(nil, nil)
	default:
		n.pair.succeed(next)
		n.log.Info("association continues over another connection", "why", why)
	}
	return err
}

// succeed makes a pair continue over another connection.
func (p *pair) succeed(next *sctpdtls.Conn) {
	if !p.links.changeOver(next, p.hasEnded) {
		next.Abort()
		return
	}
	p.adopt(next)
}

// expiry returns when the first certificate of the peer's chain expires; zero means never.
func expiry(state sctpdtls.ConnectionState) (last time.Time) {
	for _, chain := range state.VerifiedChains {
		if end := firstExpiry(chain); end.After(last) {
			last = end
		}
	}
	return last
}

func firstExpiry(chain []*x509.Certificate) (first time.Time) {
	for _, c := range chain {
		if first.IsZero() || c.NotAfter.Before(first) {
			first = c.NotAfter
		}
	}
	return first
}

// ownExpiry returns when the first of a configuration's certificates expires.
func ownExpiry(certificates []tls.Certificate) (first time.Time) {
	for _, c := range certificates {
		leaf := c.Leaf
		if leaf == nil && len(c.Certificate) > 0 {
			leaf, _ = x509.ParseCertificate(c.Certificate[0])
		}
		if leaf != nil && (first.IsZero() || leaf.NotAfter.Before(first)) {
			first = leaf.NotAfter
		}
	}
	return first
}

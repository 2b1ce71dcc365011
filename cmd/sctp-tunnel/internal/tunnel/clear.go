package tunnel

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// A kernelAssociation is one of the kernel with a daemon. If this process is killed the kernel
// closes its socket, which would be a clean end to the daemon; so it is told to end it by an ABORT,
// unless Close is called.
type kernelAssociation struct{ *sctpsock.Socket }

// Close releases the socket after a clean end.
func (k kernelAssociation) Close() error {
	if c, err := k.SyscallConn(); err == nil {
		abortOnClose(c, false)
	}
	return k.Socket.Close()
}

func (k kernelAssociation) LocalAddr() net.Addr  { return sctpsock.Addr(k.LocalAddrs()) }
func (k kernelAssociation) RemoteAddr() net.Addr { return sctpsock.Addr(k.RemoteAddrs()) }

// sackDelay is how long acknowledgements to a daemon wait for an answer to go with. It is short:
// the daemon may wait for them, as one does that has Nagle's algorithm.
const sackDelay = 4 * time.Millisecond

// clearOptions are those of associations with daemons.
func (s *Service) clearOptions() *sctpsock.Options {
	message := 0
	if s.Limits.large() {
		message = s.Limits.Message
	}
	return &sctpsock.Options{
		MessageSize: message,
		Options: stream.Options{
			OutStreams:   s.Limits.Streams,
			MaxInStreams: s.Limits.Streams,
			ReadBuffer:   s.Limits.Buffer,
			WriteBuffer:  s.Limits.Buffer,
			SACKDelay:    sackDelay,
			Control:      func(_, _ string, c syscall.RawConn) error { return abortOnClose(c, true) },
		},
		KeepRestarted: true,
	}
}

// addrPorts returns the addresses of a for package sctpsock: nil stands for none, an invalid one
// for all of the host.
func addrPorts(a *sctpdtls.Addr) []netip.AddrPort {
	if a == nil {
		return nil
	}
	if len(a.IPAddrs) == 0 {
		return []netip.AddrPort{netip.AddrPortFrom(netip.Addr{}, uint16(a.Port))}
	}
	var list []netip.AddrPort
	for _, ip := range a.IPAddrs {
		addr, _ := netip.AddrFromSlice(ip.IP)
		list = append(list, netip.AddrPortFrom(addr.Unmap().WithZone(ip.Zone), uint16(a.Port)))
	}
	return list
}

// resolve parses an address of a Service; nil stands for an empty one.
func resolve(ctx context.Context, address string) (*sctpdtls.Addr, error) {
	if address == "" {
		return nil, nil
	}
	return sctpdtls.ResolveAddr(ctx, "sctp", address)
}

// dialDaemon makes an association with the daemon at address. streams are those that the peer
// offers.
func (s *Service) dialDaemon(
	ctx context.Context, address string, peer net.Addr, out, in uint16,
) (stream.Association, error) {
	to, err := resolve(ctx, address)
	if err != nil {
		return nil, err
	}
	from, err := resolve(ctx, s.Source)
	if err != nil {
		return nil, err
	}
	o := s.clearOptions()
	o.OutStreams, o.MaxInStreams = out, in
	local := addrPorts(from)
	if s.PeerSource {
		if local = sourceOf(peer); local == nil {
			return nil, errPeerIPv4
		}
		o.Control = func(_, _ string, c syscall.RawConn) error {
			return errors.Join(abortOnClose(c, true), bindAnywhere(c))
		}
	}
	sock, err := sctpsock.Dial(ctx, local, addrPorts(to), o)
	if err != nil {
		return nil, withHolder(err, local)
	}
	return kernelAssociation{sock}, nil
}

// sourceOf returns the IPv6 addresses of the DTLS peer. From IPv4 addresses that are none of this
// host Linux's SCTP can be bound to, but does not send.
func sourceOf(peer net.Addr) (list []netip.AddrPort) {
	a, _ := peer.(*sctpdtls.Addr)
	for _, p := range addrPorts(a) {
		if p.Addr().Is6() {
			list = append(list, netip.AddrPortFrom(p.Addr(), 0))
		}
	}
	return list
}

var errPeerIPv4 = errors.New("the peer has IPv4 addresses only, and Linux's SCTP sends from " +
	"those of this host alone: have it come from IPv6 addresses, or do without peer-source")

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

// A kernelAssociation is an association of the kernel with a daemon. If this process is killed, the
// kernel closes its socket, which would look like a clean end to the daemon. So the socket is set
// to end the association with an ABORT unless Close is called.
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

// sackDelay is how long acknowledgements to a daemon may be delayed to be bundled with an answer.
// It is short because a daemon that uses Nagle's algorithm waits for them.
const sackDelay = 4 * time.Millisecond

// clearOptions returns the options of associations with daemons.
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

// addrPorts converts a for package sctpsock. nil means none, and an invalid address all of the
// host.
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

// resolve parses an address of a Service. It returns nil for an empty one.
func resolve(ctx context.Context, address string) (*sctpdtls.Addr, error) {
	if address == "" {
		return nil, nil
	}
	return sctpdtls.ResolveAddr(ctx, "sctp", address)
}

// dialDaemon makes an association with the daemon at address. streams are those that the peer
// requests.
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

// sourceOf returns the IPv6 addresses of the DTLS peer. Linux's SCTP can bind to foreign IPv4
// addresses but does not send from them.
func sourceOf(peer net.Addr) (list []netip.AddrPort) {
	a, _ := peer.(*sctpdtls.Addr)
	for _, p := range addrPorts(a) {
		if p.Addr().Is6() {
			list = append(list, netip.AddrPortFrom(p.Addr(), 0))
		}
	}
	return list
}

var errPeerIPv4 = errors.New("peer-source requires a peer with an IPv6 address, because Linux's " +
	"SCTP does not send from foreign IPv4 addresses: connect over IPv6, or remove peer-source")

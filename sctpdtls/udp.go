package sctpdtls

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpudp"
	"github.com/seed-41f70523/dtls-sctp/sctpcore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// This file is SCTP of this process, inside UDP (RFC 6951) or straight over IP, as kernel.go is
// that of the kernel.

// below takes what is below SCTP of this process off a network's name: “udp” or “ip”. It is
// empty for SCTP of the kernel.
func below(network string) (sctp, under string) {
	for _, under := range []string{"udp", "ip"} {
		if sctp, ok := strings.CutSuffix(network, "+"+under); ok && strings.HasPrefix(sctp, "sctp") {
			return sctp, under
		}
	}
	return network, ""
}

// A udpAssociation is an association of package sctpudp, with the addresses that users know.
type udpAssociation struct{ *sctpudp.Assoc }

func newUDPAssociation(a *sctpudp.Assoc, o *SCTPOptions) stream.Association {
	if o.SACKDelay < 0 {
		a.SetSACKDelay(0) // fails only when the association is over, as all else will then
	}
	return udpAssociation{a}
}

// udp returns the options of c in the words of package sctpcore, and the UDP port of servers.
func (c *Config) udp(network string) (o *sctpcore.Config, port uint16, err error) {
	if o, err = c.sctpcore(); err != nil {
		return nil, 0, err
	}
	port = c.SCTP.UDPEncapPort
	if _, under := below(network); under == "udp" {
		return o, cmp.Or(port, sctpudp.Port), nil
	}
	if port != 0 {
		return nil, 0, &OptionError{Option: "UDPEncapPort", Value: port,
			Remedy: fmt.Sprintf("there is no UDP below the network %q; want 0", network)}
	}
	return o, 0, nil
}

// sctpcore returns the options of c in the words of package sctpcore.
func (c *Config) sctpcore() (*sctpcore.Config, error) {
	if err := cmp.Or(c.check(), checkBuffers(&c.SCTP, c.largeRecord())); err != nil {
		return nil, err
	}
	o := c.SCTP
	o.ReadBuffer = max(o.ReadBuffer, c.largeRecord())
	o.WriteBuffer = max(o.WriteBuffer, c.largeRecord())
	return sctpudp.NewConfig(&o)
}

// openUDP opens UDP sockets for addresses of this host, or raw IP sockets. INIT and
// INIT ACK list several addresses; a single one the peer sees.
func openUDP(
	network string, local *Addr, port uint16, config *sctpcore.Config,
) (*sctpudp.Socket, error) {
	sctp, under := below(network)
	var addrs []netip.Addr
	for _, p := range addrPorts(local, sctp) {
		if addr := p.Addr(); !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	if len(addrs) > 1 {
		for _, addr := range addrs {
			if addr.IsUnspecified() || addr.Zone() != "" {
				return nil, &OptionError{Option: "local address", Value: local, Remedy: fmt.Sprintf(
					"of several, the peer must be able to use each, which it cannot use %v", addr)}
			}
		}
		config.Addresses = addrs
	}
	family := strings.TrimPrefix(sctp, "sctp")
	if under == "ip" {
		return sctpudp.OpenIP(under+family, addrs...)
	}
	s, err := sctpudp.Open(under+family, port, addrs...)
	if err != nil {
		return nil, inner(err)
	}
	return s, nil
}

func dialUDP(
	ctx context.Context, network string, local, remote *Addr, config *Config,
) (stream.Association, error) {
	o, udpPort, err := config.udp(network)
	if err != nil {
		return nil, err
	}
	sctp, under := below(network)
	var peers []netip.AddrPort
	for _, p := range addrPorts(remote, sctp) {
		peers = append(peers, netip.AddrPortFrom(p.Addr(), udpPort))
	}
	if local == nil && sctp == "sctp" && !slices.ContainsFunc(peers, isIPv6) {
		network = "sctp4+" + under // a socket for both is slower
	}
	s, err := openUDP(network, local, 0, o)
	if err != nil {
		return nil, err
	}
	defer s.Close() // it ends with the association
	port := uint16(0)
	if local != nil {
		port = uint16(local.Port)
	}
	a, err := s.Dial(ctx, o, port, uint16(remote.Port), peers...)
	if err != nil {
		return nil, err
	}
	return newUDPAssociation(a, &config.SCTP), nil
}

func isIPv6(p netip.AddrPort) bool { return p.Addr().Is6() }

type udpListener struct {
	*sctpudp.Listener
	socket  *sctpudp.Socket
	options *SCTPOptions
	addr    *Addr
}

func listenUDP(network string, addr *Addr, config *Config) (stream.Listener, error) {
	o, udpPort, err := config.udp(network)
	if err != nil {
		return nil, err
	}
	s, err := openUDP(network, addr, udpPort, o)
	if err != nil {
		return nil, err
	}
	l, err := newUDPListener(s, uint16(addr.Port), o, &config.SCTP)
	if err != nil {
		return nil, err // not a nil *udpListener
	}
	return l, nil
}

// newUDPListener listens on an SCTP port of s, which it closes in the end.
func newUDPListener(
	s *sctpudp.Socket, port uint16, config *sctpcore.Config, options *SCTPOptions,
) (*udpListener, error) {
	l, err := s.Listen(port, config)
	if err != nil {
		s.Close()
		return nil, err
	}
	addr := new(Addr) // without addresses, all of this host
	for _, at := range s.LocalAddrs() {
		addr.IPAddrs = append(addr.IPAddrs, ipAddr(at))
	}
	addr.Port = int(l.Port())
	return &udpListener{l, s, options, addr}, nil
}

func (l *udpListener) Accept() (stream.Association, error) {
	a, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return newUDPAssociation(a, l.options), nil
}

func (l *udpListener) Addr() net.Addr { return l.addr }

// Close leaves the socket to the associations that were accepted.
func (l *udpListener) Close() error {
	err := l.Listener.Close()
	if err == net.ErrClosed { // and so is the socket
		return err
	}
	return errors.Join(err, l.socket.Close())
}

func (u udpAssociation) LocalAddr() net.Addr  { return fromUDPAddr(u.Assoc.LocalAddr()) }
func (u udpAssociation) RemoteAddr() net.Addr { return fromUDPAddr(u.Assoc.RemoteAddr()) }

func fromUDPAddr(a net.Addr) *Addr {
	u := a.(*sctpudp.Addr)
	var list []netip.AddrPort
	for _, ip := range u.Addrs {
		list = append(list, netip.AddrPortFrom(ip, u.Port))
	}
	return fromAddrPorts(list)
}

package sctpdtls

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/internal/sctpudp"
	"github.com/seed-41f70523/dtls-sctp/sctpcore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// This file is SCTP of this process inside UDP (RFC 6951), as kernel.go is that of the kernel.

// withoutUDP returns the network without its “+udp”, and whether it had that.
func withoutUDP(network string) (sctp string, udp bool) {
	if sctp, udp = strings.CutSuffix(network, "+udp"); udp && !strings.HasPrefix(sctp, "sctp") {
		return network, false
	}
	return sctp, udp
}

// A udpAssociation is an association of package sctpudp, in the words of this package.
type udpAssociation struct{ *sctpudp.Assoc }

func newUDPAssociation(a *sctpudp.Assoc, o *SCTPOptions) association {
	if o.SACKDelay != nil && *o.SACKDelay == 0 {
		a.SetSACKDelay(0) // fails only when the association is over, as all else will then
	}
	return udpAssociation{a}
}

// udp returns the options of c in the words of package sctpcore, and asks for SCTP-AUTH.
func (c *Config) udp() (*sctpcore.Config, error) {
	o := &c.SCTP
	if err := o.check(); err != nil {
		return nil, err
	}
	unsupported := func(name string, value any) error {
		return &OptionError{Option: name, Value: value,
			Remedy: "SCTP of this process does not have it; leave it out, or use the network “sctp”"}
	}
	switch {
	case o.Nagle:
		return nil, unsupported("Nagle", o.Nagle)
	case o.Scheduler != SchedulerFCFS:
		return nil, unsupported("Scheduler", o.Scheduler)
	case o.InitTimeout != 0:
		return nil, unsupported("InitTimeout", o.InitTimeout)
	case o.AddressChanges:
		return nil, unsupported("AddressChanges", o.AddressChanges)
	case o.Control != nil:
		return nil, unsupported("Control", "a function")
	}
	config := &sctpcore.Config{
		OutStreams:            cmp.Or(o.OutStreams, 10), // as Linux
		MaxInStreams:          cmp.Or(o.MaxInStreams, defaultInStreams),
		MaxInitRetrans:        int(o.MaxInitAttempts),
		RTOInitial:            o.RTOInitial,
		RTOMin:                o.RTOMin,
		RTOMax:                o.RTOMax,
		HeartbeatInterval:     o.Heartbeat,
		AssociationMaxRetrans: int(o.AssocMaxRetrans),
		PathMaxRetrans:        int(o.PathMaxRetrans),
		ReceiveWindow:         2 * o.ReadBuffer, // as Linux
		SendBuffer:            2 * o.WriteBuffer,
		PartialReliability:    o.PartialReliability,
		RefuseRestart:         o.RefuseRestart,
		Auth:                  true,
		AuthChunks:            authchunk.DefaultChunks(),
	}
	if o.SACKDelay != nil {
		config.SackDelay = *o.SACKDelay
	}
	return config, nil
}

// openUDP opens the UDP socket for an address of this host.
func openUDP(network string, local *Addr, port uint16) (*sctpudp.Socket, error) {
	var at netip.Addr
	if list := addrPorts(local, network); len(list) > 1 {
		return nil, &OptionError{Option: "local address", Value: local,
			Remedy: "SCTP of this process takes one address of this host, or all of them"}
	} else if len(list) == 1 {
		at = list[0].Addr()
	}
	return sctpudp.Open("udp"+strings.TrimPrefix(network, "sctp"), netip.AddrPortFrom(at, port))
}

func dialUDP(
	ctx context.Context, network string, local, remote *Addr, config *Config,
) (association, error) {
	o, err := config.udp()
	if err != nil {
		return nil, err
	}
	network, _ = withoutUDP(network)
	s, err := openUDP(network, local, 0)
	if err != nil {
		return nil, inner(err)
	}
	defer s.Close() // it ends with the association
	udpPort := cmp.Or(config.SCTP.UDPEncapPort, sctpudp.Port)
	var peers []netip.AddrPort
	for _, p := range addrPorts(remote, network) {
		peers = append(peers, netip.AddrPortFrom(p.Addr(), udpPort))
	}
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

type udpListener struct {
	*sctpudp.Listener
	socket  *sctpudp.Socket
	options *SCTPOptions
	addr    *Addr
}

func listenUDP(network string, addr *Addr, config *Config) (kernelListener, error) {
	o, err := config.udp()
	if err != nil {
		return nil, err
	}
	network, _ = withoutUDP(network)
	s, err := openUDP(network, addr, cmp.Or(config.SCTP.UDPEncapPort, sctpudp.Port))
	if err != nil {
		return nil, inner(err)
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
	addr := new(Addr) // all of this host
	if at := s.LocalAddr().Addr(); !at.IsUnspecified() {
		addr = fromAddrPorts([]netip.AddrPort{netip.AddrPortFrom(at, 0)})
	}
	addr.Port = int(l.Port())
	return &udpListener{l, s, options, addr}, nil
}

func (l *udpListener) accept() (association, error) {
	a, err := l.Accept()
	if err != nil {
		return nil, err
	}
	return newUDPAssociation(a, l.options), nil
}

func (l *udpListener) Addr() net.Addr { return l.addr }

// Close leaves the socket to the associations that were accepted.
func (l *udpListener) Close() error { return errors.Join(l.Listener.Close(), l.socket.Close()) }

func (u udpAssociation) Recv(b stream.Buffer, wait bool) (stream.Part, error) {
	p, err := u.Assoc.Recv(b, wait)
	if other, ok := p.Event.(stream.Other); ok {
		p.Event = stream.Other{Event: kernelWords(other.Event.(sctpcore.Event))}
	}
	return p, err
}

// kernelWords is an event in the words of package sctpsock.
func kernelWords(ev sctpcore.Event) sctpsock.Event {
	switch ev.Kind {
	case sctpcore.EventPath:
		change := map[sctpcore.PathState]sctpsock.PathChange{
			sctpcore.PathActive:            sctpsock.PathAvailable,
			sctpcore.PathPotentiallyFailed: sctpsock.PathPotentiallyFailed,
			sctpcore.PathInactive:          sctpsock.PathUnreachable,
			sctpcore.PathUnconfirmed:       sctpsock.PathAdded,
		}[ev.PathState]
		return sctpsock.PeerAddrChange{Addr: ev.Path, Change: change}
	case sctpcore.EventRemoteError:
		return sctpsock.RemoteError{Cause: uint16(ev.Cause)}
	case sctpcore.EventAbandoned:
		return sctpsock.SendFailed{Info: sctpsock.SendInfo{Stream: ev.Stream, PPID: ev.PPID}}
	}
	return sctpsock.Other{}
}

// asEnded makes err one of package sctpsock if the association is over.
func asEnded(err error) error {
	if e, ok := errtype.As[*sctpudp.Error](err); ok && e.Errno == syscall.ENOTCONN {
		return &sctpsock.AssociationError{Err: e}
	}
	return err
}

func (u udpAssociation) Paths() ([]sctpsock.Path, error) {
	list, err := u.Assoc.Paths()
	paths := make([]sctpsock.Path, len(list))
	for i, p := range list {
		state := map[sctpcore.PathState]sctpsock.PathState{
			sctpcore.PathUnconfirmed:       sctpsock.StateUnconfirmed,
			sctpcore.PathActive:            sctpsock.StateActive,
			sctpcore.PathPotentiallyFailed: sctpsock.StatePotentiallyFailed,
			sctpcore.PathInactive:          sctpsock.StateInactive,
		}[p.State]
		paths[i] = sctpsock.Path{
			Addr: p.Peer, State: state, Primary: p.Primary,
			SRTT: p.SRTT, RTO: p.RTO, Cwnd: p.Window, MTU: u.MTU(),
		}
	}
	return paths, asEnded(err)
}

func (u udpAssociation) Stats() (sctpsock.Stats, error) {
	paths, err := u.Paths()
	if err != nil {
		return sctpsock.Stats{}, err
	}
	missing, _, err := u.Missing()
	st := u.Assoc.Stats()
	s := sctpsock.Stats{
		OutPackets: st.PacketsSent, InPackets: st.PacketsReceived,
		OutChunks: st.ChunksSent, InChunks: st.ChunksReceived,
		Retransmitted: st.Retransmissions, InDuplicates: st.Duplicates,
		Pending: missing,
	}
	s.Unacked, s.PeerWindow = u.Outstanding()
	for _, p := range paths {
		if p.Primary {
			s.Primary = p
		}
	}
	return s, asEnded(err)
}

func (u udpAssociation) SetPrimary(peer netip.Addr) error {
	return asEnded(u.Assoc.SetPrimary(peer))
}

func (udpAssociation) BindAdd(netip.Addr) error    { return ErrFixedAddresses }
func (udpAssociation) BindRemove(netip.Addr) error { return ErrFixedAddresses }

func (udpAssociation) SetStreamPriority(stream, value uint16) error { return errors.ErrUnsupported }

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

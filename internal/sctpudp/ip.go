package sctpudp

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// ipSockets has the open sockets of this process, by network, addresses and network namespace. The
// kernel passes each raw socket a copy of all packets, so one socket serves all associations.
var ipSockets struct {
	mu   sync.Mutex
	open map[string]*Socket
}

// OpenIP opens raw IP sockets for protocol 132 and the given addresses of this host, or for all
// addresses if none is given or specified; network is “ip”, “ip4” or “ip6”. Sockets
// that this process already has are shared.
//
// Other processes of the host may do the same: packets to SCTP ports that this one does not use are
// not answered. An error is a *stream.RawIPError.
func OpenIP(network string, addrs ...netip.Addr) (*Socket, error) {
	if len(addrs) == 0 || !addrs[0].IsValid() {
		addrs = nil
		if network != "ip6" {
			addrs = append(addrs, netip.IPv4Unspecified())
		}
		if network != "ip4" {
			addrs = append(addrs, netip.IPv6Unspecified())
		}
	}
	key := fmt.Sprint(network, addrs, networkNamespace())
	ipSockets.mu.Lock()
	defer ipSockets.mu.Unlock()
	if s := ipSockets.open[key]; s != nil && s.retain() {
		return s, nil
	}
	if kernelHasSCTP() {
		return nil, &stream.RawIPError{Err: stream.ErrKernelSCTP}
	}
	var conns []Conn
	for _, addr := range addrs {
		c, err := listenIP(addr)
		// A kernel without IPv6 still has IPv4.
		if err != nil && network == "ip" && len(conns) > 0 && addr == netip.IPv6Unspecified() {
			continue
		}
		if err != nil {
			closeAll(conns)
			return nil, &stream.RawIPError{Err: err}
		}
		conns = append(conns, c)
	}
	s, err := newSocket(true, map[uint16]int{}, conns)
	if err != nil {
		return nil, err
	}
	if ipSockets.open == nil {
		ipSockets.open = map[string]*Socket{}
	}
	ipSockets.open[key] = s
	return s, nil
}

// retain adds a use of a shared Socket, unless it is closed.
func (s *Socket) retain() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refs == 0 || s.closed {
		return false
	}
	s.refs++
	return true
}

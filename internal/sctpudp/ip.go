package sctpudp

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

// ipSockets are the sockets of this process that are open, by their network, addresses and network
// namespace. The kernel gives each raw socket a copy of all packets, so one serves all
// associations.
var ipSockets struct {
	mu   sync.Mutex
	open map[string]*Socket
}

// OpenIP opens raw IP sockets for protocol 132 and addresses of this host, or for all of it if none
// is given or specified; network is “ip”, “ip4” or “ip6”. What is open in this process
// already is shared.
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
		// A kernel without IPv6 has IPv4 all the same.
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

// retain has a shared Socket used once more, unless it is closed.
func (s *Socket) retain() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refs == 0 || s.closed {
		return false
	}
	s.refs++
	return true
}

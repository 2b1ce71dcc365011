package sctpudp

import (
	"net"
	"net/netip"
)

// devices has the addresses of this host, and the sizes of the largest packets that its devices
// transmit: the loopback device, which carries packets to these addresses, and the others.
type devices struct {
	own              map[netip.Addr]bool
	loopback, others int
}

// largest returns the size of the largest packets that this host can send to an address. The rest
// of the path may carry less, which a search finds.
func (d *devices) largest(to netip.Addr) int {
	if to.IsLoopback() || d.own[to.WithZone("")] {
		return d.loopback
	}
	return d.others
}

// limitMTU limits the search for the path MTU once the peer's addresses and window are known. It is
// called with mu held, or before a is shared.
func (a *Assoc) limitMTU() {
	s := a.socket
	overhead := s.overhead(false)
	if a.mtu != s.maxMTU-overhead || s.maxMTU == ethernetMTU {
		return // the configuration says something else
	}
	size := 0
	for _, p := range a.core.Paths(nil) {
		size = max(size, s.devices.largest(p.Peer.Addr()))
	}
	_, window := a.core.Outstanding()
	buffer := min(window, a.core.Config().SendBuffer)
	a.mtu = max(min(size-overhead, buffer/7), ethernetMTU-overhead)
	a.core.SetMaxMTU(a.mtu)
}

// devicesHere returns the devices of the network namespace of the calling thread.
func devicesHere() devices {
	d := devices{own: map[netip.Addr]bool{}, loopback: ethernetMTU, others: ethernetMTU}
	all, err := net.Interfaces()
	if err != nil {
		return d
	}
	for _, i := range all {
		switch {
		case i.Flags&net.FlagUp == 0:
		case i.Flags&net.FlagLoopback != 0:
			d.loopback = min(max(d.loopback, i.MTU), maxMTU)
		default:
			d.others = min(max(d.others, i.MTU), maxMTU)
		}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return d
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok {
			if addr, ok := netip.AddrFromSlice(n.IP); ok {
				d.own[addr.Unmap()] = true
			}
		}
	}
	return d
}

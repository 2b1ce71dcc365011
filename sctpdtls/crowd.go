package sctpdtls

import (
	"errors"
	"net"
	"net/netip"
	"sync"
)

// A crowd counts the handshakes that a Listener does with each host, so that no host keeps the
// others out. A host cannot pretend to be others: the cookie of SCTP has come back from where it says it is.
type crowd struct {
	most int // of one host

	mu    sync.Mutex           // guards the following
	hosts map[netip.Prefix]int // handshakes under way
}

var errCrowded = errors.New("sctpdtls: this host has too many handshakes under way (Config.MaxHandshakesPerHost)")

func newCrowd(most int) *crowd { return &crowd{most: most, hosts: make(map[netip.Prefix]int)} }

// enter reports whether host may have one more. The caller must leave if so.
func (c *crowd) enter(host netip.Prefix) bool {
	if !host.IsValid() {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hosts[host] >= c.most {
		return false
	}
	c.hosts[host]++
	return true
}

func (c *crowd) leave(host netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hosts[host]--; c.hosts[host] <= 0 {
		delete(c.hosts, host)
	}
}

// hostOfPeer is what counts as one host: an IPv4 address, or the /64 of an IPv6 address, all of which a host may have.
func hostOfPeer(addr net.Addr) netip.Prefix {
	a, ok := addr.(*Addr)
	if !ok || len(a.IPAddrs) == 0 {
		return netip.Prefix{}
	}
	ip, _ := netip.AddrFromSlice(a.IPAddrs[0].IP)
	ip = ip.Unmap()
	return netip.PrefixFrom(ip, min(ip.BitLen(), 64)).Masked()
}

package sctpdtls

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
)

// A hostLimit counts the handshakes that a Listener does with each host, so that no host keeps the
// others out. A host cannot pretend to be others: the cookie of SCTP has come back from where it
// says it is.
type hostLimit struct {
	most int // of one host

	mu    sync.Mutex           // guards the following
	hosts map[netip.Prefix]int // handshakes under way
}

// A HandshakeLimitError means that a [Listener] has aborted an association because its Host had
// [Config].MaxHandshakesPerHost handshakes in progress. It is passed to [Trace].HandshakeDone. It
// is the peer's fault, unless many peers share an address.
type HandshakeLimitError struct {
	// Host is an IPv4 address, or the /64 of an IPv6 address. It is invalid for all peers whose
	// address is unknown.
	Host  netip.Prefix
	Limit int // of handshakes
}

func (e *HandshakeLimitError) Error() string {
	host := "a host whose address is unknown"
	if e.Host.IsValid() {
		host = e.Host.String()
	}
	return fmt.Sprintf(
		"sctpdtls: %s has %d handshakes under way: no more are begun with it "+
			"(Config.MaxHandshakesPerHost)", host, e.Limit)
}

func newHostLimit(most int) *hostLimit {
	return &hostLimit{most: most, hosts: make(map[netip.Prefix]int)}
}

// enter returns a [HandshakeLimitError] if host may not have one more. The caller must leave
// otherwise.
func (c *hostLimit) enter(host netip.Prefix) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hosts[host] >= c.most {
		return &HandshakeLimitError{Host: host, Limit: c.most}
	}
	c.hosts[host]++
	return nil
}

func (c *hostLimit) leave(host netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hosts[host]--; c.hosts[host] <= 0 {
		delete(c.hosts, host)
	}
}

// hostOfPeer is what counts as one host: an IPv4 address, or the /64 of an IPv6 address, all of
// which a host may have. Of several it is the first, from which the association was set up. Hosts
// without a known address are one, the zero Prefix.
func hostOfPeer(addr net.Addr) netip.Prefix {
	a, ok := addr.(*Addr)
	if !ok || len(a.IPAddrs) == 0 {
		return netip.Prefix{}
	}
	ip, _ := netip.AddrFromSlice(a.IPAddrs[0].IP)
	ip = ip.Unmap()
	return netip.PrefixFrom(ip, min(ip.BitLen(), 64)).Masked()
}

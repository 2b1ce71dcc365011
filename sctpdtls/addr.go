package sctpdtls

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/ishidawataru/sctp"
)

// An Addr is an SCTP endpoint: one port and any number of addresses. It prints
// as “192.0.2.1/198.51.100.1:5868”, with IPv6 addresses in brackets. It is the type of
// github.com/ishidawataru/sctp, so that it can be passed to and from code that uses that.
type Addr = sctp.SCTPAddr

// ResolveAddr parses an address: “host:port”, “a/b:port” for a host with several addresses,
// or “:port” for all addresses of this host. Names are looked up. A single name stands for its
// first IPv4 address, or its first IPv6 address if it has no other, as in package net. The network
// is “sctp”, “sctp4” or “sctp6”.
func ResolveAddr(ctx context.Context, network, address string) (*Addr, error) {
	all, err := resolveAll(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return first(all), nil
}

// first returns the first that is of IPv4, or the first of all. A host without IPv6 can listen on
// it.
func first(all []*Addr) *Addr {
	for _, a := range all {
		if len(a.IPAddrs) > 0 && a.IPAddrs[0].IP.To4() != nil {
			return a
		}
	}
	return all[0]
}

// resolveAll is ResolveAddr with all addresses of a single name, each as an Addr.
func resolveAll(ctx context.Context, network, address string) ([]*Addr, error) {
	family, ok := map[string]string{"sctp": "ip", "sctp4": "ip4", "sctp6": "ip6"}[network]
	if !ok {
		return nil, net.UnknownNetworkError(network)
	}
	fail := func(why string) error { return &net.AddrError{Err: why, Addr: address} }

	// Only the last part carries the port.
	parts := strings.Split(address, "/")
	host, service, err := net.SplitHostPort(parts[len(parts)-1])
	if err != nil {
		return nil, fail("want host:port, or a/b:port for several addresses")
	}
	parts[len(parts)-1] = host
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service) // no resolver knows “sctp”
	if err != nil {
		return nil, fail(fmt.Sprintf("no such port: %q", service))
	}
	addr := &Addr{Port: port}
	if len(parts) == 1 && host == "" {
		return []*Addr{addr}, nil
	}
	var all []*Addr
	for _, h := range parts {
		h = strings.TrimSuffix(strings.TrimPrefix(h, "["), "]")
		if h == "" {
			return nil, fail("an address is missing between the slashes")
		}
		if ip, zone, ok := strings.Cut(h, "%"); ok {
			ifi, err := interfaceOf(zone)
			if err != nil { // it would silently become no zone
				return nil, fail(fmt.Sprintf("no interface is called %q", zone))
			}
			h = ip + "%" + ifi.Name
		}
		ips, err := lookup(ctx, family, h)
		if err != nil {
			return nil, err
		}
		for _, ip := range ips {
			all = append(all, &Addr{Port: port, IPAddrs: []net.IPAddr{ipAddr(ip)}})
		}
		addr.IPAddrs = append(addr.IPAddrs, ipAddr(ips[0]))
	}
	if len(parts) > 1 {
		all = []*Addr{addr}
	}
	return all, nil
}

func ipAddr(ip netip.Addr) net.IPAddr {
	return net.IPAddr{IP: ip.WithZone("").AsSlice(), Zone: ip.Zone()}
}

// interfaceOf finds the interface of a zone, by name or number (RFC 4007, Section 11.2).
func interfaceOf(zone string) (*net.Interface, error) {
	ifi, err := net.InterfaceByName(zone)
	if err != nil {
		if n, nerr := strconv.Atoi(zone); nerr == nil {
			return net.InterfaceByIndex(n)
		}
	}
	return ifi, err
}

// lookup returns the addresses of host in the family “ip”, “ip4” or “ip6”: one at
// least.
func lookup(ctx context.Context, family, host string) ([]netip.Addr, error) {
	// The resolver would forget the zone. An IPv4 address in the form of IPv6 is the IPv4 address.
	if ip, err := netip.ParseAddr(host); err == nil &&
		(family == "ip" || ip.Unmap().Is4() == (family == "ip4")) {
		return []netip.Addr{ip.Unmap()}, nil
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, family, host)
	for i := range ips {
		ips[i] = ips[i].Unmap()
	}
	return ips, err
}

// addrPorts returns what internal/sctpsock takes. No address means all of them, which for
// “sctp” is an address that is not valid: it takes the families that the host has.
func addrPorts(a *Addr, network string) []netip.AddrPort {
	if a == nil {
		return nil
	}
	port := uint16(a.Port)
	if len(a.IPAddrs) == 0 {
		any := map[string]netip.Addr{"sctp4": netip.IPv4Unspecified(),
			"sctp6": netip.IPv6Unspecified()}[network]
		return []netip.AddrPort{netip.AddrPortFrom(any, port)}
	}
	var out []netip.AddrPort
	for _, ip := range a.IPAddrs {
		addr, _ := netip.AddrFromSlice(ip.IP)
		out = append(out, netip.AddrPortFrom(addr.Unmap().WithZone(ip.Zone), port))
	}
	return out
}

// fromAddrPorts is the inverse of addrPorts.
func fromAddrPorts(list []netip.AddrPort) *Addr {
	a := new(Addr)
	for _, ap := range list {
		ip := ap.Addr().Unmap()
		a.Port = int(ap.Port())
		a.IPAddrs = append(a.IPAddrs, ipAddr(ip))
	}
	return a
}

package sctpsock

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// appendSockaddr appends ap as a sockaddr_in or sockaddr_in6.
func appendSockaddr(b []byte, ap netip.AddrPort) ([]byte, error) {
	ip := ap.Addr().Unmap()
	switch {
	case ip.Is4():
		b = binary.NativeEndian.AppendUint16(b, unix.AF_INET)
		b = binary.BigEndian.AppendUint16(b, ap.Port())
		b = append(b, ip.AsSlice()...)
		return append(b, make([]byte, 8)...), nil
	case ip.Is6():
		scope, err := scopeID(ip.Zone())
		if err != nil {
			return nil, err
		}
		b = binary.NativeEndian.AppendUint16(b, unix.AF_INET6)
		b = binary.BigEndian.AppendUint16(b, ap.Port())
		b = append(b, 0, 0, 0, 0) // flow information
		b = append(b, ip.AsSlice()...)
		return binary.NativeEndian.AppendUint32(b, scope), nil
	}
	return nil, fmt.Errorf("invalid address %v", ap)
}

// appendSockaddrs appends all of addrs, packed, as bindx and connectx want them.
func appendSockaddrs(b []byte, addrs []netip.AddrPort) ([]byte, error) {
	var err error
	for _, ap := range addrs {
		if b, err = appendSockaddr(b, ap); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// parseSockaddr reads the socket address at the start of b and says how
// long it is; 0 if it is none that is known.
func parseSockaddr(b []byte) (netip.AddrPort, int) {
	if len(b) < 2 {
		return netip.AddrPort{}, 0
	}
	switch binary.NativeEndian.Uint16(b) {
	case unix.AF_INET:
		if len(b) < unix.SizeofSockaddrInet4 {
			break
		}
		ip := netip.AddrFrom4([4]byte(b[4:8]))
		return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[2:])), unix.SizeofSockaddrInet4
	case unix.AF_INET6:
		if len(b) < unix.SizeofSockaddrInet6 {
			break
		}
		ip := netip.AddrFrom16([16]byte(b[8:24])).Unmap()
		// The kernel tells an interface with some global addresses too, where it means nothing.
		if scope := binary.NativeEndian.Uint32(b[24:]); scope != 0 && ip.IsLinkLocalUnicast() &&
			ip.Is6() {
			ip = ip.WithZone(zone(scope))
		}
		return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(b[2:])), unix.SizeofSockaddrInet6
	}
	return netip.AddrPort{}, 0
}

// parseSockaddrs reads n packed socket addresses, or as many as b has.
func parseSockaddrs(b []byte, n int) []netip.AddrPort {
	var addrs []netip.AddrPort
	for range n {
		ap, size := parseSockaddr(b)
		if size == 0 {
			break
		}
		addrs = append(addrs, ap)
		b = b[size:]
	}
	return addrs
}

// scopeID is the interface index that a zone stands for, by name or number.
func scopeID(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if ifi, err := net.InterfaceByName(zone); err == nil {
		return uint32(ifi.Index), nil
	}
	n, err := strconv.ParseUint(zone, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("no network interface %q", zone)
	}
	return uint32(n), nil
}

func zone(scope uint32) string {
	if ifi, err := net.InterfaceByIndex(int(scope)); err == nil {
		return ifi.Name
	}
	return strconv.FormatUint(uint64(scope), 10)
}

// everywhere returns local with the unspecified address in the place of an address that is not
// valid: that of IPv6, which takes IPv4 too, or that of IPv4 where there is no IPv6, as package net
// does.
func everywhere(local []netip.AddrPort) []netip.AddrPort {
	local = slices.Clone(local)
	for i, ap := range local {
		if !ap.Addr().IsValid() {
			local[i] = netip.AddrPortFrom(unspecified(), ap.Port())
		}
	}
	return local
}

func unspecified() netip.Addr {
	fd, errno := socket(unix.AF_INET6)
	switch errno {
	case unix.EAFNOSUPPORT:
		return netip.IPv4Unspecified()
	case 0:
		unix.Close(fd)
	}
	return netip.IPv6Unspecified() // another error comes again
}

// family returns AF_INET if that suffices for all addresses, else AF_INET6.
func family(lists ...[]netip.AddrPort) int {
	for _, list := range lists {
		for _, ap := range list {
			if ap.Addr().Unmap().Is6() {
				return unix.AF_INET6
			}
		}
	}
	return unix.AF_INET
}

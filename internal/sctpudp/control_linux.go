package sctpudp

import (
	"encoding/binary"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// This file has the control messages that accompany datagrams: cmsg(3).

// appendControl appends a control message.
func appendControl(b []byte, level, typ uint32, data []byte) []byte {
	begin := len(b)
	// A struct cmsghdr, whose length has the size of a pointer.
	if unix.SizeofPtr == 8 {
		b = binary.NativeEndian.AppendUint64(b, uint64(unix.CmsgLen(len(data))))
	} else {
		b = binary.NativeEndian.AppendUint32(b, uint32(unix.CmsgLen(len(data))))
	}
	b = binary.NativeEndian.AppendUint32(b, level)
	b = binary.NativeEndian.AppendUint32(b, typ)
	b = append(b, data...)
	for len(b) < begin+unix.CmsgSpace(len(data)) {
		b = append(b, 0)
	}
	return b
}

// appendSegment appends the size of the packets that a datagram is to be cut into: udp(7).
func appendSegment(b []byte, size uint16) []byte {
	var data [2]byte
	binary.NativeEndian.PutUint16(data[:], size)
	return appendControl(b, unix.IPPROTO_UDP, unix.UDP_SEGMENT, data[:])
}

// appendSource says from which address of this host packets are to leave, on a socket of a family:
// a struct in_pktinfo, ip(7), or a struct in6_pktinfo, ipv6(7). The system chooses the interface.
func appendSource(b []byte, family int, from netip.Addr) []byte {
	if family == unix.AF_INET {
		var data [12]byte
		addr := from.Unmap().As4()
		copy(data[4:], addr[:])
		return appendControl(b, unix.IPPROTO_IP, unix.IP_PKTINFO, data[:])
	}
	var data [20]byte
	addr := from.As16()
	copy(data[:], addr[:])
	return appendControl(b, unix.IPPROTO_IPV6, unix.IPV6_PKTINFO, data[:])
}

// receiveSources has the kernel report the address of this host to which each packet was sent.
func receiveSources(raw syscall.RawConn, family int) (err error) {
	cerr := raw.Control(func(fd uintptr) {
		if family == unix.AF_INET {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		} else {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
	})
	if cerr != nil {
		return cerr
	}
	return err
}

// parseControl returns the size of packets that were received together, or 0 for a single packet,
// and the address of this host to which they were sent, which is not valid if the system does not
// report it. A packet for several hosts is not ok: RFC 9260, Section 8.4, rule 1.
func parseControl(b []byte) (size int, local netip.Addr, ok bool) {
	for len(b) >= unix.CmsgLen(0) {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			break
		}
		b = rest
		switch {
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 4:
			size = int(binary.NativeEndian.Uint32(data))
		case h.Level == unix.IPPROTO_UDP && h.Type == unix.UDP_GRO && len(data) >= 2:
			size = int(binary.NativeEndian.Uint16(data))
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_PKTINFO && len(data) >= 12:
			// These differ for broadcast and multicast packets.
			local = netip.AddrFrom4([4]byte(data[4:8]))
			if local != netip.AddrFrom4([4]byte(data[8:12])) {
				return 0, netip.Addr{}, false
			}
		case h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_PKTINFO && len(data) >= 20:
			local = netip.AddrFrom16([16]byte(data[:16])).Unmap()
			if local.IsMulticast() {
				return 0, netip.Addr{}, false
			}
			if local.IsLinkLocalUnicast() { // the interface of the peer has one, which the system takes
				local = netip.Addr{}
			}
		}
	}
	return size, local, true
}

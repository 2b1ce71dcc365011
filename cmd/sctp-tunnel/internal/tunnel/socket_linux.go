package tunnel

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
)

// acknowledgeAtOnce sets the SACKDelay of clearOptions.
func acknowledgeAtOnce(s *sctpsock.Socket) { s.SetSACKDelay(sackDelay) }

// abortOnClose sets whether closing a socket ends its association with an ABORT. Accepted sockets
// inherit it from their listener.
func abortOnClose(c syscall.RawConn, on bool) (err error) {
	linger := unix.Linger{}
	if on {
		linger.Onoff = 1
	}
	if cerr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptLinger(int(fd), unix.SOL_SOCKET, unix.SO_LINGER, &linger)
	}); cerr != nil {
		return cerr
	}
	return os.NewSyscallError("SO_LINGER", err)
}

// bindAnywhere allows a socket to be bound to addresses that do not belong to this host.
func bindAnywhere(c syscall.RawConn) (err error) {
	if cerr := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_FREEBIND, 1)
		if err == nil {
			// An IPv4 socket does not have this option.
			unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1)
		}
	}); cerr != nil {
		return cerr
	}
	return os.NewSyscallError("IP_FREEBIND", err)
}

// originalDestination returns the address that an association had before nftables redirected it.
// See linux/netfilter_ipv4.h and linux/netfilter_ipv6/ip6_tables.h: both options have the number
// 80.
func originalDestination(s *sctpsock.Socket) (netip.AddrPort, error) {
	rc, err := s.SyscallConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	var to netip.AddrPort
	err = os.ErrNotExist
	if cerr := rc.Control(func(fd uintptr) {
		var in4 unix.RawSockaddrInet4
		err = getsockopt(fd, unix.IPPROTO_IP, unsafe.Pointer(&in4), unsafe.Sizeof(in4))
		if err == nil {
			to = netip.AddrPortFrom(netip.AddrFrom4(in4.Addr), ntohs(in4.Port))
			return
		}
		var in6 unix.RawSockaddrInet6
		if getsockopt(fd, unix.IPPROTO_IPV6, unsafe.Pointer(&in6), unsafe.Sizeof(in6)) == nil {
			to, err = netip.AddrPortFrom(netip.AddrFrom16(in6.Addr), ntohs(in6.Port)), nil
		}
	}); cerr != nil {
		return to, cerr
	}
	if err != nil {
		return to, fmt.Errorf("no original destination: was the association redirected by a rule of "+
			"nftables in this network namespace, to one address that the service listens on? (%w)", err)
	}
	return to, nil
}

// getsockopt queries SO_ORIGINAL_DST.
func getsockopt(fd uintptr, level int, value unsafe.Pointer, size uintptr) error {
	length := uint32(size)
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, fd, uintptr(level), unix.SO_ORIGINAL_DST,
		uintptr(value), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// ntohs converts a port from network byte order.
func ntohs(port uint16) uint16 {
	var b [2]byte
	binary.NativeEndian.PutUint16(b[:], port)
	return binary.BigEndian.Uint16(b[:])
}

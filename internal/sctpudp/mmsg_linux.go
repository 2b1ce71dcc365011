package sctpudp

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// An mmsghdr is a struct mmsghdr: one of several datagrams of one system call.
// recvmmsg(2).
type mmsghdr struct {
	unix.Msghdr
	n uint32
}

// datagrams receives several at once.
type datagrams struct {
	raw     syscall.RawConn
	headers []mmsghdr
	iovecs  []unix.Iovec
	names   []unix.RawSockaddrInet6 // some are a RawSockaddrInet4, which is shorter
	rooms   [][batchRoom]byte
	bufs    [][]byte

	call  func(fd uintptr) bool // made once, lest each call allocate it
	count int
	errno syscall.Errno
}

func newDatagrams(raw syscall.RawConn, count int) *datagrams {
	d := &datagrams{
		raw:     raw,
		headers: make([]mmsghdr, count),
		iovecs:  make([]unix.Iovec, count),
		names:   make([]unix.RawSockaddrInet6, count),
		rooms:   make([][batchRoom]byte, count),
		bufs:    make([][]byte, count),
	}
	for i := range d.headers {
		d.bufs[i] = make([]byte, maxPacket)
		d.iovecs[i].Base = &d.bufs[i][0]
		d.iovecs[i].SetLen(maxPacket)
		h := &d.headers[i]
		h.Iov = &d.iovecs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&d.names[i]))
		h.Control = &d.rooms[i][0]
	}
	d.call = func(fd uintptr) bool {
		n, _, errno := syscall.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&d.headers[0])),
			uintptr(len(d.headers)), unix.MSG_DONTWAIT, 0, 0)
		d.count, d.errno = int(n), errno
		return errno != unix.EAGAIN && errno != unix.EINTR
	}
	return d
}

// wait waits for datagrams and returns how many there are.
func (d *datagrams) wait() (int, error) {
	for i := range d.headers {
		d.headers[i].Namelen = unix.SizeofSockaddrInet6
		d.headers[i].SetControllen(batchRoom)
	}
	if err := d.raw.Read(d.call); err != nil {
		return 0, err
	}
	if d.errno != 0 {
		return 0, d.errno
	}
	return d.count, nil
}

// at returns datagram i, valid until the next wait.
func (d *datagrams) at(i int) (b, control []byte, from netip.AddrPort) {
	h := &d.headers[i]
	return d.bufs[i][:h.n], d.rooms[i][:h.Controllen], addrPort(&d.names[i])
}

// addrPort reads a sockaddr.
func addrPort(sa *unix.RawSockaddrInet6) netip.AddrPort {
	switch sa.Family {
	case unix.AF_INET:
		s := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrPortFrom(netip.AddrFrom4(s.Addr), swap16(s.Port))
	case unix.AF_INET6:
		addr := netip.AddrFrom16(sa.Addr)
		if sa.Scope_id != 0 && addr.IsLinkLocalUnicast() {
			addr = addr.WithZone(zones.name(sa.Scope_id))
		}
		return netip.AddrPortFrom(addr, swap16(sa.Port))
	}
	return netip.AddrPort{}
}

// swap16 changes a number to or from network byte order.
func swap16(n uint16) uint16 {
	b := (*[2]byte)(unsafe.Pointer(&n))
	return uint16(b[0])<<8 | uint16(b[1])
}

// putSockaddr writes the address and port for a socket of a family, and returns the length.
func putSockaddr(sa *unix.RawSockaddrInet6, family int, to netip.AddrPort) uint32 {
	if family == unix.AF_INET {
		*(*unix.RawSockaddrInet4)(unsafe.Pointer(sa)) = unix.RawSockaddrInet4{
			Family: unix.AF_INET, Port: swap16(to.Port()), Addr: to.Addr().Unmap().As4(),
		}
		return unix.SizeofSockaddrInet4
	}
	*sa = unix.RawSockaddrInet6{Family: unix.AF_INET6, Port: swap16(to.Port()), Addr: to.Addr().As16()}
	if zone := to.Addr().Zone(); zone != "" {
		sa.Scope_id = zones.index(zone)
	}
	return unix.SizeofSockaddrInet6
}

// zones caches the names of the interfaces in link-local addresses. It has at most one for each
// interface of the host.
var zones zoneCache

type zoneCache struct{ names, indexes sync.Map }

func (z *zoneCache) name(index uint32) string {
	if n, ok := z.names.Load(index); ok {
		return n.(string)
	}
	name := strconv.Itoa(int(index))
	if i, err := net.InterfaceByIndex(int(index)); err == nil {
		name = i.Name
	}
	z.names.Store(index, name)
	return name
}

func (z *zoneCache) index(name string) uint32 {
	if n, ok := z.indexes.Load(name); ok {
		return n.(uint32)
	}
	n, _ := strconv.Atoi(name)
	if i, err := net.InterfaceByName(name); err == nil {
		n = i.Index
	}
	z.indexes.Store(name, uint32(n))
	return uint32(n)
}

// A sender sends several datagrams to one address at once: sendmmsg(2), Linux 3.0.
type sender struct {
	headers [maxBatch]mmsghdr
	iovecs  [maxBatch]unix.Iovec
	name    unix.RawSockaddrInet6
	room    [batchRoom]byte // a control message

	call        func(fd uintptr) bool
	next, count int
	errno       syscall.Errno
}

var senders = sync.Pool{New: func() any {
	s := new(sender)
	for i := range s.headers {
		h := &s.headers[i]
		h.Iov = &s.iovecs[i]
		h.SetIovlen(1)
		h.Name = (*byte)(unsafe.Pointer(&s.name))
	}
	s.call = func(fd uintptr) bool {
		n, _, errno := syscall.Syscall6(unix.SYS_SENDMMSG, fd,
			uintptr(unsafe.Pointer(&s.headers[s.next])), uintptr(s.count-s.next),
			unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
		if s.errno = errno; errno == 0 {
			s.next += int(n)
		}
		return errno != unix.EAGAIN && errno != unix.EINTR
	}
	return s
}}

// send sends b as datagrams of size bytes, of which the last may be shorter, on a socket of a
// family, from an address of this host if that is valid, or from one that the system chooses if the
// host no longer has that. If one cannot be sent, the others are sent all the same; send returns
// the first error.
func send(raw syscall.RawConn, family int, b []byte, size int, to netip.AddrPort,
	from netip.Addr) (err error) {
	s := senders.Get().(*sender)
	defer senders.Put(s)
	length := putSockaddr(&s.name, family, to)
	control := s.room[:0]
	if from.IsValid() {
		control = appendSource(control, family, from)
	}
	for len(b) > 0 && err == nil {
		s.next, s.count = 0, 0
		for ; len(b) > 0 && s.count < maxBatch; s.count++ {
			n := min(size, len(b))
			s.iovecs[s.count].Base = &b[0]
			s.iovecs[s.count].SetLen(n)
			h := &s.headers[s.count]
			h.Namelen = length
			if h.Control = nil; len(control) > 0 {
				h.Control = &control[0]
			}
			h.SetControllen(len(control))
			b = b[n:]
		}
		for s.next < s.count {
			if werr := raw.Write(s.call); werr != nil { // closed
				err = werr
				break
			}
			if len(control) > 0 && isGone(s.errno) {
				// The peer may know another address of this host, or that of a NAT, which has not changed.
				control = nil
				for i := range s.headers[s.next:s.count] {
					s.headers[s.next+i].Control = nil
					s.headers[s.next+i].SetControllen(0)
				}
				continue
			}
			if s.errno != 0 {
				if err == nil {
					err = s.errno
				}
				s.next++
			}
		}
	}
	for i := range s.count {
		s.iovecs[i].Base = nil
	}
	return err
}

// isGone reports whether an error may mean that this host has lost the address from which a packet
// was to leave.
func isGone(err error) bool {
	return errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENETUNREACH)
}

// family returns AF_INET or AF_INET6.
func familyOf(raw syscall.RawConn) (family int, err error) {
	cerr := raw.Control(func(fd uintptr) {
		family, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_DOMAIN)
	})
	if cerr != nil {
		return 0, cerr
	}
	return family, err
}

package sctpudp

import (
	"errors"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
)

// A whole sends the packets of a socket with the Don't Fragment bit of IPv4, or without a fragment
// header of IPv6, whatever ICMP messages have reported about the path (IP_PMTUDISC_PROBE, Linux
// 2.6.22): ip(7). Packets that exceed the MTU of the device are refused.
type whole struct {
	raw syscall.RawConn
	// A read lock is held for a packet that must not be fragmented, a write lock for one that may be.
	mode sync.RWMutex
}

func newWhole(c syscall.Conn) (*whole, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	w := &whole{raw: raw}
	return w, w.set(unix.IP_PMTUDISC_PROBE)
}

// fragmenting calls f, whose packets may be fragmented: by routers in IPv4, and in IPv6 by this
// host if the kernel knows a smaller path MTU.
func (w *whole) fragmenting(f func() (int, error)) (int, error) {
	w.mode.Lock()
	defer w.mode.Unlock()
	if err := w.set(unix.IP_PMTUDISC_DONT); err != nil {
		return 0, err
	}
	n, err := f()
	return n, errors.Join(err, w.set(unix.IP_PMTUDISC_PROBE))
}

// writeFrom sends a packet from the address p.From of this host, on a socket of a family.
func (w *whole) writeFrom(family int, p sctpcore.Packet) {
	write := func() (int, error) {
		return 0, send(w.raw, family, p.Data, len(p.Data), p.To, p.From)
	}
	if p.MayFragment {
		w.fragmenting(write)
		return
	}
	w.mode.RLock()
	defer w.mode.RUnlock()
	write()
}

// set sets whether packets may be fragmented, for the families of the socket.
func (w *whole) set(mode int) (err error) {
	cerr := w.raw.Control(func(fd uintptr) {
		s := int(fd)
		err4 := unix.SetsockoptInt(s, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, mode)
		err6 := unix.SetsockoptInt(s, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, mode)
		if err4 != nil && err6 != nil {
			err = err4
		}
	})
	return errors.Join(cerr, err)
}

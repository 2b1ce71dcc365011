package sctpudp

import (
	"errors"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
)

// A whole has the packets of a socket leave with the Don't Fragment bit of IPv4, or without a
// fragmentation header of IPv6, whatever ICMP messages have said of the path (IP_PMTUDISC_PROBE,
// Linux 2.6.22): ip(7). What is longer than the device takes is refused.
type whole struct {
	raw syscall.RawConn
	// Held to read for a packet that must stay whole, and to write for one that need not.
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

// fragmenting calls f, whose packets may be fragmented: by routers if they are of IPv4, and here if
// they are of IPv6 and the kernel knows that it must.
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

// set sets how packets go, for the families that the socket has.
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

package sctpudp

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
)

// An offloadConn is a UDP socket with segmentation offload: the kernel or the network device cuts a
// batch into packets (UDP_SEGMENT, Linux 4.18), and the kernel passes several packets to the
// receiver at once (UDP_GRO, Linux 5.0): udp(7).
type offloadConn struct {
	*net.UDPConn
	whole   *whole
	family  int
	sources bool
	single  atomic.Bool // the kernel has refused to cut, or must not be asked to
}

// offload returns c with batches and packets that are not fragmented, if the kernel has them, and
// if asked for with the choice of an address to send from.
func offload(c *net.UDPConn, sources bool) Conn {
	w, err := newWhole(c)
	if err != nil {
		return c
	}
	w.raw.Control(func(fd uintptr) {
		if _, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT); err == nil {
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_GRO, 1)
		}
	})
	if err != nil {
		return c
	}
	family, err := familyOf(w.raw)
	if err != nil {
		return c
	}
	o := &offloadConn{UDPConn: c, whole: w, family: family}
	o.sources = sources && receiveSources(w.raw, family) == nil
	o.single.Store(kernelHasSCTP())
	return o
}

// kernelHasSCTP reports whether the kernel's SCTP is loaded. A batch that does not leave the
// machine (loopback, veth) is segmented only at its receiver. If that is the kernel's SCTP
// (net.sctp.udp_port), the kernel panics: "kernel BUG at include/linux/skbuff.h" in
// udp_queue_rcv_skb, seen with Linux 6.1 and 7.2. So batches are used only without it.
func kernelHasSCTP() bool {
	_, err := os.Stat("/proc/sys/net/sctp")
	return err == nil
}

// WriteToUDPAddrPort sends a packet, whole or not at all.
func (c *offloadConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	c.whole.mode.RLock()
	defer c.whole.mode.RUnlock()
	return c.UDPConn.WriteToUDPAddrPort(b, to)
}

// WriteMayFragment implements wholeConn.
func (c *offloadConn) WriteMayFragment(b []byte, to netip.AddrPort) (int, error) {
	return c.whole.fragmenting(func() (int, error) { return c.UDPConn.WriteToUDPAddrPort(b, to) })
}

// hasSources and writeFrom implement sourceConn.
func (c *offloadConn) hasSources() bool { return c.sources }

func (c *offloadConn) writeFrom(p sctpcore.Packet) { c.whole.writeFrom(c.family, p) }

func (c *offloadConn) writeBatch(b []byte, size int, to netip.AddrPort, from netip.Addr,
	room []byte) {
	if !c.single.Load() {
		control := appendSegment(room[:0], uint16(size))
		if from.IsValid() {
			control = appendSource(control, c.family, from)
		}
		c.whole.mode.RLock()
		_, _, err := c.WriteMsgUDPAddrPort(b, control, to)
		c.whole.mode.RUnlock()
		switch {
		case errors.Is(err, unix.EIO): // devices without checksum offload do not support it
			c.single.Store(true)
		// A probe exceeds the MTU of the device, or that is smaller now, or the host no longer has the
		// address. Other packets may still be sent, and other batches.
		case errors.Is(err, unix.EMSGSIZE), isGone(err):
		default: // the error would come again
			return
		}
	}
	c.whole.mode.RLock()
	defer c.whole.mode.RUnlock()
	send(c.whole.raw, c.family, b, size, to, from)
}

// newReceiver implements batchConn.
func (c *offloadConn) newReceiver(count int) receiver {
	return &groReceiver{newDatagrams(c.whole.raw, count)}
}

type groReceiver struct{ *datagrams }

func (r *groReceiver) receive(
	f func(from netip.AddrPort, local netip.Addr, b []byte, size int),
) error {
	n, err := r.wait()
	for i := range n {
		b, control, from := r.at(i)
		size, local, ok := parseControl(control)
		if !ok {
			continue
		}
		if size <= 0 {
			size = len(b)
		}
		f(from, local, b, size)
	}
	return err
}

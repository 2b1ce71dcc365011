package userspace

import (
	"encoding/binary"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

var waysOfSystem = []way{{"UDP with GSO and HMAC", floorGSO}}

// floorGSO is floor with batches of datagrams, which the kernel cuts and hands over together:
// udp(7). Datagrams have the size of a message, or mtu bytes if that is less.
func floorGSO(tb testing.TB, size int) carrier {
	from, to := udp(tb), udp(tb)
	at := to.LocalAddr().(*net.UDPAddr).AddrPort()
	set := func(c *net.UDPConn, option, value int) {
		raw, err := c.SyscallConn()
		if err == nil {
			raw.Control(func(fd uintptr) {
				err = unix.SetsockoptInt(int(fd), unix.IPPROTO_UDP, option, value)
			})
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
	segment := min(size, mtu)
	set(from, unix.UDP_SEGMENT, segment)
	set(to, unix.UDP_GRO, 1)
	here, there := newSigner(), newSigner()
	sent := make(chan int, 2) // the sizes of batches on their way
	most := min(44, 64000/segment) * segment
	batch := make([]byte, 0, most)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		sent <- len(batch)
		_, err := from.WriteToUDPAddrPort(batch, at)
		batch = batch[:0]
		return err
	}
	kept, left, in, oob := 0, 0, make([]byte, 1<<16), make([]byte, 64)
	return carrier{
		flush: flush,
		send: func(msg []byte) error {
			for len(msg) > 0 {
				// Only the last datagram of a batch may be shorter, so each has what comes next.
				n := min(len(msg), segment-len(batch)%segment)
				batch = append(batch, msg[:n]...)
				msg = msg[n:]
				if len(batch)%segment == 0 {
					here.sign(batch[len(batch)-segment:])
				}
				if len(batch) == most {
					if err := flush(); err != nil {
						return err
					}
				}
			}
			return nil
		},
		receive: func([]byte) error {
			for kept < size {
				n, rooms, _, _, err := to.ReadMsgUDPAddrPort(in, oob)
				if err != nil {
					return err
				}
				each := n // or what the control message of UDP_GRO says
				if all, err := unix.ParseSocketControlMessage(oob[:rooms]); err == nil && len(all) > 0 {
					each = int(binary.NativeEndian.Uint16(all[0].Data))
				}
				for at := 0; at < n; at += each {
					there.sign(in[at:min(at+each, n)])
				}
				kept += n
				for left -= n; left < 0; {
					left += <-sent
				}
			}
			kept -= size
			return nil
		},
	}
}

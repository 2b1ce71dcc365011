package sctpudp

import (
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
)

// An ipConn is a raw socket for SCTP. Ports of its addresses are 0.
type ipConn struct {
	*net.IPConn
	whole   *whole
	family  int
	sources bool
	local   net.UDPAddr
}

// listenIP opens an ipConn for an address of this host, which may be unspecified.
func listenIP(addr netip.Addr) (Conn, error) {
	network := "ip4:132"
	if addr.Is6() {
		network = "ip6:132"
	}
	c, err := net.ListenIP(network, &net.IPAddr{IP: addr.WithZone("").AsSlice(), Zone: addr.Zone()})
	if err != nil {
		return nil, err
	}
	c.SetReadBuffer(socketBuffer)
	c.SetWriteBuffer(socketBuffer)
	w, err := newWhole(c)
	if err != nil {
		c.Close()
		return nil, err
	}
	i := &ipConn{IPConn: c, whole: w, family: unix.AF_INET}
	if addr.Is6() {
		i.family = unix.AF_INET6
	}
	at := c.LocalAddr().(*net.IPAddr)
	i.local = net.UDPAddr{IP: at.IP, Zone: at.Zone}
	i.sources = addr.IsUnspecified() && receiveSources(w.raw, i.family) == nil
	return i, nil
}

// networkNamespace returns the name of the calling thread's network namespace, in which it opens
// sockets.
func networkNamespace() string {
	name, _ := os.Readlink("/proc/thread-self/ns/net")
	return name
}

func (c *ipConn) LocalAddr() net.Addr { return &c.local }

// ReadFromUDPAddrPort implements Conn.
func (c *ipConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	n, from, err := c.ReadFromIP(b)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	addr, _ := netip.AddrFromSlice(from.IP)
	return n, netip.AddrPortFrom(addr.WithZone(from.Zone), 0), nil
}

// WriteToUDPAddrPort sends a packet, whole or not at all.
func (c *ipConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	c.whole.mode.RLock()
	defer c.whole.mode.RUnlock()
	return len(b), send(c.whole.raw, c.family, b, len(b), to, netip.Addr{})
}

// hasSources and writeFrom implement sourceConn.
func (c *ipConn) hasSources() bool { return c.sources }

func (c *ipConn) writeFrom(p sctpcore.Packet) { c.whole.writeFrom(c.family, p) }

// WriteMayFragment implements wholeConn.
func (c *ipConn) WriteMayFragment(b []byte, to netip.AddrPort) (int, error) {
	return c.whole.fragmenting(func() (int, error) {
		return len(b), send(c.whole.raw, c.family, b, len(b), to, netip.Addr{})
	})
}

// writeBatch implements batchConn.
func (c *ipConn) writeBatch(b []byte, size int, to netip.AddrPort, from netip.Addr, _ []byte) {
	c.whole.mode.RLock()
	defer c.whole.mode.RUnlock()
	send(c.whole.raw, c.family, b, size, to, from)
}

// newReceiver implements batchConn.
func (c *ipConn) newReceiver(count int) receiver {
	return &ipReceiver{newDatagrams(c.whole.raw, count)}
}

type ipReceiver struct{ *datagrams }

func (r *ipReceiver) receive(
	f func(from netip.AddrPort, local netip.Addr, b []byte, size int),
) error {
	n, err := r.wait()
	for i := range n {
		b, control, from := r.at(i)
		_, local, ok := parseControl(control)
		if !ok {
			continue
		}
		if from.Addr().Is4() { // raw sockets of IPv4 show the header; RFC 791, Section 3.1
			if len(b) < 20 || int(b[0]&15)*4 > len(b) {
				continue
			}
			b = b[int(b[0]&15)*4:]
		}
		// The port of a raw socket is its protocol.
		f(netip.AddrPortFrom(from.Addr(), 0), local, b, len(b))
	}
	return err
}

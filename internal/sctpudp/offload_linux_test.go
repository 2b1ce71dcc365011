package sctpudp

import (
	"bytes"
	"net"
	"net/netip"
	"testing"
)

// TestOffload: the kernel cuts a batch into packets, and where it does not, this package does.
func TestOffload(t *testing.T) {
	open := func() *offloadConn {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		o, ok := offload(c, false).(*offloadConn)
		if !ok {
			t.Fatal("this kernel has no UDP_SEGMENT or no UDP_GRO, which Linux 5.0 has")
		}
		return o
	}
	x, y := open(), open()
	to := y.LocalAddr().(*net.UDPAddr).AddrPort()
	sent := bytes.Repeat([]byte("0123456789"), 1000)
	var room [batchRoom]byte
	r := y.newReceiver(3)
	for _, single := range []bool{false, true} {
		x.single.Store(single)
		for _, size := range []int{1232, 3000, 10000} {
			x.writeBatch(sent, size, to, netip.Addr{}, room[:])
			var got []byte
			for len(got) < len(sent) {
				err := r.receive(func(from netip.AddrPort, _ netip.Addr, b []byte, each int) {
					last := len(got)+len(b) == len(sent)
					if from != x.LocalAddr().(*net.UDPAddr).AddrPort() {
						t.Fatal(from)
					}
					if each != size && !(last && each == len(b)) || !last && len(b)%size != 0 {
						t.Errorf("%d bytes in packets of %d, want %d", len(b), each, size)
					}
					got = append(got, b...)
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if !bytes.Equal(got, sent) {
				t.Errorf("packets of %d: something else came", size)
			}
		}
	}
	// More than a device lets through at once, and than a datagram has: it goes in parts.
	x.single.Store(false)
	x.writeBatch(sent, 65000, to, netip.Addr{}, room[:])
	n := 0
	count := func(_ netip.AddrPort, _ netip.Addr, b []byte, _ int) { n += len(b) }
	err := y.newReceiver(1).receive(count)
	if err != nil || n != len(sent) {
		t.Errorf("%d bytes, %v", n, err)
	}
}

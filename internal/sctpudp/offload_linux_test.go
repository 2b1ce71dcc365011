package sctpudp

import (
	"bytes"
	"net"
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
		o, ok := offload(c).(*offloadConn)
		if !ok {
			t.Fatal("this kernel has no UDP_SEGMENT or no UDP_GRO, which Linux 5.0 has")
		}
		return o
	}
	x, y := open(), open()
	to := y.LocalAddr().(*net.UDPAddr).AddrPort()
	sent := bytes.Repeat([]byte("0123456789"), 1000)
	var room [batchRoom]byte
	for _, single := range []bool{false, true} {
		x.single.Store(single)
		for _, size := range []int{1232, 3000, 10000} {
			x.writeBatch(sent, size, to, room[:])
			var got []byte
			for reads := 0; len(got) < len(sent); reads++ {
				b := make([]byte, maxPacket)
				n, each, from, err := y.readBatch(b, room[:])
				last := len(got)+n == len(sent)
				if err != nil || from != x.LocalAddr().(*net.UDPAddr).AddrPort() {
					t.Fatal(from, err)
				}
				if each != size && !(last && each == n) || !last && n%size != 0 {
					t.Errorf("%d bytes in packets of %d, want %d", n, each, size)
				}
				got = append(got, b[:n]...)
			}
			if !bytes.Equal(got, sent) {
				t.Errorf("packets of %d: something else came", size)
			}
		}
	}
	// More than a device lets through at once, and than a datagram has: it goes in parts.
	x.single.Store(false)
	x.writeBatch(sent, 65000, to, room[:])
	if b := make([]byte, maxPacket); true {
		if n, _, _, err := y.readBatch(b, room[:]); err != nil || n != len(sent) {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
}

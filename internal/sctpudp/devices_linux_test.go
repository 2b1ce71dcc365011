package sctpudp

import (
	"net/netip"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpcore"
)

// TestLargePackets: on the loopback interface packets grow beyond those of Ethernet: to what the
// interface takes, if the buffers hold seven of them.
func TestLargePackets(t *testing.T) {
	for _, tt := range []struct {
		config sctpcore.Config
		mtu    int // of IP packets
	}{
		{sctpcore.Config{Auth: true}, 131072/7 + 28},
		{sctpcore.Config{ReceiveWindow: 1 << 20, SendBuffer: 1 << 20}, 65535},
		{sctpcore.Config{SendBuffer: 70000}, 10000 + 28},
		{sctpcore.Config{ReceiveWindow: 8000}, 1500},
		{sctpcore.Config{MTU: 1300, MaxMTU: 1400}, 1428},
	} {
		client, server := pair(t, &tt.config)
		go echo(server)
		want := tt.mtu - 28
		want = want&^3 + 28
		for limit := time.Now().Add(patience); ; {
			if err := exchange(client, 50); err != nil {
				t.Fatalf("%+v: %v", tt, err)
			}
			if got := paths(t, client)[0].MTU; got == want {
				break
			} else if got > want || time.Now().After(limit) {
				t.Fatalf("%+v: packets of %d bytes, want %d", tt, got, want)
			}
		}
		if err := exchange(client, 200); err != nil {
			t.Errorf("%+v: %v", tt, err)
		}
		client.Abort()
	}
}

// TestDevices: the addresses of this host are reached by the loopback device.
func TestDevices(t *testing.T) {
	d := devices{own: map[netip.Addr]bool{netip.MustParseAddr("192.0.2.1"): true,
		netip.MustParseAddr("fe80::1"): true}, loopback: 65535, others: 9000}
	for addr, want := range map[string]int{"127.0.0.1": 65535, "127.3.0.1": 65535, "::1": 65535,
		"192.0.2.1": 65535, "192.0.2.2": 9000, "fe80::1%eth0": 65535, "fe80::2%eth0": 9000} {
		if got := d.largest(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: %d, want %d", addr, got, want)
		}
	}
	if d := devicesHere(); d.loopback < 1500 || d.loopback > maxMTU || d.others < 1500 {
		t.Errorf("%+v", d)
	}
}

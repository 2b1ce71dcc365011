//go:build kernel

package netns

import (
	"slices"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
)

// TestWireUDP captures SCTP inside UDP (RFC 6951), of this library at one end and of the kernel at
// the other, or of this library at both, and checks what TestWireEcho does, and checksums.
// The kernel may answer a path MTU probe (RFC 8899) in the packet of a DATA chunk that fills one.
//
//	client ──── server, captured at the server
func TestWireUDP(t *testing.T) {
	client, server := NewPair(t)
	for _, h := range []*Host{client, server} {
		h.Sysctl(t, "net.sctp.udp_port", "9899")
	}
	certs := t.TempDir()
	client.Run(t, "sctp-echo", "certs", "-host", server.Addrs[0].String(), certs)
	ours, kernels := []string{"-transport", "udp"}, []string{"-udp-encap", "9899"}
	for _, tt := range []struct {
		name           string
		client, server []string
		suite          uint16
		count, streams int
		size           int
	}{
		{"our client, DTLS 1.2", ours, nil, 0xc02b, 20, 4, 64},
		{"our client, DTLS 1.3, largest messages", ours, nil, 0x1301, 8, 2, 16384},
		{"our server, DTLS 1.3", kernels, ours, 0x1301, 20, 4, 64},
		{"our server, DTLS 1.2, largest messages", kernels, ours, 0xc02b, 8, 2, 16384},
		{"both ours, DTLS 1.2", ours, ours, 0xc02b, 20, 4, 64},
		{"both ours, DTLS 1.3, largest messages", ours, ours, 0x1301, 8, 2, 16384},
	} {
		t.Run(tt.name, func(t *testing.T) {
			// One program has the port; of both ends that are not the kernel's, only the server.
			kernelServes := "0"
			if len(tt.server) == 0 {
				kernelServes = "9899"
			}
			server.Sysctl(t, "net.sctp.udp_port", kernelServes)
			frames, keyLog := captureEcho(t, client, server, certs, tt.server,
				append(echoArguments(tt.suite, tt.count, tt.streams, tt.size), tt.client...))
			a := checkCapture(t, frames, wire.Options{KeyLog: keyLog, Kernel: [2]bool{
				wire.Initiator: slices.Equal(tt.client, kernels), wire.Responder: len(tt.server) == 0}})
			if a.DTLS == nil || len(a.DTLS.Handshakes) != 1 || a.DTLS.Handshakes[0].Suite != tt.suite {
				t.Fatalf("negotiated: %+v", a.DTLS)
			}
			checkKeys(t, a)
			checkEchoes(t, a, tt.count, tt.streams, tt.size)
			checkTimers(t, a)
		})
	}
}

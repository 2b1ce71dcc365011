//go:build kernel

package netns

import (
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// TestTunnelActivation: why sctp-tunnel takes no socket of systemd. Who dials one that listens
// before the program is there gets an association whose SCTP-AUTH does not protect DATA chunks,
// whatever the program does with it later: the chunks to be authenticated are in the INIT ACK (RFC
// 4895, Section 6.1).
func TestTunnelActivation(t *testing.T) {
	p := newTunnelPair(t)
	config, err := endConfig(p.certs, "client")
	if err != nil {
		t.Fatal(err)
	}
	config.ServerName = "core.example.org"
	for i, enabled := range []string{"0", "1"} {
		p.core.Sysctl(t, "net.sctp.auth_enable", enabled)
		port := 5868 + i
		p.core.Do(t, func() { // as with SocketProtocol=sctp, ListenStream=
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_SCTP)
			if err == nil {
				t.Cleanup(func() { unix.Close(fd) })
				err = unix.Bind(fd, &unix.SockaddrInet4{Port: port})
			}
			if err == nil {
				err = unix.Listen(fd, 10)
			}
			if err != nil {
				t.Fatal(err)
			}
		})
		p.ran.Do(t, func() {
			conn, err := sctpdtls.Dial("sctp", fmt.Sprintf("%v:%d", p.core.Addrs[0], port), config)
			if _, ok := errors.AsType[*sctpdtls.AuthUnsupportedError](err); !ok {
				t.Errorf("auth_enable=%s: dialling gave %v, %v, want an AuthUnsupportedError", enabled,
					conn, err)
			}
		})
	}
}

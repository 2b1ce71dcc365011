//go:build kernel

package netns

import (
	"net"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"golang.org/x/net/nettest"
)

// A Conn over the kernel's SCTP passes what every net.Conn has to: deadlines in the past and in
// the future, changed while calls wait, Close that wakes them, methods called at the same time.
func TestConnIsANetConn(t *testing.T) {
	dial := connections(t)
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		client, server, err := dial()
		if err != nil {
			return nil, nil, nil, err
		}
		return client, server, func() { closeEnds(client, server) }, nil
	})
}

// connections returns a function that makes both ends of a connection over the loopback.
func connections(t *testing.T) func() (client, server *sctpdtls.Conn, err error) {
	config := loopbackConfigs(t)
	ln, err := sctpdtls.Listen("sctp", "127.0.0.1:0", config("server"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	to := config("client")
	return func() (client, server *sctpdtls.Conn, err error) {
		if client, err = sctpdtls.Dial("sctp", ln.Addr().String(), to); err == nil {
			server, err = ln.AcceptConn(t.Context())
		}
		return client, server, err
	}
}

// loopbackConfigs returns a function that returns the configuration of a side, “client” or
// “server”, for connections to 127.0.0.1.
func loopbackConfigs(t *testing.T) func(side string) *sctpdtls.Config {
	t.Helper()
	certs := filepath.Join(t.TempDir(), "certs")
	if out, err := exec.Command("sctp-echo", "certs", "-host", "127.0.0.1",
		certs).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return func(side string) *sctpdtls.Config {
		c, err := endConfig(certs, side)
		if err != nil {
			t.Fatal(err)
		}
		c.ServerName = "127.0.0.1"
		return c
	}
}

// closeEnds closes both ends at the same time, for each waits for the other.
func closeEnds(c1, c2 net.Conn) {
	done := make(chan error)
	go func() { done <- c1.Close() }()
	c2.Close()
	<-done
}

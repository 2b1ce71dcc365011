package main

import (
	"errors"
	"os"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/tuntest"
)

// testTransportIP has server and client meet straight over IP on a host of their own: raw sockets
// get the packets of all programs of a host, and each program aborts the associations of others.
func testTransportIP(t *testing.T) {
	n, err := tuntest.New(0)
	if errors.Is(err, os.ErrPermission) {
		t.Skipf("network namespaces need root: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	said := over(t, n.Hosts[0].Do, []string{"-transport", "ip"}, "", []string{"-once", "1"},
		[]string{"connect", "-streams", "4", "-count", "40", "-size", "16384"})
	for i, want := range []string{
		"status 0... from 127.0.0.1:...40 sent, 40 received, 0 lost, 0 wrong",
		"status 0...closed by the client",
	} {
		wantSaid(t, said[i], want)
	}
}

//go:build kernel

package netns

import (
	"strings"
	"testing"
)

// TestDoctor checks sctp-echo doctor with a working server and without a server.
func TestDoctor(t *testing.T) {
	e := newEchoPair(t)
	e.serve(t)
	out := e.client.Run(t, "sctp-echo", append(append([]string{"doctor"}, flags(e.certs, "client")...),
		e.addr())...)
	for _, want := range []string{
		"ok    SCTP          SCTP sockets are available",
		"ok    loopback      a mutually authenticated connection in ",
		"ok    certificates  ",
		"ok    server        " + e.addr() + ": connected in ",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(out, "FAIL") {
		t.Error("a check failed")
	}

	p := e.client.Start(t, "sctp-echo", "doctor", "127.0.0.1:9")
	if err := p.Wait(); err == nil || !strings.Contains(p.Output(),
		"FAIL  server        127.0.0.1:9: ") {
		t.Errorf("without a server: %v", err)
	}
	t.Log(out)
}

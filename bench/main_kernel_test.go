//go:build kernel

package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/bench/association"
	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// TestMain lets this program be the peers of its network.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "peer" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestAssociation runs what measures associations, but for OpenSSL, for so short a time that the
// figures mean nothing.
func TestAssociation(t *testing.T) {
	n, err := newNetwork("")
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	var r measure.Report
	if err := association.Try(&r, n, 5*time.Millisecond); err != nil {
		t.Error(err)
	}
	for _, contest := range []string{"discard/16384/1 associations/2 streams",
		"echo32/64/1 associations/2 streams", "handshakes", "idle/10 associations"} {
		for _, result := range r.Results {
			// What so few associations need may be nothing: only rates cannot.
			if result.Contest == contest && strings.HasSuffix(result.Figure, "/s") && result.Values[0] <= 0 {
				t.Errorf("%s, %s, %s: %v", contest, result.Contestant, result.Figure, result.Values[0])
			}
		}
		if !measured(&r, contest) {
			t.Errorf("%s was not measured", contest)
		}
	}
}

// TestTunnel does the same with what two tunnels cost.
func TestTunnel(t *testing.T) {
	tunnel, err := exec.LookPath("sctp-tunnel")
	if err != nil {
		t.Fatal(err)
	}
	n, err := newNetwork("")
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	var r measure.Report
	if err := association.Tunnel(&r, n, tunnel, 0, 5*time.Millisecond, 1); err != nil {
		t.Error(err)
	}
	if err := association.TunnelLoad(&r, n, tunnel, 2, 200, 20*time.Millisecond); err != nil {
		t.Error(err)
	}
	for _, contest := range []string{"tunnel/echo1", "tunnel/2 associations/step 6"} {
		if rate, _ := r.Value(contest, "through two tunnels", "messages/s"); rate <= 0 {
			t.Errorf("%s was not measured", contest)
		}
	}
}

func measured(r *measure.Report, contest string) bool {
	for _, result := range r.Results {
		if result.Contest == contest {
			return true
		}
	}
	return false
}

//go:build kernel

package netns

import (
	"encoding/json"
	"strings"
	"testing"
)

// What sctp-echo can do besides echoes with certificates.

// Two sides with different keys have different SCTP-AUTH keys as well, so that the one who is wrong
// hears nothing at all until its time is up.

func TestPreSharedKey(t *testing.T) {
	const key, otherKey = "000102030405060708090a0b0c0d0e0f", "f00102030405060708090a0b0c0d0e0f"
	for _, version := range []string{"1.2", "1.3"} {
		t.Run(version, func(t *testing.T) {
			e := newEchoPair(t)
			server := e.server.Start(t, "sctp-echo", "serve", "-psk", key, "-psk-identity", "hss", e.addr())
			server.WaitFor("listening on ")
			connect := func(key, identity string) (string, error) {
				p := e.client.Start(t, "sctp-echo", "connect", "-psk", key, "-psk-identity", identity,
					"-timeout", "3s", "-min", version, "-max", version, e.addr())
				err := p.Wait()
				return p.Output(), err
			}
			if out, err := connect(key, "hss"); err != nil || !strings.Contains(out, "DTLS "+version) ||
				!strings.Contains(out, "5 sent, 5 received") {
				t.Errorf("%v\n%s", err, out)
			}
			if out, err := connect(otherKey, "hss"); err == nil {
				t.Errorf("another key is taken\n%s", out)
			}
			if out, err := connect(key, "another"); err == nil {
				t.Errorf("another identity is taken\n%s", out)
			}
		})
	}
}

func TestBench(t *testing.T) {
	e := newEchoPair(t)
	e.serve(t)
	args := append(append([]string{"bench"}, flags(e.certs, "client")...), "-time", "500ms", "-window",
		"4", "-connections", "2", "-streams", "3", "-size", "100", "-json", e.addr())
	var m struct {
		Messages int64 `json:"messages"`
		Version  string
		RTT      struct{ P50, Max float64 } `json:"rtt_ms"`
	}
	out := e.client.Run(t, "sctp-echo", args...)
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if m.Messages < 10 || m.Version != "DTLS 1.3" || m.RTT.P50 <= 0 || m.RTT.Max < m.RTT.P50 {
		t.Errorf("%+v", m)
	}
}

// With -v the life of a connection is told, and no secret of it.
func TestVerbose(t *testing.T) {
	e := newEchoPair(t)
	e.serve(t)
	p := e.connect(t, "-v", "-local", e.client.Addrs[0].String()+":0")
	if err := p.Wait(); err != nil {
		t.Fatalf("%v\n%s", err, p.Output())
	}
	for _, want := range []string{"level=", "from " + e.client.Addrs[0].String()} {
		if !strings.Contains(p.Output(), want) {
			t.Errorf("%q is missing in:\n%s", want, p.Output())
		}
	}
}

// With -plain at both ends there is neither DTLS nor SCTP-AUTH, and the rest is as it was.
func TestBenchPlain(t *testing.T) {
	e := newEchoPair(t)
	for _, mode := range []string{"echo", "discard"} {
		server := e.server.Start(t, "sctp-echo", "serve", "-plain", "-mode", mode, e.addr())
		server.WaitFor(`listening on `)
		out := e.client.Run(t, "sctp-echo", "bench", "-plain", "-mode", mode, "-time", "300ms", "-json",
			"-window", "4", "-streams", "3", "-size", "100", "-size", "16384", e.addr())
		if strings.Count(out, "\n") != 2 {
			t.Errorf("%s: %s", mode, out)
		}
		for line := range strings.Lines(out) {
			var m struct {
				Messages int64 `json:"messages"`
				Version  string
			}
			err := json.Unmarshal([]byte(line), &m)
			if err != nil || m.Messages < 10 || m.Version != "plain SCTP" {
				t.Errorf("%s: %v in %s", mode, err, line)
			}
		}
		server.Interrupt()
		err := server.Wait()
		if said := server.Output(); err != nil || !strings.Contains(said, "nothing is protected") {
			t.Errorf("%s: the server: %v\n%s", mode, err, said)
		}
	}
}

package users

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// wrappers has the shell find the daemons, and wget, which the guest has in another form.
const wrappers = `set -euo pipefail
export LD_LIBRARY_PATH=$PWD/daemons/lib PATH=$PATH:$PWD/daemons/bin
printf '#!/bin/sh\nexec busybox wget "$@"\n' >bin/wget
chmod +x bin/wget
mkdir work && cd work
trap 'tail -n 30 *.log' ERR
`

// TestTunnelSteps types what docs/tunnel.md says, after the installation: in the end freeDiameter
// of the distribution is OPEN through two tunnels.
func TestTunnelSteps(t *testing.T) {
	doc, err := os.ReadFile("../../docs/tunnel.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(string(doc), -1)
	if len(blocks) != 6 || !strings.HasPrefix(blocks[0][1], "apt-get ") {
		t.Fatalf("%d blocks to type, the first %q", len(blocks), blocks[0][1])
	}
	script := wrappers
	for _, b := range blocks[1:] {
		script += b[1]
	}
	script += `
echo == metrics
ip netns exec hss wget -qO- http://127.0.0.1:9868/metrics
kill $(jobs -p) && wait
`
	file := filepath.Join(work, "tunnel-steps")
	if err := os.WriteFile(file, []byte(script), 0o666); err != nil {
		t.Fatal(err)
	}
	daemons, err := exec.Command("../daemons").Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := strings.TrimSpace(string(daemons))
	t.Setenv("LD_LIBRARY_PATH", folder+"/lib")
	output, _, err := inside(file, "-f", "/usr/sbin/nft:bin/nft", "-f", "/usr/bin/openssl:bin/openssl",
		"-f", folder+":daemons")
	if err != nil {
		t.Fatal(err)
	}
	before, metrics, _ := strings.Cut(output, "== metrics")
	for _, want := range []string{
		`-> 'STATE_OPEN'	'hss.example.org'`,
		`"identity": "CN=sctp-echo client`,
		`sctp_tunnel_messages_total{direction="in",service="server"} `,
		`msg="association begins"`,
	} {
		if !strings.Contains(before, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(metrics, `sctp_tunnel_messages_total{direction="in",service="server"} 0`) {
		t.Error("nothing was carried")
	}
	if t.Failed() {
		t.Log(output)
	}
}

package users

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// filter is the table that distributions begin with in /etc/nftables.conf, but for what it lets
// through. The folders may be everybody's.
const filter = `set -euo pipefail
for folder in /etc/modules-load.d /etc/sysctl.d; do
	mkdir -p $folder && mount -t tmpfs own $folder
done
nft add table inet filter
nft add chain inet filter input '{ type filter hook input priority filter; policy drop; }'
`

// TestOperatingCommands runs the commands of docs/operating.md that begin with “$”, after the
// server that it says is at hand.
func TestOperatingCommands(t *testing.T) {
	doc, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	server := regexp.MustCompile("(?s)```sh\n(.*?)```").FindSubmatch(doc)
	script := filter + serving(string(server[1]))
	script += "sctp-echo connect -cert certs/client.pem -key certs/client-key.pem " +
		"-ca certs/ca.pem -timeout 1s 127.0.0.1:5868 || echo filtered\n"
	commands := regexp.MustCompile(`(?m)^\$ (.*)$`).FindAllStringSubmatch(string(doc), -1)
	for _, m := range commands {
		script += "echo '$' '" + strings.ReplaceAll(m[1], "'", `'\''`) + "'\n" + serving(m[1]) + "\n"
	}
	file := filepath.Join(work, "operating")
	if err := os.WriteFile(file, []byte(script), 0o666); err != nil {
		t.Fatal(err)
	}
	// netns-tests/setup nftables installs it
	output, _, err := inside(file, "-f", "/usr/sbin/nft:bin/nft")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d commands\n%s", len(commands), output)

	for _, end := range []string{"d", "s"} {
		if !regexp.MustCompile(`filtered\n(?s:.*)sctp ` + end +
			`port \{ 5868, 38412 \} counter packets \d+`).MatchString(output) {
			t.Errorf("no rule for SCTP's %sport", end)
		}
	}
	if !strings.Contains(output, "3 sent, 3 received") {
		t.Error("no echo over several addresses")
	}
	if !strings.Contains(output, "as expected: status ") {
		t.Error("a client with the wrong label was let in")
	}
	var discards []int
	discarded := regexp.MustCompile(`(?m)^SctpInPktDiscards\s+(\d+)$`)
	for _, m := range discarded.FindAllStringSubmatch(output, -1) {
		n, _ := strconv.Atoi(m[1])
		discards = append(discards, n)
	}
	// The first is of the whole file /proc/net/sctp/snmp.
	if len(discards) != 3 || discards[2] <= discards[1] {
		t.Errorf("SctpInPktDiscards was %v: it should grow with a wrong key", discards)
	}
}

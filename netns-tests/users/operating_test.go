package users

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// prelude is the server that docs/operating.md says is at hand.
const prelude = `set -euo pipefail
sctp-echo certs certs >/dev/null
sctp-echo serve -cert certs/server.pem -key certs/server-key.pem -ca certs/ca.pem 127.0.0.1/127.0.0.2:5868 >server.out 2>&1 &
until grep -q listening server.out; do kill -0 $!; done
`

// TestOperatingCommands runs the commands of docs/operating.md that begin with “$”.
func TestOperatingCommands(t *testing.T) {
	doc, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	script := prelude
	commands := regexp.MustCompile(`(?m)^\$ (.*)$`).FindAllStringSubmatch(string(doc), -1)
	for _, m := range commands {
		script += "echo '$' '" + strings.ReplaceAll(m[1], "'", `'\''`) + "'\n" + m[1] + "\n"
	}
	file := filepath.Join(work, "operating")
	if err := os.WriteFile(file, []byte(script), 0o666); err != nil {
		t.Fatal(err)
	}
	output, _, err := inside(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d commands\n%s", len(commands), output)

	if !strings.Contains(output, "3 sent, 3 received") {
		t.Error("no echo over several addresses")
	}
	if !strings.Contains(output, "as expected: status ") {
		t.Error("a client with the wrong label was let in")
	}
	var discards []int
	for _, m := range regexp.MustCompile(`(?m)^SctpInPktDiscards\s+(\d+)$`).FindAllStringSubmatch(output, -1) {
		n, _ := strconv.Atoi(m[1])
		discards = append(discards, n)
	}
	// The first is of the whole file /proc/net/sctp/snmp.
	if len(discards) != 3 || discards[2] <= discards[1] {
		t.Errorf("SctpInPktDiscards was %v: it should grow with a wrong key", discards)
	}
}

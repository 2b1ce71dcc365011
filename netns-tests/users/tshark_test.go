package users

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTshark has the distribution's tshark decrypt the capture of the Diameter example with its key log alone: an
// implementation of DTLS that is not ours reads what we send.
//
// Wireshark 4.4 decrypts DTLS 1.3, 4.0 does not know it. With those before 4.4 it may show nothing of 1.3; then it is wirecheck alone
// that has decrypted it, and the test says so.
func TestTshark(t *testing.T) {
	version, err := exec.Command("tshark", "--version").Output()
	if err != nil {
		t.Fatalf("%v; netns-tests/setup tshark installs it", err)
	}
	var major, minor int
	number := regexp.MustCompile(`\d+\.\d+\.\d+`).FindString(string(version))
	if _, err := fmt.Sscanf(number, "%d.%d.", &major, &minor); err != nil {
		t.Fatalf("version of tshark: %v\n%s", err, version)
	}
	mustKnow13 := major > 4 || major == 4 && minor >= 4
	for _, name := range []string{"diameter-1.2", "diameter-1.3"} {
		printed(t, name) // has run
		got := diameterIn(t, name)
		if name == "diameter-1.3" && !mustKnow13 && len(got) == 0 {
			t.Logf("tshark %s decrypts no DTLS 1.3; wirecheck has decrypted %s", number, name)
			continue
		}
		// Capabilities-Exchange, then Update-Location on four streams; requests and answers, under PPID 47.
		want := []string{"257 1 47 0x0000", "257 0 47 0x0000"}
		for stream := range 4 {
			want = append(want, fmt.Sprintf("316 1 47 0x%04x", stream), fmt.Sprintf("316 0 47 0x%04x", stream))
		}
		if !slices.Equal(got, want) {
			t.Errorf("tshark %s sees in %s: command, request flag, PPID, stream\n%s\nwant\n%s", number, name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
		t.Logf("tshark %s decrypts %s: %d Diameter messages", number, name, len(got))
	}
}

// diameterIn lists the Diameter messages that tshark finds in a capture, by the command in docs/operating.md.
func diameterIn(t *testing.T, name string) (messages []string) {
	t.Helper()
	file := filepath.Join(examples().left, name)
	doc, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^tshark .*-Y diameter$`).FindString(string(doc))
	command = strings.NewReplacer("capture.pcap", "$0.pcap", "secrets", "$0.keys").Replace(command)
	command += " -T fields -E 'separator= ' -e diameter.cmd.code -e diameter.flags.request -e sctp.data_payload_proto_id -e sctp.data_sid"
	cmd := exec.Command("bash", "-c", command, file)
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v", err)
	}
	flag := strings.NewReplacer("True", "1", "False", "0") // since 4.4
	for line := range strings.Lines(flag.Replace(string(out))) {
		messages = append(messages, strings.TrimSpace(line))
	}
	return messages
}

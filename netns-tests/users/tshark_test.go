package users

import (
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestTshark has the distribution's tshark decrypt the captures of the Diameter and NGAP examples,
// and those of sctp-echo over SCTP inside UDP, with their key logs alone, by the commands of
// docs/operating.md: an implementation of DTLS that is not ours reads what we send.
//
// Wireshark 4.4 decrypts DTLS 1.3, 4.0 does not know it. With those before 4.4 it may show nothing
// of 1.3; then it is wirecheck alone that has decrypted it, and the test says so.
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

	// Capabilities-Exchange, then Update-Location on four streams; requests and answers, under PPID
	// 47.
	diameter := []string{"257 1 47 0x0000", "257 0 47 0x0000"}
	for stream := range 4 {
		diameter = append(diameter, fmt.Sprintf("316 1 47 0x%04x", stream),
			fmt.Sprintf("316 0 47 0x%04x", stream))
	}
	var ngap []string
	for _, m := range []string{"NG setup", "UE 1", "UE 2", "UE 3", "for the gNB: NG setup",
		"for a UE: UE 1", "for a UE: UE 2", "for a UE: UE 3"} {
		ngap = append(ngap, hex.EncodeToString([]byte(m)))
	}
	echoes := []string{"1/0", "1/0", "2/1", "2/1", "3/2", "3/2", "4/3", "4/3"}
	for _, tt := range []struct {
		name     string
		messages func(t *testing.T, name string) []string
		want     []string
	}{
		{"diameter-1.2", diameterIn, diameter},
		{"diameter-1.3", diameterIn, diameter},
		{"ngap-1.2", ngapIn, ngap},
		{"ngap-1.3", ngapIn, ngap},
		{"udp-client-1.2", udpIn, echoes},
		{"udp-client-1.3", udpIn, echoes},
		{"udp-server-1.2", udpIn, echoes},
		{"udp-server-1.3", udpIn, echoes},
	} {
		t.Run(tt.name, func(t *testing.T) {
			printed(t, tt.name) // has run
			got := tt.messages(t, tt.name)
			// Each message is on a stream of its own there, or repeats no other of its stream, and
			// streams may overtake one another.
			slices.Sort(got)
			slices.Sort(tt.want)
			if strings.HasSuffix(tt.name, "1.3") && !mustKnow13 && len(got) == 0 {
				t.Logf("tshark %s decrypts no DTLS 1.3; wirecheck has decrypted %s", number, tt.name)
				return
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("tshark %s sees\n%s\nwant\n%s", number, strings.Join(got, "\n"),
					strings.Join(tt.want, "\n"))
			}
			t.Logf("tshark %s decrypts %d messages", number, len(got))
		})
	}
}

// documented returns the lines of docs/operating.md that match the pattern.
func documented(t *testing.T, pattern string) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile("(?m)" + pattern).FindString(string(doc))
	if lines == "" {
		t.Fatalf("docs/operating.md has no line like %s", pattern)
	}
	return lines
}

// tshark runs commands in a folder that has the capture and the secrets of that name, and returns
// the lines that they print.
func tshark(t *testing.T, name, commands string) (lines []string) {
	t.Helper()
	cmd := exec.Command("bash", "-c", commands)
	cmd.Dir = t.TempDir()
	for from, to := range map[string]string{name + ".pcap": "capture.pcap",
		name + ".keys": "secrets"} {
		if err := os.Symlink(filepath.Join(examples().left, from),
			filepath.Join(cmd.Dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", commands, err)
	}
	for line := range strings.Lines(string(out)) {
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

// diameterIn lists the Diameter messages of a capture: command, request flag, PPID, stream.
func diameterIn(t *testing.T, name string) (messages []string) {
	t.Helper()
	messages = tshark(t, name, documented(t, `^tshark .*-Y diameter$`)+
		" -T fields -E 'separator= ' -e diameter.cmd.code -e diameter.flags.request"+
		" -e sctp.data_payload_proto_id -e sctp.data_sid")
	flag := strings.NewReplacer("True", "1", "False", "0") // since 4.4
	for i, m := range messages {
		messages[i] = flag.Replace(m)
	}
	return messages
}

// ngapIn lists the NGAP messages of a capture in hexadecimal digits, and sees that they can be
// dissected. Those of the examples are only called so.
func ngapIn(t *testing.T, name string) (messages []string) {
	t.Helper()
	commands := documented(t, `^tshark .*38412.* >messages\n.*-Y ngap$`)
	for _, line := range tshark(t, name, commands+
		" -T fields -e sctp.data_payload_proto_id; cat messages") {
		if line != "66" {
			messages = append(messages, strings.Split(line, ",")...)
		}
	}
	if n := len(tshark(t, name, commands)); n != len(messages) {
		t.Errorf("%d messages are dissected as NGAP, of %d", n, len(messages))
	}
	return messages
}

// udpIn lists what the messages of sctp-echo in a capture begin with: their number and stream.
func udpIn(t *testing.T, name string) (messages []string) {
	t.Helper()
	for _, line := range tshark(t, name, documented(t, `^tshark .*udp.port==9899.*$`)) {
		for _, digits := range strings.FieldsFunc(line, func(r rune) bool { return r == ',' }) {
			text, err := hex.DecodeString(digits)
			if err != nil {
				t.Fatal(err)
			}
			begins, _, _ := strings.Cut(string(text), " ")
			messages = append(messages, begins)
		}
	}
	return messages
}

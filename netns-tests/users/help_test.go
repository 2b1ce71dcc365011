package users

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// helpPrelude gives the hosts of the examples to this machine. /etc/hosts may be everybody's.
const helpPrelude = `set -eux
{ cat /etc/hosts; echo 192.0.2.1 amf.example.org; } >hosts
mount --bind hosts /etc/hosts
ip addr add 192.0.2.1/32 dev lo
ip addr add 198.51.100.1/32 dev lo
`

// TestHelpExamples runs the examples that “sctp-echo help COMMAND” shows, in the order in which
// help lists the commands.
func TestHelpExamples(t *testing.T) {
	bin, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	examples := func(command ...string) []string {
		out, err := exec.Command(filepath.Join(bin, "sctp-echo"),
			append([]string{"help"}, command...)...).Output()
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		example := regexp.MustCompile(`(?m)^ {6}(sctp-echo \w.*)$`)
		for _, m := range example.FindAllStringSubmatch(string(out), -1) {
			lines = append(lines, m[1])
		}
		return lines
	}
	script := helpPrelude
	for _, command := range []string{"certs", "serve", "connect", "bench", "doctor"} {
		all := examples(command)
		if len(all) == 0 {
			t.Errorf("no examples of %s", command)
		}
		for _, line := range all {
			script += line + "\n"
		}
	}
	doc, err := os.ReadFile("../../cmd/sctp-echo/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	overview := examples()
	for _, m := range regexp.MustCompile(`(?m)^//\t(sctp-echo .*)$`).FindAllStringSubmatch(string(doc),
		-1) {
		overview = append(overview, m[1])
	}
	for _, line := range overview {
		// "completion" and "man" are shown there too.
		if !strings.Contains(script, line+"\n") && !strings.Contains(line, " | man") {
			t.Errorf("not among the examples of a command, and so not run: %s", line)
		}
	}
	file := filepath.Join(work, "help")
	if err := os.WriteFile(file, []byte(serving(script)), 0o666); err != nil {
		t.Fatal(err)
	}
	out, _, err := inside(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(out)
	for _, want := range []string{"5 sent, 5 received", "100 sent, 100 received"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing", want)
		}
	}
}

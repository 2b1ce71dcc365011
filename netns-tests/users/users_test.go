package users

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// work is a folder for all tests.
var work string

func TestMain(m *testing.M) {
	var err error
	if work, err = os.MkdirTemp("", "users"); err != nil {
		panic(err)
	}
	status := m.Run()
	os.RemoveAll(work)
	os.Exit(status)
}

// programs builds what the tests run, and returns the folder.
var programs = sync.OnceValues(func() (bin string, err error) {
	bin = filepath.Join(work, "bin")
	for dir, pkg := range map[string]string{"../../cmd/sctp-echo": ".", "../../cmd/sctp-tunnel": ".",
		"../../examples": "./...", "..": "./wirecheck"} {
		cmd := exec.Command("go", "-C", dir, "build", "-ldflags=-s -w", "-o", bin+"/", pkg)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("building %s: %v\n%s", pkg, err, out)
		}
	}
	return bin, nil
})

// inside runs a script as root of a kernel with SCTP, with the programs in its PATH. It returns
// what the script printed, and the folder with what it left in $OUT. More are options for the
// script run.
func inside(script string, more ...string) (output, left string, err error) {
	bin, err := programs()
	if err != nil {
		return "", "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	left = filepath.Join(work, "left-"+filepath.Base(script))
	args := append([]string{"-t", "200", "-f", bin + ":bin", "-f", script + ":script", "-o", left},
		more...)
	out, err := exec.CommandContext(ctx, "../run",
		append(args, "--", "bash", "script")...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s: %v\n%s", script, err, out)
	}
	return string(out), left, err
}

// serving puts the servers of a script into the background, as if each had a terminal of its own,
// and waits until they listen. All commands get time: the machine may be busy.
func serving(script string) string {
	var lines []string
	command := regexp.MustCompile(`\bsctp-echo (serve|connect|bench|doctor)\b`)
	for line := range strings.Lines(script) {
		if !strings.Contains(line, "-timeout") {
			line = command.ReplaceAllString(line, "$0 -timeout 60s")
		}
		lines = append(lines, line)
	}
	script = strings.Join(lines, "")
	serve := regexp.MustCompile(`(?m)^(sctp-echo serve .*)$`)
	return serve.ReplaceAllString(script,
		"$1 >server.out 2>&1 &\nuntil grep -q listening server.out; do kill -0 $$!; done")
}

// examples is what two-hosts.sh has printed and left, run once.
var examples = sync.OnceValue(func() (r struct {
	output, left string
	err          error
}) {
	r.output, r.left, r.err = inside("two-hosts.sh")
	return r
})

// printed returns what two-hosts.sh printed about one pair of programs.
func printed(t *testing.T, name string) string {
	t.Helper()
	r := examples()
	if r.err != nil {
		t.Fatal(r.err)
	}
	_, after, ok := strings.Cut(r.output, "== "+name+"\n")
	if !ok {
		t.Fatalf("nothing about %s in\n%s", name, r.output)
	}
	text, _, _ := strings.Cut(after, "\n== ")
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s printed\n%s", name, text)
		}
	})
	return text
}

// The examples between two hosts: a Diameter client and server with both versions, a gNB with its
// AMF likewise, where the wire was checked too, by wirecheck; the spans of a client; and what
// Prometheus would see of a server.
func TestExamplePrograms(t *testing.T) { // RFC 6083, Sections 4.2 and 4.4
	diameter := []string{
		"listening on 10.0.0.2:5868",
		"stream 0: result 2001 <nil>", "stream 1: result 2001 <nil>", "stream 2: result 2001 <nil>",
		"stream 3: result 2001 <nil>",
		"result 2001, stream 3, for CN=sctp-echo client",
		"DATA chunks authenticated under key 1: ",
	}
	ngap := []string{
		"stream 0: for the gNB: NG setup", "stream 1: for a UE: UE 1", "stream 2: for a UE: UE 2",
		"stream 3: for a UE: UE 3",
		"CN=sctp-echo client has closed",
		"DATA chunks authenticated under key 1: ",
	}
	for name, lines := range map[string][]string{
		"diameter-1.2": diameter,
		"diameter-1.3": diameter,
		"ngap-1.2":     ngap,
		"ngap-1.3":     ngap,
		"tracing": {
			`"Name":"dtls.handshake"`,
			`"Key":"tls.protocol.version","Value":{"Type":"STRING","Value":"1.3"}`, `"Key":"tls.cipher"`,
			`"Name":"dtls.rekey"`, `"Key":"dtls.epoch","Value":{"Type":"INT64","Value":4}`,
		},
		"takeover": {"listening on 10.0.0.2:38412", "9 sent, 9 received"},
		"metrics": {
			"a client without a certificate was refused",
			`dtls_sctp_handshakes_total{result="done"} 1`,
			`dtls_sctp_handshakes_total{result="failed"} 1`,
			`dtls_sctp_alerts_total{alert="40",sender="here"} 1`, // handshake_failure
			`dtls_sctp_messages_total{direction="received"} 7`,
			`dtls_sctp_bytes_total{direction="sent"} 700`,
		},
	} {
		text := printed(t, name)
		for _, want := range lines {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the output lacks %q", name, want)
			}
		}
	}
}

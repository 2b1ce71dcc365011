// Package selftest tests the script run, on this machine.
package selftest

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A result is what a call of the script has shown.
type result struct {
	stdout, stderr string
	status         int
	took           time.Duration
}

// run calls the script.
func run(t *testing.T, args ...string) result {
	t.Helper()
	// The script's own time limits are under test; this one is for when they fail.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "../run", args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := time.Now()
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	r := result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode(), time.Since(start)}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("run %q: status %d after %v\n%s%s", args, r.status, r.took, r.stdout, r.stderr)
		}
	})
	return r
}

// which returns the way that the script chooses on this machine.
func which(t *testing.T) string {
	t.Helper()
	way, _, ok := strings.Cut(run(t, "--which").stdout, ":")
	if !ok {
		t.Fatal("run --which does not say which")
	}
	return way
}

// tell is a script that runs in the guest and prints a line for each question.
const tell = `
echo "arguments: $*"
echo "files: $(find . -type f | sort | tr '\n' ' ')"
echo "user: $(id -u)"
echo "time: $(date +%s)"
echo "memory: $(sed -n 's/MemTotal: *\([0-9]*\) kB/\1/p' /proc/meminfo)"
echo "lo: $(ip -br link show lo)"
ip netns add one && ip link add veth0 type veth peer name veth1 netns one && echo "network: made"
ip netns exec one sh -c 'echo 1 >/proc/sys/net/sctp/auth_enable' && echo "SCTP: there"
given/program && echo "program: runs"
in-path && echo "path: searched"
echo "error" >/dev/stderr
mkdir "$OUT/folder" && head -c 200000 /dev/zero >"$OUT/folder/file"
sleep 1000 &
exit 7
`

func TestInside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	script := filepath.Join(dir, "tell")
	if err := os.WriteFile(script, []byte(tell), 0o666); err != nil {
		t.Fatal(err)
	}
	// A program with shared libraries.
	program, err := exec.LookPath("true")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "out")
	before := time.Now()
	r := run(t, "-t", "120", "-m", "3072", "-f", script, "-f", program+":given/program", "-f",
		program+":bin/in-path", "-o", out,
		"--", "bash", "tell", "a b", "$c")
	if r.status != 7 {
		t.Errorf("status %d, want the command's own 7", r.status)
	}
	for _, want := range []string{
		"arguments: a b $c",
		"files: ./bin/in-path ./given/program ./tell ",
		"user: 0",
		"network: made",
		"SCTP: there",
		"program: runs",
		"path: searched",
		"error",
	} {
		if !strings.Contains(r.stdout, want+"\n") {
			t.Errorf("the output lacks the line %q", want)
		}
	}
	// A guest has what it is given, less what its kernel needs.
	if kib, err := strconv.Atoi(line(r.stdout, "memory: ")); err != nil {
		t.Error(err)
	} else if which(t) == "qemu" && (kib < 2600<<10 || kib > 3072<<10) {
		t.Errorf("the guest has %d KiB of memory, want some less than 3,072 MiB", kib)
	}
	if lo := line(r.stdout, "lo: "); !strings.Contains(lo, "LOWER_UP") {
		t.Errorf("lo is not up: %s", lo)
	}
	if seconds, err := strconv.ParseInt(line(r.stdout, "time: "), 10, 64); err != nil {
		t.Error(err)
	} else if got := time.Unix(seconds,
		0); got.Before(before.Add(-2*time.Second)) || got.After(time.Now().Add(2*time.Second)) {
		t.Errorf("the clock inside says %v, outside it is %v", got, before)
	}
	if info, err := os.Stat(filepath.Join(out, "folder", "file")); err != nil ||
		info.Size() != 200000 {
		t.Errorf("the file left in $OUT has not come back whole: %v, %v", info, err)
	}
}

// line returns what follows prefix in the output.
func line(output, prefix string) string {
	_, after, _ := strings.Cut("\n"+output, "\n"+prefix)
	first, _, _ := strings.Cut(after, "\n")
	return first
}

func TestTimeLimit(t *testing.T) {
	t.Parallel()
	r := run(t, "-t", "15", "--", "sh", "-c", "echo before; sleep 1000; echo after")
	if r.status != 124 {
		t.Errorf("status %d, want 124", r.status)
	}
	if r.stdout != "before\n" {
		t.Errorf("output %q, want what came before the limit", r.stdout)
	}
	if r.took < 15*time.Second {
		t.Errorf("took %v, want at least the limit of 15s", r.took)
	}
}

func TestKernelPanic(t *testing.T) {
	t.Parallel()
	if which(t) != "qemu" {
		return // there is no kernel that we may crash
	}
	r := run(t, "-t", "500", "--", "sh", "-c", "echo before; echo c >/proc/sysrq-trigger")
	if r.status != 125 {
		t.Errorf("status %d, want 125", r.status)
	}
	if !strings.Contains(r.stderr, "Kernel panic - not syncing: sysrq triggered crash") {
		t.Error("the console is not shown")
	}
	if r.took > 500*time.Second {
		t.Errorf("took %v: the time limit ended it, not the panic", r.took)
	}
}

// TestBootAgain has a guest come up at a later attempt: the first has no time.
func TestBootAgain(t *testing.T) {
	if which(t) != "qemu" {
		return // nothing boots
	}
	t.Setenv("DTLS_SCTP_BOOT_LIMITS", "0 60 120 180") // a guest rarely does not come up by itself
	r := run(t, "-t", "120", "--", "sh", "-c", "echo once; exit 7")
	if r.status != 7 || r.stdout != "once\n" {
		t.Errorf("status %d, output %q, want what the command itself gives", r.status, r.stdout)
	}
	if !strings.Contains(r.stderr, "the guest did not come up within 0 s") {
		t.Error("the attempt that failed is not named")
	}
}

func TestNoSuchCommand(t *testing.T) {
	t.Parallel()
	if r := run(t, "--", "no-such-command"); r.status != 127 {
		t.Errorf("status %d, want 127 as of a shell", r.status)
	}
}

func TestMisuse(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{},
		{"-x", "--", "true"},
		{"-f", "no-such-file", "--", "true"},
	} {
		if r := run(t, args...); r.status != 125 || r.stderr == "" {
			t.Errorf("run %q: status %d, want 125 and an explanation", args, r.status)
		}
	}
}

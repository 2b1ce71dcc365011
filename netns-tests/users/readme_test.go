package users

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// section returns a section of the README, and of that the blocks in a language.
func section(t *testing.T, title string) (blocks func(language string) string) {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, ok := strings.Cut(string(readme), "\n## "+title+"\n")
	if !ok {
		t.Fatalf("README.md has no section “%s”", title)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return func(language string) string {
		var all []string
		for _, m := range regexp.MustCompile("(?ms)^```"+language+
			"\n(.*?)^```$").FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
		return strings.Join(all, "\n")
	}
}

// bash runs a script in a folder.
func bash(t *testing.T, dir, script string, env ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euxc", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

// TestReadmeProgram builds and runs the README's program, outside of the repository and in a module
// of its own, with the README's commands.
func TestReadmeProgram(t *testing.T) {
	blocks := section(t, "A connection of your own")
	home := t.TempDir()
	repository, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(repository, filepath.Join(home, "dtls-sctp")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, "hello.go"), []byte(blocks("go")), 0o666); err != nil {
		t.Fatal(err)
	}
	prepare, run, ok := strings.Cut(blocks("sh"), "\n\n")
	if !ok {
		t.Fatal("the README should have commands before the program and after it")
	}
	out := bash(t, home, prepare+"\nmv ../hello.go .\ngofmt -d .\ngo vet -mod=mod .\n"+run)
	for _, want := range []string{"the server is CN=", "stream 3: ping"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

// TestReadmeCommands runs the README's commands with sctp-echo: on this machine what builds it, the
// others in a kernel with SCTP.
func TestReadmeCommands(t *testing.T) {
	build, use, ok := strings.Cut(section(t, "The command")("sh"), "\n")
	if !ok || !strings.HasPrefix(build, "go ") || !strings.Contains(build, "install") {
		t.Fatalf("the first command is %q, which does not install", build)
	}
	bin := filepath.Join(t.TempDir(), "bin")
	bash(t, "../..", build, "GOBIN="+bin, "CGO_ENABLED=0")
	// what help says of the shell
	bash(t, bin, "set +u; source <(./sctp-echo completion bash); complete -p sctp-echo")

	script := filepath.Join(t.TempDir(), "readme")
	if err := os.WriteFile(script, []byte(serving("set -eux\nsctp-echo doctor\nsctp-echo help\n"+use)),
		0o666); err != nil {
		t.Fatal(err)
	}
	out := bash(t, ".", `../run -t 200 -f "$bin:bin" -f "$script:script" -- bash script`, "bin="+bin,
		"script="+script)
	for _, want := range []string{"wrote certs/ca.pem", "5 sent, 5 received"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

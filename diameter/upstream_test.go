//go:build !kernel

package diameter

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

const goDiameter = "github.com/fiorix/go-diameter/v4"

// TestUpstream runs go-diameter's own SCTP tests over DTLS/SCTP: their calls that dial and listen
// with "sctp" use this package. The test copies the module, renames its functions that dial and
// listen, and adds the file testdata/upstream/network_dtls.go in their place. The copied tests are
// unchanged, and run in a kernel with SCTP. This test calls the go command and boots the guest
// itself; therefore it has the build tag.
func TestUpstream(t *testing.T) {
	work := t.TempDir()
	module := filepath.Join(work, "go-diameter")
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", goDiameter).Output()
	if err != nil {
		t.Fatal(err)
	}
	copyModule(t, strings.TrimSpace(string(out)), module)

	network := filepath.Join(module, "diam", "network.go")
	code := string(read(t, network))
	for name, instead := range map[string]string{
		"getDialer(":            "clearGetDialer(",
		"getMultistreamDialer(": "clearGetMultistreamDialer(",
		"Listen(":               "clearListen(",
		"MultistreamListen(":    "clearMultistreamListen(",
	} {
		if strings.Count(code, "\nfunc "+name) != 1 {
			t.Fatalf("go-diameter has no func %s...) in network.go any more: this test has to follow", name)
		}
		code = strings.Replace(code, "\nfunc "+name, "\nfunc "+instead, 1)
	}
	write(t, network, []byte(code))
	write(t, filepath.Join(module, "diam", "network_dtls.go"),
		read(t, "testdata/upstream/network_dtls.go"))
	if err := os.CopyFS(filepath.Join(module, "testpki"), os.DirFS("internal/testpki")); err != nil {
		t.Fatal(err)
	}
	hook := read(t, "testdata/upstream/over_dtls_test.go")
	for dir, name := range map[string]string{"diam": "diam_test", "diam/sm": "sm",
		"diam/diamtest": "diamtest"} {
		write(t, filepath.Join(module, dir, "over_dtls_test.go"),
			bytes.Replace(hook, []byte("PACKAGE"), []byte(name), 1))
	}

	// This module's go.mod, with the copy in place of the module.
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	mod := bytes.Replace(read(t, "go.mod"), []byte("=> ../"), []byte("=> "+filepath.Dir(here)), 1)
	write(t, filepath.Join(work, "go.mod"), append(mod, "\nreplace "+goDiameter+" => "+module+"\n"...))
	write(t, filepath.Join(work, "go.sum"), read(t, "go.sum"))
	args := []string{"-t", "300", "-f", filepath.Join(module, "diam", "testdata")}
	for _, pkg := range []string{"diam", "sm", "diamtest"} {
		path := strings.TrimSuffix(goDiameter+"/diam/"+pkg, "/diam")
		build := exec.Command("go", "test", "-c", "-modfile", filepath.Join(work, "go.mod"), "-o",
			filepath.Join(work, pkg+".test"), path)
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building the tests of %s: %v\n%s", pkg, err, out)
		}
		args = append(args, "-f", filepath.Join(work, pkg+".test"))
	}

	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, "../netns-tests/run", append(args, "--", "sh", "-c",
		"for pkg in diam sm diamtest; do ./$pkg.test -test.v -test.run SCTP || exit; done")...)
	output, err := run.CombinedOutput()
	if err != nil {
		t.Fatalf("go-diameter's tests: %v\n%s", err, output)
	}
	passed := regexp.MustCompile(`(?m)^--- PASS: (\S+)`).FindAllStringSubmatch(string(output), -1)
	if other := regexp.MustCompile(`(?m)^--- (SKIP|FAIL)`).Find(output); other != nil ||
		len(passed) < 7 {
		t.Fatalf("%d of go-diameter's tests passed\n%s", len(passed), output)
	}
	for _, name := range passed {
		t.Logf("go-diameter's %s passed", name[1])
	}
}

// copyModule copies a module from the module cache, with write permission.
func copyModule(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(to, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chmod(path, 0o755)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

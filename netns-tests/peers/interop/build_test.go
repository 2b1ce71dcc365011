// Package interop lets dtlscore and other DTLS libraries talk to each other,
// each in a process of its own, over a SOCK_SEQPACKET pair: no kernel with SCTP
// is needed. The processes are seqpeer and the peers of the parent folder.
package interop

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// programs is where the peers were built, and why not if they were not.
var programs = sync.OnceValues(func() (dir string, err error) {
	if missing := command("make", "-s", "-C", "..", "missing"); missing != "" {
		return "",
			fmt.Errorf(
				"packages are missing, or something to find them with: %s (netns-tests/setup peers installs "+
					"them)", missing)
	}
	if out := command("make", "-s", "-C", "..", "OUT="+buildDir); out != "" {
		return "", fmt.Errorf("make: %s", out)
	}
	if out := command("go", "-C", "../../..", "build", "-o", buildDir,
		"./dtlscore/internal/seqpeer"); out != "" {
		return "", fmt.Errorf("go build: %s", out)
	}
	return buildDir, nil
})

var buildDir string

// command returns what a command prints, which is nothing if all is well.
func command(name string, args ...string) string {
	out, err := exec.Command(name, args...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		text = fmt.Sprintf("%s (%v)", text, err)
	}
	return text
}

func TestMain(m *testing.M) {
	var err error
	if buildDir, err = os.MkdirTemp("", "peers"); err != nil {
		panic(err)
	}
	status := m.Run()
	os.RemoveAll(buildDir)
	os.Exit(status)
}

func program(t *testing.T, name string) string {
	t.Helper()
	dir, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, name)
}

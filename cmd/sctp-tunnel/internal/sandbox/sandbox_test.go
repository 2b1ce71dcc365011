//go:build linux

package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// What a process can do that has entered. It runs in a process of its own, for there is no way
// back.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SANDBOX_TEST"); dir != "" {
		inside(dir)
		return
	}
	os.Exit(m.Run())
}

// inside prints what is possible, one thing in each line.
func inside(dir string) {
	// Threads that were there before are in it too.
	var threads, ready sync.WaitGroup
	start := make(chan struct{})
	results := make([]error, 4)
	for i := range results {
		ready.Add(1)
		threads.Go(func() {
			runtime.LockOSThread()
			ready.Done()
			<-start
			_, results[i] = os.ReadFile(filepath.Join(dir, "other", "file"))
		})
	}
	ready.Wait()
	socket, err := net.Listen("unix", filepath.Join(dir, "run", "socket"))
	tell("listen before", err)
	r, err := Enter(Options{
		Read:   []string{filepath.Join(dir, "certs", "cert.pem"), filepath.Join(dir, "none", "x")},
		Remove: []string{filepath.Join(dir, "run", "socket")},
		User:   os.Getenv("SANDBOX_USER"), LowPorts: os.Getenv("SANDBOX_LOW") != "",
	})
	tell("enter", err)
	fmt.Printf("landlock %d\nno_new_privs %v\nkept %q\nuid %d\n", r.Landlock, r.Privileges, r.Kept,
		os.Getuid())
	close(start)
	threads.Wait()
	tell("read other file in other threads", errors.Join(results...))
	_, err = os.ReadFile(filepath.Join(dir, "certs", "cert.pem"))
	tell("read certificate", err)
	_, err = os.ReadFile(filepath.Join(dir, "certs", "data", "..", "link.pem"))
	tell("read through a link", err)
	_, err = os.ReadFile(filepath.Join(dir, "other", "file"))
	tell("read other file", err)
	tell("write", os.WriteFile(filepath.Join(dir, "certs", "new"), nil, 0o600))
	tell("run a program", exec.Command("/bin/true").Run())
	_, err = os.ReadFile("/proc/self/stat")
	tell("read /proc/self/stat", err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	tell("listen", err)
	if err == nil {
		c, err := net.Dial("tcp", l.Addr().String())
		tell("dial", err)
		if err == nil {
			c.Close()
		}
		l.Close()
	}
	tell("chroot", syscall.Chroot(dir))
	tell("socket", socket.Close())
	_, err = os.Stat(filepath.Join(dir, "run", "socket"))
	tell("socket is there", err)
}

func tell(what string, err error) {
	switch {
	case err == nil:
		fmt.Printf("%s: yes\n", what)
	case errors.Is(err, fs.ErrPermission):
		fmt.Printf("%s: forbidden\n", what)
	default:
		fmt.Printf("%s: %v\n", what, err)
	}
}

// enter runs inside in a process, and returns what it prints.
func enter(t *testing.T, env ...string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"certs/cert.pem": "x", "other/file": "x",
		"real/link.pem": "x", "run/x": "", "certs/data/x": ""} {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("cert.pem", filepath.Join(dir, "certs", "link.pem")); err != nil {
		t.Fatal(err)
	}
	for d := dir; d != "/"; d = filepath.Dir(d) { // for another user
		os.Chmod(d, 0o755)
	}
	if err := os.Chmod(filepath.Join(dir, "run"), 0o777); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(append(os.Environ(), "SANDBOX_TEST="+dir), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestEnter(t *testing.T) {
	out := enter(t)
	want := []string{"enter: yes", "no_new_privs true", `kept "="`, "read certificate: yes",
		"read through a link: yes",
		"read /proc/self/stat: yes", "listen: yes", "dial: yes", "socket: yes", "socket is there: stat"}
	if os.Getuid() == 0 {
		want = append(want, "chroot: forbidden")
	}
	wantLines(t, out, want...)
	t.Run("Landlock", func(t *testing.T) {
		if strings.Contains(out, "landlock 0\n") {
			t.Skip("the kernel has no Landlock (CONFIG_SECURITY_LANDLOCK, and landlock in lsm=)")
		}
		wantLines(t, out, "read other file: forbidden",
			"read other file in other threads: forbidden", "write: forbidden",
			"run a program: forbidden")
	})
}

// wantLines checks that each of the strings begins a line of out.
func wantLines(t *testing.T, out string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains("\n"+out, "\n"+w) {
			t.Errorf("%q is missing in:\n%s", w, out)
		}
	}
}

func TestEnterAsRoot(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can become another user")
	}
	t.Run("another user", func(t *testing.T) {
		if out := enter(t, "SANDBOX_USER=nobody"); strings.Contains(out, "\nuid 0\n") ||
			!strings.Contains(out, `kept "="`) ||
			!strings.Contains(out, "enter: yes") || !strings.Contains(out, "read certificate: yes") {
			t.Error(out)
		}
	})
	t.Run("low ports", func(t *testing.T) {
		for _, name := range []string{"", "nobody"} {
			out := enter(t, "SANDBOX_LOW=1", "SANDBOX_USER="+name)
			if !strings.Contains(out, `kept "cap_net_bind_service=ep"`) || !strings.Contains(out,
				"enter: yes") {
				t.Errorf("as %q: %s", name, out)
			}
		}
	})
	t.Run("nobody of this name", func(t *testing.T) {
		if out := enter(t, "SANDBOX_USER=no such user"); !strings.Contains(out,
			"enter: unknown user") {
			t.Error(out)
		}
	})
}

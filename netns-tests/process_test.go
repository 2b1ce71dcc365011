//go:build kernel

package netns

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Patience is how long a test waits for another program. It is long because an emulated machine is
// slow; no test waits longer than necessary.
const Patience = 60 * time.Second

// A Process is a program that runs on a host.
type Process struct {
	t    testing.TB
	cmd  *exec.Cmd
	in   io.WriteCloser
	done chan struct{}
	err  error // valid when done is closed

	mu      sync.Mutex // guards the following fields
	out     bytes.Buffer
	changed chan struct{} // closed at the next output, and then replaced
}

// Start runs a program, found in the PATH, on the host. Type and EndInput provide its standard
// input. The program is killed when the test ends, if it still runs; the last lines of its standard
// output and standard error are in the log of a test that failed.
func (h *Host) Start(t testing.TB, name string, args ...string) *Process {
	t.Helper()
	p := &Process{
		t:       t,
		cmd:     exec.Command("ip", append([]string{"netns", "exec", h.Name, name}, args...)...),
		done:    make(chan struct{}),
		changed: make(chan struct{}),
	}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.in = in
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.done
		if t.Failed() {
			t.Logf("%s %s: %v\n%s", name, args, p.err, lastLines(p.Output()))
		}
	})
	return p
}

// lastLines returns the last lines of a text. A test has many processes, whose output would hide
// why it failed.
func lastLines(text string) string {
	const lines, length = 20, 300
	all := strings.Split(strings.TrimRight(text, "\n"), "\n")
	left := ""
	if n := len(all) - lines; n > 0 {
		left, all = fmt.Sprintf("(%d lines before)\n", n), all[n:]
	}
	for i, line := range all {
		if len(line) > length {
			all[i] = line[:length] + "..."
		}
	}
	return left + strings.Join(all, "\n")
}

// Run runs a program on the host until it exits, with an empty standard input, and returns its
// output. The test fails if the program does.
func (h *Host) Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	p := h.Start(t, name, args...)
	p.EndInput()
	if err := p.Wait(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p.Output()
}

// Write receives the output of the process from package os/exec.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
	return p.out.Write(b)
}

// Output returns what the process has printed so far to standard output and standard error.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// Pid returns the process ID.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Type writes text to the standard input of the process.
func (p *Process) Type(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, text); err != nil {
		p.t.Fatal(err)
	}
}

// EndInput closes the standard input of the process.
func (p *Process) EndInput() { p.in.Close() }

// WaitFor waits until the output contains a match of pattern, and returns the match and its
// subexpressions. The test fails if the process exits without one, or after Patience.
func (p *Process) WaitFor(pattern string) []string {
	p.t.Helper()
	return p.waitAfter(0, pattern)
}

// waitAfter is like WaitFor, for the output after the first n bytes.
func (p *Process) waitAfter(n int, pattern string) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	timeout := time.After(Patience)
	for ended := false; ; {
		p.mu.Lock()
		match, changed := re.FindStringSubmatch(p.out.String()[n:]), p.changed
		p.mu.Unlock()
		if match != nil {
			return match
		}
		if ended {
			p.t.Fatalf("%s ended (%v) without printing %q", p.cmd, p.err, pattern)
		}
		select {
		case <-changed:
		case <-p.done:
			ended = true // look once more, because the last output arrived before
		case <-timeout:
			p.t.Fatalf("%s has not printed %q within %v", p.cmd, pattern, Patience)
		}
	}
}

// Wait waits for the process to exit and returns its error, like exec.Cmd.Wait.
func (p *Process) Wait() error {
	p.t.Helper()
	select {
	case <-p.done:
		return p.err
	case <-time.After(Patience):
		p.t.Fatalf("%s has not ended within %v", p.cmd, Patience)
		return nil
	}
}

// Interrupt sends SIGINT to the process, like control-C.
func (p *Process) Interrupt() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
}

func (p *Process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// stop stops the process, and returns when none of its threads runs any more.
func (p *Process) stop() {
	p.t.Helper()
	p.signal(syscall.SIGSTOP)
	for {
		err := unix.Waitid(unix.P_PID, p.Pid(), nil, unix.WSTOPPED, nil)
		if err == nil {
			return
		}
		if err != unix.EINTR {
			p.t.Fatalf("%s has not stopped: %v", p.cmd, err)
		}
	}
}

// kill kills the process, and returns when the kernel has closed its sockets. It may close those of
// associations some time before one that listens.
func (p *Process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	p.Wait()
}

//go:build kernel

package netns

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"regexp"
	"sync"
	"testing"
	"time"
)

// Patience is how long a test waits for what another program should do. It is
// long, because an emulated machine is slow; nothing waits longer than it must.
const Patience = 60 * time.Second

// A Process is a program that runs on a host.
type Process struct {
	t    testing.TB
	cmd  *exec.Cmd
	in   io.WriteCloser
	done chan struct{}
	err  error // valid when done is closed

	mu      sync.Mutex // guards the following
	out     bytes.Buffer
	changed chan struct{} // closed at the next output, then made again
}

// Start runs a program on the host, found in the PATH. What it gets as standard
// input is for Type and EndInput to say. It is killed when the test ends, if it
// has not ended by then; its output of both kinds is in the log of a test that
// failed.
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
			t.Logf("%s %s: %v\n%s", name, args, p.err, p.Output())
		}
	})
	return p
}

// Run runs a program on the host to its end, with empty standard input, and
// returns what it printed. If it fails, so does the test.
func (h *Host) Run(t testing.TB, name string, args ...string) string {
	t.Helper()
	p := h.Start(t, name, args...)
	p.EndInput()
	if err := p.Wait(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return p.Output()
}

// Write takes the process's output; it is the os/exec package that calls it.
func (p *Process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.changed)
	p.changed = make(chan struct{})
	return p.out.Write(b)
}

// Output returns what the process has printed so far, both outputs as they came.
func (p *Process) Output() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// Pid returns the number of the process.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Type writes text to the standard input of the process.
func (p *Process) Type(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.in, text); err != nil {
		p.t.Fatal(err)
	}
}

// EndInput ends the standard input of the process.
func (p *Process) EndInput() { p.in.Close() }

// WaitFor waits until the output has something that pattern matches, and
// returns the match and its subexpressions. If the process ends without, or
// after Patience, the test fails.
func (p *Process) WaitFor(pattern string) []string {
	p.t.Helper()
	return p.waitAfter(0, pattern)
}

// waitAfter is WaitFor in the output after so many bytes.
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
			ended = true // look once more: the last output came before
		case <-timeout:
			p.t.Fatalf("%s has not printed %q within %v", p.cmd, pattern, Patience)
		}
	}
}

// Wait waits for the process to end and returns its error, as exec.Cmd.Wait does.
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

// Interrupt asks the process to end, as typing control-C does.
func (p *Process) Interrupt() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Fatal(err)
	}
}

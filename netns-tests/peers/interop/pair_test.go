package interop

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An end is a process that was run to its end.
type end struct {
	name  string // of the program, and its role
	err   error  // its exit status, if it is not 0
	lines []string
}

// runPair runs a server and a client on the two ends of a socket pair.
func runPair(t *testing.T, server string, serverArgs []string, client string,
	clientArgs []string) (s, c *end) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	// Peers give up by themselves, after --timeout; this is for those that do not.
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	done := make(chan *end)
	start := func(fd int, role, name string, args []string) {
		socket := os.NewFile(uintptr(fd), "socket")
		defer socket.Close()
		cmd := exec.CommandContext(ctx, program(t, name), append([]string{role}, args...)...)
		cmd.ExtraFiles = []*os.File{socket} // descriptor 3
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() {
			err := cmd.Wait()
			done <- &end{name + " " + role, err, strings.Split(strings.TrimSpace(out.String()), "\n")}
		}()
	}
	start(fds[0], "--server", server, serverArgs)
	start(fds[1], "--client", client, clientArgs)
	s, c = <-done, <-done
	if !strings.HasSuffix(s.name, "--server") {
		s, c = c, s
	}
	if t.Failed() {
		return s, c
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, e := range []*end{s, c} {
				t.Logf("%s: %v\n%s", e.name, e.err, strings.Join(e.lines, "\n"))
			}
		}
	})
	return s, c
}

// all returns the lines that begin with a word, without it.
func (e *end) all(word string) (found []string) {
	for _, line := range e.lines {
		if rest, ok := strings.CutPrefix(line, word+" "); ok {
			found = append(found, rest)
		}
	}
	return found
}

// field returns the value of a field of the HANDSHAKE line; libraries that do
// not tell print a dash.
func (e *end) field(name string) string {
	for _, line := range e.all("HANDSHAKE") {
		for f := range strings.FieldsSeq(line) {
			if value, ok := strings.CutPrefix(f, name+"="); ok {
				return value
			}
		}
	}
	return ""
}

// want is what both ends of a connection must have printed.
type want struct {
	version, cipher, group string // empty: any, but the same
	serverCert, clientCert string // common names; empty: none
	messages, size         int
	renegotiations         int
	serverUpdates          int // of keys
	clientUpdates          int
}

// check compares what both ends printed with w.
func (w want) check(t *testing.T, s, c *end) {
	t.Helper()
	for _, e := range []*end{s, c} {
		if e.err != nil || e.lines[len(e.lines)-1] != "CLOSED clean" {
			t.Errorf("%s failed", e.name)
			return
		}
	}
	same := func(what, server, client, want string) {
		t.Helper()
		values := slices.DeleteFunc([]string{server, client, want},
			func(v string) bool { return v == "-" || v == "" })
		if len(slices.Compact(values)) > 1 {
			t.Errorf("%s: server has %q, client has %q, want %q", what, server, client, want)
		}
	}
	same("version", s.field("version"), c.field("version"), w.version)
	same("cipher", s.field("cipher"), c.field("cipher"), w.cipher)
	same("group", s.field("group"), c.field("group"), w.group)
	orNone := func(name string) string {
		if name == "" {
			return "-"
		}
		return name
	}
	if got := c.field("peer"); got != orNone(w.serverCert) {
		t.Errorf("the client saw certificate %q of the server, want %q", got, w.serverCert)
	}
	if got := s.field("peer"); got != orNone(w.clientCert) {
		t.Errorf("the server saw certificate %q of the client, want %q", got, w.clientCert)
	}
	sx, cx := s.all("EXPORTER"), c.all("EXPORTER")
	if !slices.Equal(sx, cx) || len(cx) != 1+w.renegotiations || len(cx[0]) != 128 {
		t.Errorf("exporters: server has %q, client has %q, want %d of each", sx, cx, 1+w.renegotiations)
	}
	if distinct := slices.Compact(slices.Sorted(slices.Values(cx))); len(distinct) != len(cx) {
		t.Errorf("exporters are the same after a renegotiation: %q", cx)
	}
	data := fmt.Sprintf("messages=%d bytes=%d renegotiations=%d", w.messages, w.messages*w.size,
		w.renegotiations)
	for _, e := range []*end{s, c} {
		if got := e.all("DATA"); !slices.Equal(got, []string{data}) {
			t.Errorf("%s: DATA %q, want %q", e.name, got, data)
		}
	}
	if su, cu := len(s.all("KEYUPDATE")), len(c.all("KEYUPDATE")); su != w.serverUpdates ||
		cu != w.clientUpdates {
		t.Errorf("key updates: %d of the server, %d of the client; want %d and %d", su, cu,
			w.serverUpdates, w.clientUpdates)
	}
}

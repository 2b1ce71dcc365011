package main

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A systemd is one to whom a process says how it is.
type systemd struct {
	t *testing.T
	l *net.UnixConn
}

func newSystemd(t *testing.T, dir string) *systemd {
	t.Helper()
	path := filepath.Join(dir, "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.SetReadDeadline(time.Now().Add(20 * time.Second))
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "1000")
	return &systemd{t, l}
}

func (s *systemd) next() string {
	s.t.Helper()
	b := make([]byte, 256)
	n, err := s.l.Read(b)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(b[:n])
}

// others returns the next message that is not the watchdog's.
func (s *systemd) others() string {
	s.t.Helper()
	for {
		if m := s.next(); m != "WATCHDOG=1" {
			return m
		}
	}
}

// watched wants the next messages to be the watchdog's.
func (s *systemd) watched() {
	s.t.Helper()
	for range 3 {
		if m := s.next(); m != "WATCHDOG=1" {
			s.t.Errorf("%q, want the watchdog's", m)
		}
	}
}

// systemd is notified of the beginning, that the process lives, of reloading and of the end.
func TestNotify(t *testing.T) {
	dir := certsIn(t)
	s := newSystemd(t, dir)
	name := filepath.Join(dir, "f.toml")
	aFile(t, dir, name, process)
	tt := begin(t, nil, "run", name)
	if m := s.next(); m != "READY=1" {
		t.Errorf("%q at the beginning", m)
	}
	s.watched()
	tt.hangup <- syscall.SIGHUP
	m := s.others()
	when, ok := strings.CutPrefix(m, "RELOADING=1\nMONOTONIC_USEC=")
	if _, err := strconv.ParseUint(strings.TrimSpace(when), 10, 64); !ok || err != nil {
		t.Errorf("%q when reloading", m)
	}
	if m := s.others(); m != "READY=1" {
		t.Errorf("%q after reloading", m)
	}
	tt.stop()
	if m := s.others(); m != "STOPPING=1" {
		t.Errorf("%q at the end", m)
	}
	tt.end()
}

// A service that ends at a reload may take its time to deliver what is under way: the process lives
// meanwhile, and can be stopped.
func TestWatchdogWhileDraining(t *testing.T) {
	dir := certsIn(t)
	s := newSystemd(t, dir)
	name := filepath.Join(dir, "f.toml")
	aFile(t, dir, name, process)
	tt := begin(t, nil, "run", name)
	s.others()
	drained := make(chan struct{})
	tt.mu.Lock()
	tt.drained = drained
	tt.mu.Unlock()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	write(t, name, strings.Replace(string(text), ":3869", ":3870", 1))
	tt.hangup <- syscall.SIGHUP
	if m := s.others(); !strings.HasPrefix(m, "RELOADING=1") {
		t.Errorf("%q when reloading", m)
	}
	s.watched()
	close(drained)
	if m := s.others(); m != "READY=1" {
		t.Errorf("%q after reloading", m)
	}
	tt.end()
}

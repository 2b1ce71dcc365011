package main

import (
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// systemd is notified of the beginning, that the process lives, of reloading and of the end.
func TestNotify(t *testing.T) {
	dir := certsIn(t)
	path := filepath.Join(dir, "notify")
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.SetReadDeadline(time.Now().Add(20 * time.Second))
	t.Setenv("NOTIFY_SOCKET", path)
	t.Setenv("WATCHDOG_USEC", "1000")
	name := filepath.Join(dir, "f.toml")
	aFile(t, dir, name, process)

	next := func() string {
		t.Helper()
		b := make([]byte, 256)
		n, err := l.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		return string(b[:n])
	}
	// others returns the next message that is not the watchdog's.
	others := func() string {
		t.Helper()
		for {
			if m := next(); m != "WATCHDOG=1" {
				return m
			}
		}
	}
	tt := begin(t, nil, "run", name)
	if m := next(); m != "READY=1" {
		t.Errorf("%q at the beginning", m)
	}
	for range 3 {
		if m := next(); m != "WATCHDOG=1" {
			t.Errorf("%q, want the watchdog's", m)
		}
	}
	tt.hangup <- syscall.SIGHUP
	m := others()
	when, ok := strings.CutPrefix(m, "RELOADING=1\nMONOTONIC_USEC=")
	if _, err := strconv.ParseUint(strings.TrimSpace(when), 10, 64); !ok || err != nil {
		t.Errorf("%q when reloading", m)
	}
	if m := others(); m != "READY=1" {
		t.Errorf("%q after reloading", m)
	}
	tt.stop()
	if m := others(); m != "STOPPING=1" {
		t.Errorf("%q at the end", m)
	}
	tt.end()
}

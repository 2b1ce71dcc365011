package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// aMachine is one whose sockets are made with an error, or nil.
func aMachine(socket error) doctor.Machine {
	return doctor.Machine{System: "Linux", Release: "6.1.0-9-amd64", Root: fstest.MapFS{},
		Socket: func(int) error { return socket }}
}

// doctorOn runs the command on a machine.
func doctorOn(t *testing.T, m doctor.Machine, args ...string) (status int, stdout string) {
	t.Helper()
	nobody := errors.New("nobody is there")
	p := &program{stdout: new(bytes.Buffer), stderr: new(bytes.Buffer),
		getenv:  func(string) string { return "" },
		machine: func() doctor.Machine { return m },
		loopback: func(context.Context, string, time.Duration) doctor.Finding {
			return doctor.Bad("", "%v", nobody)
		},
		dial: func(context.Context, string, string, string, *sctpdtls.Config) (session, error) {
			return nil, nobody
		}}
	status = p.run(t.Context(), append([]string{"sctp-echo", "doctor"}, args...))
	return status, p.stdout.(*bytes.Buffer).String()
}

// Who has no SCTP sees on one screen what to do.
func TestDoctorWithoutSCTP(t *testing.T) {
	status, stdout := doctorOn(t, aMachine(syscall.EPROTONOSUPPORT), "hss.example:5868")
	if status != exitNoConnection {
		t.Errorf("status %d, want %d", status, exitNoConnection)
	}
	if n := strings.Count(stdout, "\n"); n > 24 {
		t.Errorf("%d lines", n)
	}
	if !strings.Contains(stdout, "FAIL  SCTP ") || strings.Contains(stdout, "loopback") ||
		strings.Contains(stdout, "server") {
		t.Errorf("got:\n%s", stdout)
	}
	if strings.Contains(stdout, "\x1b") {
		t.Error("colours without a terminal")
	}
}

func TestDoctorGoesOn(t *testing.T) {
	status, stdout := doctorOn(t, aMachine(nil), "hss.example:5868")
	if status != exitNoConnection {
		t.Errorf("status %d, want %d", status, exitNoConnection)
	}
	for _, want := range []string{"ok    SCTP  ", "FAIL  loopback      nobody is there",
		"FAIL  server        hss.example:5868: nobody is there"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in:\n%s", want, stdout)
		}
	}
}

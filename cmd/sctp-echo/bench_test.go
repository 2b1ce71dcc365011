package main

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// benchWith runs the command against servers in memory, a millisecond away.
func benchWith(t *testing.T, mode string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var out, errs bytes.Buffer
		p := &program{stdout: &out, stderr: &errs, getenv: func(string) string { return "" },
			dial: func(context.Context, string, string, string, *sctpdtls.Config) (session, error) {
				near, far := fakePair(time.Millisecond)
				go modes[mode](&traffic{session: far, timeout: time.Second})
				return near, nil
			}}
		status = p.run(t.Context(), append([]string{"sctp-echo", "bench"},
			append(args, "192.0.2.2:5868")...))
		synctest.Wait()
		stdout, stderr = out.String(), errs.String()
	})
	return status, stdout, stderr
}

func TestBenchEcho(t *testing.T) {
	status, stdout, stderr := benchWith(t, "echo", "-time", "1199ms", "-size", "64", "-size", "1024",
		"-window", "1", "-connections", "2", "-streams", "2")
	if status != exitOK || stderr != "" {
		t.Fatalf("status %d, %s", status, stderr)
	}
	// One exchange takes 2 ms: 500 a second on each of 2 connections.
	for _, want := range []string{"64 bytes:  1 s ", " messages/s       0.1 MB/s\n", " 1200 ", "bytes",
		"p99", " 64 ", " 1024 ", "2.000", "DTLS 1.2, TLS_ECDHE_ECDSA"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in:\n%s", want, stdout)
		}
	}
}

func TestBenchJSON(t *testing.T) {
	status, stdout, stderr := benchWith(t, "echo", "-json", "-time", "999ms", "-size", "100")
	if status != exitOK || stderr != "" {
		t.Fatalf("status %d, %s", status, stderr)
	}
	var m measurement
	if err := json.Unmarshal([]byte(stdout), &m); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	if m.Messages != 500 || m.PerSecond != 500 || m.RTT == nil || m.RTT.P99 != 2 || m.Size != 100 ||
		m.Window != 1 {
		t.Errorf("%+v, %+v", m, m.RTT)
	}
}

func TestBenchErrors(t *testing.T) {
	for _, tt := range []struct {
		server string
		args   []string
		status int
		want   string
	}{
		{"echo", []string{"-size", "7"}, exitUsage, "no room for a time, give 8"},
		{"echo", []string{"-size", "16385"}, exitUsage, "16385 bytes...-max-message 16385"},
		{"echo", []string{"-size", "1025M"}, exitUsage, "-size"},
		{"echo", []string{"-window", "5", "-size", "16384"}, exitUsage, "-window...give 4 or less"},
		{"echo", []string{"-mode", "chargen"}, exitUsage, "echo or discard"},
		{"echo", []string{"-streams", "11"}, exitUsage, "stream"},
		{"discard", []string{"-time", "1s"}, exitEchoes, "no echo in 2s...mode echo?"},
		{"chargen", []string{"-time", "1s", "-size", "64"}, exitEchoes, "74 bytes, not 64...mode echo?"},
	} {
		t.Run(strings.Join(tt.args, " ")+" with "+tt.server, func(t *testing.T) {
			status, _, stderr := benchWith(t, tt.server, append([]string{"-timeout", "2s"}, tt.args...)...)
			if status != tt.status {
				t.Errorf("status %d, want %d", status, tt.status)
			}
			wantOneLine(t, stderr, tt.want)
		})
	}
}

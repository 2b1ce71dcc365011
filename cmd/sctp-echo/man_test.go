package main

import (
	"strings"
	"testing"
)

// The manual page has every command and flag.
func TestManPage(t *testing.T) {
	status, page, stderr := runCommand(t, "man")
	if status != exitOK || stderr != "" {
		t.Fatalf("status %d, %s", status, stderr)
	}
	for _, want := range []string{
		"\n.SS sctp-echo serve ", "\n.SS sctp-echo connect ", "\n.SS sctp-echo bench ",
		"\n.SS sctp-echo doctor ", "\n.SS sctp-echo certs ",
		"\n.B \\-\\-legacy\\-label\n", "Exit status:", "SSLKEYLOGFILE",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if strings.Contains(page, "<no value>") || strings.Contains(page, ".SS sctp-echo man") {
		t.Error("a hole, or the hidden command")
	}
}

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// Each error that a user can do something about says what.
func TestExplain(t *testing.T) {
	peerSent := func(a sctpdtls.Alert) error { return &sctpdtls.AlertError{Alert: a} }
	refused := func(err error) error { // what a client returns that refuses a certificate
		return &net.OpError{Op: "dial", Net: "sctp", Err: &sctpdtls.AlertError{Alert: 42, Local: true,
			Err: &tls.CertificateVerificationError{Err: err}}}
	}
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"wrong CA", refused(x509.UnknownAuthorityError{}), "-ca"},
		{"wrong name", refused(x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{"a"}},
			Host: "b"}), "-name"},
		{"expired", refused(x509.CertificateInvalidError{Reason: x509.Expired}), "clock of this machine"},
		{"wrong usage", refused(x509.CertificateInvalidError{Reason: x509.IncompatibleUsage}),
			"extended key usage"},
		{"raw IP beside SCTP of the kernel", &net.OpError{Op: "dial", Net: "sctp+ip",
			Err: &sctpdtls.RawIPError{Err: sctpdtls.ErrKernelSCTP}}, "-transport kernel"},
		{"raw IP without privileges", &sctpdtls.RawIPError{Err: os.ErrPermission}, "-transport udp"},
		{"message too large", &sctpdtls.MessageTooLargeError{Size: 20000}, "-size 16384"},
		{"stream out of range", fmt.Errorf("sending: %w", &sctpdtls.StreamError{Stream: 9, Streams: 4}),
			"fewer -streams"},
		{"unreachable", &net.OpError{Op: "dial", Err: os.NewSyscallError("connectx",
			syscall.ECONNABORTED)}, "firewalls"},
		{"other label", &net.OpError{Op: "dial", Err: &sctpdtls.HandshakeTimeoutError{KeyInUse: true,
			Err: context.DeadlineExceeded}}, "-legacy-label"},
		{"unknown host", &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "x"}},
			"a name that resolves"},
		{"no client certificate, DTLS 1.3", peerSent(116), "give -cert and -key"},
		{"no client certificate, DTLS 1.2", &connectError{peerSent(40), false}, "give -cert and -key"},
		{"no client certificate, another way", &connectError{peerSent(42), false}, "give -cert and -key"},
		{"nothing in common", &connectError{peerSent(40), true}, "-suite and -group"},
		{"our certificate is bad", &connectError{peerSent(42), true}, "its log says why"},
		{"our CA is unknown", peerSent(48), "-ca there"},
		{"our certificate has expired", peerSent(45), "renew our certificate"},
		{"our certificate is refused", peerSent(46), "its log says why"},
		{"no common version", peerSent(70), "-min and -max"},
		{"no common protocol", peerSent(120), "-alpn"},
		{"client without certificate", &sctpdtls.AlertError{Alert: 40, Local: true,
			Err: errors.New("no certificate")}, "the client needs -cert"},
		{"client with another version", &sctpdtls.AlertError{Alert: 70, Local: true}, "-min and -max"},
		{"client with another protocol", &sctpdtls.AlertError{Alert: 120, Local: true}, "-alpn"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := explain(tt.err)
			if text := tt.err.Error(); !strings.HasPrefix(got, text+": ") {
				t.Errorf("%q does not begin with the error, %q", got, text)
			}
			if !strings.Contains(strings.TrimPrefix(got, tt.err.Error()), tt.want) {
				t.Errorf("%q does not say %q", got, tt.want)
			}
		})
	}
}

// What explains itself, or is not known, is left as it is.
func TestExplainNothing(t *testing.T) {
	for _, err := range []error{
		errors.New("something else"),
		&sctpdtls.AuthUnsupportedError{Peer: true},
		&sctpdtls.HandshakeTimeoutError{Err: context.DeadlineExceeded},
		&sctpdtls.AlertError{Alert: 80},
		&sctpdtls.AlertError{Alert: 80, Local: true},
	} {
		if got := explain(err); got != err.Error() {
			t.Errorf("%q, want %q", got, err)
		}
	}
}

func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"one":              "one",
		"one\ntwo":         "one; two",
		"one\r\n\ntwo\n":   "one; two",
		"\nwith: a colon ": "with: a colon ",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("oneLine(%q) = %q, want %q", in, got, want)
		}
	}
}

// A file that cannot be used is reported in one line, with the remedy that doctor knows.
func TestFileFault(t *testing.T) {
	dir := certsIn(t)
	key := filepath.Join(dir, "key.pem")
	if err := os.WriteFile(key, []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END "+
		"ENCRYPTED PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	status, _, stderr := runCommand(t, "serve", "-cert", filepath.Join(dir, "server.pem"), "-key", key,
		":0")
	if status != exitUsage || !strings.Contains(stderr, "is encrypted: decrypt it") ||
		strings.Count(stderr, "\n") != 1 {
		t.Errorf("status %d, %q", status, stderr)
	}
}

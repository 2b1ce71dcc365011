package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
)

func TestHandshakerNotSupported(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run([]string{"-is-handshaker-supported"}, &stdout, &stderr); code != 0 ||
		stdout.String() != "No\n" || stderr.Len() > 0 {
		t.Errorf("exit status %d, %q, %q", code, stdout.String(), stderr.String())
	}
}

func TestUnimplemented(t *testing.T) {
	var stderr bytes.Buffer
	if code := run([]string{"-server", "-enable-channel-id"}, io.Discard,
		&stderr); code != exitUnimplemented || !strings.Contains(stderr.String(), "-enable-channel-id") {
		t.Errorf("exit status %d, %q", code, stderr.String())
	}
	if code := run([]string{"-max-version", "0xfeff"}, io.Discard,
		&stderr); code != exitUnimplemented {
		t.Errorf("exit status %d for DTLS 1.0", code)
	}
	if code := run([]string{"-no-tls1", "-no-tls12", "-no-tls13"}, io.Discard, &stderr); code != 1 {
		t.Errorf("exit status %d without any version", code)
	}
}

// TestTwoShims joins two shims, where the runner would stand between.
func TestTwoShims(t *testing.T) {
	cert, key := writeCertificate(t)
	tests := []struct {
		name           string
		client, server []string
		fails          string // in both error texts
	}{
		{name: "plain", client: []string{"-shim-writes-first", "-shim-shuts-down"}},
		{name: "ALPN, name and groups",
			client: []string{"-shim-writes-first", "-shim-shuts-down", "-advertise-alpn", "\x03foo\x03bar",
				"-expect-alpn", "bar", "-host-name", "test", "-curves", "24", "-curves", "23"},
			server: []string{"-select-alpn", "bar", "-expect-server-name", "test", "-expect-advertised-alpn",
				"\x03foo\x03bar", "-curves", "23", "-curves", "24"}},
		{name: "mutual",
			client: []string{"-shim-shuts-down", "-check-close-notify", "-cert-file", cert, "-key-file", key,
				"-use-old-client-cert-callback"},
			server: []string{"-require-any-client-certificate", "-use-early-callback"}},
		{name: "early failure", server: []string{"-reject-alpn"},
			client: []string{"-advertise-alpn", "\x03foo"}, fails: "no_application_protocol"},
		{name: "late failure", server: []string{"-require-any-client-certificate"},
			fails: "certificate_required"},
		{name: "refused", client: []string{"-verify-peer", "-verify-fail", "-use-custom-verify-callback"},
			fails: "certificate_unknown"},
		{name: "alert", client: []string{"-send-alert"}, fails: "alert 30"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			port := joinTwo(t)
			client := start(append([]string{"-port", port, "-dtls", "-trust-cert", cert, "-shim-id", "1"},
				test.client...))
			server := start(append([]string{"-port", port, "-dtls", "-trust-cert", cert, "-shim-id", "2",
				"-server", "-cert-file", cert, "-key-file", key}, test.server...))
			for name, done := range map[string]<-chan result{"client": client, "server": server} {
				r := <-done
				switch {
				case test.name == "alert" && name == "client" && r.code == 0: // it did what it was told
				case test.fails == "" && (r.code != 0 || r.stderr != ""):
					t.Errorf("%s: exit status %d, %q", name, r.code, r.stderr)
				case test.fails != "" && (r.code != 1 || !strings.Contains(r.stderr, test.fails)):
					t.Errorf("%s: exit status %d, %q, want a failure with %q", name, r.code, r.stderr, test.fails)
				}
			}
		})
	}
}

type result struct {
	code   int
	stderr string
}

func start(args []string) <-chan result {
	done := make(chan result, 1)
	go func() {
		var stderr bytes.Buffer
		code := run(args, io.Discard, &stderr)
		done <- result{code, stderr.String()}
	}()
	return done
}

// joinTwo passes bytes between the next two shims that connect, and returns
// the port for them.
func joinTwo(t *testing.T) (port string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	end := time.Now().Add(30 * time.Second) // if a shim does not come, or stops
	if err := l.(*net.TCPListener).SetDeadline(end); err != nil {
		t.Fatal(err)
	}
	go func() {
		var ends [2]*net.TCPConn
		for i := range ends {
			c, err := l.Accept()
			if err != nil {
				if i > 0 {
					_ = ends[0].Close()
				}
				return
			}
			_ = c.SetDeadline(end)
			ends[i] = c.(*net.TCPConn)
			var id uint64
			if err := binary.Read(c, binary.LittleEndian, &id); err != nil || id < 1 || id > 2 {
				t.Errorf("shim identifier %d, %v", id, err)
			}
		}
		for i := range ends {
			go func() {
				_, _ = io.Copy(ends[i], ends[1-i])
				_ = ends[i].CloseWrite()
			}()
		}
	}()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// writeCertificate writes a certificate that is its own authority, for the name "test".
func writeCertificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	cert, _ := testpki.SelfSigned("test")
	testpki.WriteFiles(cert, certFile, keyFile)
	return certFile, keyFile
}

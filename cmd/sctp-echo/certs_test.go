package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
)

// runCommand runs one command line without a network, and returns the exit status and what was
// printed.
func runCommand(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := &program{stdout: &out, stderr: &errs, getenv: func(string) string { return "" }}
	status = p.run(context.Background(), append([]string{"sctp-echo"}, args...))
	return status, out.String(), errs.String()
}

// certsIn makes certificates in a new directory.
func certsIn(t *testing.T, args ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "certs")
	if status, _, stderr := runCommand(t, append(append([]string{"certs"}, args...),
		dir)...); status != exitOK {
		t.Fatalf("status %d: %s", status, stderr)
	}
	return dir
}

func TestCertsVerify(t *testing.T) {
	for _, tt := range []struct {
		name  string
		args  []string
		key   string
		hosts []string
	}{
		{"default", nil, "ECDSA P-256", []string{"localhost", "127.0.0.1", "::1"}},
		{"hosts", []string{"-host", "amf.example.org", "--host=192.0.2.1", "-host", "2001:db8::1"},
			"ECDSA P-256",
			[]string{"amf.example.org", "192.0.2.1", "2001:db8::1"}},
		{"rsa", []string{"-rsa"}, "RSA 2048", []string{"localhost"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := certsIn(t, tt.args...)
			roots := x509.NewCertPool()
			roots.AddCert(certificate(t, dir, "ca.pem"))
			server, client := certificate(t, dir, "server.pem"), certificate(t, dir, "client.pem")

			for _, h := range tt.hosts {
				if _, err := server.Verify(x509.VerifyOptions{Roots: roots, DNSName: h}); err != nil {
					t.Errorf("server as %s: %v", h, err)
				}
			}
			if _, err := server.Verify(x509.VerifyOptions{Roots: roots,
				DNSName: "other.example.org"}); err == nil {
				t.Error("the server's certificate is good for any name")
			}
			if got := len(server.DNSNames) + len(server.IPAddresses); tt.args != nil && tt.name == "hosts" &&
				got != len(tt.hosts) {
				t.Errorf("%d names in the server's certificate, %d were asked for", got, len(tt.hosts))
			}
			asClient := x509.VerifyOptions{Roots: roots,
				KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
			if _, err := client.Verify(asClient); err != nil {
				t.Errorf("client: %v", err)
			}
			if _, err := client.Verify(x509.VerifyOptions{Roots: roots}); err == nil {
				t.Error("the client's certificate is good for a server")
			}
			if _, err := server.Verify(asClient); err == nil {
				t.Error("the server's certificate is good for a client")
			}
			if got := doctor.KeyKind(server.PublicKey); got != tt.key {
				t.Errorf("the server has a key of %s, want %s", got, tt.key)
			}
			for _, side := range []string{"server", "client"} {
				if _, err := tls.LoadX509KeyPair(filepath.Join(dir, side+".pem"), filepath.Join(dir,
					side+"-key.pem")); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestCertsValidity(t *testing.T) {
	dir := certsIn(t, "-days", "7")
	for _, name := range []string{"ca.pem", "server.pem", "client.pem"} {
		c := certificate(t, dir, name)
		if age := time.Since(c.NotBefore); age < time.Hour || age > time.Hour+time.Minute {
			t.Errorf("%s is valid since %v, want an hour, for clocks differ", name, age)
		}
		if left := time.Until(c.NotAfter); left < 6*24*time.Hour || left > 8*24*time.Hour {
			t.Errorf("%s is valid for another %v, want 7 days", name, left)
		}
	}
}

func TestCertsFiles(t *testing.T) {
	dir := certsIn(t)
	var names []string
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
		want := fs.FileMode(0o644)
		if strings.Contains(e.Name(), "key") {
			want = 0o600
		}
		if i, err := e.Info(); err != nil || i.Mode() != want {
			t.Errorf("%s: mode %v (%v), want %v", e.Name(), i.Mode(), err, want)
		}
	}
	if want := []string{"ca.pem", "client-key.pem", "client.pem", "server-key.pem",
		"server.pem"}; !slices.Equal(names, want) {
		t.Errorf("files %q, want %q", names, want)
	}
}

func TestCertsOverwrite(t *testing.T) {
	dir := certsIn(t)
	before := certificate(t, dir, "server.pem")
	key := filepath.Join(dir, "client-key.pem")
	if err := os.Chmod(key, 0o644); err != nil {
		t.Fatal(err)
	}

	status, _, stderr := runCommand(t, "certs", dir)
	if status != exitUsage || !strings.Contains(stderr, "exists") || !strings.Contains(stderr,
		"-force") {
		t.Errorf("status %d, %q; want a refusal that names -force", status, stderr)
	}
	if !certificate(t, dir, "server.pem").Equal(before) {
		t.Error("overwritten without -force")
	}

	if status, _, stderr := runCommand(t, "certs", "-force", dir); status != exitOK {
		t.Errorf("status %d: %s", status, stderr)
	}
	if certificate(t, dir, "server.pem").Equal(before) {
		t.Error("not overwritten with -force")
	}
	if i, err := os.Stat(key); err != nil || i.Mode() != 0o600 {
		t.Errorf("the new key has the mode of the old one: %v, %v", i.Mode(), err)
	}
}

func certificate(t *testing.T, dir, name string) *x509.Certificate {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(b)
	if block == nil {
		t.Fatalf("%s: no PEM", name)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// An error on the command line is reported in one line, and nothing is sent.
func TestUsageErrors(t *testing.T) {
	dir := certsIn(t)
	ca, cert, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "server.pem"),
		filepath.Join(dir, "server-key.pem")
	for _, tt := range []struct {
		args []string
		want string // parts of the line, separated by "..."
	}{
		{[]string{"connekt"}, `no command "connekt"...help`},
		{[]string{"-nonsense"}, "not defined: -nonsense...-help"},
		{[]string{"certs"}, "takes one DIR, not 0...sctp-echo certs -help"},
		{[]string{"connect"}, "takes one ADDR, not 0"},
		{[]string{"connect", "a:1", "b:1"}, "takes one ADDR, not 2"},
		{[]string{"connect", "-nonsense", "a:1"}, "not defined: -nonsense...sctp-echo connect -help"},
		{[]string{"connect", "a:1", "-count"}, "needs an argument: -count"},
		{[]string{"connect", "-count", "many", "a:1"}, `"many" for flag -count`},
		{[]string{"connect", "-count", "-1", "a:1"}, "-count: -1 is less than 0"},
		{[]string{"connect", "-streams", "0", "a:1"}, "-streams: 0 is not between 1 and 65535"},
		{[]string{"connect", "-streams", "65536", "a:1"}, "-streams: 65536 is not between 1 and 65535"},
		{[]string{"connect", "-size", "0", "a:1"}, "-size...0 is not between 1 and"},
		{[]string{"connect", "-size", "2G", "a:1"}, "-size...\"2G\" is no number of bytes, such as"},
		{[]string{"connect", "-size", "1024M", "a:1"}, "1073741824 is not between 1 and 1073741567"},
		{[]string{"connect", "-max-message", "1K", "a:1"}, "1024 is not between 16384 and"},
		{[]string{"connect", "-ppid", "4294967296", "a:1"}, "-ppid"},
		{[]string{"connect", "-interval", "-1s", "a:1"}, "-interval: -1s is less than 0s"},
		{[]string{"connect", "-timeout", "0", "a:1"}, "-timeout"},
		{[]string{"connect", "-min", "1.0", "a:1"}, `-min: no DTLS version "1.0": 1.2 or 1.3`},
		{[]string{"connect", "-group", "P-192", "a:1"},
			`-group: no group "P-192": X25519MLKEM768, X25519, P-256, P-384`},
		{[]string{"connect", "-suite", "AES", "a:1"}, `-suite: no cipher suite "AES"`},
		{[]string{"connect", "-ca", filepath.Join(dir, "none.pem"), "a:1"}, "-ca: open...no such file"},
		{[]string{"connect", "-ca", key, "a:1"}, "-ca:...holds no certificate"},
		{[]string{"connect", "-key", key, "a:1"}, "-key needs -cert"},
		{[]string{"connect", "-cert", ca, "-key", key, "a:1"},
			"-cert and -key: ...private key does not match"},
		{[]string{"connect", "-cert", cert, "a:1"}, "-cert and -key:"}, // no key in that file
		{[]string{"connect", "-psk", "zz", "a:1"}, "-psk: not hexadecimal"},
		{[]string{"connect", "-psk", "00112233", "a:1"}, "-psk: 4 bytes...16"},
		{[]string{"connect", "-psk", "@" + filepath.Join(dir, "none"), "a:1"},
			"-psk: open...no such file"},
		{[]string{"connect", "-udp-encap", "65536", "a:1"},
			"-udp-encap: 65536 is not between 0 and 65535"},
		{[]string{"connect", "-transport", "tcp", "a:1"}, `-transport: no...kernel, udp or ip`},
		{[]string{"connect", "-transport", "ip", "-udp-encap", "9899", "a:1"},
			"-udp-encap is a port of UDP, which -transport ip does not have"},
		{[]string{"connect", "-transport", "ip", "-plain", "a:1"}, "leave -transport ip out"},
		{[]string{"serve", "-transport", "udp", "-plain", ":1"}, "leave -transport udp out"},
		{[]string{"serve", ":1"}, "needs -cert and -key: sctp-echo certs DIR"},
		{[]string{"serve", "-mode", "daytime", ":1"}, `no mode "daytime": echo, discard or chargen`},
		{[]string{"serve", "-once", "-1", ":1"}, "-once: -1 is less than 0"},
	} {
		t.Run(strings.Join(tt.args, " "), func(t *testing.T) {
			status, stdout, stderr := runCommand(t, tt.args...)
			if status != exitUsage {
				t.Errorf("status %d, want %d", status, exitUsage)
			}
			if stdout != "" {
				t.Errorf("standard output: %s", stdout)
			}
			wantOneLine(t, stderr, tt.want)
		})
	}
}

// wantOneLine wants one line that has the parts of want, which "..." separates.
func wantOneLine(t *testing.T, got, want string) {
	t.Helper()
	if !strings.HasPrefix(got, "sctp-echo: ") || strings.Count(got, "\n") != 1 ||
		!strings.HasSuffix(got, "\n") {
		t.Errorf("want one line of sctp-echo, got %q", got)
	}
	rest := got
	for part := range strings.SplitSeq(want, "...") {
		_, after, ok := strings.Cut(rest, part)
		if !ok {
			t.Errorf("%q does not say %q", got, want)
			return
		}
		rest = after
	}
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{}, {"help"}, {"-h"}, {"certs", "-h"}, {"serve", "--help"},
		{"help", "connect"}} {
		status, stdout, stderr := runCommand(t, args...)
		if status != exitOK || stderr != "" || !strings.Contains(stdout, "Examples:") {
			t.Errorf("%q: status %d, %q, %q", args, status, stdout, stderr)
		}
	}
}

// connectWith runs connect with args against a server of that many streams, and returns its
// exit status, output and the configuration that it dialed with.
func connectWith(t *testing.T, streams uint16, env map[string]string, args ...string) (status int,
	stdout, stderr string, config *sctpdtls.Config) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var out, errs bytes.Buffer
		p := &program{stdout: &out, stderr: &errs, getenv: func(k string) string { return env[k] },
			dial: func(_ context.Context, _, _, addr string, c *sctpdtls.Config) (session, error) {
				if addr != "192.0.2.2:5868" {
					t.Errorf("dialled %s", addr)
				}
				config = c
				near, far := fakePair(time.Millisecond)
				near.state.OutStreams = min(c.SCTP.OutStreams, streams)
				near.state.InStreams = streams
				go serveReplies(t, far, faithful)
				return near, nil
			}}
		status = p.run(t.Context(), append([]string{"sctp-echo", "connect"},
			append(args, "192.0.2.2:5868")...))
		synctest.Wait()
		stdout, stderr = out.String(), errs.String()
	})
	return status, stdout, stderr, config
}

// One dash and two dashes, a space and an equals sign: all are the same.
func TestConnectFlags(t *testing.T) {
	for _, args := range [][]string{
		{"-streams", "4", "-count", "8", "-ppid", "47", "-v"},
		{"--streams", "4", "--count", "8", "--ppid", "47", "--verbose"},
		{"-streams=4", "--count=8", "-ppid=47", "-verbose"},
	} {
		status, stdout, stderr, config := connectWith(t, 10, nil, args...)
		if status != exitOK || stderr != "" {
			t.Fatalf("%q: status %d, %s", args, status, stderr)
		}
		if config.SCTP.OutStreams != 4 || config.PPID != 47 {
			t.Errorf("%q: streams %d, PPID %d", args, config.SCTP.OutStreams, config.PPID)
		}
		if !strings.Contains(stdout, "64 bytes: stream=3 seq=8 ppid=47 time=2.000 ms\n") {
			t.Errorf("%q:\n%s", args, stdout)
		}
	}
}

func TestConnectConfig(t *testing.T) {
	dir := certsIn(t)
	keyLog := filepath.Join(dir, "keys")
	if err := os.WriteFile(keyLog, []byte("what was there\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, stderr, c := connectWith(t, 10, map[string]string{"SSLKEYLOGFILE": keyLog},
		"-ca", filepath.Join(dir, "ca.pem"), "-cert", filepath.Join(dir, "client.pem"), "-key",
		filepath.Join(dir, "client-key.pem"),
		"-name", "amf.example.org", "-insecure", "-legacy-label", "-min", "1.2", "-max", "1.3",
		"-timeout", "3s",
		"-alpn", "a", "-alpn", "b", "-group", "p-384", "-group", "X25519",
		"-suite", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", "-suite", "0xc02b")
	if stderr != "" {
		t.Fatal(stderr)
	}
	if len(c.Certificates) != 1 || c.RootCAs == nil || c.KeyLogWriter == nil {
		t.Error("no certificate, CA or key log")
	}
	if c.ServerName != "amf.example.org" || !c.InsecureSkipVerify || !c.LegacyLabel ||
		c.HandshakeTimeout != 3*time.Second {
		t.Errorf("%q, %t, %t, %v", c.ServerName, c.InsecureSkipVerify, c.LegacyLabel, c.HandshakeTimeout)
	}
	if c.MinVersion != sctpdtls.VersionDTLS12 || c.MaxVersion != sctpdtls.VersionDTLS13 {
		t.Errorf("versions %x to %x", c.MinVersion, c.MaxVersion)
	}
	if !slices.Equal(c.NextProtos, []string{"a", "b"}) {
		t.Errorf("ALPN %q", c.NextProtos)
	}
	if !slices.Equal(c.CurvePreferences, []tls.CurveID{tls.CurveP384, tls.X25519}) {
		t.Errorf("groups %v", c.CurvePreferences)
	}
	if !slices.Equal(c.CipherSuites, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}) {
		t.Errorf("suites %x", c.CipherSuites)
	}
	if b, err := os.ReadFile(keyLog); err != nil || string(b) != "what was there\n" {
		t.Errorf("the key log was not appended to: %q, %v", b, err)
	}

	_, _, _, c = connectWith(t, 10, nil)
	if c.InsecureSkipVerify || c.LegacyLabel || c.KeyLogWriter != nil || c.RootCAs != nil ||
		c.ServerName != "" {
		t.Errorf("by default: %+v", c)
	}
}

func TestKeyLogIsPrivate(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys")
	connectWith(t, 10, map[string]string{"SSLKEYLOGFILE": name})
	if i, err := os.Stat(name); err != nil || i.Mode() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", i.Mode(), err)
	}
	status, _, stderr, _ := connectWith(t, 10, map[string]string{"SSLKEYLOGFILE": t.TempDir()})
	if status != exitUsage {
		t.Errorf("status %d", status)
	}
	wantOneLine(t, stderr, "SSLKEYLOGFILE: ")
}

func TestConnectOutput(t *testing.T) {
	status, stdout, stderr, _ := connectWith(t, 10, nil, "-streams", "2", "-count", "3")
	if status != exitOK || stderr != "" {
		t.Fatalf("status %d, %s", status, stderr)
	}
	want := `connected to 192.0.2.2:5868 from 192.0.2.1:40001 in 0.000 ms
  version    DTLS 1.2
  suite      TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
  group      X25519
  peer       anonymous
  SCTP-AUTH  key id 1
  streams    2 out, 10 in

64 bytes: stream=0 seq=1 time=2.000 ms
64 bytes: stream=1 seq=2 time=2.000 ms
64 bytes: stream=0 seq=3 time=2.000 ms

--- 192.0.2.2:5868 echo statistics ---
3 sent, 3 received, 0 lost, 0 wrong, time 6.000 ms
rtt min/avg/max/mdev = 2.000/2.000/2.000/0.000 ms
`
	if stdout != want {
		t.Errorf("got:\n%s\nwant:\n%s", stdout, want)
	}
}

func TestConnectTooManyStreams(t *testing.T) {
	status, _, stderr, _ := connectWith(t, 2, nil, "-streams", "4")
	if status != exitUsage {
		t.Errorf("status %d", status)
	}
	wantOneLine(t, stderr, "stream...give fewer -streams, or start the server with more")
}

func TestConnectFails(t *testing.T) {
	p := &program{stdout: new(bytes.Buffer), stderr: new(bytes.Buffer),
		getenv: func(string) string { return "" },
		dial: func(context.Context, string, string, string, *sctpdtls.Config) (session, error) {
			return nil, errors.Join(errors.New("nobody"), errors.New("answers"))
		}}
	if status := p.run(t.Context(), []string{"sctp-echo", "connect",
		"192.0.2.2:5868"}); status != exitNoConnection {
		t.Errorf("status %d", status)
	}
	wantOneLine(t, p.stderr.(*bytes.Buffer).String(), "nobody; answers")
}

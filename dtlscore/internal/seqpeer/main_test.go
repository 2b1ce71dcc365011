package main

import (
	"bytes"
	"crypto/tls"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
)

// pair runs a server and a client on the two ends of a socket pair, and returns
// what they printed and their exit statuses.
func pair(t *testing.T, server, client []string) (outs [2]string, statuses [2]int) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	end := func(i int, role string, args []string) {
		var out bytes.Buffer
		statuses[i] = run(append([]string{role, "--fd", strconv.Itoa(fds[i])}, args...), &out)
		outs[i] = out.String()
		done <- struct{}{}
	}
	go end(0, "--server", server)
	go end(1, "--client", client)
	<-done
	<-done
	return outs, statuses
}

func TestPair(t *testing.T) {
	const key = "000102030405060708090a0b0c0d0e0f"
	files := writeCertificates(t)
	own := func(kind string) []string {
		return []string{"--ca", files["ca"], "--cert", files[kind], "--key", files[kind] + ".key"}
	}
	tests := []struct {
		name           string
		server, client []string
		wants          []string // lines of the client, in order; exporters left out
	}{
		{"defaults", own("p256"), []string{"--ca", files["ca"]}, []string{
			"READY lib=dtlscore role=client",
			"HANDSHAKE version=DTLSv1.3 cipher=TLS_AES_128_GCM_SHA256 group=X25519MLKEM768 peer=p256",
			"DATA messages=2 bytes=128 renegotiations=0",
			"CLOSED clean",
		}},
		{"a server of 1.2", append(own("p256"), "--version", "1.2"),
			[]string{"--ca", files["ca"], "--version", "any"}, []string{
				"READY lib=dtlscore role=client",
				"HANDSHAKE version=DTLSv1.2 cipher=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 group=X25519 " +
					"peer=p256",
				"DATA messages=2 bytes=128 renegotiations=0",
				"CLOSED clean",
			}},
		{"mutual, every choice made, 1.3",
			append(own("p384"), "--verify", "--group", "P-256", "--export-context", "01ff", "--cookie",
				"--key-update", "2"),
			append(own("rsa"), "--version", "1.3", "--cipher", "TLS_CHACHA20_POLY1305_SHA256", "--group",
				"P-256", "--count", "5", "--size", "16384", "--timeout", "9000",
				"--export-context", "01ff", "--key-update", "3", "--key-update-request"), []string{
				"READY lib=dtlscore role=client",
				"HANDSHAKE version=DTLSv1.3 cipher=TLS_CHACHA20_POLY1305_SHA256 group=P-256 peer=p384",
				"KEYUPDATE sent",
				"KEYUPDATE sent",
				"KEYUPDATE sent",
				"DATA messages=5 bytes=81920 renegotiations=0",
				"CLOSED clean",
			}},
		{"HelloRetryRequest", append(own("p256"), "--group", "P-384"),
			[]string{"--ca", files["ca"], "--version", "1.3"}, []string{
				"READY lib=dtlscore role=client",
				"HANDSHAKE version=DTLSv1.3 cipher=TLS_AES_128_GCM_SHA256 group=P-384 peer=p256",
				"DATA messages=2 bytes=128 renegotiations=0",
				"CLOSED clean",
			}},
		{"a cookie in each version", append(own("p256"), "--cookie"),
			[]string{"--ca", files["ca"], "--version", "1.2"}, []string{
				"READY lib=dtlscore role=client",
				"HANDSHAKE version=DTLSv1.2 cipher=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 group=X25519 " +
					"peer=p256",
				"DATA messages=2 bytes=128 renegotiations=0",
				"CLOSED clean",
			}},
		{"PSK in 1.3, empty messages", []string{"--psk", key, "--key-update", "1",
			"--key-update-request"}, []string{"--psk", key, "--size", "0", "--count", "3"}, []string{
			"READY lib=dtlscore role=client",
			"HANDSHAKE version=DTLSv1.3 cipher=TLS_AES_128_GCM_SHA256 group=X25519MLKEM768 peer=-",
			"DATA messages=3 bytes=0 renegotiations=0",
			"CLOSED clean",
		}},
		{"mutual, every choice made",
			append(own("rsa"), "--verify", "--group", "P-384", "--export-context", "01ff"),
			append(own("p384"), "--version", "1.2", "--cipher", "ECDHE-RSA-CHACHA20-POLY1305", "--group",
				"P-384", "--count", "5", "--size", "16384", "--timeout", "9000", "--export-context",
				"01ff"), []string{
				"READY lib=dtlscore role=client",
				"HANDSHAKE version=DTLSv1.2 cipher=TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256 group=P-384 " +
					"peer=rsa",
				"DATA messages=5 bytes=81920 renegotiations=0",
				"CLOSED clean",
			}},
		{"Ed25519, nothing sent, nothing verified",
			[]string{"--cert", files["ed25519"], "--key", files["ed25519"] + ".key"},
			[]string{"--count", "0"}, []string{
				"READY lib=dtlscore role=client",
				"HANDSHAKE version=DTLSv1.3 cipher=TLS_AES_128_GCM_SHA256 group=X25519MLKEM768 peer=ed25519",
				"DATA messages=0 bytes=0 renegotiations=0",
				"CLOSED clean",
			}},
		{"renegotiation by the client",
			append(own("rsa"), "--verify"),
			append(own("rsa"), "--renegotiate", "2", "--count", "3", "--size", "10"), []string{
				"READY lib=dtlscore role=client",
				"HANDSHAKE version=DTLSv1.2 cipher=TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 group=X25519 peer=rsa",
				"RENEGOTIATED version=DTLSv1.2",
				"RENEGOTIATED version=DTLSv1.2",
				"DATA messages=3 bytes=30 renegotiations=2",
				"CLOSED clean",
			}},
		{"renegotiation by the server",
			append(own("p384"), "--renegotiate", "1"), []string{"--ca", files["ca"]}, []string{
				"READY lib=dtlscore role=client",
				"HANDSHAKE version=DTLSv1.2 cipher=TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 group=X25519 " +
					"peer=p384",
				"RENEGOTIATED version=DTLSv1.2",
				"DATA messages=2 bytes=128 renegotiations=1",
				"CLOSED clean",
			}},
		{"PSK",
			[]string{"--psk", key, "--psk-identity", "me"},
			[]string{"--psk", key, "--psk-identity", "me", "--cipher", "0xd002"}, []string{
				"READY lib=dtlscore role=client",
				"HANDSHAKE version=DTLSv1.2 cipher=TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384 group=X25519 peer=-",
				"DATA messages=2 bytes=128 renegotiations=0",
				"CLOSED clean",
			}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			outs, statuses := pair(t, test.server, test.client)
			if statuses != [2]int{} {
				t.Fatalf("exit statuses %v\nserver:\n%sclient:\n%s", statuses, outs[0], outs[1])
			}
			exporter := regexp.MustCompile("EXPORTER [0-9a-f]{128}\n")
			if s, c := exporter.FindAllString(outs[0], -1),
				exporter.FindAllString(outs[1], -1); !slices.Equal(s, c) || len(s) == 0 {
				t.Errorf("exporters differ: %q and %q", s, c)
			}
			if got, want := exporter.ReplaceAllString(outs[1], ""),
				strings.Join(test.wants, "\n")+"\n"; got != want {
				t.Errorf("client printed\n%swant\n%s", got, want)
			}
		})
	}
}

// TestPairFails has handshakes that must fail, at both ends and with a reason.
func TestPairFails(t *testing.T) {
	files := writeCertificates(t)
	server := []string{"--cert", files["p256"], "--key", files["p256"] + ".key"}
	for _, test := range []struct {
		name                       string
		server, client             []string
		serverError, clientMessage string
	}{
		{"other name", server, []string{"--ca", files["ca"], "--name", "example.com"},
			"ERROR dtls: peer sent alert bad_certificate", "example.com"},
		{"no client certificate", append([]string{"--verify"}, server...), nil,
			"ERROR dtls: peer not trusted", "peer sent alert certificate_required"},
		{"no client certificate, 1.2", append([]string{"--verify"}, server...),
			[]string{"--version", "1.2"},
			"ERROR dtls: peer not trusted", "peer sent alert handshake_failure"},
		{"other PSK", []string{"--psk", strings.Repeat("11", 16)},
			[]string{"--psk", strings.Repeat("22", 16)},
			"ERROR dtls: peer", "alert"},
		{"too few messages", append([]string{"--renegotiate", "2"}, server...),
			[]string{"--renegotiate", "2"},
			"ERROR too few messages", "ERROR too few messages"},
		{"no common group", append([]string{"--group", "P-256"}, server...),
			[]string{"--group", "X25519"},
			"", "ERROR agreed on P-256, not on X25519"},
		{"no common group, 1.3", append([]string{"--group", "P-256"}, server...),
			[]string{"--group", "X25519MLKEM768"},
			"alert handshake_failure", "alert handshake_failure"},
		{"no common version", append([]string{"--version", "1.2"}, server...),
			[]string{"--key-update", "1"},
			"alert protocol_version", "alert protocol_version"},
		{"too few messages for key updates", append([]string{"--key-update", "2"}, server...),
			[]string{"--key-update", "2"},
			"ERROR too few messages", "ERROR too few messages"},
	} {
		t.Run(test.name, func(t *testing.T) {
			outs, statuses := pair(t, test.server, test.client)
			if statuses != [2]int{1, 1} || !strings.Contains(outs[0], test.serverError) ||
				!strings.Contains(outs[1], test.clientMessage) {
				t.Errorf("exit statuses %v\nserver:\n%swant %q\nclient:\n%swant %q", statuses, outs[0],
					test.serverError, outs[1], test.clientMessage)
			}
		})
	}
}

func TestCommandLine(t *testing.T) {
	for _, test := range []struct{ line, want string }{
		{"", "one of --server and --client"},
		{"--server --client", "one of --server and --client"},
		{"--client more", "more: unknown argument"},
		{"--client --cert x", "--cert and --key"},
		{"--server", "a server needs"},
		{"--client --cipher NULL-MD5", "not a suite"},
		{"--client --cipher", "needs an argument"},
		{"--client --group P-224", "not P-256"},
		{"--client --size 16385", "--size 16385"},
		{"--client --version 1.1", "--version 1.1"},
		{"--client --version 1.2 --cipher TLS_AES_128_GCM_SHA256", "contradict"},
		{"--client --version 1.3 --renegotiate 1", "contradict"},
		{"--client --renegotiate 1 --key-update 1", "contradict"},
		{"--client --version 1.2 --group X25519MLKEM768", "contradict"},
		{"--client --psk xyz", "psk"},
		{"--client --fd 999", "--fd 999"},
		{"--client --fd -1", "--fd -1"},
	} {
		var out bytes.Buffer
		status := run(strings.Fields(test.line), &out)
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		last := lines[len(lines)-1]
		if status != 1 || !strings.HasPrefix(last, "ERROR ") || !strings.Contains(last, test.want) {
			t.Errorf("%q: exit status %d, last line %q; want 1 and an ERROR with %q", test.line, status,
				last, test.want)
		}
	}
}

// writeCertificates makes a CA, and a certificate and key of each kind, and
// returns their files. A key has the name of its certificate and .key.
func writeCertificates(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{}
	write := func(name string, c tls.Certificate) {
		files[name] = filepath.Join(dir, name)
		testpki.WriteFiles(c, files[name], files[name]+".key")
	}
	ca := testpki.Issue(nil, nil, testpki.CA("ca"))
	write("ca", ca)
	for name, kind := range map[string]string{"p256": "P-256", "p384": "P-384", "rsa": "RSA 2048",
		"ed25519": "Ed25519"} {
		template := testpki.End("localhost")
		template.Subject.CommonName = name
		write(name, testpki.Issue(&ca, testpki.NewKey(kind), template))
	}
	return files
}

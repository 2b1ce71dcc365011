package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// aMachine is one on which all is well, but for what file, if not empty, holds.
func aMachine(socket error, files ...string) machine {
	root := fstest.MapFS{
		"lib/modules/6.1.0-9-amd64/modules.dep":  {},
		"proc/sys/net/sctp/auth_enable":          {Data: []byte("1\n")},
		"proc/sys/net/core/rmem_max":             {Data: []byte("4194304\n")},
		"proc/sys/net/core/wmem_max":             {Data: []byte("4194304\n")},
		"etc/os-release":                         {Data: []byte("ID=debian\n")},
		"lib/modules/6.1.0-9-amd64/kernel/ip.ko": {},
	}
	for i := 0; i < len(files); i += 2 {
		root[files[i]] = &fstest.MapFile{Data: []byte(files[i+1])}
	}
	return machine{system: "Linux", release: "6.1.0-9-amd64", root: root, socket: func(int) error { return socket }, files: 1 << 20}
}

func TestMachine(t *testing.T) {
	const noSCTP = syscall.EPROTONOSUPPORT
	few := aMachine(nil, "proc/sys/net/core/rmem_max", "212992\n")
	few.files = 1024
	old, container, mac := aMachine(nil), aMachine(noSCTP), aMachine(nil)
	old.release = "4.19.0-27-amd64"
	container.release = "6.18.0-other"
	mac.system = "darwin"
	for _, tt := range []struct {
		name  string
		check func(machine) finding
		m     machine
		want  verdict
		says  string // parts of text and remedy, separated by "..."
	}{
		{"kernel", machine.kernel, aMachine(nil), well, "Linux 6.1.0-9-amd64"},
		{"old kernel", machine.kernel, old, worth, "4.19...auth_enable=1"},
		{"no Linux", machine.kernel, mac, ill, "darwin...Vagrantfile"},
		{"SCTP", machine.sctp, aMachine(nil), well, "SCTP sockets"},
		{"module not loaded", machine.sctp, aMachine(noSCTP, "lib/modules/6.1.0-9-amd64/kernel/net/sctp/sctp.ko.xz", ""), ill, "not loaded...modprobe sctp...modules-load.d"},
		{"no module", machine.sctp, aMachine(noSCTP, "lib/modules/6.1.0-9-amd64/kernel/net/sctp_diag.ko", ""), ill, "no module sctp...linux-modules-extra-6.1.0-9-amd64"},
		{"no modules", machine.sctp, container, ill, "no modules...on its host...netns-tests/run"},
		{"forbidden", machine.sctp, aMachine(syscall.EPERM), ill, "operation not permitted...seccomp"},
		{"forbidden family", machine.sctp, aMachine(syscall.EAFNOSUPPORT), ill, "RestrictAddressFamilies"},
		{"IPv6", machine.ipv6, aMachine(nil), well, "IPv6"},
		{"no IPv6", machine.ipv6, aMachine(syscall.EAFNOSUPPORT), worth, "IPv4 alone...ipv6.disable=1"},
		{"AUTH on", machine.auth, aMachine(nil), well, "on for all"},
		{"AUTH off", machine.auth, aMachine(nil, "proc/sys/net/sctp/auth_enable", "0\n"), worth, "switches it on...OpenSSL needs: sysctl"},
		{"limits", func(m machine) finding { return m.limits()[0] }, aMachine(nil), well, "1048576 open files"},
		{"small buffers", func(m machine) finding { return m.limits()[0] }, few, worth, "rmem_max is 212992...sysctl"},
		{"few files", func(m machine) finding { return m.limits()[1] }, few, worth, "1024 open files...ulimit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := tt.check(tt.m)
			if f.verdict != tt.want {
				t.Errorf("verdict %d, want %d: %s", f.verdict, tt.want, f.text)
			}
			rest := f.text + "\n" + f.remedy
			for part := range strings.SplitSeq(tt.says, "...") {
				_, after, ok := strings.Cut(rest, part)
				if !ok {
					t.Errorf("%q, %q does not say %q", f.text, f.remedy, part)
				}
				rest = after
			}
		})
	}
}

// doctorOn runs the command on a machine.
func doctorOn(t *testing.T, m machine, args ...string) (status int, stdout string) {
	t.Helper()
	nobody := errors.New("nobody is there")
	p := &program{stdout: new(bytes.Buffer), stderr: new(bytes.Buffer), getenv: func(string) string { return "" },
		machine: func() machine { return m },
		listen:  func(string, *sctpdtls.Config) (listener, error) { return nil, nobody },
		dial:    func(context.Context, string, string, *sctpdtls.Config) (session, error) { return nil, nobody }}
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
	if !strings.Contains(stdout, "FAIL  SCTP ") || strings.Contains(stdout, "loopback") || strings.Contains(stdout, "server") {
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
	for _, want := range []string{"ok    SCTP  ", "FAIL  loopback      nobody is there", "FAIL  server        hss.example:5868: nobody is there"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is missing in:\n%s", want, stdout)
		}
	}
}

func TestCheckCertificates(t *testing.T) {
	dir, other := certsIn(t), certsIn(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	now := time.Now()
	public := filepath.Join(t.TempDir(), "key.pem")
	key, err := os.ReadFile(in("client-key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(public, key, 0o644); err != nil {
		t.Fatal(err)
	}
	client := doctorOptions{cert: in("client.pem"), key: in("client-key.pem"), ca: in("ca.pem")}
	with := func(change func(*doctorOptions)) doctorOptions {
		o := client
		change(&o)
		return o
	}
	for _, tt := range []struct {
		name string
		o    doctorOptions
		at   time.Time
		want verdict
		says string
	}{
		{"well", client, now, well, "ECDSA"},
		{"CA alone", doctorOptions{ca: in("ca.pem")}, now, well, "CA"},
		{"key alone", doctorOptions{key: in("client-key.pem")}, now, ill, "alone"},
		{"no CA", with(func(o *doctorOptions) { o.ca = in("client-key.pem") }), now, ill, "no certificate"},
		{"other key", with(func(o *doctorOptions) { o.key = in("server-key.pem") }), now, ill, "match"},
		{"other CA", with(func(o *doctorOptions) { o.ca = filepath.Join(other, "ca.pem") }), now, ill, "unknown authority"},
		{"wrong role", with(func(o *doctorOptions) { o.cert, o.key = in("server.pem"), in("server-key.pem") }), now, ill, "usage"},
		{"no host", with(func(o *doctorOptions) { o.server = true }), now, ill, "names no host"},
		{"server", doctorOptions{cert: in("server.pem"), key: in("server-key.pem"), ca: in("ca.pem"), server: true}, now, well, "as a server's"},
		{"early", client, now.AddDate(0, 0, -2), ill, "not valid before"},
		{"late", client, now.AddDate(2, 0, 0), ill, "expired"},
		{"soon late", client, now.AddDate(0, 0, 350), worth, "expires soon"},
		{"open key", with(func(o *doctorOptions) { o.key = public }), now, worth, "others can read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := checkCertificates(tt.o, tt.at)[0]
			if f.verdict != tt.want || !strings.Contains(f.text, tt.says) {
				t.Errorf("verdict %d, %q, %q; want %d, %q", f.verdict, f.text, f.remedy, tt.want, tt.says)
			}
		})
	}
}

package doctor

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/testca"
)

// aMachine is one on which all is well, but for what file, if not empty, holds.
func aMachine(socket error, files ...string) Machine {
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
	return Machine{
		System:  "Linux",
		Release: "6.1.0-9-amd64",
		Root:    root,
		Socket:  func(int) error { return socket },
		Files:   1 << 20,
	}
}

func TestMachine(t *testing.T) {
	const noSCTP = syscall.EPROTONOSUPPORT
	few := aMachine(nil, "proc/sys/net/core/rmem_max", "212992\n")
	few.Files = 1024
	old, container, mac := aMachine(nil), aMachine(noSCTP), aMachine(nil)
	old.Release = "4.19.0-27-amd64"
	container.Release = "6.18.0-other"
	mac.System = "darwin"
	for _, tt := range []struct {
		name  string
		check func(Machine) Finding
		m     Machine
		want  Verdict
		says  string // parts of text and remedy, separated by "..."
	}{
		{"kernel", Machine.kernel, aMachine(nil), Well, "Linux 6.1.0-9-amd64"},
		{"old kernel", Machine.kernel, old, Worth, "4.19...auth_enable=1"},
		{"no Linux", Machine.kernel, mac, Ill, "darwin...Vagrantfile"},
		{"SCTP", Machine.sctp, aMachine(nil), Well, "SCTP sockets"},
		{"module not loaded", Machine.sctp, aMachine(noSCTP,
			"lib/modules/6.1.0-9-amd64/kernel/net/sctp/sctp.ko.xz", ""), Ill,
			"not loaded...modprobe sctp...modules-load.d"},
		{"no module", Machine.sctp, aMachine(noSCTP, "lib/modules/6.1.0-9-amd64/kernel/net/sctp_diag.ko",
			""), Ill, "no module sctp...linux-modules-extra-6.1.0-9-amd64"},
		{"no modules", Machine.sctp, container, Ill, "modules are not...on its host...netns-tests/run"},
		{"forbidden", Machine.sctp, aMachine(syscall.EPERM), Ill, "operation not permitted...seccomp"},
		{"forbidden family", Machine.sctp, aMachine(syscall.EAFNOSUPPORT), Ill,
			"RestrictAddressFamilies"},
		{"IPv6", Machine.ipv6, aMachine(nil), Well, "IPv6"},
		{"no IPv6", Machine.ipv6, aMachine(syscall.EAFNOSUPPORT), Worth, "only on IPv4...ipv6.disable=1"},
		{"AUTH on", Machine.auth, aMachine(nil), Well, "on for all"},
		{"AUTH off", Machine.auth, aMachine(nil, "proc/sys/net/sctp/auth_enable", "0\n"), Worth,
			"enables it...OpenSSL needs: sysctl"},
		{"limits", func(m Machine) Finding { return m.limits()[0] }, aMachine(nil), Well,
			"1048576 open files"},
		{"small buffers", func(m Machine) Finding { return m.limits()[0] }, few, Worth,
			"rmem_max is 212992...sysctl"},
		{"large messages", Machine.messages, aMachine(nil), Well, "up to 4194240 bytes"},
		{"messages", Machine.messages, few, Worth, "up to 212928 bytes...rmem_max=4194304"},
		{"messages with tiny buffers", Machine.messages,
			aMachine(nil, "proc/sys/net/core/wmem_max", "9\n"), Worth,
			"up to 16384 bytes...wmem_max=4194304"},
		{"messages of root", Machine.messages, aMachine(nil, "proc/sys/net/core/wmem_max", "9\n",
			"proc/self/status", "Name:\tx\nCapEff:\t000001ffffffffff\nCapBnd:\t0\n"), Well,
			"up to 1073741567 bytes...CAP_NET_ADMIN"},
		{"few files", func(m Machine) Finding { return m.limits()[1] }, few, Worth,
			"1024 open files...ulimit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := tt.check(tt.m)
			if f.Verdict != tt.want {
				t.Errorf("verdict %d, want %d: %s", f.Verdict, tt.want, f.Text)
			}
			rest := f.Text + "\n" + f.Remedy
			for part := range strings.SplitSeq(tt.says, "...") {
				_, after, ok := strings.Cut(rest, part)
				if !ok {
					t.Errorf("%q, %q does not say %q", f.Text, f.Remedy, part)
				}
				rest = after
			}
		})
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
	client := Files{Cert: in("client.pem"), Key: in("client-key.pem"), CA: in("ca.pem")}
	with := func(change func(*Files)) Files {
		o := client
		change(&o)
		return o
	}
	for _, tt := range []struct {
		name string
		o    Files
		at   time.Time
		want Verdict
		says string
	}{
		{"well", client, now, Well, "ECDSA"},
		{"CA alone", Files{CA: in("ca.pem")}, now, Well, "CA"},
		{"key alone", Files{Key: in("client-key.pem")}, now, Ill, "alone"},
		{"no CA", with(func(o *Files) { o.CA = in("client-key.pem") }), now, Ill, "no certificate"},
		{"other key", with(func(o *Files) { o.Key = in("server-key.pem") }), now, Ill, "match"},
		{"other CA", with(func(o *Files) { o.CA = filepath.Join(other, "ca.pem") }), now, Ill,
			"unknown authority"},
		{"wrong role", with(func(o *Files) { o.Cert, o.Key = in("server.pem"), in("server-key.pem") }),
			now, Ill, "usage"},
		{"no host", with(func(o *Files) { o.Server = true }), now, Ill, "has no host name"},
		{"server", Files{Cert: in("server.pem"), Key: in("server-key.pem"), CA: in("ca.pem"),
			Server: true}, now, Well, "for a server"},
		{"early", client, now.AddDate(0, 0, -2), Ill, "not valid before"},
		{"late", client, now.AddDate(2, 0, 0), Ill, "expired"},
		{"soon late", client, now.AddDate(0, 0, 350), Worth, "expires soon"},
		{"open key", with(func(o *Files) { o.Key = public }), now, Worth, "others can read"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := CheckCertificates(tt.o, tt.at)[0]
			if f.Verdict != tt.want || !strings.Contains(f.Text, tt.says) {
				t.Errorf("verdict %d, %q, %q; want %d, %q", f.Verdict, f.Text, f.Remedy, tt.want, tt.says)
			}
		})
	}
}

// certsIn makes certificates in a new directory.
func certsIn(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	files, err := testca.Make(testca.Options{Hosts: []string{"localhost"}, Days: 365}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(dir, f.Name), f.PEM, f.Mode); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

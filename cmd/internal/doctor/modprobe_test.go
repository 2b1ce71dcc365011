package doctor

import (
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

// What keeps the module from being loaded is found wherever it may be, and each has its own
// remedy.
func TestObstacles(t *testing.T) {
	const install, blacklist = "modprobe run a command instead",
		"prevents loading the module at boot and automatically"
	for _, tt := range []struct {
		name  string
		files []string // and what they hold
		says  []string
		not   string
	}{
		{"nothing", nil, []string{"not loaded", "as root: modprobe sctp", "dmesg"}, "delete"},
		{"to do nothing", []string{"etc/modprobe.d/cis.conf", "# CIS 3.4\n\ninstall sctp /bin/true\n"},
			[]string{`/etc/modprobe.d/cis.conf:3: "install sctp /bin/true"`,
				"delete the line /etc/modprobe.d/cis.conf:3", install}, blacklist},
		{"to fail", []string{"usr/lib/modprobe.d/hard.conf", "install sctp /bin/false"},
			[]string{"/usr/lib/modprobe.d/hard.conf:1", install}, ""},
		{"in /lib", []string{"lib/modprobe.d/a.conf", "install sctp /bin/false"},
			[]string{"/lib/modprobe.d/a.conf:1", install}, ""},
		{"in /run", []string{"run/modprobe.d/a.conf", "install\tsctp\t/bin/false"},
			[]string{"/run/modprobe.d/a.conf:1", install}, ""},
		{"in /usr/local", []string{"usr/local/lib/modprobe.d/a.conf", "install sctp :"},
			[]string{"/usr/local/lib/modprobe.d/a.conf:1", install}, ""},
		{"by a pattern", []string{"etc/modprobe.d/a.conf", "install sct[p] /bin/true"}, []string{install},
			""},
		{"on two lines", []string{"etc/modprobe.d/a.conf", "# \\\n#\ninstall \\\n sctp /bin/true"},
			[]string{"a.conf:3", install}, ""},
		{"blacklisted", []string{"etc/modprobe.d/sctp-blacklist.conf", "blacklist sctp"},
			[]string{`sctp-blacklist.conf:1: "blacklist sctp"`, blacklist, "modules-load.d"}, install},
		{"both", []string{"etc/modprobe.d/a.conf", "blacklist sctp\ninstall sctp /bin/true"},
			[]string{"a.conf:1", "a.conf:2", blacklist, install}, ""},
		{"no alias", []string{"etc/modprobe.d/a.conf", "alias net-pf-2-proto-132 off"},
			[]string{"prevents loading the module automatically"}, "at the start, nor"},
		{"no alias, by a pattern", []string{"etc/modprobe.d/a.conf", "alias net-pf-*-proto-132 off"},
			[]string{"prevents loading the module automatically"}, "at the start, nor"},
		{"an alias to do nothing", []string{"etc/modprobe.d/a.conf",
			"install net-pf-2-proto-132 /bin/true"}, []string{"the module automatically"}, install},
		{"an alias for the module", []string{"etc/modprobe.d/a.conf", "alias sctp off"},
			[]string{"modprobe load another module"}, "by itself"},
		{"by the kernel", []string{"proc/cmdline", "quiet module_blacklist=dccp,sctp\n"},
			[]string{"command line", "GRUB_CMDLINE_LINUX"}, "prevents loading the module automatically"},
		{"at boot", []string{"proc/cmdline", "modprobe.blacklist=sctp"}, []string{"command line",
			blacklist}, "GRUB"},
		{"no modules any more", []string{"proc/sys/kernel/modules_disabled", "1\n"},
			[]string{"kernel.modules_disabled = 1", "and reboot"}, ""},
		{"no helper", []string{"proc/sys/kernel/modprobe", "\n"}, []string{"automatically (kernel"},
			""},
		{"a helper that does nothing", []string{"proc/sys/kernel/modprobe", "/bin/false\n"},
			[]string{"automatically (kernel.modprobe)"}, ""},
		{"many", []string{"etc/modprobe.d/a.conf", strings.Repeat("blacklist sctp\n", 5)},
			[]string{"and 2 more"}, "a.conf:4"},
		{"a long command", []string{"etc/modprobe.d/a.conf", "install sctp " + strings.Repeat("x", 5000)},
			[]string{"xx…"}, strings.Repeat("x", 200)},

		{"a good alias", []string{"etc/modprobe.d/a.conf",
			"alias net-pf-2-proto-132 sctp\nalias net-pf-10-proto-132 off"}, []string{"dmesg"}, "delete"},
		{"a pattern where there is none", []string{"etc/modprobe.d/a.conf", "blacklist sct?"},
			[]string{"dmesg"}, "delete"},
		{"another module", []string{"etc/modprobe.d/a.conf",
			"install dccp /bin/true\nblacklist sctp_diag", "proc/cmdline", "module_blacklist=sctp_diag"},
			[]string{"dmesg"}, "delete"},
		{"a comment", []string{"etc/modprobe.d/a.conf", "#install sctp /bin/true\n# blacklist sctp"},
			[]string{"dmesg"}, "delete"},
		{"a file that is none", []string{"etc/modprobe.d/a.conf.bak", "install sctp /bin/true"},
			[]string{"dmesg"}, "delete"},
		{"more than loading", []string{"etc/modprobe.d/a.conf",
			"install sctp /sbin/modprobe --ignore-install sctp && logger sctp"}, []string{"dmesg"},
			"delete"},
		{"a file in the place of another", []string{"etc/modprobe.d/a.conf", "",
			"usr/lib/modprobe.d/a.conf", "install sctp /bin/true"}, []string{"dmesg"}, "delete"},
		{"a usual helper", []string{"proc/sys/kernel/modprobe", "/sbin/modprobe\n",
			"proc/sys/kernel/modules_disabled", "0\n"}, []string{"dmesg"}, "by itself"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := aMachine(syscall.EPROTONOSUPPORT, append(tt.files,
				"lib/modules/6.1.0-9-amd64/kernel/net/sctp/sctp.ko", "")...)
			f := m.sctp()
			all := f.Text + "\n" + f.Remedy
			for _, want := range tt.says {
				if !strings.Contains(all, want) {
					t.Errorf("%q is missing in:\n%s", want, all)
				}
			}
			if tt.not != "" && strings.Contains(all, tt.not) {
				t.Errorf("%q is in:\n%s", tt.not, all)
			}
			if f.Verdict != Ill || !strings.Contains(all, "modprobe sctp") {
				t.Errorf("verdict %d: %s", f.Verdict, all)
			}
		})
	}
}

// A closedFS has folders that only root may read.
type closedFS struct{ fstest.MapFS }

func (c closedFS) ReadDir(name string) ([]fs.DirEntry, error) {
	if name == "etc/modprobe.d" {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return c.MapFS.ReadDir(name)
}

func TestObstaclesUnread(t *testing.T) {
	m := aMachine(syscall.EPROTONOSUPPORT, "lib/modules/6.1.0-9-amd64/kernel/net/sctp/sctp.ko",
		"",
	)
	m.Root = closedFS{m.Root.(fstest.MapFS)}
	if f := m.sctp(); !strings.Contains(
		f.Remedy,
		"doctor as root, which can read /etc/modprobe.d",
	) {
		t.Errorf("%s\n%s", f.Text, f.Remedy)
	}
}

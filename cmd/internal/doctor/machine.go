package doctor

import (
	"errors"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// A Machine is what doctor checks apart from connections.
type Machine struct {
	System, Release string                 // of the kernel
	Root            fs.FS                  // the files of the system
	Socket          func(family int) error // opens an SCTP socket
	Files           uint64                 // limit of open files
}

// Findings checks the kernel, in the order in which a connection would fail. It changes nothing.
// Without SCTP, which is an error, it omits the checks that need SCTP.
func (m Machine) Findings() []Finding {
	found := About("kernel", m.kernel())
	if m.System == "Linux" {
		found = append(found, About("SCTP", m.sctp())...)
	}
	if !AllWell(found) {
		return found
	}
	found = append(found, About("SCTP-AUTH", m.auth())...)
	found = append(found, About("IPv6", m.ipv6())...)
	found = append(found, About("limits", m.limits()...)...)
	return append(found, About("messages", m.messages())...)
}

func (m Machine) read(name string) string {
	b, err := fs.ReadFile(m.Root, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (m Machine) number(name string) int {
	n, _ := strconv.Atoi(m.read(name))
	return n
}

// least is the oldest version of the kernel in which everything works.
var least = []int{5, 4}

func (m Machine) kernel() Finding {
	if m.System != "Linux" {
		return Bad("use Linux (the Vagrantfile in this program's repository sets up a machine "+
			"with SCTP), or SCTP over UDP", "%s has no SCTP that this library can use", m.System)
	}
	var version []int
	for _, s := range strings.FieldsFunc(m.Release, func(r rune) bool {
		return r < '0' ||
			r > '9'
	})[:2] {
		n, _ := strconv.Atoi(s)
		version = append(version, n)
	}
	if slices.Compare(version, least) < 0 {
		return Note("sysctl -w net.sctp.auth_enable=1, or use Linux 5.4 or later",
			"%s %s cannot enable SCTP-AUTH for single sockets", m.System, m.Release)
	}
	return Okay("%s %s", m.System, m.Release)
}

// sctp checks whether SCTP sockets are available, and if not, why.
func (m Machine) sctp() Finding {
	err := m.Socket(syscall.AF_INET)
	if err == nil {
		return Okay("SCTP sockets are available")
	}
	if errors.Is(err, syscall.EAFNOSUPPORT) {
		return Bad("add AF_INET and AF_INET6 to RestrictAddressFamilies= in the unit of the service",
			"IPv4 sockets are not permitted: %v", err)
	}
	if !errors.Is(err, syscall.EPROTONOSUPPORT) && !errors.Is(err, syscall.ESOCKTNOSUPPORT) {
		return Bad("check the seccomp or AppArmor profile of the container or sandbox",
			"creating an SCTP socket: %v", err)
	}
	if _, err := fs.Stat(m.Root, "lib/modules/"+m.Release); err != nil {
		return Bad("if this is a container, load the module on its host: modprobe sctp (if that "+
			"fails, run doctor there)\n"+"otherwise, boot a kernel of a distribution\n"+
			"to try a command without: netns-tests/run COMMAND, in this program's repository, runs it "+
			"with such a kernel in QEMU", "the kernel has no SCTP, and its modules are not installed here")
	}
	if m.hasModule("sctp") {
		return m.notLoaded("sctp")
	}
	return Bad("Ubuntu: apt install linux-modules-extra-"+m.Release+"\n"+
		"Fedora, RHEL: dnf install kernel-modules-extra\n"+
		"Debian: apt install linux-image-amd64, and boot that kernel",
		"the kernel has no module sctp")
}

func (m Machine) hasModule(name string) bool {
	found := false
	fs.WalkDir(m.Root, "lib/modules/"+m.Release, func(p string, _ fs.DirEntry, err error) error {
		if base := path.Base(p); err == nil &&
			(base == name+".ko" || strings.HasPrefix(base, name+".ko.")) {
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return found
}

func (m Machine) auth() Finding {
	switch m.read("proc/sys/net/sctp/auth_enable") {
	case "1":
		return Okay("on for all sockets (net.sctp.auth_enable)")
	case "0":
		return Note("a peer on this machine that uses OpenSSL needs: sysctl -w net.sctp.auth_enable=1",
			"off by default (net.sctp.auth_enable); this library enables it for its sockets")
	}
	return Note("", "net.sctp.auth_enable cannot be read")
}

// ipv6 checks whether a socket can have IPv6 addresses.
func (m Machine) ipv6() Finding {
	if err := m.Socket(syscall.AF_INET6); err != nil {
		return Note("to use IPv6, boot without ipv6.disable=1, or add AF_INET6 to systemd's "+
			"RestrictAddressFamilies=", "IPv6 is not available (%v): “:PORT” listens only on IPv4", err)
	}
	return Okay("IPv6 sockets are available")
}

// With lower limits, socket buffers are too small for a fast network, and a server runs out of
// files.
const (
	fewBytes = 1 << 20
	fewFiles = 4096
)

// capNetAdmin is the bit of the capability that allows a process to exceed the limits of socket
// buffers.
const capNetAdmin = 1 << 12

// overhead is more than the overhead of a record.
const overhead = 64

// messages reports how large messages can be if both ends allow large ones: socket buffers must
// hold them.
func (m Machine) messages() Finding {
	_, effective, _ := strings.Cut(m.read("proc/self/status"), "CapEff:")
	effective, _, _ = strings.Cut(effective, "\n")
	bits, _ := strconv.ParseUint(strings.TrimSpace(effective), 16, 64)
	buffers := min(m.number("proc/sys/net/core/rmem_max"), m.number("proc/sys/net/core/wmem_max"))
	most := min(buffers-overhead, sctpdtls.MaxLargeMessageSize)
	switch {
	case bits&capNetAdmin != 0:
		return Okay("up to %d bytes in DTLS 1.3, if both ends enable it: this process can exceed "+
			"net.core.rmem_max and wmem_max (CAP_NET_ADMIN)", sctpdtls.MaxLargeMessageSize)
	case most <= sctpdtls.MaxMessageSize:
		return Note("for larger messages in DTLS 1.3: sysctl -w net.core.rmem_max=4194304 "+
			"net.core.wmem_max=4194304", "up to %d bytes", sctpdtls.MaxMessageSize)
	case most < fewBytes-overhead:
		return Note("for messages of a megabyte: sysctl -w net.core.rmem_max=4194304 "+
			"net.core.wmem_max=4194304, or give the process CAP_NET_ADMIN",
			"up to %d bytes in DTLS 1.3, if both ends enable it", most)
	}
	return Okay("up to %d bytes in DTLS 1.3, if both ends enable it", most)
}

func (m Machine) limits() (found []Finding) {
	for _, name := range []string{"rmem_max", "wmem_max"} {
		if n := m.number("proc/sys/net/core/" + name); n > 0 && n < fewBytes {
			found = append(found, Note("for high throughput: sysctl -w net.core."+name+"=4194304",
				"net.core.%s is %d bytes", name, n))
		}
	}
	if m.Files > 0 && m.Files < fewFiles {
		found = append(found, Note("for many connections: ulimit -n 65536, or LimitNOFILE= of the "+
			"service", "at most %d open files, and about as many connections", m.Files))
	}
	if found == nil {
		found = append(found, Okay("up to %d open files, socket buffers up to %d bytes", m.Files,
			m.number("proc/sys/net/core/rmem_max")))
	}
	return found
}

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/fatih/color"
	"github.com/urfave/cli/v3"

	"github.com/seed-41f70523/dtls-sctp/internal/legible"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

type doctorOptions struct {
	cert, key, ca string
	server        bool
	timeout       time.Duration
}

func (p *program) doctorCommand() *cli.Command {
	var o doctorOptions
	return &cli.Command{
		Name:            "doctor",
		Usage:           "check whether this machine can do DTLS over SCTP, and say what to do",
		ArgsUsage:       "[ADDR]",
		HideHelpCommand: true,
		Description: `Looks at the kernel, its SCTP and what keeps that from being loaded, SCTP-AUTH, IPv6, the limits and
the given certificates, and makes a connection to itself. Certificates are judged as a peer would:
their chain, dates, usage, names, keys and signatures; so are the files, in whatever form they are. With ADDR it also tries to reach that server.
Nothing is changed. Root is not needed.

Exit status: 0 if all is well, warnings included; 3 otherwise.

Examples:
   sctp-echo doctor
   sctp-echo doctor -cert demo/client.pem -key demo/client-key.pem -ca demo/ca.pem localhost:5868`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "cert", Usage: "certificate chain to check, in PEM `FILE`", TakesFile: true, Destination: &o.cert},
			&cli.StringFlag{Name: "key", Usage: "its private key in PEM `FILE` (default: the file of -cert)", TakesFile: true, Destination: &o.key},
			&cli.StringFlag{Name: "ca", Usage: "CA certificates in PEM `FILE`: has one signed -cert, and the server of ADDR?", TakesFile: true, Destination: &o.ca},
			&cli.BoolFlag{Name: "server", Usage: "check -cert as a server's", Destination: &o.server},
			&cli.DurationFlag{Name: "timeout", Usage: "give up after `TIME` without a connection", Value: 5 * time.Second, Destination: &o.timeout, Validator: atLeast(time.Millisecond)},
		},
		Action: func(ctx context.Context, c *cli.Command) error {
			if c.Args().Len() > 1 {
				return usagef("doctor takes one ADDR, not %d: see %s -help", c.Args().Len(), c.FullName())
			}
			return p.doctor(ctx, c.Args().First(), o)
		},
	}
}

// A finding is what one check has to say.
type finding struct {
	verdict verdict
	text    string
	remedy  string // what to do, if anything
}

type verdict int

const (
	well  verdict = iota
	worth         // knowing, but it works
	ill
)

// paint is for terminals that show colours; color finds out.
func (v verdict) paint() string {
	return [...]*color.Color{color.New(color.FgGreen), color.New(color.FgYellow), color.New(color.FgRed, color.Bold)}[v].
		Sprintf("%-4s", [...]string{"ok", "note", "FAIL"}[v])
}

func okay(format string, args ...any) finding { return finding{text: fmt.Sprintf(format, args...)} }

func note(remedy, format string, args ...any) finding {
	return finding{worth, fmt.Sprintf(format, args...), remedy}
}

func bad(remedy, format string, args ...any) finding {
	return finding{ill, fmt.Sprintf(format, args...), remedy}
}

// doctor runs the checks, in the order in which a connection would fail. Those that
// need what is missing are left out.
func (p *program) doctor(ctx context.Context, addr string, o doctorOptions) error {
	ills := 0
	tell := func(what string, findings ...finding) bool {
		fine := true
		for _, f := range findings {
			p.printf("%s  %-12s  %s\n", f.verdict.paint(), what, printable(f.text))
			for line := range strings.Lines(f.remedy) {
				p.printf("%20s%s\n", "", printable(strings.TrimSuffix(line, "\n")))
			}
			if f.verdict == ill {
				fine = false
				ills++
			}
		}
		return fine
	}
	m := p.machine()
	tell("kernel", m.kernel())
	sctp := m.system == "Linux" && tell("SCTP", m.sctp())
	if sctp {
		tell("SCTP-AUTH", m.auth())
		tell("IPv6", m.ipv6())
		tell("limits", m.limits()...)
		tell("loopback", p.loopback(ctx, o.timeout))
	}
	if o.cert != "" || o.key != "" || o.ca != "" {
		tell("certificates", checkCertificates(o, time.Now())...)
	}
	if addr != "" && sctp {
		tell("server", p.reach(ctx, addr, o))
	}
	if ills > 0 {
		return &statusError{exitNoConnection, fmt.Errorf("%d of the checks failed: see above", ills)}
	}
	return nil
}

// A machine is what doctor looks at outside of connections.
type machine struct {
	system, release string                 // of the kernel
	root            fs.FS                  // the files of the system
	socket          func(family int) error // makes an SCTP socket
	files           uint64                 // limit of open files
}

func (m machine) read(name string) string {
	b, err := fs.ReadFile(m.root, name)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

func (m machine) number(name string) int {
	n, _ := strconv.Atoi(m.read(name))
	return n
}

// least are the first two numbers of the kernel from which all works.
var least = []int{5, 4}

func (m machine) kernel() finding {
	if m.system != "Linux" {
		return bad("run it on Linux: the Vagrantfile in this program's repository makes a machine that has SCTP", "%s has no SCTP that this library can use", m.system)
	}
	var version []int
	for _, s := range strings.FieldsFunc(m.release, func(r rune) bool { return r < '0' || r > '9' })[:2] {
		n, _ := strconv.Atoi(s)
		version = append(version, n)
	}
	if slices.Compare(version, least) < 0 {
		return note("sysctl -w net.sctp.auth_enable=1, or a kernel of 5.4 and later", "%s %s cannot switch SCTP-AUTH on for a socket alone", m.system, m.release)
	}
	return okay("%s %s", m.system, m.release)
}

// sctp tells whether there are SCTP sockets, and if not, why not.
func (m machine) sctp() finding {
	err := m.socket(syscall.AF_INET)
	if err == nil {
		return okay("the kernel makes SCTP sockets")
	}
	if errors.Is(err, syscall.EAFNOSUPPORT) {
		return bad("in the unit of the service: RestrictAddressFamilies=AF_INET AF_INET6, besides those that it has", "sockets of IPv4 are forbidden here: %v", err)
	}
	if !errors.Is(err, syscall.EPROTONOSUPPORT) && !errors.Is(err, syscall.ESOCKTNOSUPPORT) {
		return bad("containers and sandboxes may forbid it: look at their seccomp or AppArmor profile", "making an SCTP socket: %v", err)
	}
	if _, err := fs.Stat(m.root, "lib/modules/"+m.release); err != nil {
		return bad("if this is a container, load the module on its host: modprobe sctp (if that is refused, run doctor there)\n"+
			"otherwise this kernel has none: boot one of a distribution\n"+
			"to try it without: netns-tests/run COMMAND, in this program's repository, boots such a kernel in QEMU", "the kernel has no SCTP, and there are no modules for it here")
	}
	if m.hasModule("sctp") {
		return m.notLoaded("sctp")
	}
	return bad("Ubuntu: apt install linux-modules-extra-"+m.release+"\n"+
		"Fedora, RHEL: dnf install kernel-modules-extra\n"+
		"Debian has it in all of its kernels: apt install linux-image-amd64, and boot that", "the kernel has no module sctp")
}

func (m machine) hasModule(name string) bool {
	found := false
	fs.WalkDir(m.root, "lib/modules/"+m.release, func(p string, _ fs.DirEntry, err error) error {
		if base := path.Base(p); err == nil && (base == name+".ko" || strings.HasPrefix(base, name+".ko.")) {
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return found
}

func (m machine) auth() finding {
	switch m.read("proc/sys/net/sctp/auth_enable") {
	case "1":
		return okay("on for all sockets (net.sctp.auth_enable)")
	case "0":
		return note("a peer on this machine that uses OpenSSL needs: sysctl -w net.sctp.auth_enable=1",
			"off by default (net.sctp.auth_enable); this library switches it on for its sockets")
	}
	return note("", "net.sctp.auth_enable cannot be read")
}

// ipv6 tells whether a socket can have addresses of IPv6.
func (m machine) ipv6() finding {
	if err := m.socket(syscall.AF_INET6); err != nil {
		return note("if you want IPv6: boot without ipv6.disable=1, or let systemd's RestrictAddressFamilies= have AF_INET6",
			"there is no IPv6 here (%v): “:PORT” listens on IPv4 alone", err)
	}
	return okay("the kernel makes sockets for IPv6 too")
}

// Below these, buffers do not hold what is on its way on a fast network, and
// a server runs out of files.
const (
	fewBytes = 1 << 20
	fewFiles = 4096
)

func (m machine) limits() (found []finding) {
	for _, name := range []string{"rmem_max", "wmem_max"} {
		if n := m.number("proc/sys/net/core/" + name); n > 0 && n < fewBytes {
			found = append(found, note("for much traffic: sysctl -w net.core."+name+"=4194304", "net.core.%s is %d bytes", name, n))
		}
	}
	if m.files > 0 && m.files < fewFiles {
		found = append(found, note("for many connections: ulimit -n 65536, or LimitNOFILE= of the service", "%d open files, so about as many connections", m.files))
	}
	if found == nil {
		found = append(found, okay("%d open files, socket buffers up to %d bytes", m.files, m.number("proc/sys/net/core/rmem_max")))
	}
	return found
}

// loopback holds a mutual connection with itself.
func (p *program) loopback(ctx context.Context, timeout time.Duration) finding {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	files, err := makeCerts(certsOptions{hosts: []string{"127.0.0.1"}, days: 1}, time.Now())
	if err != nil {
		return bad("", "%v", err)
	}
	pem := make(map[string][]byte)
	for _, f := range files {
		pem[f.name] = f.pem
	}
	config := func(name string) *sctpdtls.Config {
		pair, _ := tls.X509KeyPair(pem[name+".pem"], pem[name+"-key.pem"]) // made just now
		cas := x509.NewCertPool()
		cas.AppendCertsFromPEM(pem["ca.pem"])
		return &sctpdtls.Config{Certificates: []tls.Certificate{pair}, RootCAs: cas, ClientCAs: cas,
			ClientAuth: tls.RequireAndVerifyClientCert, HandshakeTimeout: timeout, CloseTimeout: timeout}
	}
	l, err := p.listen("127.0.0.1:0", config("server"))
	if err != nil {
		return bad("", "%s", oneLine(explain(err)))
	}
	defer l.Close()
	go func() {
		s, err := l.accept(ctx)
		if err != nil {
			return // the client tells
		}
		defer s.Close()
		echo(&traffic{session: s, timeout: timeout})
	}()
	start := time.Now()
	s, err := p.dial(ctx, "", l.Addr().String(), config("client"))
	if err != nil {
		return bad("", "%s", oneLine(explain(err)))
	}
	defer s.Close()
	s.SetReadDeadline(start.Add(timeout))
	b := make([]byte, sctpdtls.MaxMessageSize)
	if err := s.WriteMessage([]byte("doctor"), sctpdtls.MessageInfo{Stream: 1}); err != nil {
		return bad("", "%s", oneLine(explain(err)))
	}
	if n, _, err := s.ReadMessage(b); err != nil || string(b[:n]) != "doctor" {
		return bad("", "the echo did not come back: %v", err)
	}
	return okay("a mutual connection in %s ms: %s", millis(time.Since(start)), inLine(facts(s.ConnectionState())))
}

// reach tries to connect to the server at addr.
func (p *program) reach(ctx context.Context, addr string, o doctorOptions) finding {
	common := commonOptions{cert: o.cert, key: o.key, ca: o.ca, timeout: o.timeout}
	if o.server {
		common.cert, common.key = "", ""
	}
	config, err := p.clientConfig(&common, &clientOptions{}, nil)
	if err != nil {
		return bad("", "%v", err)
	}
	start := time.Now()
	s, err := p.dialServer(ctx, addr, config, &common, &clientOptions{})
	if err != nil {
		return bad(remedy(err), "%s: %s", addr, oneLine(err.Error()))
	}
	defer s.Close()
	return okay("%v: connected in %s ms: %s", legible.Text(s.RemoteAddr().String()), millis(time.Since(start)), inLine(facts(s.ConnectionState())))
}

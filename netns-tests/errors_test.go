//go:build kernel

package netns

import (
	"crypto/x509"
	"encoding/pem"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/testpki"

	"golang.org/x/sys/unix"
)

// These tests check the reaction to bad input: one line on standard error that names the remedy, an
// exit status other than 0, and a server that continues to serve others.
//
//	client eth0 10.0.0.1 ──── 10.0.0.2 eth0 server: sctp-echo serve :5868

// An echoPair consists of a client host and a server host, with certificates for both.
type echoPair struct {
	client, server *Host
	certs          string // created by sctp-echo certs
}

const echoPort = 5868

func newEchoPair(t *testing.T) *echoPair {
	t.Helper()
	e := new(echoPair)
	e.client, e.server = NewPair(t)
	e.certs = e.makeCerts(t)
	return e
}

// caName returns the name of the CA in e.certs.
func (e *echoPair) caName(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(e.certs, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	ca, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return ca.Subject.CommonName
}

// makeCerts creates a CA, and certificates of it for the server's address and for a client.
func (e *echoPair) makeCerts(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "certs")
	e.server.Run(t, "sctp-echo", "certs", "-host", e.server.Addrs[0].String(), dir)
	return dir
}

func (e *echoPair) addr() string {
	return netip.AddrPortFrom(e.server.Addrs[0], echoPort).String()
}

// flags returns the flags of a side, "server" or "client", that sends its certificate and verifies
// the peer's.
func flags(certs, side string) []string {
	return []string{"-ca", filepath.Join(certs, "ca.pem"),
		"-cert", filepath.Join(certs, side+".pem"), "-key", filepath.Join(certs, side+"-key.pem")}
}

// serve starts a server; args come after the usual flags and therefore override them.
func (e *echoPair) serve(t *testing.T, args ...string) *Process {
	t.Helper()
	args = append(append([]string{"serve"}, flags(e.certs, "server")...), args...)
	p := e.server.Start(t, "sctp-echo", append(args, e.addr())...)
	p.WaitFor(`listening on `)
	return p
}

// connect starts a client in the same way.
func (e *echoPair) connect(t *testing.T, args ...string) *Process {
	t.Helper()
	args = append(append([]string{"connect"}, flags(e.certs, "client")...), args...)
	return e.client.Start(t, "sctp-echo", append(args, e.addr())...)
}

// wantServed checks that the server serves a client with correct flags.
func (e *echoPair) wantServed(t *testing.T) {
	t.Helper()
	p := e.connect(t, "-count", "2")
	if err := p.Wait(); err != nil || !strings.Contains(p.Output(),
		"2 sent, 2 received, 0 lost, 0 wrong") {
		t.Errorf("the server does not serve others: %v\n%s", err, p.Output())
	}
}

// wantError checks that the process exits with the status and one line of error that pattern
// matches.
func wantError(t *testing.T, p *Process, status int, pattern string) {
	t.Helper()
	err := p.Wait()
	if exit, ok := err.(*exec.ExitError); !ok || exit.ExitCode() != status {
		t.Errorf("ended with %v, want exit status %d", err, status)
	}
	lines := regexp.MustCompile(`(?m)^sctp-echo: .*$`).FindAllString(p.Output(), -1)
	if len(lines) != 1 || !regexp.MustCompile(pattern).MatchString(lines[0]) {
		t.Errorf("errors:\n%s\nwant one line like %s", strings.Join(lines, "\n"), pattern)
	}
}

func TestEcho(t *testing.T) {
	e := newEchoPair(t)
	server := e.serve(t)
	client := e.connect(t, "-streams", "4", "-count", "12", "-size", "1024", "-ppid", "47")
	if err := client.Wait(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"DTLS 1.", "SCTP-AUTH  key id 1", "CN=sctp-echo server",
		"streams    4 out",
		"1024 bytes: stream=3 seq=4 ppid=47 time=", "12 sent, 12 received, 0 lost, 0 wrong",
		"rtt min/avg/max/mdev"} {
		if !strings.Contains(client.Output(), want) {
			t.Errorf("the client did not print %q:\n%s", want, client.Output())
		}
	}
	server.WaitFor(`connected: DTLS 1\..*, peer CN=sctp-echo client`)
	server.WaitFor(`closed by the client: 12 messages \(12288 bytes\) in, 12 \(12288\) out`)
	server.Interrupt()
	if err := server.Wait(); err != nil {
		t.Errorf("the server was ended by a signal: %v", err)
	}
}

// TestErrorsOfClients checks clients that the server refuses, or that refuse the server.
func TestErrorsOfClients(t *testing.T) {
	e := newEchoPair(t)
	other, expired := e.makeCerts(t), expiredCert(t, e.client.Addrs[0])
	impostor := newCert(t, e.client.Addrs[0], e.caName(t), time.Now().Add(time.Hour))
	for _, tt := range []struct {
		name   string
		serve  []string
		client []string
		status int
		want   string // of the client
		server string // what the server prints; empty if it notices nothing
	}{
		{
			name:   "wrong CA",
			client: []string{"-ca", filepath.Join(other, "ca.pem")},
			status: 3,
			want:   `signed by unknown authority.*with -ca`,
			server: `no connection: .*unknown_ca.*-ca`,
		},
		{
			name: "wrong CA of the client",
			client: []string{"-cert", filepath.Join(other, "client.pem"), "-key",
				filepath.Join(other, "client-key.pem")},
			status: 3,
			// The client has no certificate of the CAs that the server names.
			want:   `(handshake_failure|certificate_required).*-cert.*-ca`,
			server: `no connection: .*client sent no certificate.*-ca.*-cert`,
		},
		{
			name:   "wrong CA of the client, of the right name",
			client: []string{"-cert", impostor.cert, "-key", impostor.key},
			status: 3,
			want:   `unknown_ca.*-ca.*-cert`,
			server: `no connection: .*signed by unknown authority.*-ca`,
		},
		{
			name:   "wrong name",
			client: []string{"-name", "amf.example.org"},
			status: 3,
			want:   `amf\.example\.org.*-name`,
			server: `no connection: .*bad_certificate`,
		},
		{
			name:   "expired certificate of the client",
			serve:  []string{"-ca", expired.ca},
			client: []string{"-cert", expired.cert, "-key", expired.key},
			status: 3,
			want:   `certificate_expired.*renew`,
			server: `no connection: .*expired.*renew`,
		},
		{
			name:   "no client certificate",
			client: []string{"-cert", "", "-key", ""},
			status: 3,
			want:   `give -cert and -key`,
			server: `no connection: .*no certificate.*-cert`,
		},
		{
			name:   "message too large",
			client: []string{"-size", "16385"},
			status: 2,
			want:   `16385 bytes.*-size 16384`,
		},
		{
			name:   "stream out of range",
			serve:  []string{"-streams", "2"},
			client: []string{"-streams", "4"},
			status: 2,
			want:   `no stream 3.*-streams`,
		},
	} {
		for _, version := range []string{"1.2", "1.3"} {
			t.Run(tt.name+" in DTLS "+version, func(t *testing.T) {
				server := e.serve(t, tt.serve...)
				wantError(t, e.connect(t, append([]string{"-max", version}, tt.client...)...), tt.status,
					tt.want)
				if tt.server != "" {
					server.WaitFor(tt.server)
				}
				if !strings.Contains(tt.name, "expired") { // that server has another CA
					e.wantServed(t)
				}
				server.Interrupt()
				if err := server.Wait(); err != nil {
					t.Errorf("the server was ended by a signal: %v", err)
				}
			})
		}
	}
}

func TestErrorExpiredServer(t *testing.T) {
	e := newEchoPair(t)
	expired := expiredCert(t, e.server.Addrs[0])
	server := e.serve(t, "-cert", expired.cert, "-key", expired.key)
	wantError(t, e.connect(t, "-ca", expired.ca), 3, `expired.*renew the peer's certificate`)
	server.WaitFor(`no connection: .*certificate_expired.*renew our certificate`)
}

func TestErrorPortTaken(t *testing.T) {
	e := newEchoPair(t)
	e.serve(t)
	second := e.server.Start(t, "sctp-echo",
		append(append([]string{"serve"}, flags(e.certs, "server")...), e.addr())...)
	wantError(t, second, 3, `address already in use.*another socket has that port.*ss `)
	e.wantServed(t)
}

func TestErrorNothingListens(t *testing.T) {
	e := newEchoPair(t)
	wantError(t, e.connect(t), 3, `connection refused.*nothing listens`)
}

// TestErrorsOfKernels checks the errors on kernels without SCTP, or without SCTP-AUTH.
func TestErrorsOfKernels(t *testing.T) {
	e := newEchoPair(t)
	for _, tt := range []struct {
		name string
		lack lack
		want string
	}{
		{"no SCTP", lackSCTP, `no SCTP in this kernel.*modprobe sctp`},
		{"no SCTP-AUTH", lackAuth, `SCTP-AUTH is not available here.*net\.sctp\.auth_enable=1`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := append(append([]string{"serve"}, flags(e.certs, "server")...), e.addr())
			wantError(t, e.server.startLacking(t, tt.lack, "sctp-echo", server...), 3, tt.want)
			client := append(append([]string{"connect"}, flags(e.certs, "client")...), e.addr())
			wantError(t, e.client.startLacking(t, tt.lack, "sctp-echo", client...), 3, tt.want)
		})
	}
}

// peersWithoutAuth are peers that support SCTP, but do not require user data to be authenticated.
var peersWithoutAuth = []struct {
	name string
	auth bool // SCTP-AUTH is enabled, but the list of chunks is empty
	want string
}{
	{"no SCTP-AUTH", false, `the peer offers no SCTP-AUTH.*net\.sctp\.auth_enable`},
	{"not for DATA", true, `the peer does not ask for authenticated DATA.*SCTP_AUTH_CHUNK`},
}

func TestErrorServerWithoutAuth(t *testing.T) {
	for _, tt := range peersWithoutAuth {
		t.Run(tt.name, func(t *testing.T) {
			e := newEchoPair(t)
			fd := e.server.plainSocket(t, tt.auth)
			if err := unix.Bind(fd, &unix.SockaddrInet4{Port: echoPort,
				Addr: e.server.Addrs[0].As4()}); err != nil {
				t.Fatal(err)
			}
			if err := unix.Listen(fd, 1); err != nil {
				t.Fatal(err)
			}
			wantError(t, e.connect(t), 3, tt.want)
		})
	}
}

func TestErrorClientWithoutAuth(t *testing.T) {
	for _, tt := range peersWithoutAuth {
		t.Run(tt.name, func(t *testing.T) {
			e := newEchoPair(t)
			server := e.serve(t)
			fd := e.client.plainSocket(t, tt.auth)
			// The ABORT may arrive before connect returns.
			err := unix.Connect(fd, &unix.SockaddrInet4{Port: echoPort, Addr: e.server.Addrs[0].As4()})
			if err == nil {
				var n int
				if n, err = unix.Read(fd, make([]byte, 100)); n > 0 {
					t.Errorf("the client reads %d bytes, want not one of DTLS", n)
				}
			}
			if err != unix.ECONNRESET && err != unix.ECONNREFUSED {
				t.Errorf("the client gets %v, want an ABORT", err)
			}
			server.WaitFor(`10\.0\.0\.1.*: no connection: .*` + tt.want)
			e.wantServed(t)
		})
	}
}

// plainSocket creates an SCTP socket on the host that does not require user data to be
// authenticated, with SCTP-AUTH enabled or not.
func (h *Host) plainSocket(t *testing.T, auth bool) (fd int) {
	t.Helper()
	h.Do(t, func() {
		var err error
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC,
			unix.IPPROTO_SCTP); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { unix.Close(fd) })
	if auth {
		on := "\x00\x00\x00\x00\x01\x00\x00\x00" // struct sctp_assoc_value: any association, 1
		if err := unix.SetsockoptString(fd, unix.IPPROTO_SCTP, optionAuthSupported, on); err != nil {
			t.Fatal(err)
		}
	}
	return fd
}

// certFiles holds the names of PEM files.
type certFiles struct{ ca, cert, key string }

// expiredCert creates a CA and a certificate that expired an hour ago.
func expiredCert(t *testing.T, addr netip.Addr) certFiles {
	t.Helper()
	return newCert(t, addr, "test CA", time.Now().Add(-time.Hour))
}

// newCert creates a CA and a certificate of it for addr, for both roles, that is valid until the
// given time.
func newCert(t *testing.T, addr netip.Addr, caName string, until time.Time) (f certFiles) {
	t.Helper()
	now := time.Now()
	template := testpki.CA(caName)
	template.NotBefore, template.NotAfter = now.AddDate(0, -1, 0), now.AddDate(0, 1, 0)
	ca := testpki.Issue(nil, nil, template)
	template = testpki.End(addr.String())
	template.NotBefore, template.NotAfter = now.AddDate(0, 0, -2), until
	dir := t.TempDir()
	f = certFiles{filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"),
		filepath.Join(dir, "key.pem")}
	testpki.WriteFiles(ca, f.ca, f.key)
	testpki.WriteFiles(testpki.Issue(&ca, nil, template), f.cert, f.key)
	return f
}

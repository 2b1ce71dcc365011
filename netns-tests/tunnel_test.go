//go:build kernel

package netns

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
)

// A tunnelPair consists of two hosts, each with a daemon that uses plain SCTP on the loopback
// interface, and with sctp-tunnel:
//
//	ran: daemon -- lo -- sctp-tunnel ===== two links ===== sctp-tunnel -- lo -- daemon :core
type tunnelPair struct {
	t         *testing.T
	ran, core *Host
	certs     string
	user      string // the user that tunnels change to; empty means none
}

func newTunnelPair(t *testing.T) *tunnelPair {
	t.Helper()
	p := &tunnelPair{t: t, ran: NewHost(t, "ran"), core: NewHost(t, "core"), certs: t.TempDir()}
	Join(t, p.ran, p.core)
	Join(t, p.ran, p.core)
	p.core.Run(t, "sctp-echo", "certs", "-host", "core.example.org", "-host", "ran.example.org",
		p.certs)
	return p
}

func (p *tunnelPair) pem(name string) string { return filepath.Join(p.certs, name+".pem") }

var loopback = netip.MustParseAddr("127.0.0.1")

// addresses returns the addresses of a host on both links.
func addresses(h *Host) string { return h.Addrs[0].String() + "/" + h.Addrs[1].String() }

// tunnel starts sctp-tunnel on a host with these services.
func (p *tunnelPair) tunnel(h *Host, services ...string) *Process {
	p.t.Helper()
	return p.run(h, p.configuration(services...))
}

// run starts sctp-tunnel with a configuration file.
func (p *tunnelPair) run(h *Host, file string) *Process {
	p.t.Helper()
	return h.Start(p.t, "env", "SSLKEYLOGFILE="+p.keyLog(), "sctp-tunnel", "run", file)
}

// configuration writes a configuration file with services, each given as its lines. Services
// without a certificate get the server's.
func (p *tunnelPair) configuration(services ...string) (file string) {
	p.t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, "user = %q\n", p.user)
	for i, s := range services {
		cert := "client"
		if strings.Contains(s, `role = "server"`) {
			cert = "server"
			s += "allow-all = true\n"
		} else {
			s += "server-name = \"core.example.org\"\nprobe-interval = \"500ms\"\n"
		}
		if !strings.Contains(s, "handshake-timeout =") {
			s += "handshake-timeout = \"1m\"\n" // an emulated machine needs seconds for fifty at once
		}
		if !strings.Contains(s, "cert =") {
			s += fmt.Sprintf("cert = %q\nkey = %q\n", p.pem(cert), p.pem(cert+"-key"))
		}
		fmt.Fprintf(&b, "[[service]]\nname = \"%d\"\n%sca = %q\n", i, s, p.pem("ca"))
	}
	if p.user != "" { // must be able to read its files
		if err := os.Chmod(filepath.Dir(p.certs), 0o755); err != nil {
			p.t.Fatal(err)
		}
	}
	return p.file(b.String())
}

func (p *tunnelPair) keyLog() string { return filepath.Join(p.certs, "keylog") }

// server and client return services that forward a port, the same on both hosts.
func (p *tunnelPair) server(h *Host, port int) string {
	return fmt.Sprintf("role = \"server\"\nlisten = \"%s:%d\"\ntarget = \"127.0.0.1:%d\"\n",
		addresses(h), port+2000, port)
}

func (p *tunnelPair) client(far *Host, port int) string {
	return fmt.Sprintf("role = \"client\"\nlisten = \"127.0.0.1:%d\"\ntarget = \"%s:%d\"\n",
		port, addresses(far), port+2000)
}

// daemon starts a daemon of the distribution on a host.
func (p *tunnelPair) daemon(h *Host, name string, args ...string) *Process {
	p.t.Helper()
	dir, err := filepath.Abs("daemons")
	if err != nil {
		p.t.Fatal(err)
	}
	args = append([]string{"LD_LIBRARY_PATH=" + dir + "/lib", dir + "/bin/" + name}, args...)
	return h.Start(p.t, "env", args...)
}

// file writes a configuration file.
func (p *tunnelPair) file(text string) string {
	p.t.Helper()
	name := filepath.Join(p.t.TempDir(), "conf")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return name
}

// TestTunnelDiameter checks that an unmodified freeDiameter reaches OPEN through two tunnels, and
// that requests are answered: capabilities exchange, watchdogs, and disconnection. It checks that
// the link carries only DTLS, with the payload protocol identifier of Diameter over DTLS, and that
// messages arrive unchanged.
func TestTunnelDiameter(t *testing.T) {
	p := newTunnelPair(t)
	link := startCapture(t, p.core)
	nearLo, farLo := p.captureLo(p.ran), p.captureLo(p.core)
	const zeroIsDiameter = "ppid = [\"0:47\"]\n"
	core := p.freeDiameter(p.core, "core", "ran", 3868, 3999) // no peer listens on port 3999
	core.WaitFor("freeDiameterd daemon initialized")
	server := p.tunnel(p.core, p.server(p.core, 3868)+zeroIsDiameter)
	client := p.tunnel(p.ran, p.client(p.core, 3868)+zeroIsDiameter)
	near := p.freeDiameter(p.ran, "ran", "core", 3869, 3868)
	near.WaitFor(`'STATE_WAITCEA'.*'STATE_OPEN'`)
	core.WaitFor(`-> 'STATE_OPEN'`)
	near.WaitFor(`Device-Watchdog-Answer`)
	near.Interrupt()
	client.WaitFor("association ends")
	server.WaitFor("association ends")
	outer := p.one(p.capture(link), wire.Options{KeyLog: p.secrets()})
	for _, lo := range []*wire.Capture{nearLo, farLo} {
		checkSame(t, p.one(p.capture(lo), wire.Options{NoDTLS: true}), outer, becomes(47))
	}
	for _, d := range outer.Defects {
		t.Errorf("on the link: %v", d)
	}
}

// captureLo captures the packets on the loopback interface of a host.
func (p *tunnelPair) captureLo(h *Host) (c *wire.Capture) {
	p.t.Helper()
	h.ip(p.t, "link set lo mtu 1500 gso_max_size 1500") // the largest packets that a capture can hold
	h.Do(p.t, func() {
		var err error
		if c, err = wire.StartCapture("lo"); err != nil {
			p.t.Fatal(err)
		}
	})
	p.t.Cleanup(func() { c.Stop() })
	return c
}

func (p *tunnelPair) capture(c *wire.Capture) []wire.Frame {
	p.t.Helper()
	frames, err := c.Stop()
	if err != nil {
		p.t.Fatal(err)
	}
	return frames
}

func (p *tunnelPair) secrets() []byte {
	p.t.Helper()
	b, err := os.ReadFile(p.keyLog())
	if err != nil {
		p.t.Fatal(err)
	}
	return b
}

// one returns the only association that has messages of an application.
func (p *tunnelPair) one(frames []wire.Frame, o wire.Options) *wire.Association {
	p.t.Helper()
	all := p.used(frames, o)
	if len(all) != 1 {
		p.t.Fatalf("%d associations have messages, want 1", len(all))
	}
	return all[0]
}

// plain returns the associations with messages in a capture of plain SCTP.
func (p *tunnelPair) plain(frames []wire.Frame) []*wire.Association {
	p.t.Helper()
	return p.used(frames, wire.Options{NoDTLS: true})
}

// used returns the associations that have messages, which those of probes do not.
func (p *tunnelPair) used(frames []wire.Frame, o wire.Options) (used []*wire.Association) {
	p.t.Helper()
	all, err := wire.Check(frames, o)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, a := range all {
		if len(userMessages(a, wire.Initiator)) > 0 {
			used = append(used, a)
		}
	}
	return used
}

// userMessages returns the messages of the application.
func userMessages(a *wire.Association, side wire.Side) (list []*wire.Message) {
	if a.DTLS != nil {
		return a.Application(side)
	}
	for _, m := range a.Messages {
		if m.From == side {
			list = append(list, m)
		}
	}
	return list
}

// content returns the data that the application has sent.
func content(m *wire.Message) []byte {
	if m.Record != nil {
		return m.Record.Payload
	}
	return m.Data
}

// passes and becomes say what a tunnel does to payload protocol identifiers.
func passes(ppid uint32) uint32 { return ppid }

func becomes(other uint32) func(uint32) uint32 { return func(uint32) uint32 { return other } }

// checkSame checks that two associations had the same messages, byte by byte, on the same streams
// and ordered or unordered as before, but for their payload protocol identifiers.
func checkSame(t *testing.T, a, b *wire.Association, ppid func(uint32) uint32) {
	t.Helper()
	for _, side := range []wire.Side{wire.Initiator, wire.Responder} {
		checkSide(t, a, b, side, ppid)
	}
}

// checkSide is checkSame for the messages of one side.
func checkSide(t *testing.T, a, b *wire.Association, side wire.Side, ppid func(uint32) uint32) {
	t.Helper()
	here, there := userMessages(a, side), userMessages(b, side)
	if len(here) != len(there) {
		t.Errorf("%v: %d messages, %d of them on the other side", side, len(here), len(there))
		return
	}
	byStream := make(map[uint16][]*wire.Message)
	for _, m := range there {
		byStream[m.Stream] = append(byStream[m.Stream], m)
	}
	for _, m := range here {
		rest := byStream[m.Stream]
		if len(rest) == 0 {
			t.Errorf("%v is not on the other side", m)
			continue
		}
		o := rest[0]
		byStream[m.Stream] = rest[1:]
		if !bytes.Equal(content(m), content(o)) || m.Unordered != o.Unordered {
			t.Errorf("%v is not %v", m, o)
		}
		if o.PPID != ppid(m.PPID) {
			t.Errorf("%v has identifier %d, and %d on the other side", m, m.PPID, o.PPID)
		}
	}
}

// TestTunnelSignalling checks that an ASP of osmo-stp becomes active at another one over M3UA. The
// configuration of the second lists the address and port from which the tunnel dials.
func TestTunnelSignalling(t *testing.T) {
	p := newTunnelPair(t)
	p.daemon(p.core, "osmo-stp", "-c", p.file(`
cs7 instance 0
 xua rkm routing-key-allocation dynamic-permitted
 listen m3ua 2905
  accept-asp-connections dynamic-permitted
  local-ip 127.0.0.1
 asp asp-c 2906 2905 m3ua
  local-ip 127.0.0.1
  remote-ip 127.0.0.1
  role sg
  sctp-role server
 as as-c m3ua
  asp asp-c
  routing-key 1 0.0.2
`))
	p.tunnel(p.core, p.server(p.core, 2905)+"source = \"127.0.0.1:2906\"\n")
	p.tunnel(p.ran, p.client(p.core, 2905)).WaitFor("msg=listening")
	asp := p.daemon(p.ran, "osmo-stp", "-c", p.file(`
cs7 instance 0
 point-code 0.0.2
 asp asp-up 2905 2906 m3ua
  remote-ip 127.0.0.1
  local-ip 127.0.0.1
  role asp
  sctp-role client
 as as-up m3ua
  asp asp-up
  routing-key 1 0.0.2
`))
	asp.WaitFor("Received NOTIFY Type State Change:AS Active")
}

// TestTunnelTools checks that the messages of sctp_darn and sctp_test of lksctp-tools arrive
// unchanged: those of sctp_test are ordered and unordered in turn, use many streams, and have
// random payload protocol identifiers. It also runs iperf3.
func TestTunnelTools(t *testing.T) {
	p := newTunnelPair(t)
	server := p.tunnel(p.core, p.server(p.core, 2100), p.server(p.core, 2200), p.server(p.core, 5201))
	p.daemon(p.core, "sctp_darn", "-H", "127.0.0.1", "-P", "2100", "-l")
	p.daemon(p.core, "sctp_test", "-H", "127.0.0.1", "-P", "2200", "-l")
	p.daemon(p.core, "iperf3", "-s", "-B", "127.0.0.1", "-1", "--forceflush").
		WaitFor("Server listening")
	client := p.tunnel(p.ran, p.client(p.core, 2100), p.client(p.core, 2200),
		// iperf3 listens on its SCTP port only when a test starts.
		p.client(p.core, 5201)+"always-listen = true\n")
	client.WaitFor("(?s)msg=listening.*msg=listening.*msg=listening")
	nearLo, farLo := p.captureLo(p.ran), p.captureLo(p.core)

	sender := p.daemon(p.ran, "sctp_darn", "-H", "127.0.0.1", "-P", "2101",
		"-h", "127.0.0.1", "-p", "2100", "-s")
	sender.Type("hello through two tunnels\n")
	server.WaitFor("association begins")
	sender.EndInput()
	client.WaitFor("association ends.*why=daemon-shutdown")
	tester := p.daemon(p.ran, "sctp_test", "-H", "127.0.0.1", "-P", "2201", "-h", "127.0.0.1",
		"-p", "2200", "-s", "-c", "1", "-x", "3", "-M", "9", "-o", "2")
	if err := tester.Wait(); err != nil {
		t.Errorf("sctp_test: %v", err)
	}
	client.WaitFor("(?s)(association ends.*why=daemon-shutdown.*){2}")
	server.WaitFor("(?s)(association ends.*){2}")
	near, far := p.plain(p.capture(nearLo)), p.plain(p.capture(farLo))
	if len(near) != 2 || len(far) != 2 {
		t.Fatalf("%d associations, %d at the other end", len(near), len(far))
	}
	for i := range near {
		checkSame(t, near[i], far[i], passes)
	}
	streams := make(map[uint16]bool)
	for _, m := range userMessages(near[1], wire.Initiator) {
		streams[m.Stream] = true
	}
	if len(streams) < 5 {
		t.Errorf("sctp_test has used %d streams", len(streams))
	}

	p.forward(p.ran, p.core, "127.0.0.1:5201") // iperf3 also uses a TCP connection
	iperf := p.daemon(p.ran, "iperf3", "-c", "127.0.0.1", "--sctp", "-t", "1", "-l", "1400")
	if err := iperf.Wait(); err != nil {
		t.Errorf("iperf3: %v", err)
	}
	iperf.WaitFor("receiver")
}

// forward forwards TCP connections from an address of one host to the same address of another.
func (p *tunnelPair) forward(from, to *Host, address string) {
	p.t.Helper()
	var l net.Listener
	from.Do(p.t, func() {
		var err error
		if l, err = net.Listen("tcp", address); err != nil {
			p.t.Fatal(err)
		}
	})
	p.t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			var d net.Conn
			to.Do(p.t, func() {
				if d, err = net.Dial("tcp", address); err != nil {
					p.t.Error(err)
				}
			})
			if err != nil {
				c.Close()
				return
			}
			go func() {
				io.Copy(d, c)
				d.Close()
			}()
			go func() {
				io.Copy(c, d)
				c.Close()
			}()
		}
	}()
}

// freeDiameter starts freeDiameter on a port. It dials its peer on another port.
func (p *tunnelPair) freeDiameter(h *Host, name, peer string, port, peerPort int) *Process {
	p.t.Helper()
	dh := p.file(dhParameters)
	return p.daemon(h, "freeDiameterd", "-dd", "-c", p.file(fmt.Sprintf(`
Identity = "%s.example.org";
Realm = "example.org";
No_IPv6;
Port = %d;
SecPort = 0;
ListenOn = "127.0.0.1";
TLS_Cred = "%s", "%s";
TLS_CA = "%s";
TLS_DH_File = "%s";
TwTimer = 6;
TcTimer = 3;
ConnectPeer = "%s.example.org" { No_TLS; ConnectTo = "127.0.0.1"; Port = %d; };
`, name, port, p.pem("server"), p.pem("server-key"), p.pem("ca"), dh, peer, peerPort)))
}

const dhParameters = `-----BEGIN DH PARAMETERS-----
MIIBCAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAg==
-----END DH PARAMETERS-----
` // ffdhe2048 (RFC 7919, Appendix A.1); without, freeDiameter makes its own, slowly

//go:build kernel

package netns

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTunnelOperators checks what operators and hosts do to tunnels, between daemons that number
// their messages: each step ends no association but those that it must end.
func TestTunnelOperators(t *testing.T) {
	p := newTunnelPair(t)
	p.echoDaemon(2100)
	for _, step := range []struct {
		name string
		do   func(*testing.T, *tunnelPair)
	}{
		{"the reader of the logs ends", logReaderEnds},
		{"no descriptors are left", noDescriptors},
		{"many reloads", manyReloads},
		{"link-local addresses", linkLocal},
		{"numbers of streams", numbersOfStreams},
		{"one version only", oneVersion},
		{"pre-shared keys", preSharedKeys},
	} {
		t.Run(step.name, func(t *testing.T) {
			q := *p
			q.t = t
			step.do(t, &q)
		})
	}
}

// operated starts a server and a client for a port of the daemons.
func (p *tunnelPair) operated(port int) (server, client *Process) {
	p.t.Helper()
	to := fmt.Sprintf("%v:%d", p.core.Addrs[0], port+2000)
	server = p.tunnel(p.core, fmt.Sprintf("role = \"server\"\nlisten = %q\n"+
		"target = \"127.0.0.1:2100\"\n", to))
	server.WaitFor("msg=started")
	client = p.tunnel(p.ran, fmt.Sprintf("role = \"client\"\nlisten = \"127.0.0.1:%d\"\ntarget = %q\n",
		port, to))
	client.WaitFor("msg=listening")
	return server, client
}

// logReaderEnds: a program is killed that writes to a pipe that nobody reads, unless it says
// otherwise. The client's disk is full.
func logReaderEnds(t *testing.T, p *tunnelPair) {
	file := p.configuration(fmt.Sprintf("role = \"server\"\nlisten = \"%v:4200\"\n"+
		"target = \"127.0.0.1:2100\"\n", p.core.Addrs[0]))
	p.core.Start(t, "sh", "-c", "sctp-tunnel run "+file+" 2>&1 | while read -r line; do "+
		"echo \"$line\"; case $line in *msg=started*) exit ;; esac; done").WaitFor("msg=started")
	file = p.configuration(fmt.Sprintf("role = \"client\"\nlisten = \"127.0.0.1:2200\"\n"+
		"target = \"%v:4200\"\n", p.core.Addrs[0]))
	p.ran.Start(t, "sh", "-c", "exec sctp-tunnel run "+file+" 2>/dev/full")
	d := p.awaitNear(2200)
	for range 3 { // each writes two lines
		p.dialNear(2200).end()
	}
	d.served()
	d.end()
}

// noDescriptors: associations that there are go on, and others come when some are free again.
func noDescriptors(t *testing.T, p *tunnelPair) {
	file := p.configuration(fmt.Sprintf("role = \"server\"\nlisten = \"%v:4300\"\n"+
		"target = \"127.0.0.1:2100\"\n", p.core.Addrs[0]))
	server := p.core.Start(t, "sh", "-c", "ulimit -n 40; exec sctp-tunnel run "+file)
	server.WaitFor("msg=started")
	file = p.configuration(fmt.Sprintf("role = \"client\"\nlisten = \"127.0.0.1:2300\"\n"+
		"target = \"%v:4300\"\nhandshake-timeout = \"3s\"\n", p.core.Addrs[0]))
	client := p.ran.Start(t, "sh", "-c", "ulimit -n 100; exec sctp-tunnel run "+file)
	client.WaitFor("msg=listening")
	var all []*nearDaemon
	for range 60 {
		s, err := p.tryNear(2300)
		if err != nil {
			break
		}
		d := p.newNear(s)
		d.send()
		if err := d.firstEcho(); err != nil {
			break
		}
		all = append(all, d)
	}
	if len(all) == 60 || len(all) < 5 {
		t.Fatalf("%d associations with 40 descriptors", len(all))
	}
	t.Logf("%d associations", len(all))
	for _, d := range all {
		d.served()
	}
	for _, d := range all {
		d.end()
	}
	p.awaitNear(2300).end()
}

// firstEcho waits for the first echo, or the end.
func (d *nearDaemon) firstEcho() error {
	for d.echoed.Load() == 0 {
		select {
		case err := <-d.ended:
			return err
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// awaitNear sets up an association as soon as somebody listens.
func (p *tunnelPair) awaitNear(port uint16) *nearDaemon {
	p.t.Helper()
	for end := time.Now().Add(Patience); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if s, err := p.tryNear(port); err == nil {
			d := p.newNear(s)
			d.send()
			if d.firstEcho() == nil {
				return d
			}
		}
	}
	p.t.Fatalf("nobody listens on port %d again", port)
	return nil
}

// manyReloads: a storm of SIGHUP while messages are forwarded.
func manyReloads(t *testing.T, p *tunnelPair) {
	server, client := p.operated(2400)
	d := p.dialNear(2400)
	stop := d.sendAll()
	for range 200 {
		server.signal(syscall.SIGHUP)
		client.signal(syscall.SIGHUP)
	}
	server.WaitFor("msg=reloaded")
	client.WaitFor("msg=reloaded")
	stop()
	d.all()
	p.dialNear(2400).end()
	d.end()
}

// linkLocal: the far end is reached by an address that has a zone.
func linkLocal(t *testing.T, p *tunnelPair) {
	p.linkLocalOf(p.ran)
	to := fmt.Sprintf("[%s%%eth0]:4500", p.linkLocalOf(p.core))
	p.tunnel(p.core, fmt.Sprintf("role = \"server\"\nlisten = %q\ntarget = \"127.0.0.1:2100\"\n", to)).
		WaitFor("msg=started")
	p.tunnel(p.ran, fmt.Sprintf("role = \"client\"\nlisten = \"127.0.0.1:2500\"\ntarget = %q\n", to)).
		WaitFor("msg=listening")
	d := p.dialNear(2500)
	d.end()
}

// linkLocalOf returns an address of a host when it can be used: it is tentative at first. RFC 4862,
// Section 5.4.
func (p *tunnelPair) linkLocalOf(h *Host) string {
	p.t.Helper()
	for end := time.Now().Add(Patience); ; time.Sleep(50 * time.Millisecond) {
		out := h.Run(p.t, "ip", "-6", "-o", "addr", "show", "dev", "eth0", "scope", "link")
		if fields := strings.Fields(out); len(fields) >= 4 && !strings.Contains(out, "tentative") {
			addr, _, _ := strings.Cut(fields[3], "/")
			return addr
		}
		if time.Now().After(end) {
			p.t.Fatalf("no link-local address: %q", out)
		}
	}
}

// numbersOfStreams: an association has as many as all on its way allow.
func numbersOfStreams(t *testing.T, p *tunnelPair) {
	for i, tt := range []struct{ near, far, want int }{{65535, 65535, daemonStreams}, {2, 65535, 2},
		{65535, 2, daemonStreams}} {
		port := 2600 + 10*i
		to := fmt.Sprintf("%v:%d", p.core.Addrs[0], port+2000)
		p.tunnel(p.core, fmt.Sprintf("role = \"server\"\nlisten = %q\ntarget = \"127.0.0.1:2100\"\n"+
			"streams = %d\n", to, tt.far)).WaitFor("msg=started")
		p.tunnel(p.ran, fmt.Sprintf("role = \"client\"\nlisten = \"127.0.0.1:%d\"\ntarget = %q\n"+
			"streams = %d\n", port, to, tt.near)).WaitFor("msg=listening")
		d := p.dialNear(uint16(port))
		if out, _ := d.s.Streams(); int(out) != tt.want {
			t.Errorf("%+v: %d streams", tt, out)
		}
		d.end()
	}
}

// oneVersion: ends that have no version in common say so, and the daemon finds nobody.
func oneVersion(t *testing.T, p *tunnelPair) {
	for i, tt := range []struct {
		near, far string
		works     bool
	}{{"1.2", "1.2", true}, {"1.3", "1.3", true}, {"1.2", "1.3", false}, {"1.3", "1.2", false}} {
		port := 2700 + 10*i
		only := func(v string) string {
			return fmt.Sprintf("min-version = %q\nmax-version = %[1]q\n", v)
		}
		to := fmt.Sprintf("%v:%d", p.core.Addrs[0], port+2000)
		server := p.tunnel(p.core, fmt.Sprintf("role = \"server\"\nlisten = %q\n"+
			"target = \"127.0.0.1:2100\"\n", to)+only(tt.far))
		server.WaitFor("msg=started")
		client := p.tunnel(p.ran, fmt.Sprintf("role = \"client\"\nlisten = \"127.0.0.1:%d\"\n"+
			"target = %q\n", port, to)+only(tt.near))
		if tt.works {
			client.WaitFor("msg=listening")
			p.dialNear(uint16(port)).end()
			continue
		}
		client.WaitFor("not listening.*version")
		server.WaitFor("association refused.*why=handshake-failed.*version")
		if s, err := p.tryNear(uint16(port)); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%+v: %v, %v", tt, s, err)
		}
	}
}

// preSharedKeys: a key that the server does not have lets nobody in, and one that is removed ends
// the associations of its owner.
func preSharedKeys(t *testing.T, p *tunnelPair) {
	const key = " 000102030405060708090a0b0c0d0e0f\n"
	start := func(h *Host, service, psk string) (*Process, string) {
		file := p.file(psk)
		return h.Start(t, "sctp-tunnel", "run", p.file(fmt.Sprintf("[[service]]\nname = \"psk\"\n"+
			"%spsk = %q\n", service, file))), file
	}
	to := fmt.Sprintf("%v:4800", p.core.Addrs[0])
	server, file := start(p.core, fmt.Sprintf("role = \"server\"\nlisten = %q\n"+
		"target = \"127.0.0.1:2100\"\nallow-all = true\n", to), "a"+key+"b"+key)
	server.WaitFor("msg=started")
	client := func(port int, psk string) *Process {
		c, _ := start(p.ran, fmt.Sprintf("role = \"client\"\nlisten = \"127.0.0.1:%d\"\ntarget = %q\n"+
			"probe-interval = \"500ms\"\n", port, to), psk)
		return c
	}
	client(2800, "c"+key).WaitFor("not listening")
	server.WaitFor("association refused.*why=handshake-failed")
	client(2801, "a"+key).WaitFor("msg=listening")
	client(2802, "b"+key).WaitFor("msg=listening")
	victim, other := p.dialNear(2801), p.dialNear(2802)
	if err := os.WriteFile(file, []byte("b"+key), 0o600); err != nil {
		t.Fatal(err)
	}
	server.signal(syscall.SIGHUP)
	victim.wantEnd(syscall.ECONNRESET)
	server.WaitFor("association ends.*why=not-allowed ")
	other.served()
	other.end()
}

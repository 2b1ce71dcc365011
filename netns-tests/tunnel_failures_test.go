//go:build kernel

package netns

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

var (
	slowFor = flag.Duration("tunnel-slow", time.Second,
		"how long the daemon of TestTunnelFailures is stopped")
	tunnelAssociations = flag.Int("tunnel-associations", 50,
		"how many associations TestTunnelFailures has at once")
)

// A failing is the set-up of the tests of failures: two hosts, and four services, each a server
// tunnel and a client tunnel with the same port for the daemons. Services a, b and c belong to one
// process on each host, and d to another. Service c uses the second link, d uses both, and the
// others use the first. One daemon is behind a, one behind d, and one behind both b and c.
type failing struct {
	*tunnelPair
	ca           *tunnelCA
	near, far    *Process         // the tunnels of a, b and c
	farFile      string           // its configuration
	before       map[*Process]int // bytes of output before this step
	nearD, farD  *Process
	a, b, d      *Process // daemons
	bystander    *nearDaemon
	bystanderOfD *nearDaemon
}

const portA, portB, portC, portD = 2100, 2200, 2300, 2400

// TestTunnelFailures checks that each failure ends the associations that docs/tunnel.md says it
// ends, at both daemons, and no others, and that no message is lost before the end: each daemon
// checks that the numbers of messages have no gap.
func TestTunnelFailures(t *testing.T) {
	f := &failing{tunnelPair: newTunnelPair(t)}
	f.ca = f.newCA()
	f.ca.issue("partner", time.Now().Add(time.Hour))
	f.ca.issue("expired", time.Now().Add(-time.Hour))
	f.ca.revoke(t)
	f.a, f.b, f.d = f.echoDaemon(portA), f.echoDaemon(portB), f.echoDaemon(portD)
	f.startFar()
	f.farD = f.tunnel(f.core, f.server(f.core, portD))
	f.startNear()
	f.nearD = f.tunnel(f.ran, f.client(f.core, portD))
	f.nearD.WaitFor("msg=listening")
	f.bystander, f.bystanderOfD = f.dialNear(portB), f.dialNear(portD)

	cut := f.cutLink()
	for _, step := range []struct {
		name      string
		fail      func()
		bystander **nearDaemon
	}{
		{"the far daemon is slow", f.slow, &f.bystander},
		{"the far daemon is killed", f.farDaemonKilled, &f.bystander},
		{"the near daemon is killed", f.nearDaemonKilled, &f.bystander},
		{"the configuration is broken at reload", f.brokenConfiguration, &f.bystander},
		{"a certificate has expired", f.expired, &f.bystander},
		{"a peer is revoked", f.revoked, &f.bystander},
		{"many associations", f.many, &f.bystander},
		{"a flood of nobody", f.flood, &f.bystander},
		{"the link is cut", cut, &f.bystander},
		{"the near tunnel is killed", f.nearTunnelKilled, &f.bystanderOfD},
		{"the far tunnel is killed", f.farTunnelKilled, &f.bystanderOfD},
	} {
		began := time.Now()
		f.mark()
		step.fail()
		(*step.bystander).served()
		f.bystanderOfD.served() // with one of its links down
		t.Logf("%v: %s", time.Since(began).Round(time.Millisecond), step.name)
	}
	f.bystanderOfD.end()
	f.d.WaitFor(`ended after \d+: EOF`)
}

// serverOf and clientOf return the services of a port on one of the links.
func (f *failing) serverOf(port, link, daemon int) string {
	return fmt.Sprintf("role = \"server\"\nlisten = \"%v:%d\"\ntarget = \"127.0.0.1:%d\"\n",
		f.core.Addrs[link], port+2000, daemon)
}

func (f *failing) clientOf(port, link int) string {
	return fmt.Sprintf("role = \"client\"\nlisten = \"127.0.0.1:%d\"\ntarget = \"%v:%d\"\n",
		port, f.core.Addrs[link], port+2000)
}

func (f *failing) startFar() {
	crl := fmt.Sprintf("crl = [%q]\n", f.pem("crl"))
	f.farFile = f.configuration(f.serverOf(portA, 0, portA)+crl+"max-handshakes-per-host = 4\n",
		f.serverOf(portB, 0, portB), f.serverOf(portC, 1, portB))
	f.far = f.run(f.core, f.farFile)
	f.far.WaitFor("msg=started")
}

func (f *failing) startNear() {
	f.near = f.tunnel(f.ran, f.clientOf(portA, 0), f.clientOf(portB, 0), f.clientOf(portC, 1))
	f.near.WaitFor("(?s)(msg=listening.*){3}")
}

// mark starts a step.
func (f *failing) mark() {
	f.before = make(map[*Process]int)
	for _, p := range []*Process{f.near, f.far, f.a, f.b, f.d} {
		f.before[p] = len(p.Output())
	}
}

// says waits until a process logs a line in this step.
func (f *failing) says(p *Process, pattern string) {
	f.t.Helper()
	p.waitAfter(f.before[p], pattern)
}

// ends waits for the end of an association at both tunnels.
func (f *failing) ends(near, far string) {
	f.t.Helper()
	f.says(f.near, "association ends.*why="+near+" ")
	f.says(f.far, "association ends.*why="+far+" ")
}

// unread waits until the daemon on a port has received data that it has not read.
func (f *failing) unread(h *Host, column int, port uint16) {
	f.t.Helper()
	table := func() (b []byte) {
		h.Do(f.t, func() {
			var err error
			if b, err = os.ReadFile("/proc/thread-self/net/sctp/assocs"); err != nil {
				f.t.Fatal(err)
			}
		})
		return b
	}
	for end := time.Now().Add(Patience); ; time.Sleep(10 * time.Millisecond) {
		for line := range strings.Lines(string(table())) {
			c := strings.Fields(line)
			if len(c) > 12 && c[column] == fmt.Sprint(port) && c[8] != "0" {
				return
			}
		}
		if time.Now().After(end) {
			f.t.Fatalf("the daemon has nothing unread:\n%s", table())
		}
	}
}

// Columns of /proc/net/sctp/assocs.
const (
	localPort  = 11
	remotePort = 12
)

// cutLink sets the link of service c down during traffic. The function that it returns waits for
// the end.
func (f *failing) cutLink() func() {
	victim := f.dialNear(portC)
	stop := victim.sendAll()
	f.core.SetLink(f.t, 1, "down")
	return func() {
		victim.wantEnd(syscall.ECONNRESET)
		stop()
		f.near.WaitFor("association ends.*why=peer-lost ")
		f.far.WaitFor("association ends.*why=peer-lost ")
		f.b.WaitFor(`ended after \d+: .*reset`)
		f.core.SetLink(f.t, 1, "up")
	}
}

// slow checks that messages for a daemon that does not read are kept within bounds, and that none
// is lost when it continues.
func (f *failing) slow() {
	victim := f.dialNear(portA)
	f.a.stop()
	stop := victim.sendAll()
	for end := time.Now().Add(*slowFor); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		f.bystander.served()
	}
	sent, echoed := victim.sent.Load(), victim.echoed.Load()
	f.a.signal(syscall.SIGCONT)
	stop()
	victim.all()
	f.t.Logf("%d messages were sent, %d echoed while the daemon was stopped for %v; all of %d came "+
		"after", sent, echoed, *slowFor, victim.sent.Load())
	victim.end()
	f.ends("daemon-shutdown", "peer-close")
}

// farDaemonKilled kills the far daemon. The kernel closes its socket, which sends an ABORT if the
// process had not read everything, and otherwise a SHUTDOWN.
func (f *failing) farDaemonKilled() {
	for _, tt := range []struct {
		unread    bool
		sees      error // at the near daemon
		near, far string
	}{
		{false, io.EOF, "peer-close", "daemon-shutdown"},
		{true, syscall.ECONNRESET, "peer-abort", "daemon-abort"},
	} {
		f.mark()
		victim := f.dialNear(portA)
		if tt.unread {
			f.a.stop()
			for range 10 {
				victim.send()
			}
			f.unread(f.core, localPort, portA)
		}
		f.a.kill()
		victim.wantEnd(tt.sees)
		f.ends(tt.near, tt.far)
		f.refused()
		f.a = f.echoDaemon(portA)
		f.readyAgain()
	}
}

// refused waits until the near tunnel does not listen for service a. A probe may have reached the
// far daemon when the kernel had not closed its listening socket yet; the next association then
// finds out.
func (f *failing) refused() {
	f.t.Helper()
	for end := time.Now().Add(Patience); ; {
		s, err := f.tryNear(portA)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return
		}
		if err == nil {
			f.newNear(s).wantEnd(syscall.ECONNRESET)
		}
		if time.Now().After(end) {
			f.t.Fatalf("the near tunnel listens although nobody is at the far end: %v", err)
		}
	}
}

// readyAgain waits until an association of service a reaches the far daemon again, and ends it.
func (f *failing) readyAgain() {
	f.t.Helper()
	for end := time.Now().Add(Patience); ; time.Sleep(20 * time.Millisecond) {
		s, err := f.tryNear(portA)
		if err == nil {
			d := f.newNear(s)
			if err = d.use(); err == nil {
				f.mark()
				d.end()
				f.ends("daemon-shutdown", "peer-close")
				f.says(f.a, `ended after 1: EOF`)
				return
			}
		}
		if time.Now().After(end) {
			f.t.Fatalf("nobody listens again: %v", err)
		}
	}
}

// nearDaemonKilled does the same to the near daemon.
func (f *failing) nearDaemonKilled() {
	self, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, tt := range []struct {
		unread    bool
		sees      string // at the far daemon
		near, far string
	}{
		{false, "EOF", "daemon-shutdown", "peer-close"},
		{true, "connection reset by peer", "daemon-abort", "peer-abort"},
	} {
		f.mark()
		d := f.ran.Start(f.t, self, "-dial-daemon", netip.AddrPortFrom(loopback, portA).String(),
			fmt.Sprintf("-unread=%v", tt.unread))
		d.WaitFor("done")
		if tt.unread {
			f.unread(f.ran, remotePort, portA)
		}
		d.kill()
		f.ends(tt.near, tt.far)
		f.says(f.a, `ended after \d+: .*`+tt.sees)
	}
}

func (f *failing) brokenConfiguration() {
	good, err := os.ReadFile(f.farFile)
	if err != nil {
		f.t.Fatal(err)
	}
	victim := f.dialNear(portA)
	const bad = "[[service]]\nlisen = 1\n"
	if err := os.WriteFile(f.farFile, []byte(bad), 0o600); err != nil {
		f.t.Fatal(err)
	}
	f.far.signal(syscall.SIGHUP)
	f.says(f.far, `(?i)level=ERROR.*lisen`)
	victim.served()
	f.dialNear(portA).end()
	if err := os.WriteFile(f.farFile, good, 0o600); err != nil {
		f.t.Fatal(err)
	}
	victim.end()
}

// expired checks that an endpoint whose certificate has expired is refused, in both roles.
func (f *failing) expired() {
	config := f.ca.config("expired")
	f.ran.Do(f.t, func() {
		to := fmt.Sprintf("%v:%d", f.core.Addrs[0], portA+2000)
		if conn, err := sctpdtls.Dial("sctp", to, config); err == nil {
			conn.Close()
			f.t.Error("a client whose certificate has expired was let in")
		}
	})
	f.says(f.far, "association refused.*why=handshake-failed.*expired")
	var ln *sctpdtls.Listener
	var err error
	f.core.Do(f.t, func() {
		ln, err = sctpdtls.Listen("sctp", fmt.Sprintf("%v:%d", f.core.Addrs[0], 4999), config)
	})
	if err != nil {
		f.t.Fatal(err)
	}
	defer ln.Close()
	go ln.AcceptConn(f.t.Context())
	f.tunnel(f.ran, f.clientOf(2999, 0)).WaitFor("not listening.*expired")
	if s, err := f.tryNear(2999); !errors.Is(err, syscall.ECONNREFUSED) {
		f.t.Errorf("in front of a server whose certificate has expired: %v, %v", s, err)
	}
}

func (f *failing) revoked() {
	other := f.dialNear(portA)
	partner := f.tunnel(f.ran, fmt.Sprintf("role = \"client\"\nlisten = \"127.0.0.1:2500\"\n"+
		"target = \"%v:%d\"\ncert = %q\nkey = %q\n", f.core.Addrs[0], portA+2000, f.pem("partner"),
		f.pem("partner-key")))
	partner.WaitFor("msg=listening")
	victim := f.dialNear(2500)
	stop := victim.sendAll()
	f.ca.revoke(f.t, "partner")
	f.far.signal(syscall.SIGHUP)
	victim.wantEnd(syscall.ECONNRESET)
	stop()
	f.says(f.far, "association ends.*why=not-allowed ")
	partner.WaitFor("association ends.*why=peer-abort ")
	partner.WaitFor("not listening")
	f.says(f.far, "association refused.*why=not-allowed ")
	other.end()
}

func (f *failing) many() {
	began := time.Now()
	sockets := make([]*sctpsock.Socket, *tunnelAssociations)
	atOnce(len(sockets), dialers, func(i int) {
		var err error
		if sockets[i], err = f.tryNear(portB); err != nil {
			f.t.Errorf("association %d: %v", i, err)
		}
	})
	if f.t.Failed() {
		f.t.FailNow()
	}
	var all []*nearDaemon
	for _, s := range sockets {
		all = append(all, f.newNear(s))
	}
	for _, d := range all {
		d.served()
	}
	f.t.Logf("%d associations were made, and used, in %v", len(all), time.Since(began))
	for _, d := range all {
		d.end()
	}
}

func (f *failing) flood() {
	self, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	attacker := f.ran.Start(f.t, self, "-flooder", "ClientHello, and silence", "-target",
		fmt.Sprintf("%v:%d", f.core.Addrs[0], portA+2000), "-rate", fmt.Sprint(*floodRate))
	attacker.WaitFor("flooding")
	f.says(f.far, "(?s)(association refused.*why=handshake-failed.*){8}")
	f.dialNear(portB).end()
	attacker.EndInput()
	if err := attacker.Wait(); err != nil {
		f.t.Errorf("the attacker: %v", err)
	}
	f.readyAgain() // the far tunnel has seen that the attacker's associations have ended
}

func (f *failing) nearTunnelKilled() {
	victim := f.dialNear(portA)
	stop := victim.sendAll()
	f.near.kill()
	victim.wantEnd(syscall.ECONNRESET)
	stop()
	f.bystander.wantEnd(syscall.ECONNRESET)
	// The reason depends on how the kernel closes the sockets of the process.
	f.says(f.far, "association ends.*why=peer-(truncated|abort) ")
	f.says(f.a, `ended after \d+: .*reset`)
	f.startNear()
	f.bystander = f.dialNear(portB)
	f.bystander.served()
}

func (f *failing) farTunnelKilled() {
	victim := f.dialNear(portA)
	stop := victim.sendAll()
	f.far.kill()
	victim.wantEnd(syscall.ECONNRESET)
	stop()
	f.bystander.wantEnd(syscall.ECONNRESET)
	f.says(f.near, "association ends.*why=peer-(truncated|abort) ")
	f.refused()
	f.startFar()
	f.readyAgain()
}

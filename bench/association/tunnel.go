package association

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/seed-41f70523/dtls-sctp/bench/certs"
	"github.com/seed-41f70523/dtls-sctp/bench/measure"
)

// The contestants of Tunnel: each kind of hop alone, and all three in a row. The hops with DTLS use
// the hash and the version that two tunnels negotiate. Those with SCTP-AUTH alone show the cost of
// the hash: emulated processors have no instructions for SHA-256.
var (
	plainHop = Program{Name: "plain SCTP", Kind: "plain", SACKDelay: -1}
	authHop  = Program{Name: "SCTP-AUTH, SHA-1", Kind: "auth", HMAC: hmacSHA1, SACKDelay: -1}
	auth256  = Program{Name: "SCTP-AUTH, SHA-256", Kind: "auth", HMAC: hmacSHA256, SACKDelay: -1}
	dtlsHop  = Program{Name: "DTLS", Kind: "dtls", SACKDelay: -1, Version: "1.3"}
	dtlsHops = Program{Name: "DTLS, batches of 32", Kind: "dtls", SACKDelay: -1, Version: "1.3",
		Batch: 32}
	tunnelled = Program{Name: "through two tunnels", Kind: "plain", SACKDelay: -1}
)

// tunnelSize is the size of messages in bytes.
const tunnelSize = 200

// Tunnel compares two sctp-tunnels with their three hops alone: plain SCTP over the loopback
// interface of a host, twice, and DTLS between the two.
//
//	client ── lo ── sctp-tunnel ══ eth0 ══ sctp-tunnel ── lo ── server
//
// It begins when the connections have been there for the time settle: for ten seconds an old key of
// SCTP-AUTH is kept, which costs each packet a filter, and each wait a timer.
func Tunnel(
	r *measure.Report, n *Network, tunnel string, settle, d time.Duration, rounds int,
) error {
	row, err := n.tunnels(tunnel, 1)
	if err != nil {
		return err
	}
	defer row.end()
	lo, err := n.alone()
	if err != nil {
		return err
	}
	defer lo.end()
	clients := make(map[string]*process)
	clients[tunnelled.Name], clients[plainHop.Name] = row.client, lo.client
	for _, p := range []Program{authHop, auth256, dtlsHop, dtlsHops} {
		if clients[p.Name], err = n.client(p, 1, 1); err != nil {
			return err
		}
		defer clients[p.Name].end()
	}
	time.Sleep(settle)
	var failed []error
	for _, kind := range []string{"discard", "echo1", "echo32"} {
		contest := measure.Contest{Name: "tunnel/" + kind}
		for _, p := range []Program{plainHop, authHop, auth256, dtlsHop, dtlsHops, tunnelled} {
			if p.Batch > 1 && kind != "discard" {
				continue // an echo sends messages one at a time
			}
			contest.Contestants = append(contest.Contestants, measure.Contestant{Name: p.Name,
				Run: func(d time.Duration) (measure.Sample, error) {
					rate, err := clients[p.Name].turn(p.command(kind, tunnelSize), d)
					return measure.Sample{"messages/s": rate}, err
				}})
		}
		failed = append(failed, r.Run(n.progress, []measure.Contest{contest}, rounds, d))
		for _, c := range contest.Contestants {
			if rate, ok := r.Value(contest.Name, c.Name, "messages/s"); ok {
				fmt.Fprintf(n.progress, "  %-20s %6.1f µs a message\n", c.Name, 1e6/rate)
			}
		}
		compareTunnels(r, n, contest.Name)
	}
	return errors.Join(failed...)
}

// compareTunnels shows the tunnels beside their hops in a row, and beside plain SCTP.
func compareTunnels(r *measure.Report, n *Network, contest string) {
	took := func(p Program) (µs float64) {
		rate, _ := r.Value(contest, p.Name, "messages/s")
		return 1e6 / rate
	}
	between := dtlsHop
	if _, ok := r.Value(contest, dtlsHops.Name, "messages/s"); ok {
		between = dtlsHops // as tunnels send what comes together
	}
	row, both := 2*took(plainHop)+took(between), took(tunnelled)
	fmt.Fprintf(n.progress, "  three hops in a row  %6.1f µs; the tunnels %.2f of it, "+
		"and %.1f µs more than plain SCTP\n", row, both/row, both-took(plainHop))
}

// TunnelLoad sends messages over many associations in six steps. In each step all of them together
// send rate messages per second for d, or fewer if the machine is too slow. After each step it
// measures the memory of both tunnels.
func TunnelLoad(
	r *measure.Report, n *Network, tunnel string, associations, rate int, d time.Duration,
) error {
	row, err := n.tunnels(tunnel, associations)
	if err != nil {
		return err
	}
	defer row.end()
	for step := range 6 {
		carried, err := row.client.ask(fmt.Sprintf("pace %d %d %d", tunnelSize, rate,
			d.Milliseconds()))
		if err != nil {
			return err
		}
		contest := fmt.Sprintf("tunnel/%d associations/step %d", associations, step+1)
		r.AddValue(contest, tunnelled.Name, "messages/s", carried)
		near, far := resident(row.near.Process.Pid), resident(row.far.Process.Pid)
		r.AddValue(contest, "client", "KiB of the process", near)
		r.AddValue(contest, "server", "KiB of the process", far)
		fmt.Fprintf(n.progress, "%s: %.0f messages/s, %.0f and %.0f KiB\n", contest, carried, near, far)
	}
	return nil
}

// resident returns the resident memory of a process in KiB.
func resident(pid int) (kib float64) {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			fmt.Sscan(rest, &kib)
		}
	}
	return kib
}

// A chain is a client and what it needs to reach a plain SCTP server.
type chain struct {
	client    *process
	processes []*process
	near, far *exec.Cmd // tunnels
}

func (c *chain) end() {
	for _, p := range c.processes {
		p.end()
	}
	for _, t := range []*exec.Cmd{c.near, c.far} {
		if t != nil {
			t.Process.Kill()
			t.Wait()
		}
	}
}

// alone starts a client and a server on the same host.
func (n *Network) alone() (*chain, error) {
	n.port++
	c := new(chain)
	return c, c.peers(n, plainHop, "client", n.port, n.port, 1)
}

// peers starts a server on a host, and a client that connects to a port of its own host.
func (c *chain) peers(n *Network, p Program, server string, serverPort, clientPort,
	associations int) error {
	size := buffer
	if associations > 1 {
		size /= 16
	}
	for _, end := range []struct {
		host, role   string
		port, number int
	}{{server, "server", serverPort, 0}, {"client", "client", clientPort, associations}} {
		if end.role == "client" {
			if err := c.listening(clientPort); err != nil {
				return err
			}
		}
		command := n.command(p, end.role, end.port, end.number, 1, size)
		for i, word := range command {
			command[i] = strings.Replace(word, "10.0.0.2:", "127.0.0.1:", 1)
		}
		started, err := start(end.host, command)
		if err != nil {
			return err
		}
		c.client = started
		c.processes = append(c.processes, started)
	}
	return nil
}

// tunnels starts two tunnels between a client and a server.
func (n *Network) tunnels(tunnel string, associations int) (*chain, error) {
	server, outer, near := strconv.Itoa(n.port+1), strconv.Itoa(n.port+2), n.port+3
	n.port += 3
	c := new(chain)
	pem := func(name string) string { return filepath.Join(n.folder, name+".pem") }
	for _, t := range []struct {
		cmd  **exec.Cmd
		host string
		args []string
	}{
		{&c.far, "server", []string{"server", "-listen", "10.0.0.2:" + outer, "-target",
			"127.0.0.1:" + server, "-cert", pem("server"), "-allow-all"}},
		{&c.near, "client", []string{"client", "-listen", "127.0.0.1:" + strconv.Itoa(near),
			"-target", "10.0.0.2:" + outer, "-cert", pem("client"), "-server-name", certs.Name,
			"-probe-interval", "100ms"}},
	} {
		args := append([]string{"netns", "exec", t.host, tunnel}, t.args...)
		args = append(args, "-ca", pem("ca"), "-log-level", "error", "-no-sandbox")
		cmd := exec.Command("ip", args...)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			c.end()
			return nil, err
		}
		*t.cmd = cmd
	}
	if err := c.peers(n, tunnelled, "server", n.port-2, near, associations); err != nil {
		c.end()
		return nil, err
	}
	return c, nil
}

// listening waits until a port of the client's host has a listener.
func (c *chain) listening(port int) error {
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		out, err := exec.Command("ip", "netns", "exec", "client", "cat", "/proc/net/sctp/eps").Output()
		if err != nil {
			return err
		}
		for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
			if f := strings.Fields(lines.Text()); len(f) > 5 && f[5] == strconv.Itoa(port) {
				return nil
			}
		}
	}
	return fmt.Errorf("nothing listens on port %d: the far end was not reached", port)
}

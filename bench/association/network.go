package association

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-41f70523/dtls-sctp/bench/certs"
)

// A Network is two hosts, and the servers on one of them.
//
//	client 10.0.0.1 eth0 ──── eth0 10.0.0.2 server
type Network struct {
	self     []string // the command line of a peer in Go
	cpeer    string   // the program of a peer in C, or ""
	folder   string   // with the certificates
	progress io.Writer
	servers  map[string]*process
	port     int
}

// buffer is the size of socket buffers. With the kernel's default, floods of small messages
// sometimes stall until a timer expires.
const buffer = 4 << 20

// NewNetwork creates a network. It requires root and a kernel with SCTP.
func NewNetwork(self []string, cpeer string, progress io.Writer) (*Network, error) {
	folder, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	n := &Network{self: self, cpeer: cpeer, folder: folder, progress: progress,
		servers: make(map[string]*process), port: 7000}
	if err := certs.New().Write(folder); err != nil {
		return nil, err
	}
	// Not sh: busybox's sh would run its own ip.
	for _, command := range []string{
		"ip netns add client",
		"ip netns add server",
		"ip link add eth0 netns client type veth peer name eth0 netns server",
		"ip -n client addr add 10.0.0.1/24 dev eth0",
		"ip -n server addr add 10.0.0.2/24 dev eth0",
		"ip -n client link set eth0 up",
		"ip -n server link set eth0 up",
		"ip -n client link set lo up",
		"ip -n server link set lo up",
		// OpenSSL does not enable SCTP-AUTH itself.
		"ip netns exec client sh -c 'echo 1 >/proc/sys/net/sctp/auth_enable'",
		"ip netns exec server sh -c 'echo 1 >/proc/sys/net/sctp/auth_enable'",
		fmt.Sprintf("echo %d >/proc/sys/net/core/rmem_max", buffer),
		fmt.Sprintf("echo %d >/proc/sys/net/core/wmem_max", buffer),
		// Many associations fill a processor's queue, and each dropped packet costs a timeout.
		"echo 100000 >/proc/sys/net/core/netdev_max_backlog",
		"echo '20000 65000' >/proc/sys/net/ipv4/ip_local_port_range",
	} {
		if out, err := exec.Command("bash", "-c", command).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w\n%s", command, err, out)
		}
	}
	return n, nil
}

// Close stops the servers and removes the network.
func (n *Network) Close() error {
	for _, s := range n.servers {
		s.end()
	}
	return errors.Join(
		exec.Command("ip", "netns", "del", "client").Run(),
		exec.Command("ip", "netns", "del", "server").Run(),
		os.RemoveAll(n.folder),
	)
}

// able returns the programs that can run.
func (n *Network) able(programs []Program) []Program {
	return slices.DeleteFunc(slices.Clone(programs),
		func(p Program) bool { return p.C && n.cpeer == "" })
}

// command returns a peer's command line.
func (n *Network) command(p Program, role string, port, associations, streams,
	buffer int) []string {
	address := "10.0.0.2"
	itoa := strconv.Itoa
	if p.C {
		return []string{n.cpeer, role, p.Kind, address, itoa(port), n.folder, itoa(associations),
			itoa(streams), itoa(buffer), itoa(p.HMAC), itoa(p.SACKDelay)}
	}
	return append(slices.Clone(n.self), "-role", role, "-kind", p.Kind, "-address",
		address+":"+itoa(port), "-certificates", n.folder,
		"-associations", itoa(associations), "-streams", itoa(streams), "-buffer", itoa(buffer),
		"-hmac", itoa(p.HMAC), "-sack-delay", itoa(p.SACKDelay), "-dtls", p.Version,
		fmt.Sprintf("-resume=%v", p.Resume))
}

// client starts a client, and a server for its program if there is none.
func (n *Network) client(p Program, associations, streams int) (*process, error) {
	size := buffer
	if associations > 1 {
		size /= 8 // all of them must fit into SCTP's memory limit
	}
	key := fmt.Sprint(p.peer(), size, streams)
	s := n.servers[key]
	if s == nil {
		n.port++
		var err error
		if s, err = start("server", n.command(p, "server", n.port, 0, streams, size)); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		s.port = n.port
		n.servers[key] = s
	}
	c, err := start("client", n.command(p, "client", s.port, associations, streams, size))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name, err)
	}
	if !p.C {
		c.collecting = []*process{s, c}
	}
	return c, nil
}

// A process is a peer that reads commands.
type process struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	port int

	collecting []*process // both ends, of a client in Go
}

// start starts a peer on a host, and waits until it is ready.
func start(host string, command []string) (*process, error) {
	cmd := exec.Command("ip", append([]string{"netns", "exec", host}, command...)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd, in: in, out: bufio.NewReader(out)}
	line, err := p.line()
	if err == nil && line != "ready" {
		err = fmt.Errorf("%s says %q", filepath.Base(command[0]), line)
	}
	if err != nil {
		p.end()
		return nil, err
	}
	return p, nil
}

// answerTime is how long a peer may take to answer before the measurement fails. OpenSSL needs
// 0.4 s for each of 1,000 handshakes before it is ready.
const answerTime = 15 * time.Minute

func (p *process) line() (string, error) {
	late := time.AfterFunc(answerTime, func() { p.cmd.Process.Kill() })
	defer late.Stop()
	line, err := p.out.ReadString('\n')
	return strings.TrimSpace(line), err
}

// ask sends a command and returns the answer, a number.
func (p *process) ask(command string) (float64, error) {
	numbers, err := p.askAll(command, 1)
	if err != nil {
		return 0, err
	}
	return numbers[0], nil
}

// askAll sends a command and returns the answer, n numbers.
func (p *process) askAll(command string, n int) ([]float64, error) {
	if _, err := fmt.Fprintln(p.in, command); err != nil {
		return nil, err
	}
	line, err := p.line()
	if err != nil {
		return nil, err
	}
	words := strings.Fields(line)
	if len(words) != n {
		return nil, fmt.Errorf("%q answers %q", command, line)
	}
	numbers := make([]float64, n)
	for i, w := range words {
		if numbers[i], err = strconv.ParseFloat(w, 64); err != nil {
			return nil, err
		}
	}
	return numbers, nil
}

// collect makes both ends collect garbage, so that a collection does not affect only some of the
// turns.
func (p *process) collect() error {
	for _, end := range p.collecting {
		if _, err := end.ask("memory"); err != nil {
			return err
		}
	}
	return nil
}

// turn makes a client send messages for d, and returns the number per second. First it collects
// garbage of earlier turns, and warms up the path and both programs.
func (p *process) turn(command string, d time.Duration) (rate float64, err error) {
	if err := p.collect(); err != nil {
		return 0, err
	}
	for _, d := range []time.Duration{d / 8, d} {
		if rate, err = p.ask(fmt.Sprintf("%s %d", command, d.Milliseconds())); err != nil {
			return 0, err
		}
	}
	return rate, nil
}

// handshakes makes a client perform handshakes, after some to warm up its memory.
func (p *process) handshakes(number int) (v []float64, err error) {
	for _, number := range []int{(number + 7) / 8, number} {
		if err := p.collect(); err != nil {
			return nil, err
		}
		v, err = p.askAll(fmt.Sprintf("handshakes %d", number), len(HandshakeFigures))
		if err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (p *process) end() {
	p.in.Close()
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

//go:build kernel

package sctpdtls

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpudp"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// TestKernelPeerScenarios plays the scenarios between the kernel's SCTP and that of this process,
// inside UDP (RFC 6951), each of them at either end.
//
// Several are played at a time, for most of their time goes by in waiting for a timer.
func TestKernelPeerScenarios(t *testing.T) {
	const udpPort = "/proc/sys/net/sctp/udp_port"
	must(t, os.WriteFile(udpPort, fmt.Append(nil, sctpudp.Port), 0))
	defer os.WriteFile(udpPort, []byte("0"), 0)
	// Packets are as long as in other networks. Linux loses those that it bundles for segmentation
	// offload, if UDP is around them: see docs/udp.md.
	mtu := func(n string) {
		out, err := exec.Command("ip", "link", "set", "lo", "mtu", n, "gso_max_size", n).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	mtu("1500")
	defer mtu("65536")

	openTimers()
	before := countOf(t)
	var all sync.WaitGroup
	// start has so many goroutines play those scenarios in which a host is gone, or the others.
	start := func(players int, gone bool) {
		type play struct {
			ours string
			sc   scenario
		}
		plays := make(chan play)
		for range players {
			all.Go(func() {
				for p := range plays {
					t.Run("ours is the "+p.ours+"/"+p.sc.name, func(t *testing.T) {
						playPeer(t, p.ours, p.sc)
					})
				}
			})
		}
		all.Go(func() {
			defer close(plays)
			for _, sc := range scenarios() {
				if !sc.memoryOnly && sc.gone == gone {
					plays <- play{"client", sc}
					plays <- play{"server", sc}
				}
			}
		})
	}
	start(24, true) // which do little but wait
	start(12, false)
	all.Wait()
	for limit := time.Now().Add(patience); countOf(t).more(before); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("before there were %+v, now %+v", before, countOf(t))
		}
	}
}

func playPeer(t *testing.T, ours string, sc scenario) {
	sc.net.busy, sc.net.lasting = true, sc.net.lasting || !sc.gone
	w := newPeerWorld(t, ours, sc.net)
	defer func() {
		for _, l := range append(w.ours.lns, w.kernel.lns...) {
			l.Close()
		}
		w.down.Store(false)
		for _, c := range w.sockets {
			select {
			case <-c.done:
				c.release()
			default: // it will be closed
			}
		}
	}()
	if setUp := sc.setUp; !sc.timesOut {
		sc.setUp = func(client, server *Config) {
			for _, c := range []*Config{client, server} {
				c.HandshakeTimeout += w.slack()
				c.CloseTimeout += w.slack()
			}
			if setUp != nil {
				setUp(client, server)
			}
		}
	}
	play(t, w, sc)
}

// A peerWorld has the kernel's SCTP at one end, and that of package sctpudp at the other, whose
// UDP socket loses and delays packets in both directions.
type peerWorld struct {
	weather
	t          *testing.T
	oursServes bool
	ours       *udpEnds
	kernel     *kernelWorld
	ln         stream.Listener // for pair; nil before
	sockets    []*badConn
	down       atomic.Bool  // nothing comes through
	restarting atomic.Bool  // a socket that is closed stays bound until open has taken its port
	ports      map[int]bool // of SCTP, of the kernel's ends
}

func newPeerWorld(t *testing.T, ours string, net weather) *peerWorld {
	w := &peerWorld{weather: net, t: t, oursServes: ours == "server", ports: map[int]bool{}}
	w.ours = &udpEnds{weather: net, t: t, open: w.open}
	w.kernel = &kernelWorld{weather: net, t: t}
	return w
}

// kernelAddr is where the kernel's UDP socket is reached.
var kernelAddr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), sctpudp.Port)

func (w *peerWorld) cut() { w.down.Store(true) }

// Others run at the same time. The other worlds see what takes too long.
func (w *peerWorld) slack() time.Duration { return patienceOfAll }

// mend lets nothing through of what was sent before.
func (w *peerWorld) mend() {
	for _, c := range w.sockets {
		c.flush()
	}
	w.down.Store(false)
}

func (w *peerWorld) pair(t *testing.T) (client, server association) {
	t.Helper()
	if w.ln == nil {
		w.ln = w.listen()
	}
	client, err := w.dial(w.ln)
	if err != nil {
		t.Fatal(err)
	}
	return client, w.accept(client)
}

func (w *peerWorld) listener(t *testing.T) (stream.Listener, func() association) {
	ln := w.listen()
	return ln, func() association {
		a, err := w.dial(ln)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
}

func (w *peerWorld) listen() stream.Listener {
	w.t.Helper()
	if w.oursServes {
		return w.ours.listen()
	}
	ln := w.kernel.listen(w.t)
	w.ports[ln.Addr().(*Addr).Port] = true
	return ln
}

func (w *peerWorld) accept(client association) association {
	w.t.Helper()
	a := acceptFrom(w.t, w.ln, client)
	if w.oursServes {
		w.ours.all = append(w.ours.all, a.(udpAssociation).Assoc)
	}
	return a
}

func (w *peerWorld) dial(ln stream.Listener) (association, error) {
	if !w.oursServes {
		return w.ours.dial(0, 0, uint16(ln.Addr().(*Addr).Port), kernelAddr)
	}
	w.kernel.udpPort = ln.(*udpListener).socket.LocalAddr().Port()
	a, err := w.kernel.dial(nil, ln.Addr())
	if err == nil {
		w.ports[a.LocalAddr().(*Addr).Port] = true
	}
	return a, err
}

func (w *peerWorld) restart(t *testing.T, client association) association {
	t.Helper()
	if w.oursServes {
		w.cut()
		return w.kernel.dialAgain(client, w.mend)
	}
	w.cut()
	w.restarting.Store(true)
	client.Abort() // which nobody hears
	return w.ours.dialAgain(client)
}

func (w *peerWorld) outstanding(a association) bool {
	if ours(a) {
		return w.ours.outstanding(a)
	}
	return w.kernel.outstanding(a)
}

func (w *peerWorld) unread(a association) bool {
	if ours(a) {
		return w.ours.unread(a)
	}
	return w.kernel.unread(a)
}

func ours(a association) bool { _, is := a.(udpAssociation); return is }

func (w *peerWorld) left() string {
	left := w.ours.left()
	for _, e := range assocs(w.t) {
		if w.ports[e.local] {
			left += fmt.Sprintf(" the kernel's %+v", e)
		}
	}
	return left
}

// A badConn is a UDP socket in bad weather.
type badConn struct {
	*net.UDPConn
	world *peerWorld
	in    chan datagram
	own   chan byte // which datagram from this socket to itself has come
	round byte      // the last that flush has sent

	done chan struct{} // closed by Close
	once sync.Once
}

type datagram struct {
	data []byte
	from netip.AddrPort
}

// share lets another socket have the port of this one.
func share(c syscall.RawConn) (err error) {
	e := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	})
	return errors.Join(e, err)
}

// open opens a socket. After a restart it takes the port over from the one before without a moment
// in which nobody has it: to an ICMP message that says so, Linux ends the association. RFC 6951,
// Section 5.5
func (w *peerWorld) open(_ bool, port uint16) (sctpudp.Conn, error) {
	var how net.ListenConfig
	if port != 0 { // else the system may choose a port that another of these sockets has
		how.Control = func(_, _ string, c syscall.RawConn) error { return share(c) }
	}
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 2}), port)
	conn, err := how.ListenPacket(w.t.Context(), "udp4", addr.String())
	if err != nil {
		return nil, err
	}
	udp := conn.(*net.UDPConn)
	raw, err := udp.SyscallConn()
	if err != nil {
		return nil, err
	}
	if err := share(raw); err != nil {
		return nil, err
	}
	if w.restarting.Swap(false) {
		for _, c := range w.sockets {
			c.release()
		}
		w.sockets = nil
		w.down.Store(false)
	}
	udp.SetReadBuffer(1 << 20) // as sctpudp.Open does
	c := &badConn{UDPConn: udp, world: w, in: make(chan datagram), own: make(chan byte),
		done: make(chan struct{})}
	w.sockets = append(w.sockets, c)
	go c.receive()
	return c, nil
}

// carry has f called for a copy of b, if and when the weather lets it through.
func (c *badConn) carry(b []byte, f func(b []byte)) {
	w := c.world
	if w.down.Load() || rand.Float64() < w.loss {
		return
	}
	if w.delay == 0 && w.jitter == 0 {
		f(bytes.Clone(b))
		return
	}
	d := w.delay + time.Duration(rand.Float64()*float64(w.jitter))
	b = bytes.Clone(b)
	time.AfterFunc(d, func() { f(b) })
}

func (c *badConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	c.carry(b, func(b []byte) { c.UDPConn.WriteToUDPAddrPort(b, to) })
	return len(b), nil
}

func (c *badConn) addr() netip.AddrPort { return c.LocalAddr().(*net.UDPAddr).AddrPort() }

// flush waits until receive has seen all that has arrived, unless the socket is closed. What it
// sends for that is lost if the receive buffer is full.
func (c *badConn) flush() {
	c.round++
	for again := time.NewTicker(10 * time.Millisecond); ; {
		c.UDPConn.WriteToUDPAddrPort([]byte{c.round}, c.addr())
		select {
		case round := <-c.own:
			if round == c.round {
				return
			}
		case <-c.done:
			return
		case <-again.C:
		}
	}
}

func (c *badConn) receive() {
	buf := make([]byte, 1<<16)
	for {
		n, from, err := c.UDPConn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if from == c.addr() {
			select {
			case c.own <- buf[0]:
			default: // flush sends it once more, if it waits
			}
			continue
		}
		c.carry(buf[:n], func(b []byte) {
			select {
			case c.in <- datagram{b, from}:
			case <-c.done:
			}
		})
	}
}

func (c *badConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-c.in:
		return copy(b, d.data), d.from, nil
	case <-c.done:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

// Close leaves the port to nobody else while the kernel may still send there.
func (c *badConn) Close() error {
	c.once.Do(func() { close(c.done) })
	if c.world.restarting.Load() || c.world.down.Load() {
		return nil
	}
	return c.release()
}

// release closes the socket, and gives its port back.
func (c *badConn) release() error {
	c.once.Do(func() { close(c.done) })
	return c.UDPConn.Close()
}

//go:build kernel

package netns

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A Host is a network namespace.
type Host struct {
	Name string
	// Addrs and Addrs6 hold the host's address on each link, in the order of the links.
	Addrs  []netip.Addr
	Addrs6 []netip.Addr
}

// NewPair creates two hosts connected by one link, which exist until the test ends:
//
//	client eth0 10.0.0.1/24 fd00::1/64 ──── 10.0.0.2/24 fd00::2/64 eth0 server
func NewPair(t testing.TB) (client, server *Host) {
	t.Helper()
	client, server = NewHost(t, "client"), NewHost(t, "server")
	Join(t, client, server)
	return client, server
}

// NewHost creates a host without links, which exists until the test ends.
func NewHost(t testing.TB, name string) *Host {
	t.Helper()
	ip(t, "netns add "+name)
	t.Cleanup(func() { ip(t, "netns del "+name) })
	ip(t, "-n "+name+" link set lo up")
	return &Host{Name: name}
}

// Join adds a link between two hosts. It is device ethN on both, where N is the number of links
// that a has already; a gets the addresses 10.0.N.1 and fd00:0:0:N::1, and b those with 2 at the
// end.
//
// Segments are sent in packets of at most 1,500 bytes, because larger ones that the receiving
// kernel would split break AUTH while packets are captured there: the capture makes the kernel join
// chunks whose HMACs are for separate packets.
func Join(t testing.TB, a, b *Host) {
	t.Helper()
	n := len(a.Addrs)
	dev := fmt.Sprintf("eth%d", n)
	ip(t, fmt.Sprintf("link add %s netns %s type veth peer name %s netns %s", dev, a.Name, dev,
		b.Name))
	for i, h := range []*Host{a, b} {
		addr := netip.AddrFrom4([4]byte{10, 0, byte(n), byte(i + 1)})
		addr6 := netip.MustParseAddr(fmt.Sprintf("fd00:0:0:%x::%d", n, i+1))
		h.ip(t,
			fmt.Sprintf("addr add %s/24 dev %s", addr, dev),
			fmt.Sprintf("addr add %s/64 dev %s nodad", addr6, dev),
			fmt.Sprintf("link set %s up gso_max_size 1500", dev))
		h.Addrs = append(h.Addrs, addr)
		h.Addrs6 = append(h.Addrs6, addr6)
	}
}

// Netem sets what happens to the packets that the host sends on link n, in the syntax of
// tc-netem(8): "delay 50ms loss 5%". It replaces the previous setting. If packets get lost, sockets
// that the host opens later are persistent.
func (h *Host) Netem(t testing.TB, n int, how string) {
	t.Helper()
	if strings.Contains(how, "loss") {
		h.persistent(t)
	}
	command(t, "tc", fmt.Sprintf("-n %s qdisc replace dev eth%d root netem %s", h.Name, n, how))
}

// persistent sets the defaults of sockets so that chance does not make SCTP take Patience, or give
// up. With those of the kernel (1, 2, 4, 8, ... s), a message takes longer when six packets in a
// row are lost. At 10 % loss each way, where a packet or its acknowledgement is lost with
// probability 0.19, one of twenty thousand messages meets that, and one INIT of four thousand (3,
// 6, 12, ... s). With these settings it takes 20 packets in a row. On a busy machine, an answer may
// take more than a second.
func (h *Host) persistent(t testing.TB) {
	t.Helper()
	for _, o := range []struct{ name, value string }{
		{"rto_initial", "500"}, // ms
		{"rto_min", "300"},
		{"rto_max", "3000"},
		{"association_max_retrans", "100"},
		{"max_init_retransmits", "100"},
	} {
		h.Sysctl(t, "net.sctp."+o.name, o.value)
	}
}

// SetLink sets the host's end of link n "up" or "down".
func (h *Host) SetLink(t testing.TB, n int, state string) {
	t.Helper()
	ip(t, fmt.Sprintf("-n %s link set eth%d %s", h.Name, n, state))
}

// Sysctl sets a sysctl of the host's network namespace, such as net.sctp.auth_enable.
func (h *Host) Sysctl(t testing.TB, name, value string) {
	t.Helper()
	h.Do(t, func() {
		path := "/proc/sys/" + strings.ReplaceAll(name, ".", "/")
		if err := os.WriteFile(path, []byte(value), 0); err != nil {
			t.Fatal(err)
		}
	})
}

// Do calls f on a thread in the host's network namespace; sockets that f opens remain there. f runs
// in its own goroutine, and must not start others to do things in the namespace. It may end the
// test.
func (h *Host) Do(t testing.TB, f func()) {
	t.Helper()
	var err error
	returned := false
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread is never unlocked, so that the runtime terminates it with the goroutine and no
		// other goroutine runs in the host's namespace.
		runtime.LockOSThread()
		if err = h.enter(); err == nil {
			f()
		}
		returned = true
	}()
	<-done
	if err != nil {
		t.Fatalf("entering host %s: %v", h.Name, err)
	}
	if !returned {
		t.FailNow() // f has failed the test, which ended only f's goroutine
	}
}

// enter moves the current thread into the host's network namespace.
func (h *Host) enter() error {
	ns, err := os.Open("/run/netns/" + h.Name)
	if err != nil {
		return err
	}
	defer ns.Close()
	return unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET)
}

// ip runs several commands on the host in one process of ip(8), because it takes long to start a
// program in an emulated machine.
func (h *Host) ip(t testing.TB, commands ...string) {
	t.Helper()
	cmd := exec.Command("ip", "-n", h.Name, "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(commands, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ip of %s, %q: %v\n%s", h.Name, commands, err, out)
	}
}

// ip runs ip(8) with the words of args.
func ip(t testing.TB, args string) {
	t.Helper()
	command(t, "ip", args)
}

func command(t testing.TB, name, args string) {
	t.Helper()
	if out, err := exec.Command(name, strings.Fields(args)...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, args, err, out)
	}
}

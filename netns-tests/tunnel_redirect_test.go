//go:build kernel

package netns

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
)

// TestTunnelRedirect has two daemons whose configuration cannot be changed. One dials the other's
// address and port, on which the other listens with all addresses. nftables redirects the packets
// of the first to the tunnel on its host, which dials the same address, and those for the second to
// the tunnel on its host. The rule for the first is not "redirect", which would use 127.0.0.1 or
// ::1 as destination: Linux's SCTP accepts no association there from an address with a wider scope.
//
//	ran: sctp_darn - nft - sctp-tunnel ===== nft - sctp-tunnel - sctp_darn :core
func TestTunnelRedirect(t *testing.T) {
	for _, family := range []string{"ip", "ip6"} {
		t.Run(family, func(t *testing.T) {
			p := newTunnelPair(t)
			p.user = "nobody"
			near, far, lo := p.ran.Addrs[0], p.core.Addrs[0], loopback
			if family == "ip6" {
				near, far, lo = p.ran.Addrs6[0], p.core.Addrs6[0], netip.IPv6Loopback()
			}
			at := func(a netip.Addr, port uint16) string { return netip.AddrPortFrom(a, port).String() }
			rules := documented(t, "table ")
			if family == "ip6" {
				for i := range rules {
					rules[i] = strings.NewReplacer("ip ", "ip6 ", p.ran.Addrs[0].String()+":",
						"["+near.String()+"]:", p.core.Addrs[0].String(), far.String()).Replace(rules[i])
				}
			}
			p.nft(p.ran, strings.ReplaceAll(rules[0], "sctp-tunnel", p.user))
			p.nft(p.core, rules[1])
			link := startCapture(t, p.core)
			p.daemon(p.core, "sctp_darn", "-H", "::", "-P", "2100", "-l")
			server := p.tunnel(p.core, fmt.Sprintf(
				"role = \"server\"\nlisten = %q\ntarget = %q\nsource = %q\n",
				at(far, 5868), at(lo, 2100), at(lo, 2999)))
			server.WaitFor("msg=started")
			client := p.tunnel(p.ran, fmt.Sprintf("role = \"client\"\nlisten = %q\nunsafe = true\n"+
				"redirect = true\n", at(near, 2000)))
			client.WaitFor("msg=started")
			farLo := p.captureLo(p.core)
			sender := p.daemon(p.ran, "sctp_darn", "-H", near.String(), "-P", "2101",
				"-h", far.String(), "-p", "2100", "-s")
			sender.Type("redirected\n")
			server.WaitFor("association begins")
			sender.EndInput()
			server.WaitFor("association ends.*why=peer-close.*inMessages=1 ")
			client.WaitFor("association ends.*why=daemon-shutdown.*outMessages=1 ")
			outer := p.one(p.capture(link), wire.Options{KeyLog: p.secrets()})
			inner := p.one(p.capture(farLo), wire.Options{NoDTLS: true})
			if got := inner.Addr[wire.Initiator].Port(); got != 2999 {
				t.Errorf("the daemon was dialed from port %d", got)
			}
			if said := content(userMessages(outer, wire.Initiator)[0]); !strings.HasPrefix(string(said),
				"redirected") {
				t.Errorf("%q came out", said)
			}
			checkSame(t, outer, inner, passes)
			for _, d := range outer.Defects {
				t.Errorf("on the link: %v", d)
			}
		})
	}
}

// TestTunnelPeerSource checks that the far daemon sees the near host's addresses, which its own
// host does not have. A route sends its answers to the tunnel.
func TestTunnelPeerSource(t *testing.T) {
	p := newTunnelPair(t)
	for _, command := range strings.Split(strings.TrimSpace(documented(t, "ip ")[0]), "\n") {
		p.core.Run(t, "ip", strings.Fields(command)[1:]...)
	}
	both := fmt.Sprintf("[%v]/[%v]:4100", p.core.Addrs6[0], p.core.Addrs6[1])
	daemon := netip.AddrPortFrom(p.core.Addrs6[0], 2100)
	server := p.tunnel(p.core, fmt.Sprintf("role = \"server\"\nlisten = %q\ntarget = %q\n"+
		"unsafe = true\npeer-source = true\n", both, daemon))
	p.daemon(p.core, "sctp_darn", "-H", daemon.Addr().String(), "-P", "2100", "-l")
	client := p.tunnel(p.ran, fmt.Sprintf("role = \"client\"\nlisten = \"127.0.0.1:2100\"\n"+
		"target = %q\n", both))
	client.WaitFor("msg=listening")
	lo := p.captureLo(p.core)
	sender := p.daemon(p.ran, "sctp_darn", "-H", "127.0.0.1", "-P", "2101",
		"-h", "127.0.0.1", "-p", "2100", "-s")
	sender.Type("from ran\n")
	server.WaitFor("association begins")
	sender.EndInput()
	server.WaitFor("association ends.*why=peer-close.*inMessages=1 ")
	a := p.one(p.capture(lo), wire.Options{NoDTLS: true})
	if got := a.Addr[wire.Initiator].Addr(); !slices.Contains(p.ran.Addrs6, got) {
		t.Errorf("the daemon was dialed from %v, want one of %v", got, p.ran.Addrs6)
	}
}

// TestTunnelHolder checks that the error for a port that the daemon itself uses names the daemon.
func TestTunnelHolder(t *testing.T) {
	p := newTunnelPair(t)
	port := fmt.Sprintf("%d", 2100+2000)
	daemon := p.daemon(p.core, "sctp_darn", "-H", "0.0.0.0", "-P", port, "-l")
	p.listens(p.core, port)
	tunnel := p.tunnel(p.core, p.server(p.core, 2100))
	if err := tunnel.Wait(); err == nil {
		t.Error("it runs")
	}
	tunnel.WaitFor(fmt.Sprintf(`in use.*SCTP port %s is used by sctp_darn \(process %d\)`, port,
		daemon.Pid()))
}

// listens waits until a daemon listens on a port.
func (p *tunnelPair) listens(h *Host, port string) {
	p.t.Helper()
	h.Do(p.t, func() {
		for end := time.Now().Add(Patience); ; time.Sleep(10 * time.Millisecond) {
			table, err := os.ReadFile("/proc/thread-self/net/sctp/eps")
			if err != nil || time.Now().After(end) {
				p.t.Fatalf("nobody listens on port %s: %v\n%s", port, err, table)
			}
			for line := range strings.Lines(string(table)) {
				if f := strings.Fields(line); len(f) > 5 && f[3] == "10" && f[5] == port {
					return
				}
			}
		}
	})
}

// documented returns the blocks of docs/tunnel.md that begin with these words, with the addresses
// replaced by those of the hosts.
func documented(t *testing.T, words string) (blocks []string) {
	t.Helper()
	doc, err := os.ReadFile("tunnel.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?ms)^```\n(" + words + ".*?)^```")
	for _, m := range block.FindAllStringSubmatch(string(doc), -1) {
		blocks = append(blocks, m[1])
	}
	return blocks
}

// nft loads rules on a host.
func (p *tunnelPair) nft(h *Host, rules string) {
	p.t.Helper()
	n := p.daemon(h, "nft", rules)
	if err := n.Wait(); err != nil {
		p.t.Fatalf("nft: %v\n%s", err, n.Output())
	}
}

//go:build kernel

package netns

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

var floodTime = flag.Duration("flood", time.Second,
	"how long each flood of TestAttackE12Flood goes on")

// TestAttackE12Flood has a host that starts very many handshakes per second and completes none of
// them. It checks that the server refuses what exceeds the host's share, that no other client waits
// for it, and that memory does not grow. Attack E12.
//
//	attacker eth0 10.0.0.1 ──── 10.0.0.2 eth0 server eth1 10.0.1.1 ──── 10.0.1.2 eth1 other
func TestAttackE12Flood(t *testing.T) {
	raiseFileLimit(t, 10_000)
	f := newFlooded(t)
	rows := []string{"| one host sends | number | per second | came to the listener | " +
		"refused by MaxHandshakesPerHost | other failures | still open at the end | " +
		"most descriptors of the server | other host: connections with an echo | time of each |\n" +
		"|---|---|---|---|---|---|---|---|---|---|"}
	idle, row := f.serve(t, "")
	rows = append(rows, row)
	for _, kind := range slices.Sorted(maps.Keys(floods)) {
		t.Run(kind, func(t *testing.T) {
			took, row := f.serve(t, kind)
			rows = append(rows, row)
			if half := took.percent(50); half > 100*idle.percent(50)+2*time.Second {
				t.Errorf("another host waits for half of its connections %v and more, without a flood %v", half,
					idle.percent(50))
			}
			if !f.felt(kind) {
				t.Error("nothing was refused")
			}
		})
	}
	leave(t, "flood.md",
		fmt.Sprintf("Each flood lasts %v. MaxHandshakes is %d, MaxHandshakesPerHost is %d.\n\n%s\n",
			*floodTime, f.config.MaxHandshakes, f.config.MaxHandshakesPerHost, strings.Join(rows, "\n")))
}

// A flooded is a server under a flood. It counts the results of handshakes.
type flooded struct {
	*opensslPair
	other  *Host
	config *sctpdtls.Config // of the server

	refused, alerts, failed atomic.Int64
}

func newFlooded(t *testing.T) *flooded {
	// hosts and certificates, without OpenSSL
	f := &flooded{opensslPair: newOpenSSLPair(t), other: NewHost(t, "other")}
	Join(t, f.server, f.other)
	f.config = f.opensslPair.config(t, "server", nil)
	f.config.MaxHandshakes, f.config.MaxHandshakesPerHost = 256, max(4, int(*floodRate*64/1000))
	f.config.Trace = &sctpdtls.Trace{HandshakeDone: f.handshakeDone}
	// Answers to the forged source address of raw packets are sent to the attacker's host.
	link := f.client.Run(t, "cat", "/sys/class/net/eth0/address")
	ip(t, fmt.Sprintf("-n %s neigh add %v lladdr %s dev eth0", f.server.Name, forged,
		strings.TrimSpace(link)))
	ln := f.listen(t, f.config)
	go serveEcho(t.Context(), ln)
	return f
}

func (f *flooded) handshakeDone(_ net.Addr, _ sctpdtls.ConnectionState, err error) {
	if err == nil {
		return
	}
	f.failed.Add(1)
	if _, ok := errors.AsType[*sctpdtls.HandshakeLimitError](err); ok {
		f.refused.Add(1)
	}
	if alert, ok := errors.AsType[*sctpdtls.AlertError](err); ok && alert.Local {
		f.alerts.Add(1)
	}
}

// serve serves the other host for the duration of a flood, and returns the times that its
// successive connections took.
func (f *flooded) serve(t *testing.T, kind string) (took *durations, row string) {
	f.failed.Store(0)
	f.refused.Store(0)
	f.alerts.Store(0)
	var attacker *Process
	before := f.counters(t)
	descriptors := takeSample().descriptors
	if kind != "" {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		attacker = f.client.Start(t, self, "-flooder", kind, "-target", f.address(), "-rate",
			fmt.Sprint(*floodRate))
		attacker.WaitFor("flooding")
	}
	start := time.Now()
	memory := startMemory(*floodTime/16, func() uint64 { return 0 })
	took = new(durations)
	address := fmt.Sprintf("%v:4433", f.server.Addrs[1])
	config := f.opensslPair.config(t, "client", nil)
	config.ServerName = f.server.Addrs[0].String()
	// A client of a busy server does not wait 3 s if a packet is lost.
	config.SCTP.RTOInitial = 300 * time.Millisecond
	f.other.Do(t, func() {
		for i := 0; i < 3 || time.Since(start) < *floodTime ||
			time.Since(start) < Patience && !f.felt(kind); i++ {
			begin := time.Now()
			conn, err := sctpdtls.Dial("sctp4", address, config)
			if err != nil {
				t.Fatalf("another host is not served: %v", err)
			}
			if err := echo(conn, i, Patience); err != nil {
				t.Errorf("another host: %v", err)
			}
			took.add(time.Since(begin))
			if err := conn.Close(); err != nil {
				t.Errorf("another host: Close: %v", err)
			}
		}
	})
	memory.finish()
	begun := []string{"", "0", "0"}
	seconds := 1.0
	if attacker != nil {
		attacker.EndInput()
		begun = attacker.WaitFor(`begun ([0-9]+) in ([0-9.]+) s`)
		seconds, _ = strconv.ParseFloat(begun[2], 64)
	}
	came := f.counters(t)["SctpPassiveEstabs"] - before["SctpPassiveEstabs"] - uint64(len(took.all))
	underWay := f.settle(t, descriptors)
	failed, refused := f.failed.Load(), f.refused.Load()
	const waiting = 16 << 20 // bytes for handshakes in progress
	heap := func(s sample) uint64 { return s.heap }
	if second, last := memory.quarter(1, heap), memory.quarter(3, heap); last > second+waiting {
		t.Errorf("the heap grows: %d bytes in the second quarter, %d in the last", second, last)
	}
	var most uint64
	for _, s := range memory.samples {
		most = max(most, s.descriptors)
	}
	if limit := descriptors + uint64(f.config.MaxHandshakes) + 32; most > limit {
		t.Errorf("the server has %d descriptors, want %d at most", most, limit)
	}
	name := kind
	if kind == "" {
		name = "nothing"
	}
	number, _ := strconv.ParseFloat(begun[1], 64)
	return took, fmt.Sprintf("| %s | %s | %.0f | %d | %d | %d | %d | %d | %d | %v |", name, begun[1],
		number/seconds,
		came, refused, failed-refused, underWay, most, len(took.all), took)
}

// settle waits until the server has handled all handshakes but those that stall, and returns their
// number.
func (f *flooded) settle(t *testing.T, descriptors uint64) int64 {
	deadline := time.Now().Add(2 * Patience)
	for failed := int64(-1); ; time.Sleep(time.Second) {
		underWay := max(0, int64(takeSample().descriptors)-int64(descriptors))
		if f.failed.Load() == failed && underWay <= int64(f.config.MaxHandshakesPerHost) {
			return underWay
		}
		if time.Now().After(deadline) {
			t.Errorf("%d are under way still, of one host", underWay)
			return underWay
		}
		failed = f.failed.Load()
	}
}

// felt reports whether the server has reacted to a flood of this kind as it should.
func (f *flooded) felt(kind string) bool {
	switch {
	case strings.HasSuffix(kind, "nothing"), strings.HasPrefix(kind, "silent"):
		return f.refused.Load() > 0
	case strings.HasPrefix(kind, "garbage"):
		return f.alerts.Load() > 0
	}
	return true // only the kernel reacts
}

// counters returns the kernel's SCTP counters on the server.
func (f *flooded) counters(t *testing.T) map[string]uint64 {
	counters := make(map[string]uint64)
	f.server.Do(t, func() {
		text, err := os.ReadFile("/proc/thread-self/net/sctp/snmp")
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if f := strings.Fields(line); len(f) == 2 {
				counters[f[0]], _ = strconv.ParseUint(f[1], 10, 64)
			}
		}
	})
	return counters
}

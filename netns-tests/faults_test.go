//go:build kernel

package netns

import (
	"flag"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

var (
	faultTime = flag.Duration("fault", 500*time.Millisecond, "how long each fault of TestFaults lasts")
	allFaults = flag.Bool("faults", false,
		"TestFaults has each fault with both versions, not with one or the other")
)

// A fault happens to a connection while messages flow in both directions on four streams.
type fault struct {
	name  string
	links int                              // between the hosts; 0 means 1
	tune  func(*sctpdtls.Config)           // for both endpoints
	slow  time.Duration                    // time that a reader takes for each message
	run   func(*testing.T, *faulty)        // returns when the fault is over
	note  func(*testing.T, *faulty) string // for the table
}

// A faulty is a connection that has a fault.
type faulty struct {
	*opensslPair
	conns   [2]*sctpdtls.Conn // client, server
	traffic *traffic
	steps   int          // steps of the clock
	keys    atomic.Int64 // number of keys that an endpoint has used to send, including the first
}

func keysChanged(_ *testing.T, f *faulty) string { return fmt.Sprintf("%d times", f.keys.Load()-2) }

// netem returns a fault of the network in both directions.
func netem(how string) fault {
	return fault{name: "netem " + how, run: func(t *testing.T, f *faulty) {
		for _, h := range []*Host{f.client, f.server} {
			h.Netem(t, 0, how)
		}
		time.Sleep(*faultTime)
		for _, h := range []*Host{f.client, f.server} {
			h.Netem(t, 0, "delay 0ms")
		}
	}}
}

var faults = []fault{
	{name: "none", run: func(*testing.T, *faulty) { time.Sleep(*faultTime) }},
	netem("loss 5%"),
	netem("loss 20%"),
	netem("duplicate 20%"),
	netem("delay 5ms reorder 50% 25%"),
	netem("corrupt 2%"),
	netem("delay 20ms 15ms"),
	netem("delay 2ms loss 2% duplicate 2% corrupt 1% reorder 95%"),
	{name: "MTU 1500, 600, 1280, 1500", run: func(t *testing.T, f *faulty) {
		for _, mtu := range []int{600, 1280, 1500} {
			for _, h := range []*Host{f.client, f.server} {
				ip(t, fmt.Sprintf("-n %s link set eth0 mtu %d", h.Name, mtu))
			}
			time.Sleep(*faultTime / 3)
		}
	}},
	{name: "the only link down, three times", run: func(t *testing.T, f *faulty) {
		for range 3 {
			f.server.SetLink(t, 0, "down")
			time.Sleep(*faultTime / 6)
			f.server.SetLink(t, 0, "up")
			time.Sleep(*faultTime / 6)
		}
	}},
	{name: "one of two links down", links: 2, run: func(t *testing.T, f *faulty) {
		f.server.SetLink(t, 0, "down")
		time.Sleep(*faultTime)
		f.server.SetLink(t, 0, "up")
	}},
	{name: "one of two paths loses all", links: 2, run: func(t *testing.T, f *faulty) {
		f.server.Netem(t, 0, "loss 100%")
		time.Sleep(*faultTime)
		f.server.Netem(t, 0, "delay 0ms")
	}},
	{
		name: "socket buffers of 16 KiB",
		tune: func(c *sctpdtls.Config) { c.SCTP.ReadBuffer, c.SCTP.WriteBuffer = 16<<10, 16<<10 },
		run:  func(*testing.T, *faulty) { time.Sleep(*faultTime) },
	},
	{
		name: "readers that take 2 ms for each message", slow: 2 * time.Millisecond,
		run: func(*testing.T, *faulty) { time.Sleep(*faultTime) },
	},
	{name: "no file descriptors left", run: runWithoutDescriptors,
		note: func(*testing.T, *faulty) string {
			return "a new connection is accepted as soon as there are some"
		}},
	{name: "the clock steps by an hour, there and back", run: stepClock,
		note: func(_ *testing.T, f *faulty) string {
			return fmt.Sprintf("%d steps", f.steps)
		}},
	{name: "new keys, as often as it goes", run: rekeyAllTheTime, note: keysChanged},
	{
		name: "new keys by policy",
		tune: func(c *sctpdtls.Config) {
			c.RekeyAfter.Records = 50
			if c.MaxVersion == sctpdtls.VersionDTLS12 {
				// the peer allows one per second
				c.RekeyAfter = sctpdtls.RekeyPolicy{Age: 1100 * time.Millisecond}
			}
		},
		run:  func(*testing.T, *faulty) { time.Sleep(*faultTime) },
		note: keysChanged,
	},
}

// TestFaults checks that no message is lost, duplicated, out of order or changed, whatever the
// fault. It logs a table of the effects of each fault.
func TestFaults(t *testing.T) {
	var rows []string
	for i, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
		for j, fault := range faults {
			if (i+j)%2 == 1 && !*allFaults {
				continue
			}
			t.Run(versionName(version)+"/"+fault.name, func(t *testing.T) {
				rows = append(rows, fault.row(t, version))
			})
		}
		t.Run(versionName(version)+"/the peer stops",
			func(t *testing.T) { rows = append(rows, stoppedPeer(t, version)) })
		t.Run(versionName(version)+"/the peer is killed",
			func(t *testing.T) { rows = append(rows, killedPeer(t, version)) })
	}
	t.Logf("each fault lasts %v\n%s%s", *faultTime, tableHead("fault", ""), strings.Join(rows, "\n"))
}

// row runs a fault, and returns its row of the table.
func (fault *fault) row(t *testing.T, version uint16) string {
	f := &faulty{opensslPair: newOpenSSLPair(t)} // hosts and certificates, without OpenSSL
	for range fault.links - 1 {
		Join(t, f.client, f.server)
	}
	f.conns[0], f.conns[1] = f.bothEnds(t, func(role string) *sctpdtls.Config {
		c := f.faultConfig(t, role, version)
		c.Trace = &sctpdtls.Trace{KeysChanged: func(*sctpdtls.Conn, uint64) { f.keys.Add(1) }}
		if fault.tune != nil {
			fault.tune(c)
		}
		return c
	})
	f.traffic = &traffic{t: t, ends: f.conns, streams: 4, size: sizes, slow: fault.slow}
	f.traffic.begin()
	fault.run(t, f)
	f.traffic.finish()
	note := ""
	if fault.note != nil {
		note = fault.note(t, f)
	}
	closeBoth(t, f.conns[0], f.conns[1])
	return f.traffic.row(fault.name, version, note)
}

func (p *opensslPair) faultConfig(t *testing.T, role string, version uint16) *sctpdtls.Config {
	c := p.config(t, role, nil)
	c.MinVersion, c.MaxVersion = version, version
	c.Renegotiation = sctpdtls.RenegotiateFreely
	c.SCTP.RTOInitial, c.SCTP.RTOMin, c.SCTP.RTOMax = 200*time.Millisecond, 50*time.Millisecond,
		time.Second
	c.SCTP.AssocMaxRetrans, c.SCTP.PathMaxRetrans, c.SCTP.Heartbeat = 60, 5, time.Second
	return c
}

// row returns a row of the table.
func (f *traffic) row(name string, version uint16, note string) string {
	var sent, delivered, lost, doubled, disordered, damaged uint64
	for i := range f.tally {
		y := &f.tally[i]
		sent, delivered, lost = sent+y.sent.Load(), delivered+y.delivered.Load(), lost+y.lost()
		doubled, disordered, damaged = doubled+y.doubled, disordered+y.disordered, damaged+y.damaged
	}
	return fmt.Sprintf("| %s | %s | %d | %d | %d | %d | %d | %d | %.0f | %s |",
		name, strings.TrimPrefix(versionName(version), "DTLS "), sent, delivered, lost, doubled,
		disordered, damaged, float64(delivered)/f.took.Seconds(), note)
}

// tableHead returns the head of a table with the rows of traffic.row.
func tableHead(what, note string) string {
	return fmt.Sprintf("| %s | DTLS | sent | delivered | lost | duplicated | reordered | damaged | "+
		"per second | %s |\n|---|---|---|---|---|---|---|---|---|---|\n", what, note)
}

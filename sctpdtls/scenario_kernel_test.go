//go:build kernel

package sctpdtls

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// TestKernelScenarios runs the scenarios over the kernel's associations, on the loopback interface
// of a network namespace, where tc-netem(8) loses and delays packets.
func TestKernelScenarios(t *testing.T) {
	openTimers()
	for _, sc := range scenarios() {
		if sc.memoryOnly {
			continue
		}
		t.Run(sc.name, func(t *testing.T) {
			before := countOf(t)
			w := &kernelWorld{t: t, weather: sc.net}
			w.mend()
			play(t, w, sc)
			w.close()
			for limit := time.Now().Add(patience); countOf(t).more(before); time.Sleep(time.Millisecond) {
				if time.Now().After(limit) {
					stacks := make([]byte, 1<<20)
					t.Fatalf("before there were %+v, now %+v:\n%s", before, countOf(t),
						stacks[:runtime.Stack(stacks, true)])
				}
			}
		})
	}
}

// openTimers opens the two timers of the kernel that a process keeps open once it has used them.
func openTimers() {
	sctpsock.Pause(time.Millisecond)
	new(sctpsock.Socket).Later(func() {})
}

// patience is when a test gives up. No test passes by waiting for it.
const patience = 20 * time.Second

// A count is what must not grow.
type count struct{ goroutines, descriptors int }

func countOf(t *testing.T) count {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return count{runtime.NumGoroutine(), len(fds)}
}

func (c count) more(than count) bool {
	return c.goroutines > than.goroutines || c.descriptors > than.descriptors
}

// A kernelWorld is the kernel's loopback interface.
type kernelWorld struct {
	weather
	t       *testing.T
	udpPort uint16 // of the peers; 0 if SCTP goes without UDP
	lns     []stream.Listener
	ln      stream.Listener // for pair; nil before
}

func (w *kernelWorld) close() {
	for _, ln := range w.lns {
		ln.Close()
	}
	w.netem("")
}

// netem makes the network do as tc-netem(8) says; nothing special if it is empty.
func (w *kernelWorld) netem(how string) {
	w.t.Helper()
	args := "qdisc replace dev lo root netem " + how
	if how == "" {
		args = "qdisc replace dev lo root pfifo"
	}
	if args == netemNow {
		return
	}
	netemNow = args
	if out, err := exec.Command("tc", strings.Fields(args)...).CombinedOutput(); err != nil {
		w.t.Fatalf("tc %s: %v\n%s", args, err, out)
	}
}

// netemNow has the arguments of the last call of tc(8).
var netemNow string

func (w *kernelWorld) slack() time.Duration { return time.Second }

func (w *kernelWorld) cut() { w.netem("loss 100%") }

func (w *kernelWorld) mend() {
	how := ""
	if w.delay > 0 || w.jitter > 0 {
		how += fmt.Sprintf(" delay %dus %dus", (w.delay + w.jitter/2).Microseconds(),
			(w.jitter / 2).Microseconds())
	}
	if w.loss > 0 {
		how += fmt.Sprintf(" loss %g%%", 100*w.loss)
	}
	w.netem(how)
}

// scenarioSCTP makes the kernel notice soon that a peer has gone, unless the association is to
// outlast that.
func (w *kernelWorld) scenarioSCTP() SCTPOptions {
	attempts, rtoMax := uint16(6), 400*time.Millisecond
	if w.busy { // a shutdown may take five times as long. RFC 9260, Section 9.2
		rtoMax = time.Second
	}
	if w.lasting {
		attempts = 1000
	}
	return SCTPOptions{
		PartialReliability: w.partial,
		RTOInitial:         200 * time.Millisecond, RTOMin: 100 * time.Millisecond,
		RTOMax:          rtoMax,
		AssocMaxRetrans: attempts, PathMaxRetrans: attempts, Heartbeat: 500 * time.Millisecond,
		UDPEncapPort: w.udpPort,
	}
}

func (w *kernelWorld) listen(t *testing.T) stream.Listener {
	t.Helper()
	addr, err := ResolveAddr(t.Context(), "sctp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := listenKernel("sctp", addr, &Config{SCTP: w.scenarioSCTP()})
	if err != nil {
		t.Fatal(err)
	}
	w.lns = append(w.lns, ln)
	return ln
}

func (w *kernelWorld) dial(local *Addr, remote net.Addr) (association, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	o := w.scenarioSCTP()
	least, most := o.RTOMin, o.RTOMax
	if w.busy { // the kernel's first timeout is what an association may take before another is begun
		o.RTOInitial = time.Second
	}
	a, err := dialKernel(ctx, "sctp", local, remote.(*Addr), &Config{SCTP: o})
	if err != nil {
		return nil, err
	}
	return a.(association), a.(*kernelAssociation).SetRTO(0, least, most)
}

func (w *kernelWorld) pair(t *testing.T) (client, server association) {
	t.Helper()
	if w.ln == nil {
		w.ln = w.listen(t)
	}
	client, err := w.dial(nil, w.ln.Addr())
	if err != nil {
		t.Fatal(err)
	}
	return client, acceptFrom(t, w.ln, client)
}

// acceptFrom accepts the association of client. One that dial has begun without success may come
// before.
func acceptFrom(t *testing.T, ln stream.Listener, client association) association {
	t.Helper()
	for {
		a, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if a.RemoteAddr().(*Addr).Port == client.LocalAddr().(*Addr).Port {
			return a.(association)
		}
		a.Abort()
	}
}

func (w *kernelWorld) listener(t *testing.T) (stream.Listener, func() association) {
	ln := w.listen(t)
	return ln, func() association {
		a, err := w.dial(nil, ln.Addr())
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
}

func (w *kernelWorld) restart(t *testing.T, client association) association {
	t.Helper()
	w.cut()
	again := w.dialAgain(client, w.mend)
	// A Dial that takes long starts over. If the old association was given up by then, it meets the
	// listener, where nobody accepts it.
	w.ln.Close()
	w.ln = nil
	return again
}

// dialAgain aborts client, of which nobody hears, and dials from the port that it had; nil if the
// peer has refused that before it could be seen. It calls mend when the kernel has the new
// association: from then on it does not answer what is sent to the old one.
func (w *kernelWorld) dialAgain(client association, mend func()) association {
	w.t.Helper()
	local, remote := client.LocalAddr().(*Addr), client.RemoteAddr()
	client.Abort()
	type dialled struct {
		a   association
		err error
	}
	done := make(chan dialled, 1)
	go func() { a, err := w.dial(local, remote); done <- dialled{a, err} }()
	for !slices.ContainsFunc(assocs(w.t), func(e assocEntry) bool {
		return e.local == int(local.Port)
	}) {
		time.Sleep(time.Millisecond)
	}
	mend()
	d := <-done
	if errors.Is(d.err, syscall.ECONNRESET) || errors.Is(d.err, syscall.ENOTCONN) {
		return nil
	}
	if d.err != nil {
		w.t.Fatal(d.err)
	}
	return d.a
}

// An assocEntry is a line of /proc/net/sctp/assocs.
type assocEntry struct {
	sent, received int // bytes that wait
	local, remote  int // ports
}

func assocs(t *testing.T) (all []assocEntry) {
	t.Helper()
	text, err := os.ReadFile("/proc/net/sctp/assocs")
	if err != nil {
		t.Fatal(err)
	}
	number := func(s string) int {
		n, err := strconv.Atoi(s)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		return n
	}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		f := strings.Fields(line)
		all = append(all, assocEntry{number(f[7]), number(f[8]), number(f[11]), number(f[12])})
	}
	return all
}

// entry returns the kernel's entry for a, if there is one.
func (w *kernelWorld) entry(a association) assocEntry {
	return w.entryOf(a.LocalAddr(), a.RemoteAddr())
}

func (w *kernelWorld) entryOf(from, to net.Addr) (e assocEntry) {
	local, remote := from.(*Addr).Port, to.(*Addr).Port
	all := assocs(w.t)
	same := func(e assocEntry) bool { return e.local == local && e.remote == remote }
	if i := slices.IndexFunc(all, same); i >= 0 {
		e = all[i]
	}
	return e
}

func (w *kernelWorld) outstanding(a association) bool { return w.entry(a).sent > 0 }
func (w *kernelWorld) unread(a association) bool      { return w.entry(a).received > 0 }

func (w *kernelWorld) left() string {
	all := assocs(w.t)
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf("%+v", all)
}

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/doctor"
)

// overUDP runs a server with these flags and then the clients, over SCTP of their own, which every
// machine has. It returns what all have said, the server last.
func overUDP(t *testing.T, serve []string, clients ...[]string) (said []string) {
	t.Helper()
	port := freeUDPPort(t)
	here := func(f func() error) error { return f() }
	return over(t, here, []string{"-transport", "udp", "-udp-encap", port}, ", UDP port "+port, serve,
		clients...)
}

// over does so where do calls its argument, with these options at both ends, of which the server
// says something.
func over(t *testing.T, do func(func() error) error, transport []string, says string,
	serve []string, clients ...[]string) (said []string) {
	t.Helper()
	dir := certsIn(t)
	args := func(command, who string, more ...string) []string {
		return slices.Concat([]string{"sctp-echo", command, "-cert", filepath.Join(dir, who+".pem"),
			"-key", filepath.Join(dir, who+"-key.pem"), "-ca", filepath.Join(dir, "ca.pem")}, transport,
			more, []string{"127.0.0.1:5868"})
	}
	nothing := func(string) string { return "" }
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	run := func(p *program, args []string) (status int) {
		if err := do(func() error { status = p.run(ctx, args); return nil }); err != nil {
			t.Error(err)
		}
		return status
	}
	in, out := io.Pipe()
	server := &program{stdout: out, stderr: out, getenv: nothing, listen: listenSCTP}
	served := make(chan int, 1)
	go func() {
		served <- run(server, args("serve", "server", serve...))
		out.Close()
	}()
	first := make([]byte, 100)
	n, err := in.Read(first)
	if want := "listening on 127.0.0.1:5868" + says + "\n"; string(first[:n]) != want {
		t.Fatalf("the server says %q, %v, want %q", first[:n], err, want)
	}
	rest := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(in)
		rest <- string(b)
	}()
	for _, c := range clients {
		var both bytes.Buffer
		client := &program{stdout: &both, stderr: &both, getenv: nothing, dial: dialSCTP}
		status := run(client, args(c[0], "client", c[1:]...))
		if status == exitNoConnection {
			stop() // the server would wait for one
		}
		said = append(said, fmt.Sprintf("status %d\n%s", status, both.String()))
	}
	status := <-served
	return append(said, fmt.Sprintf("status %d\n%s", status, <-rest))
}

// TestTransportUDP has server and client meet over SCTP of their own.
func TestTransportUDP(t *testing.T) {
	said := overUDP(t, []string{"-once", "1"},
		[]string{"connect", "-streams", "4", "-count", "40", "-size", "16384"})
	for i, want := range []string{
		"status 0... from 127.0.0.1:...40 sent, 40 received, 0 lost, 0 wrong",
		"status 0...closed by the client",
	} {
		wantSaid(t, said[i], want)
	}
}

// TestTransportIP has them meet straight over IP, where that is allowed; elsewhere the error says
// what is missing, and what to do.
func TestTransportIP(t *testing.T) {
	_, err := os.Stat("/proc/sys/net/sctp")
	missing := ""
	switch {
	case runtime.GOOS != "linux":
		missing = "-transport udp at both ends"
	case err == nil:
		missing = "the kernel's SCTP is loaded...unload the module sctp...-transport kernel"
	case os.Geteuid() != 0:
		missing = "CAP_NET_RAW...-transport udp at both ends"
	}
	if missing != "" {
		status, _, stderr := runCommand(t, "serve", "-psk", strings.Repeat("00", 16), "-transport", "ip",
			"127.0.0.1:5868")
		if status != exitNoConnection {
			t.Errorf("status %d", status)
		}
		wantOneLine(t, stderr, missing)
		return
	}
	testTransportIP(t)
}

// Large messages come back from a server that takes them, and are refused for one that does not.
func TestLargeMessages(t *testing.T) {
	said := overUDP(t, []string{"-once", "4", "-max-message", "1M"},
		[]string{"connect", "-streams", "2", "-count", "4", "-size", "1M"},
		[]string{"bench", "-time", "100ms", "-size", "64K", "-size", "1M"},
		[]string{"connect", "-count", "1", "-size", "1048577"})
	for i, want := range []string{
		"status 0...messages...1048576...4 sent, 4 received, 0 lost, 0 wrong",
		"status 0... 65536 ... 1048576 ...DTLS 1.3",
		"status 2...1048577 bytes...1048576 can be sent...-max-message 1048577",
		"status 0",
	} {
		wantSaid(t, said[i], want)
	}
	said = overUDP(t, []string{"-once", "1"}, []string{"connect", "-count", "1", "-size", "64K"})
	wantSaid(t, said[0], "status 2...65536 bytes...16384 can be sent...server -max-message 65536")
}

// wantSaid wants the parts of want, which "..." separates.
func wantSaid(t *testing.T, said, want string) {
	t.Helper()
	rest := said
	for part := range strings.SplitSeq(want, "...") {
		_, after, ok := strings.Cut(rest, part)
		if !ok {
			t.Errorf("%q is missing in %s", part, said)
			return
		}
		rest = after
	}
}

func freeUDPPort(t *testing.T) string {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return strconv.Itoa(c.LocalAddr().(*net.UDPAddr).Port)
}

// TestDoctorTransport: doctor proposes SCTP in UDP where the kernel has none, and looks at nothing
// else if that is what is asked for.
func TestDoctorTransport(t *testing.T) {
	var networks []string
	run := func(args ...string) (int, string) {
		networks = nil
		var stdout bytes.Buffer
		p := &program{stdout: &stdout, stderr: io.Discard, getenv: func(string) string { return "" },
			machine: func() doctor.Machine { return doctor.Machine{System: "darwin"} },
			loopback: func(_ context.Context, network string, _ time.Duration) doctor.Finding {
				networks = append(networks, network)
				return doctor.Okay("it works")
			}}
		status := p.run(t.Context(), append([]string{"sctp-echo", "doctor"}, args...))
		return status, stdout.String()
	}
	status, stdout := run()
	proposes := strings.Contains(stdout, "note  SCTP in UDP   needs no SCTP") &&
		strings.Contains(stdout, "give both ends -transport udp")
	if status != exitNoConnection || !proposes || strings.Join(networks, " ") != "sctp+udp" {
		t.Errorf("status %d, %q:\n%s", status, networks, stdout)
	}
	status, stdout = run("-transport", "udp")
	looks := strings.Contains(stdout, "darwin")
	if status != exitOK || looks || strings.Join(networks, " ") != "sctp+udp" {
		t.Errorf("status %d, %q:\n%s", status, networks, stdout)
	}
}

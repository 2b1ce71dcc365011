package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/doctor"
)

// TestTransportUDP has server and client meet over SCTP of their own, which every machine has.
func TestTransportUDP(t *testing.T) {
	dir := certsIn(t)
	port := freeUDPPort(t)
	args := func(command, who string, more ...string) []string {
		return append([]string{"sctp-echo", command, "-transport", "udp", "-udp-encap", port,
			"-cert", filepath.Join(dir, who+".pem"), "-key", filepath.Join(dir, who+"-key.pem"),
			"-ca", filepath.Join(dir, "ca.pem")}, more...)
	}
	nothing := func(string) string { return "" }
	in, out := io.Pipe()
	server := &program{stdout: out, stderr: out, getenv: nothing, listen: listenSCTP}
	served := make(chan int, 1)
	go func() {
		served <- server.run(t.Context(), args("serve", "server", "-once", "1", "127.0.0.1:5868"))
		out.Close()
	}()
	first := make([]byte, 100)
	n, err := in.Read(first)
	if want := "listening on 127.0.0.1:5868, UDP port " + port + "\n"; string(first[:n]) != want {
		t.Fatalf("the server says %q, %v, want %q", first[:n], err, want)
	}
	said := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(in)
		said <- string(b)
	}()
	var stdout, stderr bytes.Buffer
	client := &program{stdout: &stdout, stderr: &stderr, getenv: nothing, dial: dialSCTP}
	status := client.run(t.Context(), args("connect", "client",
		"-streams", "4", "-count", "40", "-size", "16384", "127.0.0.1:5868"))
	tells := strings.Contains(stdout.String(), "40 sent, 40 received, 0 lost, 0 wrong") &&
		strings.Contains(stdout.String(), " from 127.0.0.1:")
	if status != exitOK || !tells {
		t.Errorf("status %d, %s%s", status, stdout.String(), stderr.String())
	}
	status, rest := <-served, <-said
	if status != exitOK || !strings.Contains(rest, "closed by the client") {
		t.Errorf("the server: status %d, %s", status, rest)
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

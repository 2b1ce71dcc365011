//go:build kernel

package netns

import (
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestPairReachesItself(t *testing.T) {
	client, server := NewPair(t)
	for _, addr := range []string{server.Addrs[0].String(), server.Addrs6[0].String()} {
		client.Run(t, "ping", "-c", "1", "-W", "10", addr)
	}
	Join(t, client, server)
	client.Run(t, "ping", "-c", "1", "-W", "10", server.Addrs[1].String())
}

func TestDoIsOnTheHost(t *testing.T) {
	client, server := NewPair(t)
	for _, h := range []*Host{client, server} {
		h.Do(t, func() {
			l, err := net.Listen("tcp", h.Addrs[0].String()+":0")
			if err != nil {
				t.Fatal(err)
			}
			l.Close()
		})
	}
	client.Sysctl(t, "net.sctp.auth_enable", "1")
	if got := strings.TrimSpace(client.Run(t, "cat", "/proc/sys/net/sctp/auth_enable")); got != "1" {
		t.Errorf("auth_enable of the client is %s after it was set to 1", got)
	}
	if got := strings.TrimSpace(server.Run(t, "cat", "/proc/sys/net/sctp/auth_enable")); got != "0" {
		t.Errorf("auth_enable of the server is %s, want 0: it is another host", got)
	}
}

func TestProcess(t *testing.T) {
	host := NewHost(t, "alone")
	// the signal is for sleep: a shell would wait for it
	p := host.Start(t, "sh", "-c", "echo ready on port 42; exec sleep 1000")
	if got := p.WaitFor(`port (\d+)`); got[1] != "42" {
		t.Errorf("match %q, want the port 42", got)
	}
	p.Interrupt()
	if err := p.Wait(); err == nil {
		t.Error("an interrupted program ended without an error")
	}
	p = host.Start(t, "cat")
	p.Type("hello\n")
	p.WaitFor("hello")
	p.EndInput()
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	if err := host.Start(t, "sh", "-c", "exit 3").Wait(); err == nil ||
		err.Error() != "exit status 3" {
		t.Errorf("error %v, want exit status 3", err)
	}
}

func TestNetemDelays(t *testing.T) {
	client, server := NewPair(t)
	client.Netem(t, 0, "delay 300ms")
	out := client.Run(t, "ping", "-c", "1", "-W", "10", server.Addrs[0].String())
	match := regexp.MustCompile(`time=(\d+)`).FindStringSubmatch(out)
	if match == nil {
		t.Fatalf("no answer:\n%s", out)
	}
	if ms, _ := strconv.Atoi(match[1]); ms < 300 {
		t.Errorf("the answer took %d ms, want 300 or more", ms)
	}
}

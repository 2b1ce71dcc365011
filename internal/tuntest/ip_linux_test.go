package tuntest_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"golang.org/x/sys/unix"
)

// TestIPPorts checks that an endpoint does not answer packets for other sockets with ABORT. Each
// raw socket of a host receives all SCTP packets, including those for ports on which another one
// listens or has associations.
func TestIPPorts(t *testing.T) {
	n := newNetwork(t, 1)
	var listeners []*sctpdtls.Listener
	for _, address := range []string{":5868", "10.0.0.2:5869", ":5870"} {
		var ln *sctpdtls.Listener
		err := n.Hosts[1].Do(func() (err error) {
			ln, err = sctpdtls.Listen("sctp4+ip", address, config("server"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ln.Close() })
		listeners = append(listeners, ln)
	}
	aborts := 0
	n.Tap(func(packet []byte) {
		if packet[9] == 132 && len(packet) > 32 && packet[32] == 6 { // ABORT
			aborts++
		}
	})
	var conns []*sctpdtls.Conn
	for i, address := range []string{"10.0.0.2:5868", "10.0.0.2:5869", "10.0.0.2:5870"} {
		var c *sctpdtls.Conn
		err := n.Hosts[0].Do(func() (err error) {
			c, err = sctpdtls.DialContext(t.Context(), "sctp4+ip", address, config("client"))
			return err
		})
		if err != nil {
			t.Fatalf("%s: %v", address, err)
		}
		t.Cleanup(func() { c.Abort() })
		s, err := listeners[i].AcceptConn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Abort() })
		go echo(s)
		conns = append(conns, c)
	}
	listeners[0].Close()
	for i, c := range conns {
		if err := exchange(c); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	}
	n.Tap(nil)
	if aborts != 0 {
		t.Errorf("%d packets with ABORT", aborts)
	}
}

// TestIPErrors checks the error without CAP_NET_RAW.
func TestIPErrors(t *testing.T) {
	n := newNetwork(t, 1)
	err := n.Hosts[1].Do(func() error {
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3} // for the current thread
		var none [2]unix.CapUserData
		if err := unix.Capset(&header, &none[0]); err != nil {
			t.Error(err)
		}
		_, err := sctpdtls.Listen("sctp4+ip", ":5868", config("server"))
		return err
	})
	e, ok := errtype.As[*sctpdtls.RawIPError](err)
	if !ok || !errors.Is(err, os.ErrPermission) || errors.Is(err, sctpdtls.ErrKernelSCTP) {
		t.Errorf("%v, %+v", err, e)
	}
	c := config("client")
	c.SCTP.UDPEncapPort = 9899
	_, err = sctpdtls.Dial("sctp+ip", "10.0.0.2:5868", c)
	if e, ok := errtype.As[*sctpdtls.OptionError](err); !ok || e.Option != "UDPEncapPort" {
		t.Error(err)
	}
}

// TestAddressAsked checks that a server that listens on all addresses answers each client from the
// address to which the client sent, in UDP and directly over IP, where a host has several addresses
// on a link.
func TestAddressAsked(t *testing.T) {
	for _, network := range []string{"sctp+udp", "sctp4+udp", "sctp6+udp", "sctp+ip", "sctp4+ip",
		"sctp6+ip"} {
		t.Run(network, func(t *testing.T) {
			n := newNetwork(t, 1)
			var addrs []string
			if !strings.HasPrefix(network, "sctp6") {
				addrs = append(addrs, "10.0.0.2", "10.0.0.22", "10.0.0.23")
			}
			if !strings.HasPrefix(network, "sctp4") {
				addrs = append(addrs, "fd00::2", "fd00::22", "fd00::23")
			}
			var ln *sctpdtls.Listener
			err := n.Hosts[1].Do(func() (err error) {
				for _, addr := range []string{"10.0.0.22/24", "10.0.0.23/24", "fd00::22/64", "fd00::23/64"} {
					out, err := exec.Command("ip", "addr", "add", addr, "dev", "tun0").CombinedOutput()
					if err != nil {
						return fmt.Errorf("%v: %s", err, out)
					}
				}
				ln, err = sctpdtls.Listen(network, ":5868", config("server"))
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			defer ln.Close()
			for _, addr := range addrs {
				var client *sctpdtls.Conn
				err := n.Hosts[0].Do(func() (err error) {
					client, err = sctpdtls.DialContext(t.Context(), network, net.JoinHostPort(addr, "5868"),
						config("client"))
					return err
				})
				if err != nil {
					t.Fatalf("%s: %v", addr, err)
				}
				server, err := ln.AcceptConn(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				go echo(server)
				if err := exchange(client); err != nil {
					t.Errorf("%s: %v", addr, err)
				}
				if got, want := server.LocalAddr().String(), net.JoinHostPort(addr, "5868"); got != want {
					t.Errorf("the server says that it is at %s, the client has asked %s", got, want)
				}
				client.Abort()
				server.Abort()
			}
		})
	}
}

package tuntest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/leaktest"
	"github.com/seed-41f70523/dtls-sctp/internal/tuntest"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		os.Exit(endOfTraffic(role))
	}
	os.Exit(leaktest.Run(m))
}

// patience is the time after which a test fails. No test waits that long in order to pass.
const patience = 60 * time.Second

func newNetwork(t *testing.T, links int) *tuntest.Network {
	t.Helper()
	n, err := tuntest.New(links)
	if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
		t.Skipf("network namespaces and TUN devices need root and /dev/net/tun: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// Both endpoints know this key, so that processes need no certificate files.
var psk = &sctpdtls.PSK{Identity: []byte("host"), Key: []byte("sixteen bytes or more")}

func config(role string) *sctpdtls.Config {
	c := &sctpdtls.Config{HandshakeTimeout: patience, CloseTimeout: patience}
	c.SCTP.OutStreams = 16
	c.SCTP.RTOInitial, c.SCTP.RTOMin = 500*time.Millisecond, 100*time.Millisecond
	c.SCTP.Heartbeat = time.Second
	if role == "client" {
		c.GetPSK = func([]byte) (*sctpdtls.PSK, error) { return psk, nil }
	} else {
		c.LookupPSK = func([]byte) (*sctpdtls.PSK, error) { return psk, nil }
	}
	return c
}

// connect sets up a connection between the hosts, whose primary path is the first link.
func connect(t *testing.T, n *tuntest.Network, network string) (client, server *sctpdtls.Conn) {
	t.Helper()
	var ln *sctpdtls.Listener
	at := n.Hosts[1].Addrs[0].String()
	if strings.HasPrefix(network, "sctp6") {
		at = "[" + n.Hosts[1].Addrs6[0].String() + "]"
	}
	err := n.Hosts[1].Do(func() (err error) {
		ln, err = sctpdtls.Listen(network, at+":5868", config("server"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan error, 1)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	go func() {
		var err error
		server, err = ln.AcceptConn(ctx)
		accepted <- err
	}()
	err = n.Hosts[0].Do(func() (err error) {
		client, err = sctpdtls.DialContext(ctx, network, at+":5868", config("client"))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Abort(); server.Abort() })
	return client, server
}

// echo returns each message to its sender.
func echo(c *sctpdtls.Conn) error {
	b := make([]byte, sctpdtls.MaxMessageSize)
	for {
		n, info, err := c.ReadMessage(b)
		if err == nil {
			err = c.WriteMessage(b[:n], info)
		}
		if err != nil {
			return err
		}
	}
}

// exchange sends messages of many sizes and checks their echoes.
func exchange(c *sctpdtls.Conn) error {
	c.SetDeadline(time.Now().Add(patience))
	b := make([]byte, sctpdtls.MaxMessageSize)
	for i := range 16 {
		sent := bytes.Repeat([]byte{byte(i)}, 1+i*1000)
		if err := c.WriteMessage(sent, sctpdtls.MessageInfo{Stream: uint16(i)}); err != nil {
			return err
		}
		n, _, err := c.ReadMessage(b)
		if err != nil {
			return err
		}
		if !bytes.Equal(b[:n], sent) {
			return fmt.Errorf("%d bytes came back of %d", n, len(sent))
		}
	}
	return nil
}

// until exchanges messages until the size of the client's packets is between low and high.
func until(t *testing.T, c *sctpdtls.Conn, low, high int) {
	t.Helper()
	for limit := time.Now().Add(patience); ; {
		if err := exchange(c); err != nil {
			t.Fatal(err)
		}
		paths, err := c.Paths()
		if err != nil {
			t.Fatal(err)
		}
		if m := paths[0].MTU; m >= low && m <= high {
			return
		} else if time.Now().After(limit) {
			t.Fatalf("packets of %d bytes, want %d to %d", m, low, high)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

var networks = []string{"sctp4+udp", "sctp6+udp", "sctp4+ip", "sctp6+ip"}

// TestNetworks runs SCTP in this process between two hosts, in UDP and directly over IP, IPv4 and
// IPv6, with the sockets of a real kernel. It checks that packets become as large as the link
// permits.
func TestNetworks(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			n := newNetwork(t, 1)
			client, server := connect(t, n, network)
			end := make(chan error, 1)
			go func() { end <- echo(server) }()
			until(t, client, 1500-3, 1500)
			if c := n.Count(0); c.Largest < 1500-3 || c.TooBig != 0 || c.Fragmented != 0 {
				t.Errorf("%+v", c)
			}
			if err := client.CloseWrite(); err != nil {
				t.Error(err)
			}
			if err := <-end; err != io.EOF {
				t.Error(err)
			}
			closed := make(chan error)
			go func() { closed <- server.Close() }()
			if err := errors.Join(client.Close(), <-closed); err != nil {
				t.Error(err)
			}
		})
	}
}

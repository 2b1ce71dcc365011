//go:build kernel

package netns

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// The SCTP of this library, inside UDP, with that of Linux as the peer: RFC 6951.

// A udpPair has the kernel's SCTP in UDP on one of its hosts, and on the other ours.
type udpPair struct{ *opensslPair }

const udpNetwork = "sctp4+udp"

// newUDPPair opens the UDP port of the kernel on one host, for what it accepts and, beside, for
// what it sends if a socket has no port of its own.
func newUDPPair(t *testing.T, ours string) udpPair {
	t.Helper()
	p := udpPair{newOpenSSLPair(t)}
	kernel := p.client
	if ours == "client" {
		kernel = p.server
	}
	kernel.Sysctl(t, "net.sctp.udp_port", "9899")
	kernel.Sysctl(t, "net.sctp.encap_port", "9899")
	return p
}

// meet makes a connection of which ours is one end.
func (p udpPair) meet(
	t *testing.T, ours string, change func(role string, c *sctpdtls.Config),
) (client, server *sctpdtls.Conn) {
	t.Helper()
	networks := map[string]string{"client": "sctp4", "server": "sctp4"}
	networks[ours] = udpNetwork
	serverConfig, clientConfig := p.config(t, "server", nil), p.config(t, "client", nil)
	change("server", serverConfig)
	change("client", clientConfig)
	var ln *sctpdtls.Listener
	var err error
	p.server.Do(t, func() { ln, err = sctpdtls.Listen(networks["server"], ":4433", serverConfig) })
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), Patience)
		defer cancel()
		var err error
		server, err = ln.AcceptConn(ctx)
		accepted <- err
	}()
	p.client.Do(t, func() {
		client, err = sctpdtls.Dial(networks["client"], p.address(), clientConfig)
	})
	if err := errors.Join(err, <-accepted); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Abort(); server.Abort() })
	return client, server
}

// TestKernelPeer has both versions of DTLS between our SCTP and the kernel's, in both roles, on a
// good network and on one that loses: messages on 16 streams both ways, up to the largest, new keys
// by either end, and the end by either.
func TestKernelPeer(t *testing.T) {
	for _, ours := range []string{"client", "server"} {
		t.Run("ours is the "+ours, func(t *testing.T) {
			p := newUDPPair(t, ours)
			for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
				for _, network := range []string{"", "delay 2ms loss 2%"} {
					t.Run(fmt.Sprintf("%#04x %s", version, network), func(t *testing.T) {
						p.tryKernelPeer(t, ours, version, network)
					})
				}
			}
		})
	}
}

func (p udpPair) tryKernelPeer(t *testing.T, ours string, version uint16, network string) {
	if network != "" {
		p.client.Netem(t, 0, network)
		p.server.Netem(t, 0, network)
		t.Cleanup(func() {
			p.client.Netem(t, 0, "delay 0ms")
			p.server.Netem(t, 0, "delay 0ms")
		})
	}
	config := func(_ string, c *sctpdtls.Config) {
		c.MinVersion, c.MaxVersion = version, version
		c.Renegotiation = sctpdtls.RenegotiateFreely
		c.SCTP.OutStreams = 16
		// As Host.persistent, which is for the kernel's end.
		c.SCTP.RTOInitial, c.SCTP.RTOMin, c.SCTP.RTOMax = 500*time.Millisecond, 100*time.Millisecond,
			3*time.Second
		c.SCTP.MaxInitAttempts, c.SCTP.AssocMaxRetrans = 100, 100
	}
	client, server := p.meet(t, ours, config)
	f := startTraffic(t, 16, client, server)
	for i := range 2 {
		before := f.delivered()
		for limit := time.Now().Add(Patience); f.delivered() < before+20; time.Sleep(time.Millisecond) {
			if time.Now().After(limit) {
				t.Fatalf("%d messages, and no more", f.delivered())
			}
		}
		if err := newKeys(t.Context(), f.ends[i%2]); err != nil {
			t.Errorf("new keys by end %d: %v", i%2, err)
		}
	}
	if f.finish() {
		t.Log(f)
	}
	closed := make(chan error)
	go func() { closed <- server.Close() }()
	if err := errors.Join(client.Close(), <-closed); err != nil {
		t.Errorf("Close: %v", err)
	}
	if network != "" {
		return // an ABORT may be lost
	}
	for i := range 2 {
		client, server := p.meet(t, ours, config)
		ends := []*sctpdtls.Conn{client, server}
		ends[i].Abort()
		ends[1-i].SetReadDeadline(time.Now().Add(Patience))
		_, _, err := ends[1-i].ReadMessage(make([]byte, 100))
		wantEnd(t, err, sctpdtls.AssocAborted)
	}
}

// TestKernelPeerResumes resumes sessions between our SCTP and the kernel's, in both roles and
// versions, and uses pre-shared keys; each time with messages, and new keys by either end. RFC
// 5077; RFC 4279; RFC 8446, Section 2.2.
func TestKernelPeerResumes(t *testing.T) {
	key := &sctpdtls.PSK{Identity: []byte("host"), Key: []byte("sixteen bytes or more")}
	for _, ours := range []string{"client", "server"} {
		t.Run("ours is the "+ours, func(t *testing.T) {
			p := newUDPPair(t, ours)
			for _, version := range []uint16{sctpdtls.VersionDTLS12, sctpdtls.VersionDTLS13} {
				config := func(c *sctpdtls.Config) {
					c.MinVersion, c.MaxVersion = version, version
					c.Renegotiation = sctpdtls.RenegotiateFreely
				}
				tickets, sessions := new(sctpdtls.TicketKeys), sctpdtls.NewSessionCache(1)
				for _, resumed := range []bool{false, true} {
					s := p.use(t, ours, func(role string, c *sctpdtls.Config) {
						if config(c); role == "server" {
							c.TicketKeys = tickets
						} else {
							c.SessionCache = sessions
						}
					})
					if s.DidResume != resumed {
						t.Errorf("%#04x: resumed %v, want %v", version, s.DidResume, resumed)
					}
				}
				s := p.use(t, ours, func(role string, c *sctpdtls.Config) {
					config(c)
					c.Certificates, c.RootCAs, c.ClientCAs, c.ClientAuth = nil, nil, nil, 0
					if role == "server" {
						c.LookupPSK = func([]byte) (*sctpdtls.PSK, error) { return key, nil }
					} else {
						c.GetPSK = func([]byte) (*sctpdtls.PSK, error) { return key, nil }
					}
				})
				if string(s.PSKIdentity) != "host" {
					t.Errorf("%#04x: pre-shared key %q", version, s.PSKIdentity)
				}
			}
		})
	}
}

// use makes a connection, has messages pass and new keys made, closes it, and returns the state in
// which it began, which is the same at both ends.
func (p udpPair) use(t *testing.T, ours string,
	config func(role string, c *sctpdtls.Config)) sctpdtls.ConnectionState {
	t.Helper()
	client, server := p.meet(t, ours, config)
	s, other := client.ConnectionState(), server.ConnectionState()
	if s.DidResume != other.DidResume || !bytes.Equal(s.PSKIdentity, other.PSKIdentity) {
		t.Errorf("resumed %v, pre-shared key %q; the other end: %v, %q", s.DidResume, s.PSKIdentity,
			other.DidResume, other.PSKIdentity)
	}
	f := startTraffic(t, 4, client, server)
	for _, c := range f.ends {
		if err := newKeys(t.Context(), c); err != nil {
			t.Errorf("new keys: %v", err)
		}
	}
	f.finish()
	closed := make(chan error)
	go func() { closed <- server.Close() }()
	if err := errors.Join(client.Close(), <-closed); err != nil {
		t.Errorf("Close: %v", err)
	}
	return s
}

// TestOpenSSLOverUDP has OpenSSL's DTLS over SCTP behind the kernel's SCTP, in both roles.
func TestOpenSSLOverUDP(t *testing.T) {
	t.Run("server", func(t *testing.T) {
		p := newUDPPair(t, "client")
		server := p.openssl(t, "server")
		server.WaitFor("ACCEPT")
		var conn *sctpdtls.Conn
		var err error
		p.client.Do(t, func() {
			conn, err = sctpdtls.Dial(udpNetwork, p.address(), p.config(t, "client", nil))
		})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Abort()
		talkToServer(t, conn, server)
		server.EndInput()
	})
	t.Run("client", func(t *testing.T) {
		p := newUDPPair(t, "server")
		var ln *sctpdtls.Listener
		var err error
		p.server.Do(t, func() {
			ln, err = sctpdtls.Listen(udpNetwork, ":4433", p.config(t, "server", nil))
		})
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		client := p.openssl(t, "client")
		ctx, cancel := context.WithTimeout(t.Context(), Patience)
		defer cancel()
		conn, err := ln.AcceptConn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Abort()
		talkToClient(t, conn, client)
	})
}

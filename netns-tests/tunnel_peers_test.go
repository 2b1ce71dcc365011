//go:build kernel

package netns

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// These tests have one tunnel, in front of an unmodified freeDiameter. Its peer uses DTLS/SCTP
// itself, and the part of Diameter up to the state OPEN (RFC 6733, Section 5.3). It is OpenSSL,
// with the messages on its standard input, or a connection of this library.

// A diameterPeer is the peer of the tunnel, connected or about to be.
type diameterPeer interface {
	send(message []byte)
	// receive returns the next message with a command.
	receive(command uint32) []byte
}

// Commands and codes of AVPs (RFC 6733, Sections 3.1 and 4.5).
const (
	capabilitiesExchange = 257
	deviceWatchdog       = 280

	requestFlag = 0x80

	avpHostIPAddress     = 257
	avpAuthApplicationID = 258
	avpOriginHost        = 264
	avpVendorID          = 266
	avpResultCode        = 268
	avpProductName       = 269
	avpOriginRealm       = 296

	relayApplication = 0xffff_ffff
	diameterSuccess  = 2001
)

// avp returns an AVP with the flag M.
func avp(code uint32, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, code)
	b = binary.BigEndian.AppendUint32(b, 0x40<<24|uint32(8+len(data)))
	b = append(b, data...)
	return append(b, make([]byte, -len(b)&3)...)
}

func avp32(code, value uint32) []byte {
	return avp(code, binary.BigEndian.AppendUint32(nil, value))
}

// diameterRequest and diameterAnswer return messages of a host.
func diameterRequest(host string, command uint32, avps ...[]byte) []byte {
	return diameter(host, requestFlag, command, []byte("hop1end2"), avps)
}

func diameterAnswer(host string, request []byte, avps ...[]byte) []byte {
	command := binary.BigEndian.Uint32(request[4:]) & 0xff_ffff
	avps = append([][]byte{avp32(avpResultCode, diameterSuccess)}, avps...)
	return diameter(host, 0, command, request[12:20], avps)
}

func diameter(host string, flags, command uint32, ids []byte, avps [][]byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, 1<<24)
	b = binary.BigEndian.AppendUint32(b, flags<<24|command)
	b = binary.BigEndian.AppendUint32(b, 0) // the application of all peers
	b = append(b, ids...)
	b = append(b, avp(avpOriginHost, []byte(host))...)
	b = append(b, avp(avpOriginRealm, []byte("example.org"))...)
	b = append(b, bytes.Join(avps, nil)...)
	binary.BigEndian.PutUint32(b, 1<<24|uint32(len(b)))
	return b
}

// capabilities returns the AVPs of a relay.
func capabilities() [][]byte {
	return [][]byte{
		avp(avpHostIPAddress, []byte{0, 1, 10, 0, 0, 1}), avp32(avpVendorID, 0),
		avp(avpProductName, []byte("peer")), avp32(avpAuthApplicationID, relayApplication),
	}
}

// diameterMessage returns the first message with a command in b, or nil if b does not contain all
// of it.
func diameterMessage(b []byte, command uint32) []byte {
	for i := 0; i+20 <= len(b); i++ {
		length := int(binary.BigEndian.Uint32(b[i:]) & 0xff_ffff)
		if b[i] == 1 && binary.BigEndian.Uint32(b[i+4:])&0xff_ffff == command && i+length <= len(b) {
			return b[i : i+length]
		}
	}
	return nil
}

// An opensslDiameter is s_client or s_server.
type opensslDiameter struct{ *Process }

func (o opensslDiameter) send(message []byte) { o.Type(string(message)) }

func (o opensslDiameter) receive(command uint32) []byte {
	o.t.Helper()
	for end := time.Now().Add(Patience); ; {
		o.mu.Lock()
		message, changed := bytes.Clone(diameterMessage(o.out.Bytes(), command)), o.changed
		o.mu.Unlock()
		if message != nil {
			return message
		}
		select {
		case <-changed:
		case <-o.done:
			o.t.Fatal("OpenSSL has ended without the message")
		case <-time.After(time.Until(end)):
			o.t.Fatal("OpenSSL has not got the message")
		}
	}
}

// An ownDiameter is a connection of this library.
type ownDiameter struct {
	t    *testing.T
	conn *sctpdtls.Conn
}

func (o *ownDiameter) send(message []byte) {
	o.t.Helper()
	if err := o.conn.WriteMessage(message, sctpdtls.MessageInfo{
		Stream: 1, PPID: sctpdtls.PPIDDiameter,
	}); err != nil {
		o.t.Fatal(err)
	}
}

func (o *ownDiameter) receive(command uint32) []byte {
	o.t.Helper()
	o.conn.SetReadDeadline(time.Now().Add(Patience))
	buf := make([]byte, sctpdtls.MaxMessageSize)
	n, info, err := o.conn.ReadMessage(buf)
	if err != nil {
		o.t.Fatal(err)
	}
	message := diameterMessage(buf[:n], command)
	if len(message) != n {
		o.t.Fatalf("%d bytes came, of which %d are the message", n, len(message))
	}
	if info.PPID != sctpdtls.PPIDDiameter {
		o.t.Errorf("the message has protocol identifier %d", info.PPID)
	}
	return message
}

// TestTunnelOpenSSL checks a tunnel with OpenSSL as the peer, in both roles. Its messages have
// payload protocol identifier 0.
func TestTunnelOpenSSL(t *testing.T) {
	common := func(p *tunnelPair, name string) []string {
		return []string{"-dtls1_2", "-sctp", "-quiet", "-verify_return_error", "-CAfile", p.pem("ca"),
			"-cert", p.pem(name), "-key", p.pem(name + "-key")}
	}
	testDiameterPeer(t, passes, func(p *tunnelPair) func() diameterPeer {
		return func() diameterPeer {
			args := append([]string{"s_client", "-connect", p.outer()}, common(p, "client")...)
			return opensslDiameter{p.ran.Start(p.t, "openssl", args...)}
		}
	}, func(p *tunnelPair) func() diameterPeer {
		args := append([]string{"s_server", "-accept", "5868", "-Verify", "1"}, common(p, "server")...)
		s := p.core.Start(p.t, "openssl", args...)
		return func() diameterPeer { return opensslDiameter{s} }
	})
}

// TestTunnelOwnPeer checks a tunnel whose peer is a program that uses sctpdtls, in both roles.
func TestTunnelOwnPeer(t *testing.T) {
	config := func(p *tunnelPair, role string) *sctpdtls.Config {
		c, err := endConfig(p.certs, role)
		if err != nil {
			p.t.Fatal(err)
		}
		c.ServerName, c.PPID = "core.example.org", sctpdtls.PPIDDiameter
		return c
	}
	testDiameterPeer(t, becomes(sctpdtls.PPIDDiameter), func(p *tunnelPair) func() diameterPeer {
		return func() diameterPeer {
			var conn *sctpdtls.Conn
			p.ran.Do(p.t, func() {
				var err error
				if conn, err = sctpdtls.Dial("sctp", p.outer(), config(p, "client")); err != nil {
					p.t.Fatal(err)
				}
			})
			p.t.Cleanup(func() { conn.Close() })
			return &ownDiameter{p.t, conn}
		}
	}, func(p *tunnelPair) func() diameterPeer {
		var ln *sctpdtls.Listener
		p.core.Do(p.t, func() {
			var err error
			if ln, err = sctpdtls.Listen("sctp", p.outer(), config(p, "server")); err != nil {
				p.t.Fatal(err)
			}
		})
		p.t.Cleanup(func() { ln.Close() })
		return func() diameterPeer { return p.acceptDiameter(ln) }
	})
}

// acceptDiameter returns the first connection that remains: a tunnel first checks for a server with
// a connection without messages.
func (p *tunnelPair) acceptDiameter(ln *sctpdtls.Listener) diameterPeer {
	p.t.Helper()
	for {
		ln.SetDeadline(time.Now().Add(Patience))
		c, err := ln.AcceptConn(p.t.Context())
		if err != nil {
			p.t.Fatal(err)
		}
		p.t.Cleanup(func() { c.Close() })
		var none [1]sctpdtls.Message
		if _, err := c.ReadMessages(nil, none[:]); err == io.ErrShortBuffer { // there is a message
			return &ownDiameter{p.t, c}
		}
		c.Close()
	}
}

// outer returns the address of the tunnel on the network side.
func (p *tunnelPair) outer() string { return fmt.Sprintf("%s:5868", p.core.Addrs[0]) }

// testDiameterPeer checks that freeDiameter reaches OPEN, behind a server tunnel and behind a
// client tunnel. The functions prepare a peer; the function that they return connects it, or
// returns it when it is connected. fromPeer maps the payload protocol identifier 0 of the peer to
// the one behind the tunnel.
func testDiameterPeer(t *testing.T, fromPeer func(uint32) uint32,
	client, server func(*tunnelPair) func() diameterPeer,
) {
	const zeroIsDiameter = "ppid = [\"0:47\"]\n"
	check := func(p *tunnelPair, link, lo *wire.Capture, peer wire.Side) {
		outer := p.one(p.capture(link), wire.Options{KeyLog: p.secrets(), FinishedUnderOldKey: true})
		inner := p.one(p.capture(lo), wire.Options{NoDTLS: true})
		checkSide(p.t, inner, outer, peer, fromPeer)
		checkSide(p.t, inner, outer, 1-peer, becomes(47))
		for _, d := range outer.Defects {
			p.t.Errorf("on the link: %v", d)
		}
	}
	t.Run("is the client", func(t *testing.T) {
		p := newTunnelPair(t)
		p.core.Sysctl(t, "net.sctp.auth_enable", "1") // OpenSSL does not enable SCTP-AUTH itself
		p.ran.Sysctl(t, "net.sctp.auth_enable", "1")
		link, lo := startCapture(t, p.core), p.captureLo(p.core)
		connect := client(p)
		daemon := p.freeDiameter(p.core, "core", "ran", 3868, 3999) // no peer listens on port 3999
		daemon.WaitFor("freeDiameterd daemon initialized")
		server := p.tunnel(p.core, fmt.Sprintf("role = \"server\"\nlisten = %q\n"+
			"target = \"127.0.0.1:3868\"\n", p.outer())+zeroIsDiameter)
		server.WaitFor("msg=started")
		peer := connect()
		const host = "ran.example.org"
		peer.send(diameterRequest(host, capabilitiesExchange, capabilities()...))
		answer := peer.receive(capabilitiesExchange)
		if answer[4]&requestFlag != 0 ||
			!bytes.Contains(answer, avp32(avpResultCode, diameterSuccess)) {
			t.Errorf("freeDiameter answered %x", answer)
		}
		peer.send(diameterAnswer(host, peer.receive(deviceWatchdog)))
		daemon.WaitFor(`-> 'STATE_OPEN'`)
		check(p, link, lo, wire.Initiator)
	})
	t.Run("is the server", func(t *testing.T) {
		p := newTunnelPair(t)
		p.core.Sysctl(t, "net.sctp.auth_enable", "1")
		p.ran.Sysctl(t, "net.sctp.auth_enable", "1")
		link, lo := startCapture(t, p.core), p.captureLo(p.ran)
		accept := server(p)
		p.tunnel(p.ran, fmt.Sprintf("role = \"client\"\nlisten = \"127.0.0.1:3868\"\ntarget = %q\n",
			p.outer())+zeroIsDiameter).WaitFor("msg=listening")
		daemon := p.freeDiameter(p.ran, "ran", "core", 3869, 3868)
		peer := accept()
		request := peer.receive(capabilitiesExchange)
		peer.send(diameterAnswer("core.example.org", request, capabilities()...))
		daemon.WaitFor(`'STATE_WAITCEA'.*'STATE_OPEN'`)
		check(p, link, lo, wire.Responder)
	})
}

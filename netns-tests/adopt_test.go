//go:build kernel && !386

// github.com/ishidawataru/sctp does not support 386. There, package sctpsock tests the adoption of
// a socket.

package netns

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ishidawataru/sctp"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// These tests are in this module because the root module requires a version of
// github.com/ishidawataru/sctp whose sockets cannot be adopted yet.

// otherLibrary returns the two endpoints of an association that github.com/ishidawataru/sctp has
// dialed and accepted.
func otherLibrary(t *testing.T, client, server func(string, string, syscall.RawConn) error) (c,
	s *sctp.SCTPConn) {
	t.Helper()
	addr, err := sctp.ResolveSCTPAddr("sctp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := (&sctp.SocketConfig{Control: server}).Listen("sctp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err = (&sctp.SocketConfig{Control: client, InitMsg: sctp.InitMsg{NumOstreams: 7}}).Dial("sctp",
		nil, ln.Addr().(*sctp.SCTPAddr))
	if err != nil {
		t.Fatal(err)
	}
	if s, err = ln.AcceptSCTP(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		s.Close()
	})
	return c, s
}

// adopt makes a connection from a socket of another library.
func adopt(
	role func(stream.Association, *sctpdtls.Config) (*sctpdtls.Conn, error),
	socket sctpdtls.Socket, config *sctpdtls.Config,
) (*sctpdtls.Conn, error) {
	a, err := sctpdtls.FromSocket(socket, &config.SCTP)
	if err != nil {
		return nil, err
	}
	return role(a, config)
}

// TestKernelAdoptBothEnds turns both endpoints of an association of another library into
// connections, which then own it.
func TestKernelAdoptBothEnds(t *testing.T) {
	config := loopbackConfigs(t)
	theirs, accepted := otherLibrary(t, sctpdtls.RequestAuth, sctpdtls.RequestAuth)
	for _, end := range []*sctp.SCTPConn{theirs, accepted} { // as users of the library do
		if err := end.SubscribeEvents(sctp.SCTP_EVENT_ALL); err != nil {
			t.Fatal(err)
		}
		if err := end.SetDefaultSentParam(&sctp.SndRcvInfo{PPID: 60, Stream: 2}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := adopt(sctpdtls.Server, accepted, config("server"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		buf := make([]byte, sctpdtls.MaxMessageSize)
		for {
			n, info, err := s.ReadMessage(buf)
			if err == nil {
				err = s.WriteMessage(buf[:n], info)
			}
			if err != nil {
				if err == io.EOF {
					err = s.Close()
				}
				done <- err
				return
			}
		}
	}()
	to := config("client")
	to.SCTP.RTOMin = 70 * time.Millisecond
	c, err := adopt(sctpdtls.Client, theirs, to)
	if err != nil {
		t.Fatal(err)
	}
	if state := c.ConnectionState(); state.HandshakeComplete {
		t.Error("the handshake was not left to the first call that needs it")
	}
	buf := make([]byte, sctpdtls.MaxMessageSize)
	for stream, size := range []int{1, 100, 5000, sctpdtls.MaxMessageSize} {
		want := sctpdtls.MessageInfo{Stream: uint16(stream), PPID: sctpdtls.PPIDNGAP, Length: size}
		if err := c.WriteMessage(make([]byte, size), want); err != nil {
			t.Fatal(err)
		}
		n, info, err := c.ReadMessage(buf)
		if err != nil || n != size || info != want || !bytes.Equal(buf[:n], make([]byte, size)) {
			t.Fatalf("%+v came back as %d bytes with %+v, %v", want, n, info, err)
		}
	}
	if state := c.ConnectionState(); state.AuthKeyID != 1 || state.OutStreams != 7 {
		t.Errorf("state %+v", state)
	}
	// Deadlines work although the library's sockets are blocking ones.
	c.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, _, err = c.ReadMessage(buf)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("ReadMessage with a deadline: %v", err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("server: %v", err)
	}
	for _, end := range []*sctp.SCTPConn{theirs, accepted} {
		if err := end.Close(); err != syscall.EBADF {
			t.Errorf("the other library's descriptor was left open: %v", err)
		}
	}
}

// TestKernelAdoptAbort checks that Abort reaches the peer although there are two descriptors.
func TestKernelAdoptAbort(t *testing.T) {
	config := loopbackConfigs(t)
	theirs, accepted := otherLibrary(t, sctpdtls.RequestAuth, sctpdtls.RequestAuth)
	s, err := adopt(sctpdtls.Server, accepted, config("server"))
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, _, err := s.ReadMessage(make([]byte, sctpdtls.MaxMessageSize))
		read <- err
	}()
	c, err := adopt(sctpdtls.Client, theirs, config("client"))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	c.Abort()
	if err := <-read; !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the peer of an abort reads %v", err)
	}
	s.Close()
}

// TestKernelAttackB8AdoptWithoutAuth checks that an association whose endpoints have not both
// enabled SCTP-AUTH is refused with an error that names the remedy, and that the association
// remains usable.
func TestKernelAttackB8AdoptWithoutAuth(t *testing.T) {
	config := loopbackConfigs(t)
	for _, tt := range []struct {
		name           string
		client, server func(string, string, syscall.RawConn) error
		peer           bool
	}{
		{"here", nil, sctpdtls.RequestAuth, false},
		{"there", sctpdtls.RequestAuth, nil, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			theirs, accepted := otherLibrary(t, tt.client, tt.server)
			c, err := adopt(sctpdtls.Client, theirs, config("client"))
			if err == nil {
				c.Abort()
				t.Fatal("no error")
			}
			if _, ok := errors.AsType[*sctpdtls.AuthUnsupportedError](err); !ok ||
				!strings.Contains(err.Error(), "sctpdtls.RequestAuth") {
				t.Errorf("error %v", err)
			}
			if _, err := theirs.Write([]byte("plain")); err != nil {
				t.Errorf("the association does not go on: %v", err)
			}
			buf := make([]byte, 100)
			if n, err := accepted.Read(buf); err != nil || string(buf[:n]) != "plain" {
				t.Errorf("the association does not go on: %q, %v", buf[:n], err)
			}
		})
	}
}

// TestKernelAdoptRefuses checks that a file that is not an association is refused.
func TestKernelAdoptRefuses(t *testing.T) {
	config := loopbackConfigs(t)
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	if c, err := adopt(sctpdtls.Server, udp.(*net.UDPConn), config("server")); err == nil ||
		!strings.Contains(err.Error(), "not an SCTP socket") {
		t.Errorf("UDP: %v, %v", c, err)
	}
	theirs, accepted := otherLibrary(t, sctpdtls.RequestAuth, sctpdtls.RequestAuth)
	accepted.Close()
	if c, err := adopt(sctpdtls.Server, accepted, config("server")); err == nil {
		t.Errorf("a closed one became %v", c)
	}
	if c, err := adopt(sctpdtls.Client, theirs, &sctpdtls.Config{}); err == nil {
		t.Errorf("a client that trusts nobody: %v", c)
	}
}

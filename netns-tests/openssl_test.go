//go:build kernel

package netns

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// These tests use OpenSSL as the peer.
//
//	client eth0 10.0.0.1 ──── 10.0.0.2 eth0 server, captured at the server
//
// One of the hosts runs OpenSSL's s_client or s_server, the other this library.

// An opensslPair consists of two hosts with certificates for both.
type opensslPair struct {
	client, server *Host
	certs          string
}

func newOpenSSLPair(t *testing.T) *opensslPair {
	t.Helper()
	p := &opensslPair{certs: t.TempDir()}
	p.client, p.server = NewPair(t)
	for _, h := range []*Host{p.client, p.server} {
		h.Sysctl(t, "net.sctp.auth_enable", "1") // OpenSSL does not enable SCTP-AUTH itself
	}
	p.server.Run(t, "sctp-echo", "certs", "-host", p.server.Addrs[0].String(), p.certs)
	return p
}

func (p *opensslPair) address() string { return p.server.Addrs[0].String() + ":4433" }

// openssl starts s_client or s_server with the certificate of its role. It verifies the peer's
// certificate.
func (p *opensslPair) openssl(t *testing.T, role string, args ...string) *Process {
	t.Helper()
	host, program := p.client, []string{"s_client", "-connect", p.address()}
	if role == "server" {
		host, program = p.server, []string{"s_server", "-accept", "4433", "-Verify", "1"}
	}
	program = append(program, "-dtls1_2", "-sctp", "-verify_return_error", "-CAfile",
		filepath.Join(p.certs, "ca.pem"),
		"-cert", filepath.Join(p.certs, role+".pem"), "-key", filepath.Join(p.certs, role+"-key.pem"))
	return host.Start(t, "openssl", append(program, args...)...)
}

// config returns the library's configuration in a role. It verifies the peer, and writes the
// secrets to keyLog.
func (p *opensslPair) config(t *testing.T, role string, keyLog io.Writer) *sctpdtls.Config {
	t.Helper()
	c, err := endConfig(p.certs, role)
	if err != nil {
		t.Fatal(err)
	}
	c.KeyLogWriter = keyLog
	return c
}

// endConfig returns the configuration of a role with the certificates in a folder.
func endConfig(certs, role string) (*sctpdtls.Config, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(certs, role+".pem"),
		filepath.Join(certs, role+"-key.pem"))
	if err != nil {
		return nil, err
	}
	pem, err := os.ReadFile(filepath.Join(certs, "ca.pem"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &sctpdtls.Config{
		Certificates: []tls.Certificate{cert},
		RootCAs:      roots,
		ClientCAs:    roots,
		ClientAuth:   tls.RequireAndVerifyClientCert,

		HandshakeTimeout: Patience,
		CloseTimeout:     Patience,
	}, nil
}

// dial connects from the client's host.
func (p *opensslPair) dial(t *testing.T, config *sctpdtls.Config) (conn *sctpdtls.Conn, err error) {
	p.client.Do(t, func() { conn, err = sctpdtls.Dial("sctp4", p.address(), config) })
	if err == nil {
		t.Cleanup(func() { conn.Abort() })
	}
	return conn, err
}

// listen listens on the server's host.
func (p *opensslPair) listen(t *testing.T, config *sctpdtls.Config) (ln *sctpdtls.Listener) {
	p.server.Do(t, func() {
		var err error
		if ln, err = sctpdtls.Listen("sctp4", ":4433", config); err != nil {
			t.Fatal(err)
		}
	})
	t.Cleanup(func() { ln.Close() })
	return ln
}

// talkToServer exchanges a message with an OpenSSL server, and closes the connection.
func talkToServer(t *testing.T, conn *sctpdtls.Conn, server *Process) {
	t.Helper()
	if err := conn.WriteMessage([]byte("from us\n"),
		sctpdtls.MessageInfo{Stream: 3, PPID: 47}); err != nil {
		t.Fatal(err)
	}
	server.WaitFor("(?m)^from us$")
	server.Type("from OpenSSL\n")
	says(t, conn, "from OpenSSL\n")
	if err := conn.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	server.WaitFor("(?m)^DONE$")
}

// talkToClient exchanges a message with an OpenSSL client that has verified the server, and waits
// until the client closes the connection.
func talkToClient(t *testing.T, conn *sctpdtls.Conn, client *Process) {
	t.Helper()
	client.WaitFor(`Verify return code: 0 \(ok\)`)
	client.Type("from OpenSSL\n")
	says(t, conn, "from OpenSSL\n")
	if err := conn.WriteMessage([]byte("from us\n"), sctpdtls.MessageInfo{Stream: 2}); err != nil {
		t.Fatal(err)
	}
	client.WaitFor("(?m)^from us$")
	client.Type("Q\n")
	if _, _, err := conn.ReadMessage(nil); err != io.EOF {
		t.Errorf("after OpenSSL's close_notify: %v, want io.EOF", err)
	}
	if err := conn.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// says checks that the next message from the peer is want.
func says(t *testing.T, conn *sctpdtls.Conn, want string) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(Patience))
	buf := make([]byte, sctpdtls.MaxMessageSize)
	n, info, err := conn.ReadMessage(buf)
	if err != nil || string(buf[:n]) != want || info.Stream != 0 || info.PPID != 0 {
		t.Fatalf("got %q with %+v, %v, want %q on stream 0 with PPID 0", buf[:n], info, err, want)
	}
}

type opensslCase struct {
	name   string
	suite  uint16 // of the library; 0 means any
	legacy bool
	args   []string // of OpenSSL
}

// set configures the library, and returns the exporter label of SCTP-AUTH keys.
func (c *opensslCase) set(config *sctpdtls.Config) (label string) {
	if c.suite != 0 {
		config.CipherSuites = []uint16{c.suite}
	}
	if config.LegacyLabel = c.legacy; c.legacy {
		return wire.DefaultLabel + "\x00"
	}
	return wire.DefaultLabel
}

var opensslCases = []opensslCase{
	{"AES-128-GCM", 0xc02b, false, nil},
	{"AES-256-GCM, P-384", 0xc02c, false, []string{"-groups", "P-384:P-256"}},
	{"ChaCha20-Poly1305, X25519", 0xcca9, false, []string{"-groups", "X25519:P-256"}},
	{"any suite", 0, false, nil},
	{"old label", 0, true, []string{"-sctp_label_bug"}},
}

// TestOpenSSLServer checks the library's client against OpenSSL's server: both have certificates,
// send messages, and the client closes the connection.
func TestOpenSSLServer(t *testing.T) {
	p := newOpenSSLPair(t)
	for _, test := range opensslCases {
		t.Run(test.name, func(t *testing.T) {
			var keyLog strings.Builder
			config := p.config(t, "client", &keyLog)
			label := test.set(config)
			server := p.openssl(t, "server", test.args...)
			server.WaitFor("ACCEPT")
			capture := startCapture(t, p.server)
			conn, err := p.dial(t, config)
			if err != nil {
				t.Fatal(err)
			}
			if s := conn.ConnectionState(); s.Version != sctpdtls.VersionDTLS12 || s.AuthKeyID != 1 ||
				test.suite != 0 && s.CipherSuite != test.suite {
				t.Errorf("negotiated %+v", s)
			}
			talkToServer(t, conn, server)
			checkCapture(t, stopCapture(t, capture, 1),
				wire.Options{KeyLog: []byte(keyLog.String()), Label: label})
			server.EndInput()
		})
	}
}

// TestOpenSSLClient checks OpenSSL's client against the library's server. OpenSSL closes the
// connection.
func TestOpenSSLClient(t *testing.T) {
	p := newOpenSSLPair(t)
	for _, test := range opensslCases {
		t.Run(test.name, func(t *testing.T) {
			var keyLog strings.Builder
			config := p.config(t, "server", &keyLog)
			label := test.set(config)
			ln := p.listen(t, config)
			capture := startCapture(t, p.server)
			client := p.openssl(t, "client", test.args...)
			ctx, cancel := context.WithTimeout(t.Context(), Patience)
			defer cancel()
			conn, err := ln.AcceptConn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Abort() })
			talkToClient(t, conn, client)
			// OpenSSL's Finished arrives under the old key, which the library accepts.
			checkCapture(t, stopCapture(t, capture, 1),
				wire.Options{KeyLog: []byte(keyLog.String()), Label: label, FinishedUnderOldKey: true})
			ln.Close()
		})
	}
}

// TestOpenSSLLabelMismatch checks that the error names the likely cause if the labels differ and
// each endpoint therefore discards the other's packets.
func TestOpenSSLLabelMismatch(t *testing.T) {
	p := newOpenSSLPair(t)
	for _, legacy := range []bool{false, true} {
		t.Run(fmt.Sprintf("old label here %v", legacy), func(t *testing.T) {
			config := p.config(t, "client", nil)
			config.LegacyLabel = legacy
			config.HandshakeTimeout = 5 * time.Second
			var args []string
			if !legacy {
				args = []string{"-sctp_label_bug"}
			}
			p.openssl(t, "server", args...).WaitFor("ACCEPT")
			_, err := p.dial(t, config)
			if e, ok := errors.AsType[*sctpdtls.HandshakeTimeoutError](err); !ok || !e.KeyInUse {
				t.Errorf("dial: %v, want a HandshakeTimeoutError with a key in use", err)
			}
		})
	}
}

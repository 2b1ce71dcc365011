package main

import (
	"crypto/tls"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/sctptest"
)

// TestN2 is how an AMF is tested where there is no SCTP: a gNB and the AMF have two addresses each
// (3GPP TS 38.412, Section 7) on a network in memory, of which a path fails; then the AMF loses its
// power, and the gNB connects again. All of it takes milliseconds, for the clock is synctest's.
func TestN2(t *testing.T) {
	config := mutual()
	synctest.Test(t, func(t *testing.T) {
		network := sctptest.NewNetwork(1)
		defer network.Close()
		network.SetLink(sctptest.Link{Delay: 5 * time.Millisecond, Loss: 0.01})
		amf := network.Host("10.0.0.1", "10.0.1.1")
		gnb := network.Host("10.0.0.2", "10.0.1.2")

		start := func() (stopped chan error) {
			inner, err := amf.Listen(":38412", &config.SCTP) // in place of sctpdtls.Listen
			if err != nil {
				t.Fatal(err)
			}
			ln, err := sctpdtls.NewListener(inner, config)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { ln.Close() })
			stopped = make(chan error, 1)
			go func() { stopped <- run(ln) }()
			return stopped
		}
		connect := func() *sctpdtls.Conn {
			assoc, err := gnb.Dial(t.Context(), "10.0.0.1:38412", &config.SCTP) // of sctpdtls.Dial
			if err != nil {
				t.Fatal(err)
			}
			conn, err := sctpdtls.Client(assoc, config)
			if err != nil {
				t.Fatal(err)
			}
			return conn
		}
		call := func(conn *sctpdtls.Conn, stream uint16, message, want string) {
			t.Helper()
			info := sctpdtls.MessageInfo{Stream: stream, PPID: sctpdtls.PPIDNGAP}
			if err := conn.WriteMessage([]byte(message), info); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, sctpdtls.MaxMessageSize)
			n, info, err := conn.ReadMessage(buf)
			if err != nil || info.Stream != stream || string(buf[:n]) != want {
				t.Errorf("stream %d: %q, %v, want %q on stream %d", info.Stream, buf[:n], err, want, stream)
			}
		}

		stopped := start()
		conn := connect()
		call(conn, nonUE, "NG setup", "for the gNB: NG setup")
		amf.Unplug("10.0.0.1") // SCTP goes on by the other path
		call(conn, 7, "UE 7", "for a UE: UE 7")
		amf.Plug("10.0.0.1")

		amf.Reboot()
		<-stopped
		start()
		_, _, err := conn.ReadMessage(make([]byte, 100))
		if !errors.Is(err, io.ErrUnexpectedEOF) { // an *sctpdtls.AssociationError says how
			t.Errorf("after the AMF's reboot: %v", err)
		}
		conn.Close()
		conn = connect()
		call(conn, nonUE, "NG setup again", "for the gNB: NG setup again")
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	})
}

// mutual returns a configuration for either end of a mutually authenticated connection.
func mutual() *sctpdtls.Config {
	cert, roots := testpki.SelfSigned("amf.example")
	return &sctpdtls.Config{
		Certificates: []tls.Certificate{cert},
		ServerName:   "amf.example",
		RootCAs:      roots,
		ClientCAs:    roots,
		ClientAuth:   tls.RequireAndVerifyClientCert,
	}
}

package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"time"

	"github.com/seed-41f70523/dtls-sctp/cmd/internal/testca"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// Loopback makes a mutually authenticated connection of this machine to itself over a network of
// sctpdtls.Dial, sends a message in both directions, and reports what was negotiated and how long
// it took.
func Loopback(
	ctx context.Context,
	network string,
	timeout time.Duration,
) (state sctpdtls.ConnectionState, took time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	files, err := testca.Make(testca.Options{Hosts: []string{"127.0.0.1"}, Days: 1}, time.Now())
	if err != nil {
		return state, 0, err
	}
	pem := make(map[string][]byte)
	for _, f := range files {
		pem[f.Name] = f.PEM
	}
	config := func(name string) *sctpdtls.Config {
		pair, _ := tls.X509KeyPair(pem[name+".pem"], pem[name+"-key.pem"]) // just created
		cas := x509.NewCertPool()
		cas.AppendCertsFromPEM(pem["ca.pem"])
		return &sctpdtls.Config{
			Certificates:     []tls.Certificate{pair},
			RootCAs:          cas,
			ClientCAs:        cas,
			ClientAuth:       tls.RequireAndVerifyClientCert,
			HandshakeTimeout: timeout,
			CloseTimeout:     timeout,
		}
	}
	server, client := config("server"), config("client")
	if network == "sctp+udp" {
		port, err := freeUDPPort()
		if err != nil {
			return state, 0, err
		}
		server.SCTP.UDPEncapPort, client.SCTP.UDPEncapPort = port, port
	}
	l, err := sctpdtls.Listen(network, "127.0.0.1:0", server)
	if err != nil {
		return state, 0, err
	}
	defer l.Close()
	go serveOne(ctx, l) // the client reports errors
	start := time.Now()
	d := sctpdtls.Dialer{Config: client}
	c, err := d.DialConn(ctx, network, l.Addr().String())
	if err != nil {
		return state, 0, err
	}
	defer c.Close()
	c.SetDeadline(start.Add(timeout))
	const greeting = "doctor"
	if err := c.WriteMessage([]byte(greeting), sctpdtls.MessageInfo{Stream: 1}); err != nil {
		return state, 0, err
	}
	b := make([]byte, sctpdtls.MaxMessageSize)
	n, _, err := c.ReadMessage(b)
	if err != nil {
		return state, 0, fmt.Errorf("the echo did not come back: %w", err)
	}
	if string(b[:n]) != greeting {
		return state, 0, fmt.Errorf("another message came back than was sent: %q", b[:min(n, 64)])
	}
	return c.ConnectionState(), time.Since(start), nil
}

// freeUDPPort returns a UDP port that is not in use at present.
func freeUDPPort() (uint16, error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Port(), nil
}

// serveOne echoes one message of one connection.
func serveOne(ctx context.Context, l *sctpdtls.Listener) {
	c, err := l.AcceptConn(ctx)
	if err != nil {
		return
	}
	defer c.Close()
	b := make([]byte, sctpdtls.MaxMessageSize)
	n, info, err := c.ReadMessage(b)
	if err == nil && c.WriteMessage(b[:n], info) == nil {
		<-c.Context().Done() // the client has received it
	}
}

package userspace

import (
	"context"
	"crypto/tls"
	"net/netip"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpudp"
	"github.com/seed-41f70523/dtls-sctp/internal/testpki"
	"github.com/seed-41f70523/dtls-sctp/sctpcore"
	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// pair returns both ends of an association of package sctpudp.
func pair(tb testing.TB, config *sctpcore.Config) (client, server *sctpudp.Assoc) {
	tb.Helper()
	open := func() *sctpudp.Socket {
		s, err := sctpudp.Open("udp4", 0, loopback)
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { s.Close() })
		return s
	}
	to := open()
	l, err := to.Listen(0, config)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { l.Close() })
	ctx := context.Background()
	if client, err = open().Dial(ctx, config, 0, l.Port(), to.LocalAddr()); err != nil {
		tb.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Abort(); server.Abort() })
	return client, server
}

// ours is SCTP, with AUTH by SHA-256 or without.
func ours(auth bool) func(tb testing.TB, size int) carrier {
	return func(tb testing.TB, _ int) carrier {
		client, server := pair(tb, &sctpcore.Config{Auth: auth})
		r := stream.NewReader(server)
		return carrier{
			send: func(msg []byte) error { return client.Send(msg, stream.Info{Stream: 1}) },
			receive: func([]byte) error {
				for {
					m, _, err := r.Next(true)
					if err != nil || len(m.Data) > 0 {
						return err
					}
				}
			},
		}
	}
}

// dtls is a connection of package sctpdtls.
func dtls(tb testing.TB, _ int) carrier {
	client, server := dtlsPair(tb)
	return carrier{
		send: func(msg []byte) error {
			return client.WriteMessage(msg, sctpdtls.MessageInfo{Stream: 1})
		},
		receive: func(buf []byte) error {
			_, _, err := server.ReadMessage(buf)
			return err
		},
	}
}

func dtlsPair(tb testing.TB) (client, server *sctpdtls.Conn) {
	tb.Helper()
	cert, _ := testpki.SelfSigned("bench")
	c := udp(tb)
	port := c.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort().Port()
	c.Close()
	config := &sctpdtls.Config{
		Certificates:       []tls.Certificate{cert},
		InsecureSkipVerify: true,
	}
	config.SCTP.UDPEncapPort = port
	l, err := sctpdtls.Listen("sctp+udp", "127.0.0.1:0", config)
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan error, 1)
	go func() {
		var err error
		server, err = l.AcceptConn(context.Background())
		accepted <- err
	}()
	d := sctpdtls.Dialer{Config: config}
	if client, err = d.DialConn(context.Background(), "sctp+udp", l.Addr().String()); err != nil {
		tb.Fatal(err)
	}
	if err := <-accepted; err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.Abort(); server.Abort() })
	return client, server
}

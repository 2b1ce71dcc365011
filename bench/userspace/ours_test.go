package userspace

import (
	"context"
	"crypto/tls"
	"fmt"
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
func pair(b *testing.B, config *sctpcore.Config) (client, server *sctpudp.Assoc) {
	b.Helper()
	open := func() *sctpudp.Socket {
		s, err := sctpudp.Open("udp4", 0, loopback)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		return s
	}
	to := open()
	l, err := to.Listen(0, config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	ctx := context.Background()
	if client, err = open().Dial(ctx, config, 0, l.Port(), to.LocalAddr()); err != nil {
		b.Fatal(err)
	}
	if server, err = l.Accept(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { client.Abort(); server.Abort() })
	return client, server
}

func benchmarkOurs(b *testing.B, config *sctpcore.Config) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			client, server := pair(b, config)
			r := stream.NewReader(server)
			run(b, size, func(msg []byte) error {
				return client.Send(msg, stream.Info{Stream: 1})
			}, func([]byte) error {
				for {
					m, _, err := r.Next(true)
					if err != nil || len(m.Data) > 0 {
						return err
					}
				}
			})
		})
	}
}

// BenchmarkPlain is SCTP without AUTH.
func BenchmarkPlain(b *testing.B) { benchmarkOurs(b, nil) }

// BenchmarkAuth is SCTP with AUTH, by SHA-256.
func BenchmarkAuth(b *testing.B) { benchmarkOurs(b, &sctpcore.Config{Auth: true}) }

// BenchmarkDTLS is a connection of package sctpdtls.
func BenchmarkDTLS(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			client, server := dtlsPair(b)
			run(b, size, func(msg []byte) error {
				return client.WriteMessage(msg, sctpdtls.MessageInfo{Stream: 1})
			}, func(buf []byte) error {
				_, _, err := server.ReadMessage(buf)
				return err
			})
		})
	}
}

func dtlsPair(b *testing.B) (client, server *sctpdtls.Conn) {
	b.Helper()
	cert, _ := testpki.SelfSigned("bench")
	c := udp(b)
	port := c.LocalAddr().(interface{ AddrPort() netip.AddrPort }).AddrPort().Port()
	c.Close()
	config := &sctpdtls.Config{
		Certificates:       []tls.Certificate{cert},
		InsecureSkipVerify: true,
	}
	config.SCTP.UDPEncapPort = port
	l, err := sctpdtls.Listen("sctp+udp", "127.0.0.1:0", config)
	if err != nil {
		b.Fatal(err)
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
		b.Fatal(err)
	}
	if err := <-accepted; err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { client.Abort(); server.Abort() })
	return client, server
}

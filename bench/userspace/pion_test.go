package userspace

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/pion/logging"
	pion "github.com/pion/sctp"
)

// pionSCTP is pion/sctp, which has no AUTH.
func pionSCTP(tb testing.TB, _ int) carrier {
	client, server := pionPair(tb)
	return carrier{
		send: func(msg []byte) error {
			for client.BufferedAmount() > 1<<18 {
				time.Sleep(50 * time.Microsecond) // it has no writes that wait
			}
			_, err := client.WriteSCTP(msg, pion.PayloadTypeWebRTCBinary)
			return err
		},
		receive: func(buf []byte) error {
			_, _, err := server.ReadSCTP(buf)
			return err
		},
	}
}

func pionPair(tb testing.TB) (client, server *pion.Stream) {
	x, y := udp(tb), udp(tb)
	conn := func(c *net.UDPConn, to net.Addr) pion.AssociationOption {
		return pion.WithNetConn(joined{c, to.(*net.UDPAddr).AddrPort()})
	}
	logger := pion.WithLoggerFactory(logging.NewDefaultLoggerFactory())
	buffer := pion.WithMaxReceiveBufferSize(1 << 20)
	accepted := make(chan *pion.Association, 1)
	go func() {
		a, err := pion.ServerWithOptions(conn(y, x.LocalAddr()), logger, buffer)
		if err != nil {
			tb.Error(err)
		}
		accepted <- a
	}()
	a, err := pion.ClientWithOptions(conn(x, y.LocalAddr()), logger, buffer)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { a.Close() })
	if client, err = a.OpenStream(1, pion.PayloadTypeWebRTCBinary); err != nil {
		tb.Fatal(err)
	}
	if _, err := client.WriteSCTP([]byte("x"), pion.PayloadTypeWebRTCBinary); err != nil {
		tb.Fatal(err)
	}
	s := <-accepted
	tb.Cleanup(func() { s.Close() })
	if server, err = s.AcceptStream(); err != nil {
		tb.Fatal(err)
	}
	if _, _, err := server.ReadSCTP(make([]byte, 100)); err != nil {
		tb.Fatal(err)
	}
	return client, server
}

// joined is a UDP socket as a net.Conn.
type joined struct {
	*net.UDPConn
	to netip.AddrPort
}

func (c joined) Write(b []byte) (int, error) { return c.WriteToUDPAddrPort(b, c.to) }
func (c joined) Read(b []byte) (int, error) {
	n, _, err := c.ReadFromUDPAddrPort(b)
	return n, err
}
func (c joined) RemoteAddr() net.Addr { return net.UDPAddrFromAddrPort(c.to) }

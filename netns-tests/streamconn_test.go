//go:build kernel

package netns

import (
	"net"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
	"golang.org/x/net/nettest"
)

// A Stream is a net.Conn as well, while another one of the same connection is read at the same
// time. SCTP's streams do not end, so it is the Close of the Conn that gives the other end its
// io.EOF.
func TestStreamIsANetConn(t *testing.T) {
	dial := connections(t)
	nettest.TestConn(t, func() (c1, c2 net.Conn, stop func(), err error) {
		client, server, err := dial()
		if err != nil {
			return nil, nil, nil, err
		}
		for _, c := range []*sctpdtls.Conn{client, server} {
			go c.Stream(7).Read(make([]byte, 1)) // returns when the test is over
		}
		c1, c2 = lastStream{client.Stream(3)}, lastStream{server.Stream(3)}
		return c1, c2, func() { closeEnds(c1, c2) }, nil
	})
}

// A lastStream closes its connection when it is closed.
type lastStream struct{ *sctpdtls.Stream }

func (s lastStream) Close() error {
	s.Stream.Close()
	return s.Conn().Close()
}

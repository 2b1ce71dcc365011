package diameter

import (
	"context"
	"net"

	"github.com/fiorix/go-diameter/v4/diam"

	"github.com/seed-41f70523/dtls-sctp/sctpdtls"
)

// Dial is [sctpdtls.Dial] for diam.NewConn and sm.Client.NewConn. The port of Diameter
// over DTLS is 5868.
func Dial(network, address string, config *sctpdtls.Config) (*Conn, error) {
	return DialContext(context.Background(), network, address, config)
}

// DialContext is Dial, given up when ctx is done.
func DialContext(ctx context.Context, network, address string, config *sctpdtls.Config) (*Conn, error) {
	c, err := sctpdtls.DialContext(ctx, network, address, withStreams(config))
	if err != nil {
		return nil, err
	}
	return NewConn(c), nil
}

// A Listener is a [sctpdtls.Listener] for diam.Server.Serve. Failed handshakes do not come out of Accept.
type Listener struct{ *sctpdtls.Listener }

// Listen is [sctpdtls.Listen] for diam.Server.Serve.
func Listen(network, address string, config *sctpdtls.Config) (*Listener, error) {
	l, err := sctpdtls.Listen(network, address, withStreams(config))
	if err != nil {
		return nil, err
	}
	return &Listener{l}, nil
}

// Accept waits for the next connection: a *[Conn].
func (l *Listener) Accept() (net.Conn, error) {
	c, err := l.AcceptConn(context.Background())
	if err != nil {
		return nil, err
	}
	return NewConn(c), nil
}

// withStreams asks for as many streams in both directions as go-diameter does, unless config says how many: an
// answer goes out on the stream of its request, so both directions should have the same.
func withStreams(config *sctpdtls.Config) *sctpdtls.Config {
	if config == nil {
		config = new(sctpdtls.Config)
	}
	c := *config
	if c.SCTP.OutStreams == 0 {
		c.SCTP.OutStreams = diam.MaxOutboundSCTPStreams
	}
	if c.SCTP.MaxInStreams == 0 {
		c.SCTP.MaxInStreams = diam.MaxInboundSCTPStreams
	}
	return &c
}

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
func DialContext(ctx context.Context, network, address string, config *sctpdtls.Config) (*Conn,
	error) {
	return (&Dialer{Config: config}).DialConn(ctx, network, address)
}

// A Dialer is a [sctpdtls.Dialer] for diam.NewConn and sm.Client.NewConn.
type Dialer struct {
	Config    *sctpdtls.Config
	LocalAddr *sctpdtls.Addr // nil: any
}

// DialContext is [Dialer.DialConn] for code that takes a dialer such as [net.Dialer]. The
// connection is a *[Conn].
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.DialConn(ctx, network, address)
	if err != nil {
		return nil, err // not a nil *Conn in a net.Conn
	}
	return c, nil
}

// DialConn is [sctpdtls.Dialer.DialConn] for go-diameter.
func (d *Dialer) DialConn(ctx context.Context, network, address string) (*Conn, error) {
	dialer := sctpdtls.Dialer{Config: withStreams(d.Config), LocalAddr: d.LocalAddr}
	c, err := dialer.DialConn(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return NewConn(c), nil
}

// A Listener is a [sctpdtls.Listener] for diam.Server.Serve. Failed handshakes do not come out of
// Accept.
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

// withStreams asks for as many streams in both directions as go-diameter does, unless config says
// how many: an answer goes out on the stream of its request, so both directions should have the
// same.
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

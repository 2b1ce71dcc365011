package sctpdtls

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// Dial makes an association with address, a “host:port” or “a/b:port”, and does the
// handshake. The network is “sctp”, “sctp4” or “sctp6”. Without [Config].ServerName the host is the
// name that the server's certificate must have.
//
// It returns when each end has accepted the other. In DTLS 1.3 a client could send before the server has judged its
// certificate; Dial waits for the server's answer, half a round trip more, lest a refusal surface
// in some later call.
func Dial(network, address string, config *Config) (*Conn, error) {
	return DialContext(context.Background(), network, address, config)
}

// DialContext is Dial, given up when ctx is done. Errors are a *[net.OpError].
func DialContext(ctx context.Context, network, address string, config *Config) (*Conn, error) {
	return (&Dialer{Config: config}).dial(ctx, network, address)
}

// A Dialer dials with a Config, from an address of this host.
type Dialer struct {
	Config    *Config
	LocalAddr *Addr // nil: any
}

// DialContext is what [net.Dialer] has, for code that takes a dialer. The connection is a *[Conn].
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := d.dial(ctx, network, address)
	if err != nil {
		return nil, err // not a nil *Conn in a net.Conn
	}
	return c, nil
}

func (d *Dialer) dial(ctx context.Context, network, address string) (*Conn, error) {
	opError := &net.OpError{Op: "dial", Net: network}
	if d.LocalAddr != nil {
		opError.Source = d.LocalAddr
	}
	fail := func(err error) (*Conn, error) {
		opError.Err = err
		return nil, opError
	}

	config := d.Config
	if config == nil {
		config = new(Config)
	}
	coreConfig := config.core()
	if coreConfig.ServerName == "" {
		coreConfig.ServerName = hostOf(address)
	}
	// The configuration first: it costs the peer nothing.
	core, err := dtlscore.Client(coreConfig)
	if err != nil {
		return fail(err)
	}
	addr, err := ResolveAddr(ctx, network, address)
	if err != nil {
		return fail(err)
	}
	opError.Addr = addr
	a, err := dialKernel(ctx, network, d.LocalAddr, addr, config)
	if err != nil {
		return fail(err)
	}
	c, err := newConn(a, config, core)
	if err != nil {
		a.Abort()
		return fail(err)
	}
	if err := c.HandshakeContext(ctx); err != nil {
		return fail(err)
	}
	return c, nil
}

// hostOf returns the first host of an address, which [ResolveAddr] checks. A zone is no part of it: it says by which
// interface this host reaches an address (RFC 4007, Section 6), and no certificate has one.
func hostOf(address string) string {
	host, _, several := strings.Cut(address, "/")
	if !several {
		if h, _, err := net.SplitHostPort(address); err == nil {
			host = h
		}
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if ip, err := netip.ParseAddr(host); err == nil && ip.Zone() != "" {
		return ip.WithZone("").String()
	}
	return host
}

var errNoConfig = errors.New("sctpdtls: a server needs a Config with a certificate")

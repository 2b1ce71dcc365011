package sctpdtls

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Dial makes an association with address, a “host:port” or “a/b:port”, and does the
// handshake. The network is “sctp”, “sctp4” or “sctp6”, for the SCTP of the kernel, or
// one of these with “+udp” behind, as “sctp+udp”, for that of this process.
//
// SCTP of this process needs nothing of the kernel but UDP, inside which it goes (RFC 6951). The
// UDP port of the peer is [SCTPOptions].UDPEncapPort, 9899 if that is 0. The association has a UDP
// port of its own on this side, the same for all of several addresses of [Dialer].LocalAddr.
//
// Without [Config].ServerName the host is the name that the server's certificate must have. Of a
// name with several addresses they are tried one after the other until one accepts an association,
// each but the last for a share of the time and [Config].HandshakeTimeout at most. Of a list of
// hosts each name stands for its first address, and all belong to one server.
//
// It returns when each end has accepted the other. In DTLS 1.3 a client could send before the
// server has judged its certificate; Dial waits for the server's answer, half a round trip more,
// lest a refusal surface in some later call.
func Dial(network, address string, config *Config) (*Conn, error) {
	return DialContext(context.Background(), network, address, config)
}

// DialContext is Dial, given up when ctx is done. Errors are a *[net.OpError].
func DialContext(ctx context.Context, network, address string, config *Config) (*Conn, error) {
	return (&Dialer{Config: config}).DialConn(ctx, network, address)
}

// A Dialer dials with a Config, from an address of this host. From a port of its choice it dials
// again by itself, once, where the server may still have an association with that port: that of a
// host which has lost its power, for example.
type Dialer struct {
	Config    *Config
	LocalAddr *Addr // nil: any; the server is notified of several

	// nil: the kernel's
	dialer func(ctx context.Context, network string, local, remote *Addr, config *Config) (
		stream.Association, error)
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

// DialConn makes an association with address, and does the handshake, as [DialContext] does. It is
// to DialContext as [Listener.AcceptConn] is to Accept.
func (d *Dialer) DialConn(ctx context.Context, network, address string) (*Conn, error) {
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
	if _, err := dtlscore.Client(coreConfig); err != nil {
		return fail(err)
	}
	sctp, _ := withoutUDP(network)
	addrs, err := resolveAll(ctx, sctp, address)
	if err != nil {
		return fail(err)
	}
	opError.Addr = addrs[0]
	c, addr, err := d.dialOnce(ctx, network, addrs, config, coreConfig)
	if err != nil && d.LocalAddr != nil && d.LocalAddr.Port != 0 && ctx.Err() == nil &&
		mayBeRestart(err) {
		c, addr, err = d.dialOnce(ctx, network, addrs, config, coreConfig)
	}
	opError.Addr = addr
	if err != nil {
		return fail(err)
	}
	return c, nil
}

// mayBeRestart reports whether err may come from an association with the same addresses and ports
// that the server still had, as after a crash of this host. The new one is a restart of that (RFC
// 9260, Section 5.2.2), without what was agreed on for this one, and the server ends it as soon as
// it learns of that. Then the way is free.
func mayBeRestart(err error) bool {
	if e, ok := errtype.As[*AuthUnsupportedError](err); ok {
		return e.Peer
	}
	e, ok := errtype.As[*AssociationError](err)
	return ok && e.State == AssocAborted || errors.Is(err, syscall.ECONNRESET) ||
		// said of an association that is gone already
		errors.Is(err, syscall.ENOTCONN) || errors.Is(err, syscall.EINVAL)
}

// dialOnce sets up an association with one of addrs and does the handshake. addr is that one, or
// the first if there is none.
func (d *Dialer) dialOnce(ctx context.Context, network string, addrs []*Addr, config *Config,
	coreConfig *dtlscore.Config) (c *Conn, addr *Addr, err error) {
	core, err := dtlscore.Client(coreConfig)
	if err != nil {
		return nil, addrs[0], err
	}
	a, addr, err := d.associate(ctx, network, addrs, config)
	if err != nil {
		return nil, addr, err
	}
	if c, err = newConn(a, config, core); err != nil {
		a.Abort()
		return nil, addr, err
	}
	return c, addr, c.HandshakeContext(ctx)
}

// associate tries the addresses of a name one after the other, as [net.Dialer] does. The error is
// that of the first.
func (d *Dialer) associate(ctx context.Context, network string, addrs []*Addr,
	config *Config) (a stream.Association, addr *Addr, err error) {
	dial := dialKernel
	if _, udp := withoutUDP(network); udp {
		dial = dialUDP
	}
	if d.dialer != nil {
		dial = d.dialer
	}
	for i, to := range addrs {
		try, cancel := shareOf(ctx, len(addrs)-i, config.handshakeTimeout())
		a, tryErr := dial(try, network, d.LocalAddr, to, config)
		cancel()
		if tryErr == nil {
			return a, to, nil
		}
		if err == nil {
			addr, err = to, tryErr
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, addr, err
}

// shareOf is the context for one address of several that are left: a fair share of the time, but
// two seconds if there are so many, and limit at most. The last one has all that is left.
func shareOf(ctx context.Context, left int, limit time.Duration) (context.Context,
	context.CancelFunc) {
	if left == 1 {
		return ctx, func() {}
	}
	if deadline, ok := ctx.Deadline(); ok {
		limit = min(limit, max(time.Until(deadline)/time.Duration(left), 2*time.Second))
	}
	return context.WithTimeout(ctx, limit)
}

// hostOf returns the first host of an address, which [ResolveAddr] checks. A zone is no part of it:
// it says by which interface this host reaches an address (RFC 4007, Section 6), and no certificate
// has one.
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

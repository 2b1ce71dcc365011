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

// Dial sets up an association with address, a “host:port” or “a/b:port”, and performs the
// handshake. The network is “sctp”, “sctp4” or “sctp6” for the kernel's SCTP, or one of
// these followed by “+udp” or “+ip”, such as “sctp+udp”, for SCTP in this process.
//
// With “+udp”, SCTP in this process runs inside UDP (RFC 6951) and does not need support of the
// kernel. The UDP port of the peer is [SCTPOptions].UDPEncapPort, or 9899 if that is 0. The
// association has its own local UDP port, the same for all addresses of [Dialer].LocalAddr.
//
// With “+ip” it runs directly over IP, as the kernel's does, for peers without UDP
// encapsulation. This requires Linux, CAP_NET_RAW, and a kernel whose SCTP is not loaded, since
// that would abort every association. A [RawIPError] reports what is missing.
//
// If [Config].ServerName is empty, the host is the name that the server's certificate must contain.
// If a name has several addresses, Dial tries them in order until one accepts an association; each
// attempt except the last gets a share of the time, at most [Config].HandshakeTimeout. In a list of
// hosts, each name stands for its first address, and all of them belong to one server.
//
// Dial returns when both ends have accepted each other. In DTLS 1.3 a client could send data before
// the server has verified its certificate. Dial waits half a round trip longer for the server's
// answer, so that it returns the error of a rejection.
func Dial(network, address string, config *Config) (*Conn, error) {
	return DialContext(context.Background(), network, address, config)
}

// DialContext is like [Dial], but gives up when ctx is done. Errors are a *[net.OpError].
func DialContext(ctx context.Context, network, address string, config *Config) (*Conn, error) {
	return (&Dialer{Config: config}).DialConn(ctx, network, address)
}

// A Dialer dials with a Config, and optionally from a local address. With a fixed local port, it
// retries once if the server may still have an association with that port, for example after a
// power failure of this host.
type Dialer struct {
	Config    *Config
	LocalAddr *Addr // nil means any; the server learns of several

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

// DialConn sets up an association with address and performs the handshake, as the function
// [DialContext] does.
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
	sctp, _ := below(network)
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

// mayBeRestart reports whether err may be due to an association with the same addresses and ports
// that the server still had, as after a crash of this host. The new association is then a restart
// of the old one (RFC 9260, Section 5.2.2), without what was negotiated for the new one, and the
// server ends it when it learns of the restart. A second attempt then succeeds.
func mayBeRestart(err error) bool {
	if e, ok := errtype.As[*AuthUnsupportedError](err); ok {
		return e.Peer
	}
	e, ok := errtype.As[*AssociationError](err)
	return ok && e.State == AssocAborted || errors.Is(err, syscall.ECONNRESET) ||
		// an ABORT of the old association that arrives before COOKIE ACK
		errors.Is(err, syscall.ECONNREFUSED) ||
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

// associate tries the addresses of a name in order, as [net.Dialer] does. The error is that of the
// first address.
func (d *Dialer) associate(ctx context.Context, network string, addrs []*Addr,
	config *Config) (a stream.Association, addr *Addr, err error) {
	dial := dialKernel
	if _, under := below(network); under != "" {
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

// shareOf returns the context for one of the left remaining addresses: an equal share of the time,
// but two seconds if there are that many, and at most limit. The last address gets all that is
// left.
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

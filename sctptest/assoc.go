package sctptest

import (
	"cmp"
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpudp"
	"github.com/seed-41f70523/dtls-sctp/sctpcore"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// Listen listens on an SCTP port of the host: ":5868" with all its addresses, or "192.0.2.1:5868"
// and "192.0.2.1/198.51.100.1:5868" with some of them, which its associations then use. Port 0
// means any. Nil options mean the zero value; an option that package sctpcore does not support is a
// stream.OptionError. Errors are of type *[net.OpError].
func (h *Host) Listen(address string, options *stream.Options) (stream.Listener, error) {
	fail := func(err error) (stream.Listener, error) {
		return nil, &net.OpError{Op: "listen", Net: "sctp", Err: err}
	}
	addrs, port, err := parse(address)
	if err != nil {
		return fail(err)
	}
	config, err := h.config(addrs, options)
	if err != nil {
		return fail(err)
	}
	s, err := h.sctp()
	if err != nil {
		return fail(err)
	}
	l, err := s.Listen(port, config)
	if err != nil {
		return fail(err)
	}
	addr := &sctpudp.Addr{Addrs: config.Addresses, Port: l.Port(), UDPPort: sctpudp.Port}
	return &listener{l, addr, options}, nil
}

// A listener is a listener of package sctpudp with the interface of package stream.
type listener struct {
	*sctpudp.Listener
	addr    *sctpudp.Addr
	options *stream.Options
}

func (l *listener) Accept() (stream.Association, error) {
	a, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return prepare(a, l.options), nil
}

func (l *listener) Addr() net.Addr { return l.addr }

// prepare applies options to an existing association.
func prepare(a *sctpudp.Assoc, options *stream.Options) stream.Association {
	if options != nil && options.SACKDelay < 0 {
		a.SetSACKDelay(0) // fails only when the association has ended
	}
	return a
}

// Dial sets up an association with an address of a host, "192.0.2.1:5868", or with several,
// "192.0.2.1/198.51.100.1:5868". It offers all addresses of this host to the peer. Nil options mean
// the zero value. Errors are of type *[net.OpError], also when ctx is done.
func (h *Host) Dial(
	ctx context.Context, address string, options *stream.Options,
) (stream.Association, error) {
	return h.DialFrom(ctx, 0, address, options)
}

// DialFrom is like [Host.Dial], from a port of this host; 0 means any.
func (h *Host) DialFrom(
	ctx context.Context, port uint16, address string, options *stream.Options,
) (stream.Association, error) {
	fail := func(err error) (stream.Association, error) {
		return nil, &net.OpError{Op: "dial", Net: "sctp", Err: err}
	}
	addrs, peerPort, err := parse(address)
	switch {
	case err != nil:
		return fail(err)
	case len(addrs) == 0:
		addrs = h.sim.Addrs() // this host, as in package net
	}
	config, err := h.config(nil, options)
	if err != nil {
		return fail(err)
	}
	s, err := h.sctp()
	if err != nil {
		return fail(err)
	}
	peers := make([]netip.AddrPort, len(addrs))
	for i, a := range addrs {
		peers[i] = netip.AddrPortFrom(a, sctpudp.Port)
	}
	a, err := s.Dial(ctx, config, port, peerPort, peers...)
	if err != nil {
		return fail(err)
	}
	return prepare(a, options), nil
}

// Pair returns both ends of a new association between two new hosts.
func (n *Network) Pair(options *stream.Options) (client, server stream.Association, err error) {
	n.mu.Lock()
	first := n.pairs * 2
	n.pairs++
	n.mu.Unlock()
	// 198.18.0.0/15 is reserved for tests of networks. RFC 2544, Appendix C.2.2.
	host := func(i uint32) *Host {
		addr := netip.AddrFrom4([4]byte{198, 18 + byte(i>>16&1), byte(i >> 8), byte(i)})
		return &Host{sim: n.sim.Host(addr)}
	}
	a, b := host(first), host(first+1)
	l, err := b.Listen(":5000", options)
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	if client, err = a.Dial(context.Background(), l.Addr().String(), options); err != nil {
		return nil, nil, err
	}
	if server, err = l.Accept(); err != nil {
		client.Abort()
		return nil, nil, err
	}
	return client, server, nil
}

// config returns the configuration of an association of the host with some of its addresses, or
// with all if addrs is empty.
func (h *Host) config(addrs []netip.Addr, options *stream.Options) (*sctpcore.Config, error) {
	for _, a := range addrs {
		if !h.has(a) {
			return nil, syscall.EADDRNOTAVAIL
		}
	}
	config, err := sctpudp.NewConfig(options)
	if err != nil {
		return nil, err
	}
	if config.Addresses = addrs; len(addrs) == 0 {
		config.Addresses = h.sim.Addrs()
	}
	return config, nil
}

func (h *Host) has(addr netip.Addr) bool { return slices.Contains(h.sim.Addrs(), addr) }

// parse parses "a:port", "a/b:port" or ":port".
func parse(address string) (addrs []netip.Addr, port uint16, err error) {
	parts := strings.Split(address, "/")
	last := &parts[len(parts)-1]
	host, service, err := net.SplitHostPort(*last)
	number, perr := strconv.ParseUint(service, 10, 16)
	if err := cmp.Or(err, perr); err != nil {
		return nil, 0, err
	}
	if *last = host; len(parts) == 1 && host == "" {
		return nil, uint16(number), nil
	}
	for _, p := range parts {
		addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(p, "["), "]"))
		if err != nil {
			return nil, 0, &net.AddrError{Err: "want IP addresses: there is no DNS here", Addr: address}
		}
		addrs = append(addrs, addr.Unmap())
	}
	return addrs, uint16(number), nil
}

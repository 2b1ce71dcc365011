//go:build kernel

package netns

import "testing"

// A kernel that was booted with ipv6.disable=1 makes no sockets of IPv6. What says “all
// addresses” then means those of IPv4, as with package net; what says IPv6 fails, with the
// remedy.
func TestNoIPv6(t *testing.T) {
	e := newEchoPair(t)
	server := func(addr string) *Process {
		return e.server.startLacking(t, lackIPv6, "sctp-echo",
			append(append([]string{"serve", "-once", "1"}, flags(e.certs, "server")...), addr)...)
	}
	client := func(args ...string) *Process {
		return e.client.startLacking(t, lackIPv6, "sctp-echo",
			append(append([]string{"connect"}, flags(e.certs, "client")...), args...)...)
	}
	t.Run("all addresses", func(t *testing.T) {
		s := server(":5868")
		s.WaitFor(`listening on 0\.0\.0\.0:5868`)
		if err := client("-local", ":0", e.addr()).Wait(); err != nil {
			t.Error(err)
		}
		if err := s.Wait(); err != nil {
			t.Error(err)
		}
	})
	const remedy = `address family not supported.*ipv6\.disable.*give an IPv4 address`
	t.Run("IPv6 to listen on", func(t *testing.T) { wantError(t, server("[::]:5868"), 3, remedy) })
	t.Run("IPv6 to dial", func(t *testing.T) { wantError(t, client("[2001:db8::1]:5868"), 3, remedy) })
}

// With net.ipv6.conf.all.disable_ipv6=1 there are sockets of IPv6, and no addresses.
func TestNoIPv6Addresses(t *testing.T) {
	e := newEchoPair(t)
	for _, h := range []*Host{e.client, e.server} {
		h.Sysctl(t, "net.ipv6.conf.all.disable_ipv6", "1")
	}
	s := e.server.Start(t, "sctp-echo", append(append([]string{"serve", "-once", "1"},
		flags(e.certs, "server")...), ":5868")...)
	s.WaitFor(`listening on \[::\]:5868`)
	if err := e.client.Start(t, "sctp-echo",
		append(append([]string{"connect", "-local", ":0"}, flags(e.certs, "client")...),
			e.addr())...).Wait(); err != nil {
		t.Error(err)
	}
	if err := s.Wait(); err != nil {
		t.Error(err)
	}
}

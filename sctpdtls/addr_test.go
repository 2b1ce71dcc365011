package sctpdtls

import (
	"context"
	"net"
	"testing"
)

func TestResolveAddr(t *testing.T) {
	lo, err := net.InterfaceByIndex(1)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		network, address, want string // want is "" for an error
	}{
		{"sctp", "192.0.2.1:5868", "192.0.2.1:5868"},
		{"sctp", "192.0.2.1/198.51.100.1:5868", "192.0.2.1/198.51.100.1:5868"},
		{"sctp", "[2001:db8::1]/192.0.2.1:38412", "[2001:db8::1]/192.0.2.1:38412"},
		{"sctp", "2001:db8::1/[2001:db8::2]:38412", "[2001:db8::1]/[2001:db8::2]:38412"},
		{"sctp", ":5868", ":5868"},
		{"sctp4", "192.0.2.1:0", "192.0.2.1:0"},
		{"tcp", "192.0.2.1:5868", ""},
		{"sctp", "192.0.2.1", ""},
		{"sctp", "192.0.2.1/:5868", ""},
		{"sctp", "/192.0.2.1:5868", ""},
		{"sctp", "192.0.2.1:65536", ""},
		{"sctp4", "[2001:db8::1]:5868", ""},
		{"sctp6", "192.0.2.1:5868", ""},
		{"sctp4", "[::ffff:192.0.2.1]:5868", "192.0.2.1:5868"},
		{"sctp6", "[::ffff:192.0.2.1]:5868", ""},
		{"sctp", "[fe80::1%nosuchinterface]:5868", ""},
		{"sctp", "[fe80::1%" + lo.Name + "]/192.0.2.1:5868", "[fe80::1%" + lo.Name + "]/192.0.2.1:5868"},
		{"sctp6", "[fe80::1%1]:5868", "[fe80::1%" + lo.Name + "]:5868"},
		{"sctp6", "[fe80::1%4242424]:5868", ""},
	} {
		a, err := ResolveAddr(context.Background(), test.network, test.address)
		got := ""
		if err == nil {
			got = a.String()
		}
		if got != test.want {
			t.Errorf("ResolveAddr(%q, %q) = %q, %v, want %q", test.network, test.address, got, err,
				test.want)
		}
		if err == nil && len(a.IPAddrs) > 0 {
			if back := fromAddrPorts(addrPorts(a, test.network)).String(); back != test.want {
				t.Errorf("%q came back from the socket layer as %q", test.want, back)
			}
		}
	}
}

// Of the addresses of a name, one of IPv4 is taken to listen on.
func TestFirst(t *testing.T) {
	addr := func(ips ...string) *Addr {
		a := &Addr{Port: 5868}
		for _, ip := range ips {
			a.IPAddrs = append(a.IPAddrs, net.IPAddr{IP: net.ParseIP(ip)})
		}
		return a
	}
	six, four, both, all := addr("::1"), addr("127.0.0.1"), addr("::1", "127.0.0.1"), addr()
	for _, tt := range []struct {
		of   []*Addr
		want *Addr
	}{{[]*Addr{six, four}, four}, {[]*Addr{four, six}, four}, {[]*Addr{six}, six},
		{[]*Addr{both}, both}, {[]*Addr{all}, all}} {
		if got := first(tt.of); got != tt.want {
			t.Errorf("of %v the first is %v, want %v", tt.of, got, tt.want)
		}
	}
}

func TestHostOf(t *testing.T) {
	for address, want := range map[string]string{
		"hss.example:5868": "hss.example", "192.0.2.1/198.51.100.1:5868": "192.0.2.1",
		"[2001:db8::1]:5868": "2001:db8::1", "[2001:db8::1]/192.0.2.1:5868": "2001:db8::1", ":5868": "",
		"[fe80::1%eth0]:5868": "fe80::1", "[fe80::1%1]/192.0.2.1:5868": "fe80::1",
		"[fe80::1%eth0]/[fe80::2%eth0]:5868": "fe80::1",
		// no address: the resolver says what is wrong with it
		"a%b.example:5868": "a%b.example",
	} {
		if got := hostOf(address); got != want {
			t.Errorf("hostOf(%q) = %q, want %q", address, got, want)
		}
	}
}

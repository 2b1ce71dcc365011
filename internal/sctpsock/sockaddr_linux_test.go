package sctpsock

import (
	"net"
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

func TestSockaddrs(t *testing.T) {
	lo, err := net.InterfaceByIndex(1)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		addr, want string // want is "" if the same
		size       int
	}{
		{"192.0.2.1:5868", "", unix.SizeofSockaddrInet4},
		{"[2001:db8::1]:5868", "", unix.SizeofSockaddrInet6},
		{"[::ffff:192.0.2.1]:5868", "192.0.2.1:5868", unix.SizeofSockaddrInet4},
		{"[fe80::1%" + lo.Name + "]:1", "", unix.SizeofSockaddrInet6},
		{"[fe80::1%" + strconv.Itoa(lo.Index) + "]:1", "[fe80::1%" + lo.Name + "]:1",
			unix.SizeofSockaddrInet6},
		{"[fe80::1%424242]:1", "", unix.SizeofSockaddrInet6}, // no such interface, but it is a number
	}
	var all []byte
	var want []netip.AddrPort
	for _, tt := range tests {
		if tt.want == "" {
			tt.want = tt.addr
		}
		b, err := appendSockaddr(nil, netip.MustParseAddrPort(tt.addr))
		if err != nil || len(b) != tt.size {
			t.Fatalf("%s: %d bytes, error %v, want %d bytes", tt.addr, len(b), err, tt.size)
		}
		if got, n := parseSockaddr(b); n != len(b) || got.String() != tt.want {
			t.Errorf("%s comes back as %v of %d bytes, want %s", tt.addr, got, n, tt.want)
		}
		for n := range b {
			if got, size := parseSockaddr(slices.Clip(b[:n])); size != 0 {
				t.Errorf("%s cut to %d bytes is %v", tt.addr, n, got)
			}
		}
		all = append(all, b...)
		want = append(want, netip.MustParseAddrPort(tt.want))
	}
	if got := parseSockaddrs(all, len(want)); !slices.Equal(got, want) {
		t.Errorf("packed list is %v, want %v", got, want)
	}
	if got := parseSockaddrs(all, 1000); !slices.Equal(got, want) {
		t.Errorf("packed list that claims to be longer is %v, want %v", got, want)
	}
	// A zone belongs to link-local addresses only.
	global, err := appendSockaddr(nil, netip.MustParseAddrPort("[2001:db8::1%"+lo.Name+"]:1"))
	if got, _ := parseSockaddr(global); err != nil || got.String() != "[2001:db8::1]:1" {
		t.Errorf("a global address with a scope is %v, error %v", got, err)
	}
	for _, bad := range []netip.AddrPort{{},
		netip.MustParseAddrPort("[fe80::1%no such interface]:1")} {
		if _, err := appendSockaddr(nil, bad); err == nil {
			t.Errorf("%v: no error", bad)
		}
	}
}

func TestFamily(t *testing.T) {
	v4 := []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:1"),
		netip.MustParseAddrPort("[::ffff:192.0.2.2]:1")}
	v6 := []netip.AddrPort{netip.MustParseAddrPort("[::]:1")}
	tests := []struct {
		local, remote []netip.AddrPort
		want          int
	}{
		{nil, v4, unix.AF_INET},
		{v4, nil, unix.AF_INET},
		{v6, v4, unix.AF_INET6},
		{nil, append(slices.Clip(v4), v6...), unix.AF_INET6},
	}
	for _, tt := range tests {
		if got := family(tt.local, tt.remote); got != tt.want {
			t.Errorf("from %v to %v: family %d, want %d", tt.local, tt.remote, got, tt.want)
		}
	}
}

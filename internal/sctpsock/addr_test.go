package sctpsock

import (
	"net/netip"
	"testing"
)

func TestAddrString(t *testing.T) {
	tests := []struct {
		addrs []string
		want  string
	}{
		{nil, ""},
		{[]string{"192.0.2.1:5868"}, "192.0.2.1:5868"},
		{[]string{"192.0.2.1:5868", "198.51.100.1:5868"}, "192.0.2.1/198.51.100.1:5868"},
		{[]string{"[2001:db8::1]:36412", "[fe80::1%eth0]:36412"}, "[2001:db8::1]/[fe80::1%eth0]:36412"},
		{[]string{"192.0.2.1:1", "[2001:db8::1]:1"}, "192.0.2.1/[2001:db8::1]:1"},
	}
	for _, tt := range tests {
		var a Addr
		for _, s := range tt.addrs {
			a = append(a, netip.MustParseAddrPort(s))
		}
		if got := a.String(); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

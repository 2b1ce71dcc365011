package srcaddr

import (
	"net/netip"
	"testing"
)

func TestCommonPrefixLen(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"192.0.2.1", "192.0.2.1", 32},
		{"192.0.2.1", "192.0.2.0", 31},
		{"192.0.2.1", "198.51.100.1", 5},
		{"10.0.0.1", "192.0.2.1", 0},
		{"2001:db8::1", "2001:db8::1", 128},
		{"2001:db8::1", "2001:db8::", 127},
		{"2001:db8:1::1", "2001:db8:2::1", 46},
		{"fe80::1", "2001:db8::1", 0},
	} {
		a, b := netip.MustParseAddr(tt.a), netip.MustParseAddr(tt.b)
		if got, back := CommonPrefixLen(a, b), CommonPrefixLen(b, a); got != tt.want || back != tt.want {
			t.Errorf("%v and %v: %d and %d, want %d", a, b, got, back, tt.want)
		}
	}
}

package sctpsock

import (
	"net/netip"
	"strconv"
	"strings"
)

// Addr is the addresses of one end of an association, which share their port. It
// is a [net.Addr] and prints as 192.0.2.1/[2001:db8::1]:5868.
type Addr []netip.AddrPort

// Network returns "sctp".
func (Addr) Network() string { return "sctp" }

func (a Addr) String() string {
	if len(a) == 0 {
		return ""
	}
	var b strings.Builder
	for i, ap := range a {
		if i > 0 {
			b.WriteByte('/')
		}
		if ip := ap.Addr(); ip.Is4() {
			b.WriteString(ip.String())
		} else {
			b.WriteString("[" + ip.String() + "]")
		}
	}
	return b.String() + ":" + strconv.Itoa(int(a[0].Port()))
}

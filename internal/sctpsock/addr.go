package sctpsock

import (
	"net/netip"
	"strconv"
	"strings"
)

// An Addr has the addresses of one end of an association, which share a port. It
// implements [net.Addr], and its string is like 192.0.2.1/[2001:db8::1]:5868.
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

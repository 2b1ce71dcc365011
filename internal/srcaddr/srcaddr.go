// Package srcaddr has what the choice of a source address needs: RFC 6724.
package srcaddr

import (
	"math/bits"
	"net/netip"
)

// CommonPrefixLen returns the number of leading bits that two addresses of the same family have in
// common. Rule 8 of RFC 6724, Section 5, prefers the source address that has the most in common
// with the destination.
func CommonPrefixLen(source, destination netip.Addr) int {
	x, y := source.As16(), destination.As16()
	first := 0
	if source.Is4() && destination.Is4() {
		first = 12 // an IPv4 address is in the last four bytes
	}
	for i := first; i < len(x); i++ {
		if d := x[i] ^ y[i]; d != 0 {
			return 8*(i-first) + bits.LeadingZeros8(d)
		}
	}
	return 8 * (len(x) - first)
}

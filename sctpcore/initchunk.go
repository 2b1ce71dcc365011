package sctpcore

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

const (
	initFixedLen = 16
	minRwnd      = 1500 // the least a_rwnd: RFC 9260, Section 3.3.2
	// maxAddresses limits the addresses of a peer that are stored. Others are ignored.
	maxAddresses = 16
	// maxUnrecognized limits the reports that an INIT can make this side send, in bytes.
	maxUnrecognized = 256
)

// An initChunk is the value of an INIT or INIT ACK chunk. See RFC 9260, Sections 3.3.2 and 3.3.3.
type initChunk struct {
	tag     uint32 // Initiate Tag
	rwnd    uint32 // Advertised Receiver Window Credit
	out, in uint16 // outbound streams, and the maximum of inbound streams
	tsn     uint32 // Initial TSN

	addrs        []netip.Addr
	forwardTSN   bool             // RFC 3758, Section 3.1
	auth         authchunk.Params // RFC 4895, Section 3
	hasAuth      bool
	preservative time.Duration // Cookie Preservative: RFC 9260, Section 3.3.2.1
	cookie       []byte        // INIT ACK only

	unrecognized []byte // set by parseInit: parameters to report, including header and padding
}

// appendTo appends the value of the chunk.
func (c *initChunk) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, c.tag)
	b = binary.BigEndian.AppendUint32(b, c.rwnd)
	b = binary.BigEndian.AppendUint16(b, c.out)
	b = binary.BigEndian.AppendUint16(b, c.in)
	b = binary.BigEndian.AppendUint32(b, c.tsn)
	for _, a := range c.addrs {
		typ := uint16(paramIPv6)
		if a.Is4() {
			typ = paramIPv4
		}
		b = appendParam(b, typ, a.AsSlice())
	}
	if c.preservative > 0 {
		b = appendParam(b, paramCookiePreservative,
			binary.BigEndian.AppendUint32(nil, uint32(c.preservative.Milliseconds())))
	}
	if c.cookie != nil {
		b = appendParam(b, paramStateCookie, c.cookie)
	}
	// Other implementations do not use SCTP-AUTH unless AUTH is listed as a supported extension.
	var extensions []byte
	if c.hasAuth {
		extensions = append(extensions, chunkAuth)
	}
	if c.forwardTSN {
		extensions = append(extensions, chunkForwardTSN)
		b = appendParam(b, paramForwardTSN, nil)
	}
	if extensions != nil {
		b = appendParam(b, paramSupportedExtensions, extensions)
	}
	if c.hasAuth {
		b = c.auth.Append(b)
	}
	return b
}

// parseInit parses the value of an INIT or INIT ACK chunk. The result aliases value. A fault must
// be reported to the peer in an ABORT. See RFC 9260, Sections 3.2.1 and 5.1.2.
func parseInit(value []byte) (c initChunk, f *fault) {
	if len(value) < initFixedLen {
		return c, violation("an INIT of %d bytes", len(value))
	}
	c.tag = binary.BigEndian.Uint32(value)
	c.rwnd = binary.BigEndian.Uint32(value[4:])
	c.out = binary.BigEndian.Uint16(value[8:])
	c.in = binary.BigEndian.Uint16(value[10:])
	c.tsn = binary.BigEndian.Uint32(value[12:])
	if c.out == 0 || c.in == 0 {
		return c, newFault(CauseInvalidParameter, nil, "an INIT without streams")
	}
	params := value[initFixedLen:]
	read := 0
	for stop := false; !stop && read < len(params); {
		p, rest, ok := nextParam(params[read:])
		if !ok {
			return c, violation("a parameter of an INIT with a wrong length")
		}
		if stop, f = c.set(p); f != nil {
			return c, f
		}
		if !stop {
			read = len(params) - len(rest)
		}
	}
	auth, err := authchunk.ParseParams(params[:read])
	switch {
	case errors.Is(err, authchunk.ErrNoAuth):
	case err != nil:
		return c, violation("%v", err)
	case !slices.Contains(auth.HMACs, authchunk.HMACSHA1):
		return c, violation("HMAC-ALGO without SHA-1") // RFC 4895, Section 3.3
	default:
		c.auth, c.hasAuth = auth, true
	}
	return c, nil
}

// set processes one parameter. stop reports whether no further one must be processed: the two
// highest bits of an unrecognized type determine that, and whether it is reported. See RFC 9260,
// Section 3.2.1.
func (c *initChunk) set(p param) (stop bool, f *fault) {
	bad := func() (bool, *fault) {
		return true,
			violation("parameter %d with %d bytes", p.typ, len(p.value))
	}
	switch p.typ {
	case paramIPv4, paramIPv6:
		a, ok := netip.AddrFromSlice(p.value)
		if !ok || a.Is4() != (p.typ == paramIPv4) {
			return bad()
		}
		if len(c.addrs) < maxAddresses && usable(a) && !slices.Contains(c.addrs, a) {
			c.addrs = append(c.addrs, a)
		}
	case paramStateCookie:
		if len(p.value) == 0 {
			return bad()
		}
		c.cookie = p.value
	case paramCookiePreservative:
		if len(p.value) != 4 {
			return bad()
		}
		c.preservative = time.Duration(binary.BigEndian.Uint32(p.value)) * time.Millisecond
	case paramHostName: // deprecated: RFC 9260, Section 3.3.2.1
		return true, newFault(CauseUnresolvableAddress, p.whole, "a host name in place of an address")
	case paramForwardTSN:
		c.forwardTSN = true
	case paramSupportedAddresses, paramSupportedExtensions, paramUnrecognized,
		paramRandom, paramChunks, paramHMACs:
	default:
		if p.typ&0x4000 != 0 && len(c.unrecognized)+padded(len(p.whole)) <= maxUnrecognized {
			c.unrecognized = appendPadding(append(c.unrecognized, p.whole...), len(p.whole))
		}
		return p.typ&0x8000 == 0, nil
	}
	return false, nil
}

// usable reports whether a peer can have the address. See RFC 9260, Section 8.4, rule 1, and
// Section 5.1.2 on addresses that are not globally unique.
func usable(a netip.Addr) bool {
	return a.IsValid() && !a.IsMulticast() && !a.IsUnspecified() &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

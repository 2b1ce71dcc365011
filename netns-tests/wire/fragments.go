package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

const (
	moreFragments  = 0x2000
	fragmentOffset = 0x1fff // in units of 8 bytes
)

// A fragmentID is what the fragments of one IPv4 packet share: identification, protocol, source and
// destination. RFC 791, Section 3.2.
type fragmentID [11]byte

// fragments are the packets of which only the first fragments were captured so far.
type fragments map[fragmentID]*joined

// A joined is a frame put together from those of fragments.
type joined struct {
	Frame
	first int // length of the IP packet that is the first fragment
}

// join returns f itself if it is no fragment, the whole packet if f is its last fragment, and
// otherwise nil. Fragments must come in order, as they do on a link.
func (all fragments) join(f Frame) (*joined, error) {
	if len(f.Data) < etherHeaderLen+ipv4HeaderLen ||
		binary.BigEndian.Uint16(f.Data[12:]) != etherTypeIPv4 {
		return &joined{Frame: f}, nil
	}
	ip := f.Data[etherHeaderLen:]
	place := binary.BigEndian.Uint16(ip[6:])
	if place&(moreFragments|fragmentOffset) == 0 || ip[9] != protocolSCTP && ip[9] != protocolUDP {
		return &joined{Frame: f}, nil
	}
	total := int(binary.BigEndian.Uint16(ip[2:]))
	if ip[0] != 0x45 || total < ipv4HeaderLen || total > len(ip) {
		return nil, fmt.Errorf("IPv4 fragment of %d bytes, %d captured", total, len(ip))
	}
	id := fragmentID(slices.Concat(ip[4:6], ip[9:10], ip[12:20]))
	j, offset := all[id], 8*int(place&fragmentOffset)
	if j == nil && offset == 0 {
		j = &joined{Frame{f.Time, bytes.Clone(f.Data[:etherHeaderLen+ipv4HeaderLen])}, total}
		all[id] = j
	}
	if j == nil || etherHeaderLen+ipv4HeaderLen+offset != len(j.Data) {
		return nil, errors.New("IPv4 fragment without those before it")
	}
	j.Data = append(j.Data, ip[ipv4HeaderLen:total]...)
	if place&moreFragments != 0 {
		return nil, nil
	}
	delete(all, id)
	if len(j.Data)-etherHeaderLen > 0xffff {
		return nil, fmt.Errorf("IPv4 fragments of %d bytes", len(j.Data)-etherHeaderLen)
	}
	j.Time = f.Time
	binary.BigEndian.PutUint16(j.Data[etherHeaderLen+2:], uint16(len(j.Data)-etherHeaderLen))
	binary.BigEndian.PutUint16(j.Data[etherHeaderLen+6:], 0)
	return j, nil
}

// checkFragments finds packets larger than the path takes. RFC 9260, Section 6.10.
func (a *Association) checkFragments(kernel [2]bool) {
	for _, p := range a.Packets {
		if p.fragment > 0 && !(kernel[p.From] && p.addedControl()) {
			a.found.add(Fragmented, p.Number, "IP packet of %d bytes in fragments, the first of %d bytes",
				p.size, p.fragment)
		}
	}
}

// addedControl reports whether p is what Linux sends in fragments: it adds the first authenticated
// DATA chunk to a packet with control chunks also if only the DATA chunk and its AUTH chunk fit
// (sctp_packet_will_fit in net/sctp/output.c).
func (p *Packet) addedControl() bool {
	size := p.size
	for i, c := range p.Chunks {
		switch last := i == len(p.Chunks)-1; {
		case last != (c.Type == ChunkData):
			return false
		case !last && c.Type != ChunkAuth:
			n := chunkHeaderLen + len(c.Value)
			size -= n + -n&3
		}
	}
	return p.has(ChunkAuth) && size <= p.fragment
}

package wire

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// DecodeIPv4 returns the SCTP packet in an IPv4 packet, nil if it holds something else. Its chunks
// alias b.
func DecodeIPv4(b []byte) (*Packet, error) {
	return decodeFrame(0, Frame{Data: append([]byte{12: etherTypeIPv4 >> 8, 13: 0}, b...)})
}

// Encode returns p as an IPv4 packet with the checksum of SCTP (RFC 9260, Section 6.8). Those of
// IPv4, its length and its identifier are for the kernel to fill in: raw(7).
func (p *Packet) Encode() ([]byte, error) {
	if !p.Src.Addr().Is4() || !p.Dst.Addr().Is4() {
		return nil, errors.New("not an IPv4 packet")
	}
	const version4, dontFragment, hops = 0x45, 0x40, 64
	b := append(make([]byte, 0, 1500), version4, 0, 0, 0, 0, 0, dontFragment, 0, hops, protocolSCTP, 0,
		0)
	b = append(b, p.Src.Addr().AsSlice()...)
	b = append(b, p.Dst.Addr().AsSlice()...)
	b = binary.BigEndian.AppendUint16(b, p.Src.Port())
	b = binary.BigEndian.AppendUint16(b, p.Dst.Port())
	b = binary.BigEndian.AppendUint32(b, p.Tag)
	b = append(b, 0, 0, 0, 0)
	for _, c := range p.Chunks {
		b = c.Append(b)
	}
	sum := crc32.Checksum(b[ipv4HeaderLen:], crc32.MakeTable(crc32.Castagnoli))
	binary.LittleEndian.PutUint32(b[ipv4HeaderLen+8:], sum)
	return b, nil
}

// Append appends the chunk as it travels, with its padding.
func (c Chunk) Append(b []byte) []byte {
	n := chunkHeaderLen + len(c.Value)
	b = binary.BigEndian.AppendUint16(append(b, c.Type, c.Flags), uint16(n))
	b = append(b, c.Value...)
	return append(b, make([]byte, -n&3)...)
}

// Find returns the first chunk of that type.
func (p *Packet) Find(typ byte) (Chunk, bool) {
	for _, c := range p.Chunks {
		if c.Type == typ {
			return c, true
		}
	}
	return Chunk{}, false
}

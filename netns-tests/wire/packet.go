package wire

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// A Frame is a captured Ethernet frame.
type Frame struct {
	Time time.Time
	Data []byte
}

// A Packet is an SCTP packet. RFC 9260, Section 3.
type Packet struct {
	Number   int // of its frame in the capture, from 1 as Wireshark counts
	Time     time.Time
	Src, Dst netip.AddrPort
	Tag      uint32 // verification tag
	Chunks   []Chunk
	// From is who sent it; valid in [Association.Packets].
	From Side

	body []byte // all chunks; what an AUTH chunk protects goes to its end
	auth authState
}

const (
	etherHeaderLen = 14
	etherTypeIPv4  = 0x0800
	etherTypeIPv6  = 0x86dd
	ipv4HeaderLen  = 20
	ipv6HeaderLen  = 40
	protocolSCTP   = 132
	sctpHeaderLen  = 12
)

// decodeFrame returns the SCTP packet in an Ethernet frame, nil if it holds
// something else.
func decodeFrame(number int, f Frame) (*Packet, error) {
	if len(f.Data) < etherHeaderLen {
		return nil, nil
	}
	var (
		src, dst netip.Addr
		segment  []byte
		err      error
	)
	switch ip := f.Data[etherHeaderLen:]; binary.BigEndian.Uint16(f.Data[12:]) {
	case etherTypeIPv4:
		src, dst, segment, err = decodeIPv4(ip)
	case etherTypeIPv6:
		src, dst, segment, err = decodeIPv6(ip)
	}
	if segment == nil || err != nil {
		return nil, err
	}
	if len(segment) < sctpHeaderLen {
		return nil, fmt.Errorf("SCTP packet of %d bytes", len(segment))
	}
	p := &Packet{
		Number: number,
		Time:   f.Time,
		Src:    netip.AddrPortFrom(src, binary.BigEndian.Uint16(segment)),
		Dst:    netip.AddrPortFrom(dst, binary.BigEndian.Uint16(segment[2:])),
		Tag:    binary.BigEndian.Uint32(segment[4:]),
		// The checksum is left to the network card, so it means nothing here.
		body: segment[sctpHeaderLen:],
	}
	p.Chunks, err = parseChunks(p.body)
	return p, err
}

func decodeIPv4(b []byte) (src, dst netip.Addr, segment []byte, err error) {
	if len(b) < ipv4HeaderLen || b[9] != protocolSCTP {
		return src, dst, nil, nil
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < ipv4HeaderLen || total < header || total > len(b) {
		return src, dst, nil, fmt.Errorf("IPv4 packet of %d bytes, %d captured", total, len(b))
	}
	if binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
		return src, dst, nil, fmt.Errorf("IPv4 fragment, SCTP should have made smaller packets")
	}
	return netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:])), b[header:total], nil
}

func decodeIPv6(b []byte) (src, dst netip.Addr, segment []byte, err error) {
	if len(b) < ipv6HeaderLen || b[6] != protocolSCTP {
		return src, dst, nil, nil
	}
	total := ipv6HeaderLen + int(binary.BigEndian.Uint16(b[4:]))
	if total > len(b) {
		return src, dst, nil, fmt.Errorf("IPv6 packet of %d bytes, %d captured", total, len(b))
	}
	return netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:])),
		b[ipv6HeaderLen:total], nil
}

// String describes the packet in one line.
func (p *Packet) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "#%d %s", p.Number, p.From)
	for _, c := range p.Chunks {
		s.WriteString(" ")
		s.WriteString(c.String())
	}
	return s.String()
}

// has reports whether a chunk of that type is in the packet.
func (p *Packet) has(typ byte) bool {
	for _, c := range p.Chunks {
		if c.Type == typ {
			return true
		}
	}
	return false
}

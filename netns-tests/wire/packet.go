package wire

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
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

	body     []byte // all chunks; what an AUTH chunk protects goes to its end
	auth     authState
	wrongSum bool // its checksum
	fragment int  // length of the first IP fragment, 0 if it came whole
	size     int  // length of the IP packet
}

const (
	etherHeaderLen = 14
	etherTypeIPv4  = 0x0800
	etherTypeIPv6  = 0x86dd
	ipv4HeaderLen  = 20
	ipv6HeaderLen  = 40
	protocolUDP    = 17
	protocolSCTP   = 132
	sctpHeaderLen  = 12

	udpHeaderLen = 8
	udpPort      = 9899 // RFC 6951, Section 5.1
)

// decodeFrame returns the SCTP packet in an Ethernet frame, be it inside UDP or not, nil if it
// holds something else.
func decodeFrame(number int, f Frame) (*Packet, error) {
	if len(f.Data) < etherHeaderLen {
		return nil, nil
	}
	var (
		src, dst netip.Addr
		protocol byte
		segment  []byte
		err      error
	)
	switch ip := f.Data[etherHeaderLen:]; binary.BigEndian.Uint16(f.Data[12:]) {
	case etherTypeIPv4:
		src, dst, protocol, segment, err = decodeIPv4(ip)
	case etherTypeIPv6:
		src, dst, protocol, segment, err = decodeIPv6(ip)
	}
	if protocol == protocolUDP {
		segment = insideUDP(segment)
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
		body:   segment[sctpHeaderLen:],
		// That of SCTP alone is left to the network card, and means nothing here.
		wrongSum: protocol == protocolUDP && !rightSum(segment),
	}
	p.Chunks, err = parseChunks(p.body)
	return p, err
}

// insideUDP returns the SCTP packet in a UDP datagram, nil if its ports are not those of SCTP: one
// end has the registered port. RFC 6951, Section 5.1.
func insideUDP(b []byte) []byte {
	if len(b) < udpHeaderLen || binary.BigEndian.Uint16(b) != udpPort &&
		binary.BigEndian.Uint16(b[2:]) != udpPort {
		return nil
	}
	return b[udpHeaderLen:]
}

// rightSum reports whether the checksum of an SCTP packet is right. RFC 9260, Section 6.8.
func rightSum(b []byte) bool {
	table := crc32.MakeTable(crc32.Castagnoli)
	sum := crc32.Update(0, table, b[:8])
	sum = crc32.Update(sum, table, make([]byte, 4))
	sum = crc32.Update(sum, table, b[sctpHeaderLen:])
	return sum == binary.LittleEndian.Uint32(b[8:])
}

// decodeIPv4 returns what an IPv4 packet has of SCTP or UDP, nil if it holds something else.
func decodeIPv4(b []byte) (src, dst netip.Addr, protocol byte, segment []byte, err error) {
	if len(b) < ipv4HeaderLen || b[9] != protocolSCTP && b[9] != protocolUDP {
		return src, dst, 0, nil, nil
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < ipv4HeaderLen || total < header || total > len(b) {
		return src, dst, 0, nil, fmt.Errorf("IPv4 packet of %d bytes, %d captured", total, len(b))
	}
	if binary.BigEndian.Uint16(b[6:])&0x3fff != 0 {
		return src, dst, 0, nil, fmt.Errorf("IPv4 fragment")
	}
	return netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:])), b[9], b[header:total],
		nil
}

func decodeIPv6(b []byte) (src, dst netip.Addr, protocol byte, segment []byte, err error) {
	if len(b) < ipv6HeaderLen || b[6] != protocolSCTP && b[6] != protocolUDP {
		return src, dst, 0, nil, nil
	}
	total := ipv6HeaderLen + int(binary.BigEndian.Uint16(b[4:]))
	if total > len(b) {
		return src, dst, 0, nil, fmt.Errorf("IPv6 packet of %d bytes, %d captured", total, len(b))
	}
	return netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:])), b[6],
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

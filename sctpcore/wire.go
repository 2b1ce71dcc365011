package sctpcore

import (
	"encoding/binary"
	"hash/crc32"
)

const (
	headerLen      = 12
	chunkHeaderLen = 4
	paramHeaderLen = 4
	dataHeaderLen  = 16
)

// A header is the SCTP common header without its checksum. See RFC 9260, Section 3.1.
type header struct {
	src, dst uint16
	tag      uint32 // verification tag
}

func (h header) append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, h.src)
	b = binary.BigEndian.AppendUint16(b, h.dst)
	b = binary.BigEndian.AppendUint32(b, h.tag)
	return append(b, 0, 0, 0, 0)
}

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	noChecksum [4]byte
)

// checksum returns the CRC32c of a packet, with its checksum field taken as zero. See RFC 9260,
// Appendix A.
func checksum(packet []byte) uint32 {
	c := crc32.Update(0, castagnoli, packet[:8])
	c = crc32.Update(c, castagnoli, noChecksum[:])
	return crc32.Update(c, castagnoli, packet[headerLen:])
}

// putChecksum sets the checksum of a packet, in little-endian byte order. See RFC 9260, Appendix A.
func putChecksum(packet []byte) {
	binary.LittleEndian.PutUint32(packet[8:], checksum(packet))
}

// parsePacket parses the common header. ok is false if the packet is too short or its checksum is
// wrong; it must then be silently discarded. See RFC 9260, Section 6.8.
func parsePacket(b []byte) (h header, chunks []byte, ok bool) {
	if len(b) < headerLen+chunkHeaderLen || binary.LittleEndian.Uint32(b[8:]) != checksum(b) {
		return header{}, nil, false
	}
	return readHeader(b), b[headerLen:], true
}

func readHeader(b []byte) header {
	return header{binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:]),
		binary.BigEndian.Uint32(b[4:])}
}

// A chunk is a chunk of a received packet. Its slices alias the packet. See RFC 9260, Section 3.2.
type chunk struct {
	typ, flags byte
	value      []byte // without header and padding
	whole      []byte // with header, without padding
}

// nextChunk splits off the first chunk. ok is false if its length field is wrong; the rest of the
// packet is then unreadable.
func nextChunk(b []byte) (c chunk, rest []byte, ok bool) {
	if len(b) < chunkHeaderLen {
		return chunk{}, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < chunkHeaderLen || n > len(b) {
		return chunk{}, nil, false
	}
	// The last chunk may be sent without its padding.
	return chunk{b[0], b[1], b[chunkHeaderLen:n:n], b[:n:n]}, b[min(padded(n), len(b)):], true
}

// appendChunkHeader appends the header of a chunk whose value has n bytes.
func appendChunkHeader(b []byte, typ, flags byte, n int) []byte {
	b = append(b, typ, flags)
	return binary.BigEndian.AppendUint16(b, uint16(chunkHeaderLen+n))
}

// A param is a parameter of a chunk, or an error cause, which has the same format. See RFC 9260,
// Sections 3.2.1 and 3.3.10.
type param struct {
	typ   uint16
	value []byte
	whole []byte // with header, without padding
}

func nextParam(b []byte) (p param, rest []byte, ok bool) {
	if len(b) < paramHeaderLen {
		return param{}, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < paramHeaderLen || n > len(b) {
		return param{}, nil, false
	}
	return param{binary.BigEndian.Uint16(b), b[paramHeaderLen:n:n], b[:n:n]},
		b[min(padded(n), len(b)):], true
}

// appendParam appends a parameter or an error cause with its padding.
func appendParam(b []byte, typ uint16, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint16(b, uint16(paramHeaderLen+len(value)))
	return appendPadding(append(b, value...), len(value))
}

// padded rounds n up to a multiple of four. See RFC 9260, Section 3.2.
func padded(n int) int { return (n + 3) &^ 3 }

// appendPadding appends the padding for something of n bytes.
func appendPadding(b []byte, n int) []byte {
	return append(b, noChecksum[:padded(n)-n]...)
}

// before reports whether TSN a precedes TSN b, in serial number arithmetic (RFC 1982). See RFC
// 9260, Section 1.6.
func before(a, b uint32) bool { return int32(a-b) < 0 }

// ssnBefore is the same for stream sequence numbers.
func ssnBefore(a, b uint16) bool { return int16(a-b) < 0 }

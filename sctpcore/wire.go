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

// A header is the SCTP common header without its checksum. RFC 9260, Section 3.1.
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

// checksum is the CRC32c of a packet, its own field taken as zero. RFC 9260, Appendix A.
func checksum(packet []byte) uint32 {
	c := crc32.Update(0, castagnoli, packet[:8])
	c = crc32.Update(c, castagnoli, noChecksum[:])
	return crc32.Update(c, castagnoli, packet[headerLen:])
}

// putChecksum completes a packet. The CRC32c stands in little-endian order. RFC 9260, Appendix A.
func putChecksum(packet []byte) {
	binary.LittleEndian.PutUint32(packet[8:], checksum(packet))
}

// parsePacket returns the common header and the chunks. A packet that is too short or has a wrong
// checksum is not ok, and is discarded in silence. RFC 9260, Section 6.8.
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

// A chunk is a chunk of a received packet; its slices alias the packet. RFC 9260, Section 3.2.
type chunk struct {
	typ, flags byte
	value      []byte // what follows the chunk header, without padding
	whole      []byte // the chunk header and value, without padding
}

// nextChunk splits off the first chunk. It is not ok if the length field is wrong, and nothing
// more of the packet can be read then.
func nextChunk(b []byte) (c chunk, rest []byte, ok bool) {
	if len(b) < chunkHeaderLen {
		return chunk{}, nil, false
	}
	n := int(binary.BigEndian.Uint16(b[2:]))
	if n < chunkHeaderLen || n > len(b) {
		return chunk{}, nil, false
	}
	// The last chunk may come without its padding.
	return chunk{b[0], b[1], b[chunkHeaderLen:n:n], b[:n:n]}, b[min(padded(n), len(b)):], true
}

// appendChunkHeader appends the header of a chunk whose value has n bytes.
func appendChunkHeader(b []byte, typ, flags byte, n int) []byte {
	b = append(b, typ, flags)
	return binary.BigEndian.AppendUint16(b, uint16(chunkHeaderLen+n))
}

// A param is a parameter of a chunk, or an error cause, which has the same form. RFC 9260,
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

// padded is n brought up to a multiple of four. RFC 9260, Section 3.2.
func padded(n int) int { return (n + 3) &^ 3 }

// appendPadding appends the padding of something that has n bytes.
func appendPadding(b []byte, n int) []byte {
	return append(b, noChecksum[:padded(n)-n]...)
}

// before reports whether TSN a comes before TSN b. RFC 9260, Section 1.6: serial number
// arithmetic (RFC 1982).
func before(a, b uint32) bool { return int32(a-b) < 0 }

// ssnBefore is the same for stream sequence numbers.
func ssnBefore(a, b uint16) bool { return int16(a-b) < 0 }

package dtlscore

import "encoding/binary"

const (
	maxPlaintext    = 1 << 14             // largest content of a record
	maxCiphertext12 = maxPlaintext + 2048 // RFC 5246, Section 6.2.3
	maxCiphertext13 = maxPlaintext + 256  // RFC 8446, Section 5.2

	recordHeaderLen  = 13
	unifiedHeaderLen = 5 // as sent; 2 to 5 bytes are accepted, 7 with large records

	maxSequence = 1<<48 - 1 // of DTLS 1.2, and of what this side sends in DTLS 1.3
	maxEpoch12  = 1<<16 - 1
)

// A recordHeader is the header of a record of DTLS 1.2, or of an unprotected record of DTLS 1.3.
// See RFC 6347, Section 4.1, and RFC 9147, Section 4.
type recordHeader struct {
	typ      contentType
	version  uint16
	epoch    uint16
	sequence uint64 // 48 bits
	length   int
}

// number returns the epoch and the sequence number as one 64-bit number, which is used in nonces
// and additional data.
func (h recordHeader) number() uint64 { return uint64(h.epoch)<<48 | h.sequence }

// putHeader writes the header of a DTLS 1.2 record whose fragment has length bytes.
func putHeader(b []byte, typ contentType, number uint64, length int) {
	b = b[:recordHeaderLen]
	b[0] = byte(typ)
	binary.BigEndian.PutUint16(b[1:], VersionDTLS12)
	binary.BigEndian.PutUint64(b[3:], number)
	binary.BigEndian.PutUint16(b[11:], uint16(length))
}

// parseRecord splits a message of the transport, which is exactly one record, into header and
// fragment. See RFC 6083, Section 4.1.
//
// It checks only the first byte of the version, because no version is negotiated before the
// ServerHello.
func parseRecord(b []byte) (h recordHeader, fragment []byte, err error) {
	if len(b) < recordHeaderLen {
		return h, nil, malformed("record of %d bytes", len(b))
	}
	number := binary.BigEndian.Uint64(b[3:])
	h = recordHeader{
		typ:      contentType(b[0]),
		version:  binary.BigEndian.Uint16(b[1:]),
		epoch:    uint16(number >> 48),
		sequence: number & maxSequence,
		length:   int(binary.BigEndian.Uint16(b[11:])),
	}
	switch h.typ {
	case contentChangeCipherSpec, contentAlert, contentHandshake, contentApplicationData, contentACK:
	default:
		return h, nil, unexpected("record of %v", h.typ)
	}
	if h.version>>8 != 0xfe {
		return h, nil, misbehaved(AlertProtocolVersion, "record of version %#04x", h.version)
	}
	limit := maxCiphertext12
	if h.epoch == 0 {
		limit = maxPlaintext
	}
	if h.length > limit {
		return h, nil, misbehaved(AlertRecordOverflow, "record with %d bytes", h.length)
	}
	fragment = b[recordHeaderLen:]
	if len(fragment) != h.length {
		return h, nil, malformed("message of %d bytes is not exactly one record, which would have %d",
			len(b), recordHeaderLen+h.length)
	}
	return h, fragment, nil
}

// isUnified reports whether a record with this first byte is a protected record of DTLS 1.3. See
// RFC 9147, Section 4.1.
func isUnified(first byte) bool { return first>>5 == 1 }

// Bits of the first byte of a unified header. See RFC 9147, Section 4.
const (
	unifiedFixed    = 0b001_0_0_0_00
	unifiedCID      = 0b000_1_0_0_00
	unifiedSequence = 0b000_0_1_0_00 // 16 bits instead of 8
	unifiedLength   = 0b000_0_0_1_00
	unifiedEpoch    = 0b000_0_0_0_11
)

// A unifiedHeader is the header of a protected record of DTLS 1.3.
type unifiedHeader struct {
	epoch       uint8 // the two low bits
	sequenceLen int   // 1 or 2 bytes, encrypted, starting at the second byte of the record
	headerLen   int   // the ciphertext follows
}

// numberEnd returns the offset at which the sequence number ends.
func numberEnd(first byte) int {
	if first&unifiedSequence != 0 {
		return 3
	}
	return 2
}

// parseUnified parses the header of a message of the transport that is exactly one record. form is
// the format of records in its epoch.
func parseUnified(b []byte, form recordForm) (h unifiedHeader, err error) {
	if len(b) == 0 || !isUnified(b[0]) {
		return h, malformed("record without a unified header")
	}
	if b[0]&unifiedCID != 0 {
		return h, illegal("record with a connection identifier, which was not negotiated")
	}
	h.epoch = b[0] & unifiedEpoch
	h.headerLen = numberEnd(b[0])
	h.sequenceLen = h.headerLen - 1
	if len(b) < h.headerLen {
		return h, malformed("record of %d bytes", len(b))
	}
	length := len(b) - h.headerLen
	if b[0]&unifiedLength != 0 {
		size, rest := 2, b[h.headerLen:]
		if !form.large && len(rest) >= size { // the common case
			length = int(binary.BigEndian.Uint16(rest))
		} else if length, size, err = form.readLength(rest); err != nil {
			return h, err
		}
		h.headerLen += size
	}
	// The draft on large records wants a record that is too large to be dropped silently. Over SCTP
	// no message may disappear, because the sender's application relies on its delivery.
	if length > form.maxCiphertext() {
		return h, misbehaved(AlertRecordOverflow, "record with %d bytes", length)
	}
	if h.headerLen+length != len(b) {
		return h, malformed("message of %d bytes is not exactly one record, which would have %d",
			len(b), h.headerLen+length)
	}
	// The first 16 bytes are the sample for the record number mask: RFC 9147, Section 4.2.3.
	if length < recordNumberSample {
		return h, malformed("record with %d bytes of ciphertext", length)
	}
	return h, nil
}

// reconstruct returns the sequence number that is nearest to expected and has the given low bits.
// See RFC 9147, Section 4.2.2.
func reconstruct(expected, low uint64, bits uint) uint64 {
	window := uint64(1) << bits
	n := expected&^(window-1) | low
	switch {
	case n > expected+window/2 && n >= window:
		n -= window
	case n+window/2 < expected:
		n += window
	}
	return n
}

package dtlscore

import "encoding/binary"

// This file implements draft-ietf-tls-super-jumbo-record-limit-03. Each side may announce in
// large_record_size_limit how large an inner plaintext it accepts in application data records of
// DTLS 1.3. If both do, the length field in the header of such records, if present, is a
// variable-size integer.

// Bounds of large_record_size_limit.
const (
	minLargeLimit = 64
	maxLargeLimit = 1<<30 - 256
)

// MaxLargePlaintext is the largest [Config].MaxMessageSize.
const MaxLargePlaintext = maxLargeLimit - 1

// A recordForm is the format of protected DTLS 1.3 records in one direction of an epoch.
type recordForm struct {
	large bool // large_record_size_limit was negotiated
	limit int  // bytes of inner plaintext: content, type and padding
}

// usualForm is the format of RFC 9147, Section 4, which records of the handshake always have.
var usualForm = recordForm{limit: maxInnerPlaintext}

// maxCiphertext returns the largest number of bytes after the header. RFC 8446, Section 5.2, allows
// more expansion than our algorithms have. With a negotiated limit, however, no more is accepted
// than the limit requires, so that a peer cannot make this side allocate memory beyond it.
func (f recordForm) maxCiphertext() int {
	if f.large {
		return f.limit + aeadTagLen
	}
	return maxCiphertext13
}

// Encodings of a length, in the two top bits of its first byte. See RFC 9420, Section 2.1.2.
const (
	varuint1 = 0b00 // below maxVaruint1
	varuint2 = 0b01
	varuint4 = 0b10

	maxVaruint1 = 1<<6 - 1
	maxVaruint2 = 1<<14 - 1
)

// maxUnifiedHeaderLen is the size of a header with a length of four bytes.
const maxUnifiedHeaderLen = 1 + 2 + 4

// lengthLen returns how many bytes the header uses for the length n.
func (f recordForm) lengthLen(n int) int {
	switch {
	case !f.large || n > maxVaruint1 && n <= maxVaruint2:
		return 2
	case n <= maxVaruint1:
		return 1
	}
	return 4
}

// putLength writes the length n of a large record into b, whose size is lengthLen(n).
func (f recordForm) putLength(b []byte, n int) {
	switch len(b) {
	case 1:
		b[0] = varuint1<<6 | byte(n)
	case 2:
		binary.BigEndian.PutUint16(b, varuint2<<14|uint16(n))
	default:
		binary.BigEndian.PutUint32(b, varuint4<<30|uint32(n))
	}
}

// readLength parses a length, and returns its encoded size too. A length that is not in its
// shortest encoding, or in one that does not exist, is treated as too large.
func (f recordForm) readLength(b []byte) (n, size int, err error) {
	if len(b) == 0 || !f.large && len(b) < 2 {
		return 0, 0, malformed("record ends inside its length field")
	}
	if !f.large {
		return int(binary.BigEndian.Uint16(b)), 2, nil
	}
	kind := b[0] >> 6
	if kind > varuint4 {
		return 0, 0, misbehaved(AlertRecordOverflow, "record with an invalid encoding of its length")
	}
	if size = 1 << kind; len(b) < size {
		return 0, 0, malformed("record ends inside its length field")
	}
	n = int(b[0] & 0b0011_1111)
	for _, c := range b[1:size] {
		n = n<<8 | int(c)
	}
	if f.lengthLen(n) != size {
		return 0, 0, misbehaved(AlertRecordOverflow, "record with the length %d in %d bytes", n, size)
	}
	return n, size, nil
}

// The body of large_record_size_limit is kept uninterpreted. The number of the extension is one for
// private use, so a peer may use it for something else, which matters only if this side uses the
// extension.

// largeLimit returns the body of large_record_size_limit, or nil if the Config does not use it.
func (c *Config) largeLimit() []byte {
	if c.MaxMessageSize <= maxPlaintext {
		return nil
	}
	return binary.BigEndian.AppendUint32(nil, uint32(c.MaxMessageSize)+1) // plus the content type
}

// agreeOnLarge handles the peer's large_record_size_limit. It takes effect only if this side sent
// one too. Each direction has its own limit.
func (hs *handshake13) agreeOnLarge(c *Conn, peers []byte) error {
	if len(peers) != 4 {
		return malformed("%v of %d bytes", extLargeRecordSizeLimit, len(peers))
	}
	limit := binary.BigEndian.Uint32(peers)
	if limit < minLargeLimit || limit > maxLargeLimit {
		return illegal("%v of %d bytes", extLargeRecordSizeLimit, limit)
	}
	hs.read = recordForm{large: true, limit: c.config.MaxMessageSize + 1}
	hs.write = recordForm{large: true, limit: int(limit)}
	hs.state.MaxRead, hs.state.MaxWrite = hs.read.limit-1, hs.write.limit-1
	return nil
}

// onlyOneLimit checks that a server answers with at most one of the three extensions about the size
// of records.
func (e *extensions) onlyOneLimit() error {
	n := 0
	for _, t := range e.seen {
		switch t {
		case extMaxFragmentLength, extRecordSizeLimit, extLargeRecordSizeLimit:
			n++
		}
	}
	if n > 1 {
		return illegal("server chose %d extensions that limit the size of records", n)
	}
	return nil
}

// MaxRecord returns the size of the largest record that Receive accepts at present. If large
// records were negotiated, it increases when the peer's Finished is verified, before
// [EventPeerFinished]. So an unauthenticated peer cannot make a driver buffer more.
func (c *Conn) MaxRecord() int { return max(recordHeaderLen+maxCiphertext12, c.in.maxRecord) }

// RecordSize returns the size of a record from its first bytes, so that a driver that receives a
// record in parts can allocate a buffer for all of it. The result is 0 while start is too short,
// and at most MaxRecord. It is not authenticated and may be wrong.
func (c *Conn) RecordSize(start []byte) int {
	if len(start) == 0 || !isUnified(start[0]) || start[0]&unifiedLength == 0 {
		return 0
	}
	p := c.in.v13.epoch(start[0] & unifiedEpoch)
	at := numberEnd(start[0])
	if p == nil || len(start) < at {
		return 0
	}
	n, size, err := p.form.readLength(start[at:])
	if n += at + size; err != nil || n > c.MaxRecord() {
		return 0
	}
	return n
}

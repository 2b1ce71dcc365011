package dtlscore

import "encoding/binary"

// This file is draft-ietf-tls-super-jumbo-record-limit-03: each end may say in
// large_record_size_limit how large an inner plaintext it takes in records of
// application data of version 1.3. If both do, the length in the header of
// such records, where there is one, is an integer of variable size.

// Bounds of large_record_size_limit.
const (
	minLargeLimit = 64
	maxLargeLimit = 1<<30 - 256
)

// MaxLargePlaintext is the largest [Config].MaxMessageSize.
const MaxLargePlaintext = maxLargeLimit - 1

// A recordForm is what protected records of version 1.3 look like in one
// direction of an epoch.
type recordForm struct {
	large bool // large_record_size_limit was agreed
	limit int  // bytes of inner plaintext: content, type and padding
}

// usualForm is that of RFC 9147, Section 4. Records of the handshake always have it.
var usualForm = recordForm{limit: maxInnerPlaintext}

// maxCiphertext is how much may follow the header. RFC 8446, Section 5.2, leaves room for
// algorithms with more expansion than ours. Where a limit was agreed, no more than that limit needs
// is read, so that whoever overruns it is not given memory for it.
func (f recordForm) maxCiphertext() int {
	if f.large {
		return f.limit + aeadTagLen
	}
	return maxCiphertext13
}

// Sizes of a length, in the two top bits of its first byte. RFC 9420, Section 2.1.2.
const (
	varuint1 = 0b00 // below maxVaruint1
	varuint2 = 0b01
	varuint4 = 0b10

	maxVaruint1 = 1<<6 - 1
	maxVaruint2 = 1<<14 - 1
)

// maxUnifiedHeaderLen has a length of four bytes.
const maxUnifiedHeaderLen = 1 + 2 + 4

// lengthLen is how many bytes of the header the length n takes.
func (f recordForm) lengthLen(n int) int {
	switch {
	case !f.large || n > maxVaruint1 && n <= maxVaruint2:
		return 2
	case n <= maxVaruint1:
		return 1
	}
	return 4
}

// putLength writes the length n of a large form into b, which has as many bytes as it takes.
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

// readLength reads a length and says how many bytes it takes. A record whose length is not in the
// smallest size, or in one that does not exist, counts as too large.
func (f recordForm) readLength(b []byte) (n, size int, err error) {
	if len(b) == 0 || !f.large && len(b) < 2 {
		return 0, 0, malformed("record without its length")
	}
	if !f.large {
		return int(binary.BigEndian.Uint16(b)), 2, nil
	}
	kind := b[0] >> 6
	if kind > varuint4 {
		return 0, 0, misbehaved(AlertRecordOverflow, "record with a length of no size that there is")
	}
	if size = 1 << kind; len(b) < size {
		return 0, 0, malformed("record without its length")
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

// A large_record_size_limit is kept as it came: its number is one for private use, so that an
// end that does not ask for the extension cannot know what another means by it.

// largeLimit is the body of large_record_size_limit, nil if c does not ask for it.
func (c *Config) largeLimit() []byte {
	if c.MaxMessageSize <= maxPlaintext {
		return nil
	}
	return binary.BigEndian.AppendUint32(nil, uint32(c.MaxMessageSize)+1) // and the type
}

// agreeOnLarge takes the peer's large_record_size_limit, which has to come with
// ours. Each direction has a limit of its own.
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

// onlyOneLimit checks that a server answers at most one of the three
// extensions about the size of records.
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

// MaxRecord returns how many bytes the largest record has that Receive takes now. It grows, if
// large records were agreed on, when the peer's Finished is verified, before [EventPeerFinished]:
// nobody who is not authenticated yet can make a driver keep more.
func (c *Conn) MaxRecord() int { return max(recordHeaderLen+maxCiphertext12, c.in.maxRecord) }

// RecordSize returns the size that a record has by what it begins with, so that a driver that gets
// it in parts can put them where the whole fits. It is 0 as long as that is not known, at most
// MaxRecord, and may turn out to be wrong.
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

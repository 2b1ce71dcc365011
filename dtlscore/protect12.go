package dtlscore

import (
	"crypto/cipher"
	"encoding/binary"
)

// protection12 protects the records of one direction in one epoch of DTLS 1.2. See RFC 5246,
// Section 6.2.3.3; RFC 5288; and RFC 7905.
type protection12 struct {
	aead     cipher.AEAD
	epoch    uint16
	explicit bool // the nonce is a salt and 8 bytes that the record contains
	fixedIV  [aeadNonceLen]byte

	scratch [aeadNonceLen + additionalLen12]byte // used by open only
}

// newProtection12 uses a key and a fixed IV from the key block.
func newProtection12(kind aeadKind, epoch uint16, key, fixedIV []byte) (*protection12, error) {
	aead, err := kind.new(key)
	if err != nil {
		return nil, err
	}
	p := &protection12{aead: aead, epoch: epoch, explicit: kind != aeadChaCha20Poly1305}
	copy(p.fixedIV[:], fixedIV)
	return p, nil
}

func (p *protection12) explicitLen() int {
	if p.explicit {
		return gcmExplicitLen
	}
	return 0
}

func (p *protection12) overhead() int { return recordHeaderLen + p.explicitLen() + aeadTagLen }

// seal implements [sealer].
func (p *protection12) seal(dst []byte, typ contentType, sequence uint64, content []byte) []byte {
	start := len(dst)
	end := start + len(content) + p.overhead()
	dst = grow(dst, end-start+sealScratch)
	number := uint64(p.epoch)<<48 | sequence
	putHeader(dst[start:], typ, number, end-start-recordHeaderLen)
	body := start + recordHeaderLen
	if p.explicit {
		// The explicit nonce is the record number: it is never random and never repeats. RFC 9325,
		// Section 7.2.1.
		binary.BigEndian.PutUint64(dst[body:], number)
		body += gcmExplicitLen
	}
	nonce, additional := p.inputs(dst[end:], typ, VersionDTLS12, number, number, len(content))
	p.aead.Seal(dst[body:body], nonce, content, additional)
	return dst[:end]
}

// open decrypts a fragment of this epoch in place. It is not safe for concurrent use.
func (p *protection12) open(h recordHeader, fragment []byte) ([]byte, error) {
	n := len(fragment) - p.explicitLen() - aeadTagLen
	if n < 0 {
		return nil, misbehaved(AlertBadRecordMAC, "protected record of %d bytes", len(fragment))
	}
	if n > maxPlaintext {
		return nil, misbehaved(AlertRecordOverflow, "record with %d bytes of plaintext", n)
	}
	explicit := h.number()
	if p.explicit {
		explicit = binary.BigEndian.Uint64(fragment)
		fragment = fragment[gcmExplicitLen:]
	}
	nonce, additional := p.inputs(p.scratch[:], h.typ, h.version, h.number(), explicit, n)
	content, err := p.aead.Open(fragment[:0], nonce, fragment, additional)
	if err != nil {
		return nil, misbehaved(AlertBadRecordMAC, "record %d of epoch %d does not decrypt", h.sequence,
			h.epoch)
	}
	return content, nil
}

// inputs writes the nonce and the additional data for n bytes of content to scratch. With GCM,
// explicit is the part of the nonce in the record. With ChaCha20 it is the record number, which is
// XORed with the fixed IV.
func (p *protection12) inputs(
	scratch []byte, typ contentType, version uint16, number, explicit uint64, n int,
) (nonce, additional []byte) {
	scratch = scratch[:aeadNonceLen+additionalLen12]
	nonce, additional = scratch[:aeadNonceLen:aeadNonceLen], scratch[aeadNonceLen:]
	putNonce(nonce, &p.fixedIV, explicit) // with GCM the end of the IV is zero
	binary.BigEndian.PutUint64(additional, number)
	additional[8] = byte(typ)
	binary.BigEndian.PutUint16(additional[9:], version)
	binary.BigEndian.PutUint16(additional[11:], uint16(n))
	return nonce, additional
}

// putNonce writes the nonce of a record: the IV with the record number XORed into the last 8 bytes.
func putNonce(nonce []byte, iv *[aeadNonceLen]byte, number uint64) {
	// The last 8 bytes are computed from the IV: reading back bytes that were just written would
	// stall the processor.
	const tail = aeadNonceLen - 8
	binary.NativeEndian.PutUint32(nonce, binary.NativeEndian.Uint32(iv[:]))
	binary.BigEndian.PutUint64(nonce[tail:], binary.BigEndian.Uint64(iv[tail:])^number)
}

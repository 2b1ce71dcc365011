package dtlscore

import (
	"crypto/cipher"
	"encoding/binary"
)

// protection12 protects the records of one direction in one epoch of version
// 1.2. RFC 5246, Section 6.2.3.3; RFC 5288; RFC 7905.
type protection12 struct {
	aead     cipher.AEAD
	epoch    uint16
	explicit bool // the nonce is a salt and 8 bytes that the record carries
	fixedIV  [aeadNonceLen]byte

	scratch [aeadNonceLen + additionalLen12]byte // of open alone
}

// newProtection12 takes the key and the fixed IV from the key block.
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
	h := recordHeader{typ, VersionDTLS12, p.epoch, sequence, end - start - recordHeaderLen}
	h.append(dst[:start])
	body := dst[start+recordHeaderLen : start+recordHeaderLen]
	if p.explicit {
		// Never random, and never the same twice: RFC 9325, Section 7.2.1.
		body = binary.BigEndian.AppendUint64(body, h.number())
	}
	nonce, additional := p.inputs(dst[end:], h, h.number(), len(content))
	p.aead.Seal(body, nonce, content, additional)
	return dst[:end]
}

// open decrypts a fragment of this epoch in place. It is not safe for
// concurrent use.
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
	nonce, additional := p.inputs(p.scratch[:], h, explicit, n)
	content, err := p.aead.Open(fragment[:0], nonce, fragment, additional)
	if err != nil {
		return nil, misbehaved(AlertBadRecordMAC, "record %d of epoch %d does not decrypt", h.sequence, h.epoch)
	}
	return content, nil
}

// inputs writes the nonce and the additional data for n bytes of content into
// scratch. With GCM explicit is what the record carries of the nonce; with
// ChaCha20 it is the record's number, and is combined with the fixed IV.
func (p *protection12) inputs(scratch []byte, h recordHeader, explicit uint64, n int) (nonce, additional []byte) {
	nonce = scratch[:aeadNonceLen:aeadNonceLen]
	copy(nonce, p.fixedIV[:])
	// What was just copied is not read back, which would wait for it. The tail of the IV is zero with
	// GCM.
	const tail = aeadNonceLen - 8
	binary.BigEndian.PutUint64(nonce[tail:], binary.BigEndian.Uint64(p.fixedIV[tail:])^explicit)

	additional = binary.BigEndian.AppendUint64(scratch[aeadNonceLen:aeadNonceLen], h.number())
	additional = append(additional, byte(h.typ))
	additional = binary.BigEndian.AppendUint16(additional, h.version)
	additional = binary.BigEndian.AppendUint16(additional, uint16(n))
	return nonce, additional
}

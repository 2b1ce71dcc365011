package dtlscore

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"

	"golang.org/x/crypto/chacha20"
)

// recordNumberSample is the size of the ciphertext sample from which the record number mask is
// computed.
const recordNumberSample = 16

// maxInnerPlaintext is the size of the content, the content type and the padding. See RFC 8446,
// Section 5.4.
const maxInnerPlaintext = maxPlaintext + 1

// protection13 protects the records of one direction in one epoch of DTLS 1.3. See RFC 9147,
// Section 4.
type protection13 struct {
	epoch uint64
	form  recordForm
	aead  cipher.AEAD
	iv    [aeadNonceLen]byte

	// The key for record numbers. See RFC 9147, Section 4.2.3.
	snBlock cipher.Block            // AES; nil with ChaCha20
	snKey   *[chacha20.KeySize]byte // of ChaCha20; else nil

	// The following fields are used by open only.
	next    uint64 // the highest opened sequence number plus one
	scratch [recordNumberSample]byte
}

// newProtection13 uses the keys that are derived from a traffic secret.
func newProtection13(
	kind aeadKind, epoch uint64, keys trafficKeys, form recordForm,
) (*protection13, error) {
	aead, err := kind.new(keys.key)
	if err != nil {
		return nil, err
	}
	p := &protection13{epoch: epoch, form: form, aead: aead}
	copy(p.iv[:], keys.iv)
	if kind == aeadChaCha20Poly1305 {
		p.snKey = new([chacha20.KeySize]byte)
		copy(p.snKey[:], keys.sn)
	} else if p.snBlock, err = aes.NewCipher(keys.sn); err != nil {
		return nil, err
	}
	return p, nil
}

// seal implements [sealer]. The header contains 16 bits of the sequence number and the length. No
// padding is needed: the tag alone makes the ciphertext as long as the sample for the record number
// mask must be.
func (p *protection13) seal(dst []byte, typ contentType, sequence uint64, content []byte) []byte {
	start, n := len(dst), len(content)+1+aeadTagLen
	at := start + unifiedHeaderLen
	if p.form.large {
		at += p.form.lengthLen(n) - 2
	}
	end := at + n
	dst = grow(dst, end-start+sealScratch)
	header, body, scratch := dst[start:at], dst[at:end], dst[end:]

	header[0] = unifiedFixed | unifiedSequence | unifiedLength | byte(p.epoch)&unifiedEpoch
	binary.BigEndian.PutUint16(header[1:], uint16(sequence))
	if p.form.large {
		p.form.putLength(header[3:], n)
	} else {
		binary.BigEndian.PutUint16(header[3:], uint16(n))
	}
	inner := body[:copy(body, content)+1]
	inner[len(content)] = byte(typ)
	p.aead.Seal(body[:0], p.nonce(scratch, sequence), inner, header)

	mask := p.mask(scratch, body)
	header[1] ^= mask[0]
	header[2] ^= mask[1]
	return dst[:end]
}

// open decrypts a record of this epoch in place, including its header. It is not safe for
// concurrent use.
func (p *protection13) open(h unifiedHeader, record []byte) (typ contentType, sequence uint64,
	content []byte, err error) {
	header, body := record[:h.headerLen], record[h.headerLen:]
	mask := p.mask(p.scratch[:], body)
	var low uint64
	for i := range h.sequenceLen {
		header[1+i] ^= mask[i]
		low = low<<8 | uint64(header[1+i])
	}
	sequence = reconstruct(p.next, low, uint(8*h.sequenceLen))
	inner, err := p.aead.Open(body[:0], p.nonce(p.scratch[:], sequence), body, header)
	if err != nil {
		return 0, 0, nil, misbehaved(AlertBadRecordMAC, "record %d of epoch %d does not decrypt",
			sequence, p.epoch)
	}
	p.next = max(p.next, sequence+1)
	if len(inner) > p.form.limit {
		return 0, 0, nil, misbehaved(AlertRecordOverflow, "record with %d bytes of plaintext", len(inner))
	}
	inner = bytes.TrimRight(inner, "\x00")
	if len(inner) == 0 {
		return 0, 0, nil, unexpected("record contains only padding")
	}
	last := len(inner) - 1
	return contentType(inner[last]), sequence, inner[:last], nil
}

// nonce returns the nonce of RFC 8446, Section 5.3. It does not include the epoch, because each
// epoch has its own key.
func (p *protection13) nonce(scratch []byte, sequence uint64) []byte {
	nonce := scratch[:aeadNonceLen]
	putNonce(nonce, &p.iv, sequence)
	return nonce
}

// mask returns the mask that encrypts the record number. See RFC 9147, Section 4.2.3.
func (p *protection13) mask(scratch, ciphertext []byte) []byte {
	mask := scratch[:recordNumberSample]
	if p.snBlock != nil {
		p.snBlock.Encrypt(mask, ciphertext[:recordNumberSample])
		return mask
	}
	c, err := chacha20.NewUnauthenticatedCipher(p.snKey[:], ciphertext[4:recordNumberSample])
	if err != nil {
		panic("dtlscore: " + err.Error()) // only if the key or the nonce has the wrong size
	}
	c.SetCounter(binary.LittleEndian.Uint32(ciphertext))
	clear(mask)
	c.XORKeyStream(mask, mask)
	return mask
}

package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"encoding/binary"
	"fmt"
	"hash"

	"golang.org/x/crypto/chacha20"
)

// expandLabel is HKDF-Expand-Label with the prefix of DTLS 1.3. RFC 8446,
// Section 7.1; RFC 9147, Section 5.9.
func expandLabel(h func() hash.Hash, secret []byte, label string, context []byte, n int) []byte {
	label = "dtls13" + label
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(append(info, byte(len(label))), label...)
	info = append(append(info, byte(len(context))), context...)
	out, err := hkdf.Expand(h, secret, string(info), n)
	if err != nil {
		panic(err) // n is a constant far below 255 hashes
	}
	return out
}

// export13 is the exporter with an empty context. RFC 8446, Section 7.5.
func export13(s suite, exporterSecret []byte, label string, n int) []byte {
	empty := s.hash().Sum(nil)
	derived := expandLabel(s.hash, exporterSecret, label, empty, s.hash().Size())
	return expandLabel(s.hash, derived, "exporter", empty, n)
}

// An opener13 opens the records of one direction and epoch of DTLS 1.3.
type opener13 struct {
	aead cipher.AEAD
	iv   []byte
	mask func(sample []byte) []byte // RFC 9147, Section 4.2.3
	next uint64                     // one above the highest sequence number opened
}

// newOpener13 derives the record protection from a traffic secret. RFC 8446,
// Section 7.3; RFC 9147, Section 4.2.3.
func newOpener13(s suite, id uint16, secret []byte) (*opener13, error) {
	aead, err := s.aead(expandLabel(s.hash, secret, "key", nil, s.keyLen))
	if err != nil {
		return nil, err
	}
	o := &opener13{aead: aead, iv: expandLabel(s.hash, secret, "iv", nil, 12)}
	sn := expandLabel(s.hash, secret, "sn", nil, s.keyLen)
	if id == 0x1303 {
		o.mask = func(sample []byte) []byte {
			c, err := chacha20.NewUnauthenticatedCipher(sn, sample[4:16])
			if err != nil {
				panic(err) // key and nonce have the right length
			}
			c.SetCounter(binary.LittleEndian.Uint32(sample))
			mask := make([]byte, 2)
			c.XORKeyStream(mask, mask)
			return mask
		}
		return o, nil
	}
	block, err := aes.NewCipher(sn)
	if err != nil {
		return nil, err
	}
	o.mask = func(sample []byte) []byte {
		mask := make([]byte, aes.BlockSize)
		block.Encrypt(mask, sample)
		return mask
	}
	return o, nil
}

// open opens a record of this epoch. RFC 9147, Section 4.
func (o *opener13) open(r *Record, epoch uint64) error {
	header := append([]byte{}, r.raw[:r.header]...)
	sealed := r.raw[r.header:]
	mask := o.mask(sealed[:16])
	bits := 8
	header[1] ^= mask[0]
	if header[0]&0x08 != 0 {
		bits = 16
		header[2] ^= mask[1]
	}
	low := uint64(header[1])
	if bits == 16 {
		low = low<<8 | uint64(header[2])
	}
	seq := closest(o.next, low, bits)

	nonce := append([]byte{}, o.iv...)
	for i := range 8 {
		nonce[4+i] ^= byte(seq >> (56 - 8*i))
	}
	plain, err := o.aead.Open(nil, nonce, sealed, header)
	if err != nil {
		return err
	}
	for len(plain) > 0 && plain[len(plain)-1] == 0 {
		plain = plain[:len(plain)-1]
	}
	if len(plain) == 0 || len(plain)-1 > maxPlaintext {
		return fmt.Errorf("record with %d bytes of plaintext", len(plain))
	}
	o.next = max(o.next, seq+1)
	r.Type, r.Epoch, r.Seq = ContentType(plain[len(plain)-1]), epoch, seq
	r.setPayload(plain[:len(plain)-1])
	return nil
}

// closest returns the number nearest to want that ends in these low bits. RFC
// 9147, Section 4.2.2.
func closest(want, low uint64, bits int) uint64 {
	span := uint64(1) << bits
	seq := want&^(span-1) | low
	switch {
	case seq+span/2 < want:
		return seq + span
	case seq > want+span/2 && seq >= span:
		return seq - span
	}
	return seq
}

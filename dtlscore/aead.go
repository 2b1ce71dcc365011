package dtlscore

import (
	"crypto/aes"
	"crypto/cipher"
	"slices"

	"golang.org/x/crypto/chacha20poly1305"
)

const (
	aeadNonceLen    = 12
	aeadTagLen      = 16
	gcmSaltLen      = 4 // RFC 5288, Section 3
	gcmExplicitLen  = 8
	additionalLen12 = 13
)

// keyLen returns the size of the algorithm's key in bytes.
func (k aeadKind) keyLen() int {
	if k == aeadAES128GCM {
		return 16
	}
	return 32
}

// fixedIVLen returns the size in bytes of the part of the nonce that DTLS 1.2 takes from the key
// block. DTLS 1.3 derives all 12 bytes from the traffic secret.
func (k aeadKind) fixedIVLen() int {
	if k == aeadChaCha20Poly1305 {
		return aeadNonceLen
	}
	return gcmSaltLen
}

// new returns the AEAD for a key. It fails if the key has the wrong size, or if the program runs in
// a FIPS mode that does not approve the algorithm.
func (k aeadKind) new(key []byte) (cipher.AEAD, error) {
	if len(key) != k.keyLen() {
		return nil, aes.KeySizeError(len(key))
	}
	if k == aeadChaCha20Poly1305 {
		return chacha20poly1305.New(key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// A sealer protects the records of one direction in one epoch. It is safe for concurrent use,
// provided that no sequence number is used twice.
type sealer interface {
	// seal appends a record to dst. content must not be longer than the epoch allows and must not
	// overlap the free capacity of dst; seal does not modify it. seal does not allocate if dst has
	// capacity for len(content)+maxOverhead more bytes.
	seal(dst []byte, typ contentType, sequence uint64, content []byte) []byte
}

// maxOverhead is the capacity beyond the content that a sealer needs in order not to allocate.
const maxOverhead = recordHeaderLen + gcmExplicitLen + aeadTagLen + sealScratch

// sealScratch is the size of a sealer's scratch space. An argument of an interface method escapes
// to the heap, and concurrent writers would share a field of the sealer. So a sealer builds the
// nonce and similar values behind the record, in the caller's buffer.
const sealScratch = max(aeadNonceLen+additionalLen12, recordNumberSample)

// grow extends b by n bytes of unspecified content.
func grow(b []byte, n int) []byte {
	return slices.Grow(b, n)[:len(b)+n]
}

// noProtection is the sealer of epoch 0, which has no keys.
type noProtection struct{}

func (noProtection) seal(dst []byte, typ contentType, sequence uint64, content []byte) []byte {
	start := len(dst)
	dst = grow(dst, recordHeaderLen+len(content))
	putHeader(dst[start:], typ, sequence, len(content))
	copy(dst[start+recordHeaderLen:], content)
	return dst
}

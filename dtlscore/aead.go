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

// keyLen is the size of the key of an algorithm, in bytes.
func (k aeadKind) keyLen() int {
	if k == aeadAES128GCM {
		return 16
	}
	return 32
}

// fixedIVLen is the size of the part of the nonce that comes from the key
// block of version 1.2. In version 1.3 all 12 bytes come from the secret.
func (k aeadKind) fixedIVLen() int {
	if k == aeadChaCha20Poly1305 {
		return aeadNonceLen
	}
	return gcmSaltLen
}

// new makes the algorithm. It fails if the key has the wrong size or the
// algorithm is not available in the FIPS mode of the program.
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

// A sealer makes the records of one direction in one epoch. It is safe for
// concurrent use, as long as no sequence number is used twice.
type sealer interface {
	// seal appends a record to dst. content is at most as long as the epoch allows,
	// does not overlap the free part of dst, and is left as it is. Nothing is
	// allocated if dst has room for content and maxOverhead more.
	seal(dst []byte, typ contentType, sequence uint64, content []byte) []byte
}

// maxOverhead is how much more room than that of the content makes a sealer
// work without allocating.
const maxOverhead = recordHeaderLen + gcmExplicitLen + aeadTagLen + sealScratch

// sealScratch is what a sealer needs besides. What is given to a method of an
// interface escapes, and a field of the sealer would be shared by writers, so
// that nonces and the like are built behind the record, in what the
// caller gave.
const sealScratch = max(aeadNonceLen+additionalLen12, recordNumberSample)

// grow appends n bytes with any content.
func grow(b []byte, n int) []byte {
	return slices.Grow(b, n)[:len(b)+n]
}

// noProtection is the sealer of epoch 0.
type noProtection struct{}

func (noProtection) seal(dst []byte, typ contentType, sequence uint64, content []byte) []byte {
	start := len(dst)
	dst = grow(dst, recordHeaderLen+len(content))
	putHeader(dst[start:], typ, sequence, len(content))
	copy(dst[start+recordHeaderLen:], content)
	return dst
}

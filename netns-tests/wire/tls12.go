package wire

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
)

// A suite is a cipher suite of either version, as far as records go.
type suite struct {
	hash   func() hash.Hash
	keyLen int
	fixed  int // bytes of the nonce that come from the key block (DTLS 1.2)
	aead   func(key []byte) (cipher.AEAD, error)
}

var (
	aes128     = suite{sha256.New, 16, 4, newGCM}
	aes256     = suite{sha512.New384, 32, 4, newGCM}
	chachaPoly = suite{sha256.New, 32, 12, chacha20poly1305.New}

	suites = map[uint16]suite{
		0xc02b: aes128, 0xc02f: aes128, // ECDHE with AES_128_GCM_SHA256
		0xc02c: aes256, 0xc030: aes256, // ECDHE with AES_256_GCM_SHA384
		0xcca8: chachaPoly, 0xcca9: chachaPoly,
		0xd001: aes128, 0xd002: aes256, 0xccac: chachaPoly, // ECDHE_PSK
		0x00a8: aes128, 0x00a9: aes256, // PSK
		0x1301: aes128, 0x1302: aes256, 0x1303: chachaPoly, // DTLS 1.3
	}
)

func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// prf12 is the PRF of TLS 1.2. RFC 5246, Section 5.
func prf12(h func() hash.Hash, secret []byte, label string, seed []byte, n int) []byte {
	seed = append([]byte(label), seed...)
	mac := func(parts ...[]byte) []byte {
		m := hmac.New(h, secret)
		for _, p := range parts {
			m.Write(p)
		}
		return m.Sum(nil)
	}
	var out []byte
	for a := mac(seed); len(out) < n; a = mac(a) {
		out = append(out, mac(a, seed)...)
	}
	return out[:n]
}

// export12 is the exporter without a context. RFC 5705, Section 4.
func export12(s suite, master []byte, label string, client, server [32]byte, n int) []byte {
	return prf12(s.hash, master, label, append(client[:], server[:]...), n)
}

// An opener12 opens the records of one direction and epoch of DTLS 1.2.
type opener12 struct {
	aead  cipher.AEAD
	fixed []byte
}

// openers12 derives the record protection of both directions: the client's,
// the server's. RFC 5246, Section 6.3.
func openers12(s suite, master []byte, client, server [32]byte) ([2]opener12, error) {
	block := prf12(s.hash, master, "key expansion", append(server[:], client[:]...),
		2*(s.keyLen+s.fixed))
	var out [2]opener12
	for i := range out {
		aead, err := s.aead(block[i*s.keyLen : (i+1)*s.keyLen])
		if err != nil {
			return out, err
		}
		out[i] = opener12{aead, block[2*s.keyLen+i*s.fixed:][:s.fixed]}
	}
	return out, nil
}

var errShortRecord = errors.New("too short for its protection")

func (o opener12) open(r *Record) error {
	sealed, number := r.raw[r.header:], r.raw[3:11] // epoch and sequence number
	nonce := make([]byte, 12)
	if copy(nonce, o.fixed) == 4 { // AES-GCM: RFC 5288, Section 3
		if len(sealed) < 8 {
			return errShortRecord
		}
		copy(nonce[4:], sealed)
		sealed = sealed[8:]
	} else { // ChaCha20-Poly1305: RFC 7905, Section 2
		for i, b := range number {
			nonce[4+i] ^= b
		}
	}
	if len(sealed) < o.aead.Overhead() {
		return errShortRecord
	}
	// RFC 6347, Section 4.1.2.1, RFC 5246, Section 6.2.3.3.
	aad := append([]byte{}, number...)
	aad = append(aad, r.raw[0], r.raw[1], r.raw[2])
	aad = binary.BigEndian.AppendUint16(aad, uint16(len(sealed)-o.aead.Overhead()))
	plain, err := o.aead.Open(nil, nonce, sealed, aad)
	if err != nil {
		return err
	}
	if len(plain) > maxPlaintext {
		return fmt.Errorf("%d bytes of plaintext", len(plain))
	}
	r.setPayload(append([]byte{}, plain...)) // not nil
	return nil
}

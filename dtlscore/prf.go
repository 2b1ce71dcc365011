package dtlscore

import (
	"crypto"
	"crypto/hmac"
	"encoding/binary"
	"hash"
	"slices"
)

const (
	masterSecretLen = 48
	verifyDataLen12 = 12
)

// A prf12 is the pseudorandom function of DTLS 1.2, keyed with a secret. See RFC 5246, Section 5.
// It is created once for each secret, because setting the key takes as long as using it. It is not
// safe for concurrent use.
type prf12 struct{ mac hash.Hash }

func newPRF12(hash crypto.Hash, secret []byte) prf12 { return prf12{hmac.New(hash.New, secret)} }

// expand returns n bytes. The seed is the concatenation of the label and seeds.
func (p prf12) expand(label string, n int, seeds ...[]byte) []byte {
	seed := make([]byte, 0, len(label)+4*randomLen)
	seed = append(seed, label...)
	for _, s := range seeds {
		seed = append(seed, s...)
	}
	p.mac.Reset()
	p.mac.Write(seed)
	a := p.mac.Sum(make([]byte, 0, p.mac.Size()))
	out := make([]byte, 0, n+p.mac.Size())
	for {
		p.mac.Reset()
		p.mac.Write(a)
		p.mac.Write(seed)
		if out = p.mac.Sum(out); len(out) >= n {
			return out[:n:n]
		}
		p.mac.Reset()
		p.mac.Write(a)
		a = p.mac.Sum(a[:0])
	}
}

// extendedMasterSecret derives the master secret. See RFC 7627, Section 4.
func extendedMasterSecret(hash crypto.Hash, preMaster, sessionHash []byte) []byte {
	return newPRF12(hash, preMaster).expand("extended master secret", masterSecretLen, sessionHash)
}

// pskPreMaster returns the premaster secret of a pre-shared key. shared is the result of ECDHE, or
// nil without ECDHE. See RFC 4279, Section 2, and RFC 5489, Section 2.
func pskPreMaster(shared, psk []byte) []byte {
	if shared == nil {
		shared = make([]byte, len(psk))
	}
	defer clear(shared)
	b := make([]byte, 0, 4+len(shared)+len(psk))
	b = binary.BigEndian.AppendUint16(b, uint16(len(shared)))
	b = append(b, shared...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(psk)))
	return append(b, psk...)
}

// keyBlock is the key block of a cipher suite without MAC keys. See RFC 5246, Section 6.3.
type keyBlock struct {
	whole                []byte
	clientKey, serverKey []byte
	clientIV, serverIV   []byte
}

func newKeyBlock(s *cipherSuite, master prf12, clientRandom,
	serverRandom *[randomLen]byte) keyBlock {
	k, iv := s.aead.keyLen(), s.aead.fixedIVLen()
	b := master.expand("key expansion", 2*(k+iv), serverRandom[:], clientRandom[:])
	whole := b
	take := func(n int) (v []byte) {
		v, b = b[:n:n], b[n:]
		return v
	}
	return keyBlock{whole, take(k), take(k), take(iv), take(iv)}
}

// finished12 returns the verify_data of the client's or the server's Finished. See RFC 5246,
// Section 7.4.9.
func finished12(master prf12, byClient bool, transcriptHash []byte) []byte {
	label := "server finished"
	if byClient {
		label = "client finished"
	}
	return master.expand(label, verifyDataLen12, transcriptHash)
}

// export12 is the exporter of RFC 5705. A nil context means no context, which gives a different
// result than an empty one.
func export12(master prf12, clientRandom, serverRandom *[randomLen]byte, label string,
	context []byte, n int) ([]byte, error) {
	switch label {
	case "client finished", "server finished", "master secret", "extended master secret",
		"key expansion":
		return nil, misuse("label %q is reserved for the protocol", label)
	}
	if n < 0 {
		return nil, misuse("%d bytes cannot be exported", n)
	}
	if len(context) >= 1<<16 {
		return nil, misuse("context of %d bytes is too long for an exporter", len(context))
	}
	seed := slices.Concat(clientRandom[:], serverRandom[:])
	if context != nil {
		seed = binary.BigEndian.AppendUint16(seed, uint16(len(context)))
		seed = append(seed, context...)
	}
	return master.expand(label, n, seed), nil
}

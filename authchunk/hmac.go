package authchunk

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/internal/legible"
)

// The kernel authenticates chunks itself. This is the same in user space, for
// package sctpcore and to verify captures. RFC 4895, Sections 4.1 and 6.

// An HMACID is an HMAC identifier. RFC 4895, Section 3.3.
type HMACID uint16

const (
	HMACSHA1   HMACID = 1 // every endpoint must support and list it
	HMACSHA256 HMACID = 3
)

var (
	// ErrHMACID means that no HMAC identifier is supported, allowed and
	// offered by the peer, or that an AUTH chunk has an unknown one.
	ErrHMACID = errors.New("authchunk: unsupported HMAC identifier")
	// ErrMAC means that an AUTH chunk's HMAC is wrong: made with another key,
	// or the chunks were changed.
	ErrMAC = errors.New("authchunk: wrong HMAC")
)

// Size returns the length of the HMAC in bytes, 0 if the identifier is unknown.
func (id HMACID) Size() int {
	switch id {
	case HMACSHA1:
		return sha1.Size
	case HMACSHA256:
		return sha256.Size
	}
	return 0
}

func (id HMACID) String() string {
	switch id {
	case HMACSHA1:
		return "HMAC-SHA-1"
	case HMACSHA256:
		return "HMAC-SHA-256"
	}
	return fmt.Sprintf("HMACID(%d)", uint16(id))
}

func (id HMACID) hash() hash.Hash {
	if id == HMACSHA1 {
		return sha1.New()
	}
	return sha256.New()
}

// ChooseHMAC returns the identifier to use for a peer that lists offered: the
// first one that is supported and in allowed. If there is none, the error is
// [ErrHMACID]. RFC 4895, Section 6.1.
func ChooseHMAC(offered, allowed []HMACID) (HMACID, error) {
	for _, id := range offered {
		if id.Size() > 0 && slices.Contains(allowed, id) {
			return id, nil
		}
	}
	return 0, fmt.Errorf("%w: the peer lists %v, allowed are %v", ErrHMACID,
		legible.List[HMACID](offered), allowed)
}

// AssociationKey returns the association shared key: the endpoint pair shared
// key secret, which is empty for key identifier 0 unless configured
// otherwise, then the key vectors of both endpoints, the smaller one first.
// RFC 4895, Section 6.1.
func AssociationKey(secret, vector1, vector2 []byte) []byte {
	if compareVectors(vector1, vector2) > 0 {
		vector1, vector2 = vector2, vector1
	}
	return slices.Concat(secret, vector1, vector2)
}

// compareVectors compares key vectors as numbers in network byte order; of
// equal numbers the shorter is the smaller.
func compareVectors(a, b []byte) int {
	na, nb := bytes.TrimLeft(a, "\x00"), bytes.TrimLeft(b, "\x00")
	if len(na) != len(nb) {
		return len(na) - len(nb)
	}
	if c := bytes.Compare(na, nb); c != 0 {
		return c
	}
	return len(a) - len(b)
}

const (
	chunkAuth     = 15
	authHeaderLen = 8 // type, flags, length, shared key identifier, HMAC identifier
)

// An Auth is an AUTH chunk. RFC 4895, Section 4.1.
type Auth struct {
	KeyID uint16
	HMAC  HMACID
	MAC   []byte
}

// ParseAuth parses the AUTH chunk at the start of chunks; MAC aliases it. For an
// unknown HMAC identifier, the error matches [ErrHMACID].
func ParseAuth(chunks []byte) (Auth, error) {
	if len(chunks) < authHeaderLen || chunks[0] != chunkAuth {
		return Auth{}, errors.New("authchunk: not an AUTH chunk")
	}
	n := int(binary.BigEndian.Uint16(chunks[2:]))
	if n < authHeaderLen || n > len(chunks) {
		return Auth{}, fmt.Errorf("authchunk: AUTH chunk of length %d, %d bytes left", n, len(chunks))
	}
	a := Auth{
		KeyID: binary.BigEndian.Uint16(chunks[4:]),
		HMAC:  HMACID(binary.BigEndian.Uint16(chunks[6:])),
		MAC:   chunks[authHeaderLen:n:n],
	}
	switch size := a.HMAC.Size(); {
	case size == 0:
		return a, fmt.Errorf("%w: %v", ErrHMACID, a.HMAC)
	case size != len(a.MAC):
		return Auth{}, fmt.Errorf("authchunk: AUTH chunk with %d bytes for %v", len(a.MAC), a.HMAC)
	}
	return a, nil
}

// AppendAuth appends to b an AUTH chunk that protects chunks: everything that
// follows it in the packet, padding included. The key is an
// [AssociationKey] and keyID the identifier of the secret in it. It panics if
// id is unknown. RFC 4895, Section 6.2.
func AppendAuth(b []byte, id HMACID, keyID uint16, key, chunks []byte) []byte {
	m := NewMAC(id, key)
	start := len(b)
	b = append(m.AppendHeader(b, keyID), chunks...)
	m.Sign(b[start:])
	return b[:start+authHeaderLen+id.Size()]
}

// VerifyAuth verifies the AUTH chunk at the start of chunks, which extends to
// the end of the packet, with an [AssociationKey]. The error is [ErrMAC] if the
// HMAC is wrong, or that of [ParseAuth]. RFC 4895, Section 6.3.
func VerifyAuth(chunks, key []byte) error {
	a, err := ParseAuth(chunks)
	if err != nil {
		return err
	}
	if !NewMAC(a.HMAC, key).Verify(chunks, a) {
		return ErrMAC
	}
	return nil
}

// A MAC signs and verifies packets under one key without allocating. It must
// not be used concurrently.
type MAC struct {
	id   HMACID
	hash hash.Hash
	sum  [sha256.Size]byte // here because what is passed to hash escapes
}

var zeros [sha256.Size]byte

// NewMAC returns the MAC for an [AssociationKey]. It panics if id is unknown.
func NewMAC(id HMACID, key []byte) *MAC {
	if id.Size() == 0 {
		panic("authchunk: NewMAC with " + id.String())
	}
	return &MAC{id: id, hash: hmac.New(id.hash, key)}
}

// AppendHeader appends an AUTH chunk with an HMAC of zeros. [MAC.Sign] sets it
// when the chunks that follow have been appended. RFC 4895, Section 6.2.
func (m *MAC) AppendHeader(b []byte, keyID uint16) []byte {
	b = append(b, chunkAuth, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(authHeaderLen+m.id.Size()))
	b = binary.BigEndian.AppendUint16(b, keyID)
	b = binary.BigEndian.AppendUint16(b, uint16(m.id))
	return append(b, zeros[:m.id.Size()]...)
}

// Sign sets the HMAC of the AUTH chunk at the start of chunks, which extend to
// the end of the packet, padding included.
func (m *MAC) Sign(chunks []byte) {
	copy(chunks[authHeaderLen:], m.compute(chunks))
}

// Verify reports whether the HMAC of a, the AUTH chunk at the start of chunks,
// is correct. Chunks extend to the end of the packet. RFC 4895, Section 6.3.
func (m *MAC) Verify(chunks []byte, a Auth) bool {
	return a.HMAC == m.id && hmac.Equal(a.MAC, m.compute(chunks))
}

// compute returns the HMAC over the AUTH chunk, its HMAC field being all zero, and the chunks
// after it. RFC 4895, Section 6.2.
func (m *MAC) compute(chunks []byte) []byte {
	size := m.id.Size()
	m.hash.Reset()
	m.hash.Write(chunks[:authHeaderLen])
	m.hash.Write(zeros[:size])
	m.hash.Write(chunks[authHeaderLen+size:])
	return m.hash.Sum(m.sum[:0])
}

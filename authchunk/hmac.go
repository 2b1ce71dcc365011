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
)

// The kernel authenticates chunks. What follows is the same in user space, to
// check captured packets against. RFC 4895, Sections 4.1 and 6.

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

// ChooseHMAC returns the identifier to use towards a peer that lists offered:
// the first that is known and one of allowed. Otherwise the error is
// [ErrHMACID]. RFC 4895, Section 6.1.
func ChooseHMAC(offered, allowed []HMACID) (HMACID, error) {
	for _, id := range offered {
		if id.Size() > 0 && slices.Contains(allowed, id) {
			return id, nil
		}
	}
	return 0, fmt.Errorf("%w: the peer lists %v, allowed are %v", ErrHMACID, offered, allowed)
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

// ParseAuth reads the AUTH chunk at the beginning of chunks; MAC aliases it.
// An HMAC identifier that is not known gives an error that is [ErrHMACID].
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

// AppendAuth appends to b an AUTH chunk that protects chunks, which is all
// that will follow it in the packet, paddings included. The key is an
// [AssociationKey] and keyID the identifier of the secret in it. It panics if
// id is unknown. RFC 4895, Section 6.2.
func AppendAuth(b []byte, id HMACID, keyID uint16, key, chunks []byte) []byte {
	if id.Size() == 0 {
		panic("authchunk: AppendAuth with " + id.String())
	}
	start := len(b)
	b = append(b, chunkAuth, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(authHeaderLen+id.Size()))
	b = binary.BigEndian.AppendUint16(b, keyID)
	b = binary.BigEndian.AppendUint16(b, uint16(id))
	return appendMAC(b, id, key, b[start:], chunks)
}

// VerifyAuth checks the AUTH chunk at the beginning of chunks, which goes on
// to the end of the packet, with an [AssociationKey]. The error is [ErrMAC] if
// the HMAC is wrong, or as of [ParseAuth]. RFC 4895, Section 6.3.
func VerifyAuth(chunks, key []byte) error {
	a, err := ParseAuth(chunks)
	if err != nil {
		return err
	}
	want := appendMAC(nil, a.HMAC, key, chunks[:authHeaderLen], chunks[authHeaderLen+len(a.MAC):])
	if !hmac.Equal(a.MAC, want) {
		return ErrMAC
	}
	return nil
}

// appendMAC computes the HMAC over the AUTH chunk, its HMAC field being all
// zero, and the chunks after it. RFC 4895, Section 6.2.
func appendMAC(b []byte, id HMACID, key, header, chunks []byte) []byte {
	m := hmac.New(id.hash, key)
	m.Write(header)
	m.Write(make([]byte, id.Size()))
	m.Write(chunks)
	return m.Sum(b)
}

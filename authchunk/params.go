package authchunk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// The parameters of INIT and INIT-ACK chunks by which an endpoint offers
// SCTP-AUTH. RFC 4895, Section 3.
const (
	paramRandom   = 0x8002
	paramChunks   = 0x8003
	paramHMACAlgo = 0x8004

	paramHeaderLen = 4
	randomLen      = 32  // Section 3.1
	maxChunksLen   = 256 // Section 3.2: at most 260 bytes with the header
)

// ErrNoAuth means that an INIT or INIT-ACK chunk has no RANDOM or HMAC-ALGO
// parameter: its sender does not support SCTP-AUTH.
var ErrNoAuth = errors.New(
	"authchunk: the peer offers no SCTP-AUTH (is net.sctp.auth_enable set there?)")

// A ParamError reports a RANDOM, CHUNKS or HMAC-ALGO parameter that violates
// RFC 4895, Section 3. It is the peer's fault.
type ParamError struct {
	Type   uint16 // parameter type, 0 where not even that could be read
	Reason string
}

func (e *ParamError) Error() string {
	return fmt.Sprintf("authchunk: peer sent a bad parameter %#04x: %s", e.Type, e.Reason)
}

// Params are the SCTP-AUTH parameters of an INIT or INIT-ACK chunk.
// RFC 4895, Section 3.
type Params struct {
	// Random is 32 random bytes.
	Random []byte
	// Chunks are the chunk types that the endpoint accepts only if
	// authenticated. Nil means that there is no CHUNKS parameter.
	Chunks []byte
	// HMACs are the HMAC identifiers that the endpoint supports, in order of
	// preference.
	HMACs []HMACID
}

// ParseParams finds the three parameters among those of an INIT or INIT-ACK
// chunk: b is everything after the Initial TSN field. It skips other
// parameters. The result aliases b.
//
// The error is [ErrNoAuth] or a [*ParamError].
func ParseParams(b []byte) (Params, error) {
	var p Params
	for len(b) > 0 {
		if len(b) < paramHeaderLen {
			return Params{}, &ParamError{0, "truncated header"}
		}
		typ, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
		if n < paramHeaderLen || n > len(b) {
			return Params{}, &ParamError{typ, fmt.Sprintf("length %d, %d bytes left", n, len(b))}
		}
		if err := p.set(typ, b[paramHeaderLen:n:n]); err != nil {
			return Params{}, err
		}
		b = b[min(n+padding(n), len(b)):] // the last one may come without its padding
	}
	if p.Random == nil || p.HMACs == nil {
		return Params{}, ErrNoAuth
	}
	return p, nil
}

func (p *Params) set(typ uint16, value []byte) error {
	var again bool
	switch typ {
	case paramRandom:
		again = p.Random != nil
		if len(value) != randomLen {
			return &ParamError{typ, fmt.Sprintf("%d random bytes, not %d", len(value), randomLen)}
		}
		p.Random = value
	case paramChunks:
		again = p.Chunks != nil
		if len(value) > maxChunksLen {
			return &ParamError{typ, fmt.Sprintf("%d chunk types", len(value))}
		}
		p.Chunks = value
	case paramHMACAlgo:
		again = p.HMACs != nil
		if len(value) == 0 || len(value)%2 != 0 {
			return &ParamError{typ, fmt.Sprintf("a list of %d bytes", len(value))}
		}
		p.HMACs = make([]HMACID, len(value)/2)
		for i := range p.HMACs {
			p.HMACs[i] = HMACID(binary.BigEndian.Uint16(value[2*i:]))
		}
	}
	if again {
		return &ParamError{typ, "sent twice"}
	}
	return nil
}

// Append appends the parameters to b in the form of an INIT or INIT-ACK chunk,
// each with its padding.
func (p Params) Append(b []byte) []byte {
	return p.append(b, true)
}

// KeyVector returns the endpoint's key vector: the parameters in the order
// RANDOM, CHUNKS, HMAC-ALGO, with their headers and without padding; missing
// ones are omitted. RFC 4895, Section 6.1.
func (p Params) KeyVector() []byte {
	return p.append(nil, false)
}

func (p Params) append(b []byte, padded bool) []byte {
	param := func(typ uint16, value []byte) {
		n := paramHeaderLen + len(value)
		b = binary.BigEndian.AppendUint16(b, typ)
		b = binary.BigEndian.AppendUint16(b, uint16(n))
		b = append(b, value...)
		if padded {
			b = append(b, make([]byte, padding(n))...)
		}
	}
	if p.Random != nil {
		param(paramRandom, p.Random)
	}
	if p.Chunks != nil {
		param(paramChunks, p.Chunks)
	}
	if p.HMACs != nil {
		var ids []byte
		for _, id := range p.HMACs {
			ids = binary.BigEndian.AppendUint16(ids, uint16(id))
		}
		param(paramHMACAlgo, ids)
	}
	return b
}

// Demands reports whether the endpoint rejects chunks of this type that are not
// authenticated. It ignores the four types that may not be listed. RFC 4895,
// Section 3.2.
func (p Params) Demands(chunkType byte) bool {
	switch chunkType {
	case 1, 2, 14, chunkAuth: // INIT, INIT-ACK, SHUTDOWN-COMPLETE, AUTH
		return false
	}
	return bytes.IndexByte(p.Chunks, chunkType) >= 0
}

// padding returns the number of bytes from n to the next multiple of four.
// RFC 9260, Section 3.2.
func padding(n int) int { return -n & 3 }

package wire

import (
	"encoding/binary"
	"fmt"
)

// A ContentType is that of a DTLS record. RFC 5246, Section 6.2.1; RFC 9147, Section 4.
type ContentType byte

const (
	ChangeCipherSpec ContentType = 20
	Alert            ContentType = 21
	Handshake        ContentType = 22
	ApplicationData  ContentType = 23
	ACK              ContentType = 26
	// Sealed stands for the type of a DTLS 1.3 record that was not opened.
	Sealed ContentType = 0
)

func (t ContentType) String() string {
	switch t {
	case ChangeCipherSpec:
		return "ChangeCipherSpec"
	case Alert:
		return "Alert"
	case Handshake:
		return "Handshake"
	case ApplicationData:
		return "ApplicationData"
	case ACK:
		return "ACK"
	case Sealed:
		return "Sealed"
	}
	return fmt.Sprintf("ContentType(%d)", byte(t))
}

// A Record is a DTLS record.
type Record struct {
	Type  ContentType // of DTLS 1.3: the one inside, once opened
	Epoch uint64      // of DTLS 1.3: only its two low bits until opened
	Seq   uint64      // sequence number; of DTLS 1.3 only once opened
	// Payload is what the record carries; nil if it is protected and was not opened.
	Payload []byte
	// Handshake is the type of the handshake message in it (RFC 5246, Section
	// 7.4), if Type is [Handshake] and the record was opened.
	Handshake byte

	unified bool   // header of DTLS 1.3
	version uint16 // in the header, not of DTLS 1.3
	raw     []byte // the whole record
	header  int    // length of the header, which begins raw
}

// Handshake message types that matter here. RFC 5246, Section 7.4.
const (
	HelloRequest       = 0
	ClientHello        = 1
	ServerHello        = 2
	HelloVerifyRequest = 3
	Finished           = 20
	KeyUpdate          = 24
)

const (
	recordHeaderLen    = 13
	handshakeHeaderLen = 12
	versionDTLS10      = 0xfeff // in HelloVerifyRequest and ClientHello
	versionDTLS12      = 0xfefd
	versionDTLS13      = 0xfefc
	maxPlaintext       = 1 << 14
	maxCiphertext      = maxPlaintext + 2048
)

// parseRecord reads a message that must be exactly one record. RFC 6347,
// Section 4.1; RFC 9147, Section 4; RFC 6083, Section 4.1.
func parseRecord(m []byte) (*Record, error) {
	if len(m) > 0 && m[0]>>5 == 1 {
		return parseUnified(m)
	}
	if len(m) < recordHeaderLen {
		return nil, fmt.Errorf("%d bytes are no record", len(m))
	}
	r := &Record{
		Type:    ContentType(m[0]),
		version: binary.BigEndian.Uint16(m[1:]),
		Epoch:   uint64(binary.BigEndian.Uint16(m[3:])),
		Seq:     binary.BigEndian.Uint64(m[3:]) & (1<<48 - 1),
		raw:     m,
		header:  recordHeaderLen,
	}
	if r.Type < ChangeCipherSpec || r.Type > ACK ||
		(r.version != versionDTLS12 && r.version != versionDTLS10) {
		return nil, fmt.Errorf("no record begins with % x", m[:recordHeaderLen])
	}
	switch n := int(binary.BigEndian.Uint16(m[11:])); {
	case n > maxCiphertext:
		return nil, fmt.Errorf("record of %d bytes", n)
	case n > len(m)-recordHeaderLen:
		return nil, fmt.Errorf("record is cut off: %d bytes of %d", len(m)-recordHeaderLen, n)
	case n < len(m)-recordHeaderLen:
		return nil, fmt.Errorf("%d bytes after the record", len(m)-recordHeaderLen-n)
	}
	if r.Epoch == 0 {
		r.setPayload(m[recordHeaderLen:])
	}
	return r, nil
}

// parseUnified reads a DTLS 1.3 record with the unified header. RFC 9147, Section 4.
func parseUnified(m []byte) (*Record, error) {
	const cid, seq16, length = 0x10, 0x08, 0x04
	r := &Record{Type: Sealed, Epoch: uint64(m[0] & 3), unified: true, raw: m, header: 2}
	if m[0]&cid != 0 {
		return nil, fmt.Errorf("record with a connection ID, which was not negotiated")
	}
	if m[0]&seq16 != 0 {
		r.header++
	}
	if m[0]&length != 0 {
		r.header += 2
	}
	if len(m) < r.header+16 { // the mask needs as much: RFC 9147, Section 4.2.3
		return nil, fmt.Errorf("%d bytes are no record", len(m))
	}
	if m[0]&length != 0 {
		if n := int(binary.BigEndian.Uint16(m[r.header-2:])); n != len(m)-r.header {
			return nil, fmt.Errorf("record of %d bytes in a message that has %d for it", n, len(m)-r.header)
		}
	}
	return r, nil
}

func (r *Record) setPayload(b []byte) {
	r.Payload = b
	if r.Type == Handshake && len(b) >= handshakeHeaderLen {
		r.Handshake = b[0]
	}
}

func (r *Record) protected() bool { return r.unified || r.Epoch > 0 }

func (r *Record) String() string {
	if r.Type == Handshake && r.Payload != nil {
		return fmt.Sprintf("%v(%d) in epoch %d", r.Type, r.Handshake, r.Epoch)
	}
	return fmt.Sprintf("%v in epoch %d", r.Type, r.Epoch)
}

// A hello is what the key derivation needs of a ClientHello or ServerHello.
type hello struct {
	random  [32]byte
	suite   uint16 // ServerHello
	version uint16 // ServerHello: the negotiated one
	retry   bool   // HelloRetryRequest
}

// helloRetryRandom is the random of a HelloRetryRequest. RFC 8446, Section 4.1.3.
var helloRetryRandom = [32]byte{
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
}

// parseHello reads a ClientHello or ServerHello that fills its record.
func parseHello(payload []byte) (hello, error) {
	var h hello
	if len(payload) < handshakeHeaderLen+2+32+1 {
		return h, fmt.Errorf("hello of %d bytes", len(payload))
	}
	if body := int(binary.BigEndian.Uint32(payload) & 0xffffff); body != len(
		payload)-handshakeHeaderLen {
		return h, fmt.Errorf("hello in fragments, which are not needed on SCTP")
	}
	b := payload[handshakeHeaderLen:]
	h.version = binary.BigEndian.Uint16(b)
	h.random = [32]byte(b[2:])
	if payload[0] == ClientHello {
		return h, nil
	}
	b = b[34:]
	if len(b) < 1+int(b[0])+3 {
		return h, fmt.Errorf("ServerHello of %d bytes", len(payload))
	}
	b = b[1+int(b[0]):]
	h.suite = binary.BigEndian.Uint16(b)
	h.retry = h.random == helloRetryRandom
	if b = b[3:]; len(b) >= 2 {
		for b = b[2:]; len(b) >= 4; {
			typ, n := binary.BigEndian.Uint16(b), int(binary.BigEndian.Uint16(b[2:]))
			if n > len(b)-4 {
				return h, fmt.Errorf("ServerHello with a broken extension")
			}
			if typ == 43 && n == 2 { // supported_versions
				h.version = binary.BigEndian.Uint16(b[4:])
			}
			b = b[4+n:]
		}
	}
	return h, nil
}

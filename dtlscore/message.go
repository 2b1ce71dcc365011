package dtlscore

import (
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// handshakeHeaderLen is the size of the header of a handshake message or fragment.
const handshakeHeaderLen = 12

// A handshakeHeader precedes each fragment of a message. See RFC 9147, Section 5.2.
type handshakeHeader struct {
	typ            handshakeType
	length         int // of the whole message, without the header
	seq            uint16
	fragmentOffset int
	fragmentLength int
}

// append appends the 12 bytes of the header.
func (h handshakeHeader) append(b []byte) []byte {
	return append(b, byte(h.typ),
		byte(h.length>>16), byte(h.length>>8), byte(h.length),
		byte(h.seq>>8), byte(h.seq),
		byte(h.fragmentOffset>>16), byte(h.fragmentOffset>>8), byte(h.fragmentOffset),
		byte(h.fragmentLength>>16), byte(h.fragmentLength>>8), byte(h.fragmentLength))
}

// parseFragment parses the first fragment in the content of a handshake record, and returns what
// follows it in rest.
func parseFragment(b []byte) (h handshakeHeader, fragment, rest []byte, err error) {
	if len(b) < handshakeHeaderLen {
		return h, nil, nil, malformed("handshake record ends inside a message header")
	}
	u24 := func(b []byte) int { return int(b[0])<<16 | int(b[1])<<8 | int(b[2]) }
	h = handshakeHeader{
		typ:            handshakeType(b[0]),
		length:         u24(b[1:]),
		seq:            uint16(b[4])<<8 | uint16(b[5]),
		fragmentOffset: u24(b[6:]),
		fragmentLength: u24(b[9:]),
	}
	b = b[handshakeHeaderLen:]
	if h.fragmentLength > len(b) {
		return h, nil, nil, malformed("fragment of %v longer than its record", h.typ)
	}
	if h.fragmentOffset+h.fragmentLength > h.length {
		return h, nil, nil, malformed("fragment outside of the length of %v", h.typ)
	}
	return h, b[:h.fragmentLength], b[h.fragmentLength:], nil
}

// A message is the body of a handshake message.
//
// A parsed message may alias the body that parse was given. Errors from parse are protocolErrors:
// decode_error for a syntax error, and illegal_parameter for a value that is never allowed.
type message interface {
	typ() handshakeType
	marshal(b *cryptobyte.Builder)
	parse(body []byte) error
}

// A messageForm is the negotiated state on which the format of messages depends.
type messageForm struct {
	version       uint16 // 0 before it is negotiated; then there are only hello messages
	kx            keyExchange
	rawPublicKeys bool // the sender's certificate type: RFC 7250
}

// newMessage returns an empty message of a type, or nil if the negotiated version has no such
// message.
func newMessage(t handshakeType, form messageForm) message {
	switch t {
	case typeClientHello:
		return new(clientHello)
	case typeServerHello:
		return new(serverHello)
	}
	if form.version != VersionDTLS13 {
		switch t {
		case typeHelloRequest:
			return new(helloRequest)
		case typeHelloVerifyRequest:
			return new(helloVerifyRequest)
		}
	}
	switch form.version {
	case VersionDTLS12:
		switch t {
		case typeCertificate:
			return &certificate12{rawPublicKey: form.rawPublicKeys}
		case typeCertificateStatus:
			return new(certificateStatus)
		case typeServerKeyExchange:
			return &serverKeyExchange{kx: form.kx}
		case typeCertificateRequest:
			return new(certificateRequest12)
		case typeServerHelloDone:
			return new(serverHelloDone)
		case typeCertificateVerify:
			return new(certificateVerify)
		case typeClientKeyExchange:
			return &clientKeyExchange{kx: form.kx}
		case typeNewSessionTicket:
			return new(newSessionTicket12)
		case typeFinished:
			return new(finished)
		}
	case VersionDTLS13:
		switch t {
		case typeEncryptedExtensions:
			return new(encryptedExtensions)
		case typeCertificateRequest:
			return new(certificateRequest13)
		case typeCertificate:
			return new(certificate13)
		case typeCertificateVerify:
			return new(certificateVerify)
		case typeNewSessionTicket:
			return new(newSessionTicket13)
		case typeKeyUpdate:
			return new(keyUpdate)
		case typeFinished:
			return new(finished)
		}
	}
	return nil
}

// parseMessage parses the body of a complete message.
func parseMessage(t handshakeType, body []byte, form messageForm) (message, error) {
	m := newMessage(t, form)
	if m == nil {
		return nil, unexpected("%v, which the negotiated version does not have", t)
	}
	if err := m.parse(body); err != nil {
		return nil, err
	}
	return m, nil
}

// typicalMessageLen is enough capacity for most messages, so that their buffer does not have to
// grow.
const typicalMessageLen = 256

// appendMessage appends a message, header and body, as one fragment. It fails if a value is too
// long for its field, which is an error in the Config.
func appendMessage(dst []byte, seq uint16, m message) ([]byte, error) {
	start := len(dst)
	dst = append(slices.Grow(dst, typicalMessageLen), make([]byte, handshakeHeaderLen)...)
	b := cryptobyte.NewBuilder(dst)
	m.marshal(b)
	out, err := b.Bytes()
	length := len(out) - start - handshakeHeaderLen
	if err != nil {
		return nil, misuse("%v cannot be written: %w", m.typ(), err)
	}
	if length >= 1<<24 {
		return nil, misuse("%v of %d bytes is too long", m.typ(), length)
	}
	handshakeHeader{m.typ(), length, seq, 0, length}.append(out[:start])
	return out, nil
}

// The following functions supplement cryptobyte. They read a vector with a length prefix, and alias
// its bytes.

func readVector8(s *cryptobyte.String, out *[]byte) bool {
	return s.ReadUint8LengthPrefixed((*cryptobyte.String)(out))
}

func readVector16(s *cryptobyte.String, out *[]byte) bool {
	return s.ReadUint16LengthPrefixed((*cryptobyte.String)(out))
}

func readVector24(s *cryptobyte.String, out *[]byte) bool {
	return s.ReadUint24LengthPrefixed((*cryptobyte.String)(out))
}

func addVector8(b *cryptobyte.Builder, v []byte) {
	b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(v) })
}

func addVector16(b *cryptobyte.Builder, v []byte) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(v) })
}

func addVector24(b *cryptobyte.Builder, v []byte) {
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) { b.AddBytes(v) })
}

// readUint16s reads a vector of at least one 16-bit number. See RFC 8446, Section 3.4.
func readUint16s[T ~uint16](s *cryptobyte.String, out *[]T) bool {
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) || list.Empty() {
		return false
	}
	return readAllUint16s(list, out)
}

func readAllUint16s[T ~uint16](list cryptobyte.String, out *[]T) bool {
	*out = make([]T, 0, len(list)/2)
	for !list.Empty() {
		var v uint16
		if !list.ReadUint16(&v) {
			return false
		}
		*out = append(*out, T(v))
	}
	return true
}

func addUint16s[T ~uint16](b *cryptobyte.Builder, list []T) {
	for _, v := range list {
		b.AddUint16(uint16(v))
	}
}

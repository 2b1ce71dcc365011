package dtlscore

import "golang.org/x/crypto/cryptobyte"

const (
	randomLen       = 32
	maxSessionIDLen = 32
)

// helloRetryRandom is the random of a HelloRetryRequest: the SHA-256 hash of "HelloRetryRequest".
// See RFC 8446, Section 4.1.3.
var helloRetryRandom = [randomLen]byte{
	0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11,
	0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
	0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e,
	0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
}

// downgradeTLS12 ends the random of a server that supports DTLS 1.3 but negotiates DTLS 1.2. See
// RFC 8446, Section 4.1.3.
const downgradeTLS12 = "DOWNGRD\x01"

// downgradeTLS11 is the value for earlier versions, which a client must reject too.
const downgradeTLS11 = "DOWNGRD\x00"

// clientHello is the ClientHello message. See RFC 9147, Section 5.3, and for DTLS 1.2 RFC 6347,
// Section 4.2.1.
type clientHello struct {
	version            uint16 // legacy_version
	random             [randomLen]byte
	sessionID          []byte
	cookie             []byte // legacy_cookie
	suites             []uint16
	compressionMethods []byte
	extensions
}

func (*clientHello) typ() handshakeType { return typeClientHello }

func (m *clientHello) marshal(b *cryptobyte.Builder) {
	b.AddUint16(m.version)
	b.AddBytes(m.random[:])
	addVector8(b, m.sessionID)
	addVector8(b, m.cookie)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { addUint16s(b, m.suites) })
	addVector8(b, m.compressionMethods)
	m.extensions.marshalOptional(b, inClientHello)
}

func (m *clientHello) parse(body []byte) error {
	*m = clientHello{}
	s := cryptobyte.String(body)
	if !s.ReadUint16(&m.version) || !s.CopyBytes(m.random[:]) ||
		!readVector8(&s, &m.sessionID) || len(m.sessionID) > maxSessionIDLen ||
		!readVector8(&s, &m.cookie) ||
		!readUint16s(&s, &m.suites) ||
		!readVector8(&s, &m.compressionMethods) || len(m.compressionMethods) == 0 {
		return malformed("ClientHello")
	}
	if !containsByte(m.compressionMethods, compressionNull) {
		return illegal("ClientHello without the null compression method")
	}
	return m.extensions.parseOptional(s, inClientHello)
}

// bindersLen returns the size of the list of binders at the end of the message, including its
// length field. The binders cover everything before it. See RFC 8446, Section 4.2.11.2.
func (m *clientHello) bindersLen() int {
	n := 2
	for _, binder := range m.binders {
		n += 1 + len(binder)
	}
	return n
}

// serverHello is a ServerHello of either version, or a HelloRetryRequest.
type serverHello struct {
	version   uint16 // legacy_version
	random    [randomLen]byte
	sessionID []byte // legacy_session_id_echo
	suite     uint16
	extensions
}

func (*serverHello) typ() handshakeType { return typeServerHello }

// isRetry reports whether the message is a HelloRetryRequest.
func (m *serverHello) isRetry() bool { return m.random == helloRetryRandom }

// place returns the place that determines which extensions the message may have. A message with
// supported_versions is of DTLS 1.3.
func (m *serverHello) place(isVersion13 bool) place {
	switch {
	case m.isRetry():
		return inHelloRetryRequest
	case isVersion13:
		return inServerHello13
	}
	return inServerHello12
}

func (m *serverHello) marshal(b *cryptobyte.Builder) {
	b.AddUint16(m.version)
	b.AddBytes(m.random[:])
	addVector8(b, m.sessionID)
	b.AddUint16(m.suite)
	b.AddUint8(compressionNull)
	m.extensions.marshalOptional(b, m.place(len(m.supportedVersions) > 0))
}

func (m *serverHello) parse(body []byte) error {
	*m = serverHello{}
	var compression uint8
	s := cryptobyte.String(body)
	if !s.ReadUint16(&m.version) || !s.CopyBytes(m.random[:]) ||
		!readVector8(&s, &m.sessionID) || len(m.sessionID) > maxSessionIDLen ||
		!s.ReadUint16(&m.suite) || !s.ReadUint8(&compression) {
		return malformed("ServerHello")
	}
	if compression != compressionNull {
		return illegal("server chose compression method %d", compression)
	}
	return m.extensions.parseOptional(s, m.place(listsExtension(s, extSupportedVersions)))
}

// helloVerifyRequest is the HelloVerifyRequest message. See RFC 6347, Section 4.2.1.
type helloVerifyRequest struct {
	version uint16
	cookie  []byte
}

func (*helloVerifyRequest) typ() handshakeType { return typeHelloVerifyRequest }

func (m *helloVerifyRequest) marshal(b *cryptobyte.Builder) {
	b.AddUint16(m.version)
	addVector8(b, m.cookie)
}

func (m *helloVerifyRequest) parse(body []byte) error {
	*m = helloVerifyRequest{}
	s := cryptobyte.String(body)
	if !s.ReadUint16(&m.version) || !readVector8(&s, &m.cookie) || !s.Empty() {
		return malformed("HelloVerifyRequest")
	}
	return nil
}

// encryptedExtensions is the EncryptedExtensions message. See RFC 8446, Section 4.3.1.
type encryptedExtensions struct{ extensions }

func (*encryptedExtensions) typ() handshakeType { return typeEncryptedExtensions }

func (m *encryptedExtensions) marshal(b *cryptobyte.Builder) {
	m.extensions.marshal(b, inEncryptedExtensions)
}

func (m *encryptedExtensions) parse(body []byte) error {
	*m = encryptedExtensions{}
	s := cryptobyte.String(body)
	if err := m.extensions.parse(&s, inEncryptedExtensions); err != nil {
		return err
	}
	if !s.Empty() {
		return malformed("EncryptedExtensions")
	}
	return nil
}

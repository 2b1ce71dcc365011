package dtlscore

import (
	"crypto/tls"

	"golang.org/x/crypto/cryptobyte"
)

// serverKeyExchange is the ServerKeyExchange message, in the form of its key exchange. See RFC
// 8422, Section 5.4; RFC 4279, Section 2; and RFC 5489, Section 2.
type serverKeyExchange struct {
	kx keyExchange // the form of the message

	hint      []byte // with a PSK
	group     tls.CurveID
	public    []byte              // with ECDHE
	scheme    tls.SignatureScheme // with ECDHE and a certificate
	signature []byte
}

func (*serverKeyExchange) typ() handshakeType { return typeServerKeyExchange }

// addParams appends the parameters, which the signature covers after the two randoms.
func (m *serverKeyExchange) addParams(b *cryptobyte.Builder) {
	b.AddUint8(curveTypeNamed)
	b.AddUint16(uint16(m.group))
	addVector8(b, m.public)
}

// signed returns what the signature covers. See RFC 8422, Section 5.4.
func (m *serverKeyExchange) signed(clientRandom, serverRandom *[randomLen]byte) []byte {
	b := cryptobyte.NewBuilder(nil)
	b.AddBytes(clientRandom[:])
	b.AddBytes(serverRandom[:])
	m.addParams(b)
	return b.BytesOrPanic() // no field is longer than a group's key share
}

func (m *serverKeyExchange) marshal(b *cryptobyte.Builder) {
	if m.kx.hasPSK() {
		addVector16(b, m.hint)
	}
	if m.kx.hasECDHE() {
		m.addParams(b)
	}
	if m.kx.hasECDHE() && !m.kx.hasPSK() {
		b.AddUint16(uint16(m.scheme))
		addVector16(b, m.signature)
	}
}

func (m *serverKeyExchange) parse(body []byte) error {
	*m = serverKeyExchange{kx: m.kx}
	s := cryptobyte.String(body)
	if m.kx.hasPSK() && !readVector16(&s, &m.hint) {
		return malformed("PSK identity hint")
	}
	if m.kx.hasECDHE() {
		var curveType uint8
		if !s.ReadUint8(&curveType) {
			return malformed("ServerKeyExchange")
		}
		// Explicit parameters would let the server choose the curve: CVE-2020-0601.
		if curveType != curveTypeNamed {
			return illegal("ServerKeyExchange with a curve of type %d", curveType)
		}
		if !s.ReadUint16((*uint16)(&m.group)) || !readVector8(&s, &m.public) || len(m.public) == 0 {
			return malformed("ServerKeyExchange")
		}
	}
	if m.kx.hasECDHE() && !m.kx.hasPSK() &&
		(!s.ReadUint16((*uint16)(&m.scheme)) || !readVector16(&s, &m.signature)) {
		return malformed("signature of ServerKeyExchange")
	}
	if !s.Empty() {
		return malformed("bytes after ServerKeyExchange")
	}
	return nil
}

// clientKeyExchange is the ClientKeyExchange message, in the form of its key exchange. See RFC
// 8422, Section 5.7; RFC 4279, Section 2; and RFC 5489, Section 2.
type clientKeyExchange struct {
	kx keyExchange // the form of the message

	identity []byte // with a PSK
	public   []byte // with ECDHE
}

func (*clientKeyExchange) typ() handshakeType { return typeClientKeyExchange }

func (m *clientKeyExchange) marshal(b *cryptobyte.Builder) {
	if m.kx.hasPSK() {
		addVector16(b, m.identity)
	}
	if m.kx.hasECDHE() {
		addVector8(b, m.public)
	}
}

func (m *clientKeyExchange) parse(body []byte) error {
	*m = clientKeyExchange{kx: m.kx}
	s := cryptobyte.String(body)
	if m.kx.hasPSK() && !readVector16(&s, &m.identity) ||
		m.kx.hasECDHE() && (!readVector8(&s, &m.public) || len(m.public) == 0) ||
		!s.Empty() {
		return malformed("ClientKeyExchange")
	}
	return nil
}

// finished is the Finished message of both versions. See RFC 5246, Section 7.4.9, and RFC 8446,
// Section 4.4.4. The receiver checks the length when it compares verifyData with the expected
// value.
type finished struct{ verifyData []byte }

func (*finished) typ() handshakeType { return typeFinished }

func (m *finished) marshal(b *cryptobyte.Builder) { b.AddBytes(m.verifyData) }

func (m *finished) parse(body []byte) error {
	if len(body) == 0 {
		return malformed("empty Finished")
	}
	m.verifyData = body
	return nil
}

// newSessionTicket12 is the NewSessionTicket message of DTLS 1.2. See RFC 5077, Section 3.3.
type newSessionTicket12 struct {
	lifetime uint32 // seconds; 0: the client decides
	ticket   []byte // empty: the server issues no ticket after all
}

func (*newSessionTicket12) typ() handshakeType { return typeNewSessionTicket }

func (m *newSessionTicket12) marshal(b *cryptobyte.Builder) {
	b.AddUint32(m.lifetime)
	addVector16(b, m.ticket)
}

func (m *newSessionTicket12) parse(body []byte) error {
	*m = newSessionTicket12{}
	s := cryptobyte.String(body)
	if !s.ReadUint32(&m.lifetime) || !readVector16(&s, &m.ticket) || !s.Empty() {
		return malformed("NewSessionTicket")
	}
	return nil
}

// newSessionTicket13 is the NewSessionTicket message of DTLS 1.3. See RFC 8446, Section 4.6.1.
type newSessionTicket13 struct {
	lifetime uint32 // seconds
	ageAdd   uint32
	nonce    []byte
	ticket   []byte
	extensions
}

func (*newSessionTicket13) typ() handshakeType { return typeNewSessionTicket }

func (m *newSessionTicket13) marshal(b *cryptobyte.Builder) {
	b.AddUint32(m.lifetime)
	b.AddUint32(m.ageAdd)
	addVector8(b, m.nonce)
	addVector16(b, m.ticket)
	m.extensions.marshal(b, inNewSessionTicket)
}

func (m *newSessionTicket13) parse(body []byte) error {
	*m = newSessionTicket13{}
	s := cryptobyte.String(body)
	if !s.ReadUint32(&m.lifetime) || !s.ReadUint32(&m.ageAdd) || !readVector8(&s, &m.nonce) ||
		!readVector16(&s, &m.ticket) || len(m.ticket) == 0 {
		return malformed("NewSessionTicket")
	}
	if err := m.extensions.parse(&s, inNewSessionTicket); err != nil {
		return err
	}
	if !s.Empty() {
		return malformed("NewSessionTicket")
	}
	return nil
}

// keyUpdate is the KeyUpdate message. See RFC 8446, Section 4.6.3.
type keyUpdate struct{ updateRequested bool }

func (*keyUpdate) typ() handshakeType { return typeKeyUpdate }

func (m *keyUpdate) marshal(b *cryptobyte.Builder) {
	if m.updateRequested {
		b.AddUint8(1)
	} else {
		b.AddUint8(0)
	}
}

func (m *keyUpdate) parse(body []byte) error {
	if len(body) != 1 {
		return malformed("KeyUpdate of %d bytes", len(body))
	}
	if body[0] > 1 {
		return illegal("KeyUpdate with request_update %d", body[0])
	}
	m.updateRequested = body[0] == 1
	return nil
}

// helloRequest is the HelloRequest message. See RFC 5246, Section 7.4.1.1.
type helloRequest struct{}

func (*helloRequest) typ() handshakeType          { return typeHelloRequest }
func (*helloRequest) marshal(*cryptobyte.Builder) {}
func (*helloRequest) parse(body []byte) error     { return parseEmpty(body, typeHelloRequest) }

// serverHelloDone is the ServerHelloDone message. See RFC 5246, Section 7.4.5.
type serverHelloDone struct{}

func (*serverHelloDone) typ() handshakeType          { return typeServerHelloDone }
func (*serverHelloDone) marshal(*cryptobyte.Builder) {}
func (*serverHelloDone) parse(body []byte) error {
	return parseEmpty(body,
		typeServerHelloDone)
}

func parseEmpty(body []byte, t handshakeType) error {
	if len(body) != 0 {
		return malformed("%v of %d bytes", t, len(body))
	}
	return nil
}

// A recordNumber identifies a record of one direction. See RFC 9147, Section 4.
type recordNumber struct {
	epoch    uint64
	sequence uint64
}

// appendACK appends the content of an ACK record. See RFC 9147, Section 7.
func appendACK(dst []byte, records []recordNumber) ([]byte, error) {
	b := cryptobyte.NewBuilder(dst)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, r := range records {
			b.AddUint64(r.epoch)
			b.AddUint64(r.sequence)
		}
	})
	return b.Bytes()
}

// parseACK parses the content of an ACK record, which may be empty.
func parseACK(body []byte) ([]recordNumber, error) {
	s := cryptobyte.String(body)
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) || !s.Empty() || len(list)%16 != 0 {
		return nil, malformed("ACK of %d bytes", len(body))
	}
	records := make([]recordNumber, 0, len(list)/16)
	for !list.Empty() {
		var r recordNumber
		list.ReadUint64(&r.epoch)
		list.ReadUint64(&r.sequence)
		records = append(records, r)
	}
	return records, nil
}

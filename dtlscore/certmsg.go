package dtlscore

import (
	"crypto/tls"

	"golang.org/x/crypto/cryptobyte"
)

// certificate12 is the Certificate message of DTLS 1.2. See RFC 5246, Section 7.4.2. A raw public
// key is a single SubjectPublicKeyInfo without a list around it, or no element: RFC 7250, Section
// 3.
type certificate12 struct {
	rawPublicKey bool // the form of the message
	chain        [][]byte
}

func (*certificate12) typ() handshakeType { return typeCertificate }

func (m *certificate12) marshal(b *cryptobyte.Builder) {
	addAll := func(b *cryptobyte.Builder) {
		for _, cert := range m.chain {
			addVector24(b, cert)
		}
	}
	switch {
	case !m.rawPublicKey:
		b.AddUint24LengthPrefixed(addAll)
	case len(m.chain) == 0:
		addVector24(b, nil)
	default:
		addAll(b)
	}
}

func (m *certificate12) parse(body []byte) error {
	m.chain = nil
	s := cryptobyte.String(body)
	list := s // a raw public key stands in place of the list
	var inner cryptobyte.String
	if !s.ReadUint24LengthPrefixed(&inner) || !s.Empty() {
		return malformed("Certificate")
	}
	if !m.rawPublicKey || inner.Empty() {
		list = inner
	}
	for !list.Empty() {
		var cert []byte
		if !readVector24(&list, &cert) || len(cert) == 0 {
			return malformed("Certificate")
		}
		m.chain = append(m.chain, cert)
	}
	return nil
}

// certificate13 is the Certificate message of DTLS 1.3. See RFC 8446, Section 4.4.2. A raw public
// key is an entry like a certificate.
type certificate13 struct {
	context []byte
	entries []certificateEntry
}

type certificateEntry struct {
	data []byte // X.509 certificate or SubjectPublicKeyInfo, DER
	extensions
}

func (*certificate13) typ() handshakeType { return typeCertificate }

func (m *certificate13) marshal(b *cryptobyte.Builder) {
	addVector8(b, m.context)
	b.AddUint24LengthPrefixed(func(b *cryptobyte.Builder) {
		for i := range m.entries {
			addVector24(b, m.entries[i].data)
			m.entries[i].extensions.marshal(b, inCertificate)
		}
	})
}

func (m *certificate13) parse(body []byte) error {
	*m = certificate13{}
	s := cryptobyte.String(body)
	var list cryptobyte.String
	if !readVector8(&s, &m.context) || !s.ReadUint24LengthPrefixed(&list) || !s.Empty() {
		return malformed("Certificate")
	}
	for !list.Empty() {
		var entry certificateEntry
		if !readVector24(&list, &entry.data) || len(entry.data) == 0 {
			return malformed("entry of Certificate")
		}
		if err := entry.extensions.parse(&list, inCertificate); err != nil {
			return err
		}
		m.entries = append(m.entries, entry)
	}
	return nil
}

// certificateStatus is the CertificateStatus message of RFC 6066, Section 8.
type certificateStatus struct{ response []byte }

func (*certificateStatus) typ() handshakeType { return typeCertificateStatus }

func (m *certificateStatus) marshal(b *cryptobyte.Builder) {
	b.AddUint8(statusTypeOCSP)
	addVector24(b, m.response)
}

func (m *certificateStatus) parse(body []byte) error {
	*m = certificateStatus{}
	s := cryptobyte.String(body)
	var statusType uint8
	if !s.ReadUint8(&statusType) || statusType != statusTypeOCSP ||
		!readVector24(&s, &m.response) || len(m.response) == 0 || !s.Empty() {
		return malformed("CertificateStatus")
	}
	return nil
}

// certificateRequest12 is the CertificateRequest message of DTLS 1.2. See RFC 5246, Section 7.4.4.
type certificateRequest12 struct {
	types       []uint8
	schemes     []tls.SignatureScheme
	authorities [][]byte // DER-encoded names
}

func (*certificateRequest12) typ() handshakeType { return typeCertificateRequest }

func (m *certificateRequest12) marshal(b *cryptobyte.Builder) {
	addVector8(b, m.types)
	addVectorUint16s(b, m.schemes)
	addAuthorities(b, m.authorities)
}

func (m *certificateRequest12) parse(body []byte) error {
	*m = certificateRequest12{}
	s := cryptobyte.String(body)
	if !readVector8(&s, &m.types) || len(m.types) == 0 || !readUint16s(&s, &m.schemes) ||
		!readAuthorities(&s, &m.authorities) || !s.Empty() {
		return malformed("CertificateRequest")
	}
	return nil
}

// certificateRequest13 is the CertificateRequest message of DTLS 1.3. See RFC 8446, Section 4.3.2.
type certificateRequest13 struct {
	context []byte
	extensions
}

func (*certificateRequest13) typ() handshakeType { return typeCertificateRequest }

func (m *certificateRequest13) marshal(b *cryptobyte.Builder) {
	addVector8(b, m.context)
	m.extensions.marshal(b, inCertificateRequest)
}

func (m *certificateRequest13) parse(body []byte) error {
	*m = certificateRequest13{}
	s := cryptobyte.String(body)
	if !readVector8(&s, &m.context) {
		return malformed("CertificateRequest")
	}
	if err := m.extensions.parse(&s, inCertificateRequest); err != nil {
		return err
	}
	if !s.Empty() {
		return malformed("CertificateRequest")
	}
	if !m.has(extSignatureAlgorithms) {
		return misbehaved(AlertMissingExtension, "CertificateRequest without %v", extSignatureAlgorithms)
	}
	return nil
}

// certificateVerify is the CertificateVerify message of both versions. See RFC 5246, Section 7.4.8,
// and RFC 8446, Section 4.4.3.
type certificateVerify struct {
	scheme    tls.SignatureScheme
	signature []byte
}

func (*certificateVerify) typ() handshakeType { return typeCertificateVerify }

func (m *certificateVerify) marshal(b *cryptobyte.Builder) {
	b.AddUint16(uint16(m.scheme))
	addVector16(b, m.signature)
}

func (m *certificateVerify) parse(body []byte) error {
	*m = certificateVerify{}
	s := cryptobyte.String(body)
	if !s.ReadUint16((*uint16)(&m.scheme)) || !readVector16(&s, &m.signature) || !s.Empty() {
		return malformed("CertificateVerify")
	}
	return nil
}

package dtlscore

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
)

// A ConnectionState describes what the handshake negotiated. Names and meanings are those of
// [tls.ConnectionState].
type ConnectionState struct {
	Version     uint16 // VersionDTLS12 or VersionDTLS13; 0 before the hello messages choose one
	CipherSuite uint16
	// the group of the key exchange; 0 if there was none, as in a DTLS 1.2 resumption
	CurveID tls.CurveID

	// HandshakeComplete reports whether the handshake has finished: the peer is authenticated as
	// the Config requires, and the keys are confirmed.
	HandshakeComplete bool
	DidResume         bool
	HelloRetryRequest bool // the server sent a HelloRetryRequest (DTLS 1.3)

	NegotiatedProtocol string // ALPN; empty if none
	ServerName         string // SNI, as sent by the client

	// PeerCertificates are the certificates that the peer sent, its own first. VerifiedChains is
	// empty if the Config disables their verification.
	PeerCertificates []*x509.Certificate
	VerifiedChains   [][]*x509.Certificate

	// PeerRawKey is the raw public key (RFC 7250) that the peer used instead of certificates.
	// PSKIdentity is the identity of the pre-shared key that was used.
	PeerRawKey  crypto.PublicKey
	PSKIdentity []byte

	// OCSPResponse is the OCSP response that the server stapled. This package does not verify it.
	OCSPResponse []byte

	// MaxWrite and MaxRead are the largest numbers of bytes of application data in a record to the
	// peer and from the peer. Both are [MaxPlaintext] unless both sides have set
	// Config.MaxMessageSize in DTLS 1.3: then MaxWrite is the peer's limit, and MaxRead is that of
	// this side.
	MaxWrite, MaxRead int

	// Handshakes is the number of completed handshakes.
	Handshakes int

	export *exporter // nil until the handshake is complete, and after the connection has ended
}

// identity returns the identity that the peer proved, or "" if it proved none.
func (s *ConnectionState) identity() string {
	switch {
	case s.PeerRawKey != nil:
		der, err := x509.MarshalPKIXPublicKey(s.PeerRawKey)
		if err != nil {
			return "" // it was parsed from DER
		}
		return "raw key " + string(der)
	case len(s.PeerCertificates) > 0:
		return "certificate " + string(s.PeerCertificates[0].Raw)
	case s.PSKIdentity != nil:
		return "pre-shared key " + string(s.PSKIdentity)
	}
	return ""
}

// ConnectionState returns what has been negotiated so far.
func (c *Conn) ConnectionState() ConnectionState { return c.agreed }

// ExportKeyingMaterial returns length bytes that are known to the two sides of the connection only,
// and that are different for each label, context and handshake. In DTLS 1.2 a nil context differs
// from an empty one (RFC 5705, Section 4); in DTLS 1.3 they are the same (RFC 8446, Section 7.5).
// It fails with [ErrMisuse] before the handshake is complete, and with [ErrNotOpen] after the
// connection has ended or a later handshake has replaced this one. It may be called by any
// goroutine.
func (s *ConnectionState) ExportKeyingMaterial(label string, context []byte, length int) ([]byte,
	error) {
	if s.export == nil {
		return nil, misuse("keying material was requested before the handshake was complete")
	}
	return s.export.export(label, context, length)
}

// ExportKeyingMaterial calls the method of the current [ConnectionState]. It returns the
// connection's error once that has ended.
func (c *Conn) ExportKeyingMaterial(label string, context []byte, length int) ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	return c.agreed.ExportKeyingMaterial(label, context, length)
}

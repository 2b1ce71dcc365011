package dtlscore

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
)

// A ConnectionState is what the handshake has agreed on. Names and meanings
// are those of crypto/tls.
type ConnectionState struct {
	Version     uint16 // VersionDTLS12 or VersionDTLS13; 0 until the hello messages have chosen one
	CipherSuite uint16
	CurveID     tls.CurveID // the group of the key exchange; 0 if there was none, as in resumption

	// HandshakeComplete says that the peer is authenticated as the Config
	// asks and that keys are confirmed.
	HandshakeComplete bool
	DidResume         bool
	HelloRetryRequest bool // a server of DTLS 1.3 asked for another ClientHello

	NegotiatedProtocol string // ALPN; empty if none
	ServerName         string // SNI: what the client sent

	// PeerCertificates is what the peer sent, its own certificate first.
	// VerifiedChains are empty if the Config does not have them verified.
	PeerCertificates []*x509.Certificate
	VerifiedChains   [][]*x509.Certificate

	// PeerRawKey is the raw public key (RFC 7250) that the peer proved to have,
	// instead of certificates. PSKIdentity names the pre-shared key that was used.
	PeerRawKey  crypto.PublicKey
	PSKIdentity []byte

	// OCSPResponse is the stapled response of the server, not looked at.
	OCSPResponse []byte

	// MaxWrite and MaxRead are how many bytes of application data a record to the peer and
	// from it may hold: [MaxPlaintext], unless both ends have set Config.MaxMessageSize. In DTLS 1.3
	// MaxWrite is what the peer takes, and MaxRead what this end does.
	MaxWrite, MaxRead int

	// Handshakes counts the handshakes that were completed.
	Handshakes int

	export *exporter // nil until the handshake is complete, and after the end
}

// identity names who the peer proved to be, empty if it proved nothing.
func (s *ConnectionState) identity() string {
	switch {
	case s.PeerRawKey != nil:
		der, err := x509.MarshalPKIXPublicKey(s.PeerRawKey)
		if err != nil {
			return "" // it was parsed from one
		}
		return "raw key " + string(der)
	case len(s.PeerCertificates) > 0:
		return "certificate " + string(s.PeerCertificates[0].Raw)
	case s.PSKIdentity != nil:
		return "pre-shared key " + string(s.PSKIdentity)
	}
	return ""
}

// ConnectionState returns what is agreed so far.
func (c *Conn) ConnectionState() ConnectionState { return c.agreed }

// ExportKeyingMaterial returns length bytes that only the two ends of the connection know,
// different for each label, context and handshake. In DTLS 1.2 a nil context and an empty one are
// different (RFC 5705, Section 4), in DTLS 1.3 they are the same (RFC 8446, Section 7.5). It fails
// with [ErrMisuse] before the handshake is complete, and with [ErrNotOpen] when the connection is
// over or another handshake has taken the place of this one. It may be called by any goroutine.
func (s *ConnectionState) ExportKeyingMaterial(label string, context []byte, length int) ([]byte,
	error) {
	if s.export == nil {
		return nil, misuse("keying material was asked for before the handshake was complete")
	}
	return s.export.export(label, context, length)
}

// ExportKeyingMaterial is that of the [ConnectionState], while the connection lives.
func (c *Conn) ExportKeyingMaterial(label string, context []byte, length int) ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	return c.agreed.ExportKeyingMaterial(label, context, length)
}

package dtlscore

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/internal/legible"
)

// A credential is what one side authenticates itself with.
type credential struct {
	rawKey  bool     // RFC 7250: chain is one SubjectPublicKeyInfo
	chain   [][]byte // DER
	signer  crypto.Signer
	schemes []tls.SignatureScheme // that the key may be used with; nil: all that fit it
	staple  []byte                // OCSP response
}

func newCredential(cert *tls.Certificate) (*credential, error) {
	signer, ok := cert.PrivateKey.(crypto.Signer)
	if !ok || len(cert.Certificate) == 0 {
		return nil,
			misuse("a tls.Certificate needs a chain, and a PrivateKey that is a crypto.Signer and not %T",
				cert.PrivateKey)
	}
	return &credential{
		chain: cert.Certificate, signer: signer,
		schemes: cert.SupportedSignatureAlgorithms, staple: cert.OCSPStaple,
	}, nil
}

func newRawKeyCredential(key crypto.Signer) (*credential, error) {
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, misuse("Config.RawKey: %w", err)
	}
	return &credential{rawKey: true, chain: [][]byte{der}, signer: key}, nil
}

// chooseSignature returns a signature scheme from the peer's list.
func (c *credential) chooseSignature(peer []tls.SignatureScheme,
	version uint16) (tls.SignatureScheme, error) {
	return chooseSignature(c.signer.Public(), c.schemes, peer, version)
}

// serverCredential chooses the server's credential for a client. The caller checks whether the
// client can use it. retried reports whether offer answers a HelloRetryRequest.
func (c *Conn) serverCredential(rawKey bool, needs *certificateNeeds, offer *clientHello,
	retried bool) (*credential, error) {
	config := c.config
	if rawKey {
		return newRawKeyCredential(config.RawKey)
	}
	if config.GetCertificate != nil && (len(config.Certificates) == 0 || offer.serverName != "") {
		cert, err := config.GetCertificate(c.clientHelloInfo(offer, retried))
		if err != nil {
			return nil, misuse("Config.GetCertificate: %w", err)
		}
		if cert != nil {
			return newCredential(cert)
		}
	}
	if len(config.Certificates) == 0 {
		return nil, incompatible(AlertUnrecognizedName, "no certificate for %q", offer.serverName)
	}
	return newCredential(needs.choose(config.Certificates))
}

// clientCredential chooses the client's credential for a server that requested one. It returns nil
// if the client has none that the server accepts.
func (c *Conn) clientCredential(rawKey bool, info *tls.CertificateRequestInfo) (*credential,
	error) {
	config := c.config
	if rawKey {
		own, err := newRawKeyCredential(config.RawKey)
		if err != nil {
			return nil, err
		}
		if _, err := own.chooseSignature(info.SignatureSchemes, c.form.version); err != nil {
			return nil, nil // RFC 5246, Section 7.4.6; RFC 8446, Section 4.4.2
		}
		return own, nil
	}
	if config.GetClientCertificate != nil {
		setHidden(info, "ctx", c.contextOfCallbacks())
		cert, err := config.GetClientCertificate(info)
		if err != nil {
			return nil, misuse("Config.GetClientCertificate: %w", err)
		}
		if cert == nil || len(cert.Certificate) == 0 {
			return nil, nil
		}
		return newCredential(cert)
	}
	for i := range config.Certificates {
		if info.SupportsCertificate(&config.Certificates[i]) == nil {
			return newCredential(&config.Certificates[i])
		}
	}
	return nil, nil
}

// A peerCredential is the credential that the peer sent. It is not verified yet.
type peerCredential struct {
	chain  []*x509.Certificate
	rawKey crypto.PublicKey // instead of a chain
}

// parsePeerCredential parses the peer's chain or raw public key.
func parsePeerCredential(rawKey bool, der [][]byte) (*peerCredential, error) {
	if rawKey {
		key, err := x509.ParsePKIXPublicKey(der[0])
		if err != nil {
			return nil, untrusted(AlertBadCertificate, "raw public key of the peer: %w", err)
		}
		return &peerCredential{rawKey: key}, checkPublicKey(key)
	}
	chain, err := parseChain(der)
	return &peerCredential{chain: chain}, err
}

// key returns the public key that verifies the peer's signatures.
func (p *peerCredential) key() crypto.PublicKey {
	if p.rawKey != nil {
		return p.rawKey
	}
	return p.chain[0].PublicKey
}

// The following negotiate certificate types as in RFC 7250. For each side, the client sends a list
// of types and the server answers with one. Without a list the type is X.509.

// offeredServerTypes returns the types that a client can verify.
func (c *Config) offeredServerTypes() []uint8 {
	switch {
	case c.VerifyRawKey == nil:
		return nil
	case c.verifiesServers():
		return []uint8{certTypeRawPublicKey, certTypeX509}
	}
	return []uint8{certTypeRawPublicKey}
}

// offeredClientTypes returns the types that a client can present.
func (c *Config) offeredClientTypes() []uint8 {
	switch {
	case c.RawKey == nil:
		return nil
	case len(c.Certificates) > 0 || c.GetClientCertificate != nil:
		return []uint8{certTypeRawPublicKey, certTypeX509}
	}
	return []uint8{certTypeRawPublicKey}
}

// chooseType returns the server's choice: the first type in the client's list that the server
// supports. See RFC 7250, Section 4.2.
func chooseType(offered []uint8, rawKeys, certificates bool) (uint8, error) {
	if offered == nil {
		offered = []uint8{certTypeX509}
	}
	for _, t := range offered {
		if t == certTypeRawPublicKey && rawKeys || t == certTypeX509 && certificates {
			return t, nil
		}
	}
	return 0, incompatible(AlertUnsupportedCertificate, "client offers certificate types %d only",
		legible.List[uint8](offered))
}

// answeredType checks the server's choice against the client's list.
func answeredType(offered, answer []uint8) (rawKey bool, err error) {
	t := certTypeX509
	if len(answer) > 0 {
		t = answer[0]
	}
	if len(answer) > 0 && !slices.Contains(offered, t) {
		return false, illegal("server chose certificate type %d, which was not offered", t)
	}
	if offered != nil && !slices.Contains(offered, t) {
		return false, incompatible(AlertUnsupportedCertificate, "server does not support raw public keys")
	}
	return t == certTypeRawPublicKey, nil
}

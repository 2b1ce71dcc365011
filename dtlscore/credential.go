package dtlscore

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/internal/legible"
)

// A credential is what one end shows of itself, and signs with.
type credential struct {
	rawKey  bool     // not certificates, but one SubjectPublicKeyInfo: RFC 7250
	chain   [][]byte // DER
	signer  crypto.Signer
	schemes []tls.SignatureScheme // that the key can do; nil: all that fit it
	staple  []byte                // OCSP
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

// chooseSignature returns a scheme for the peer's list.
func (c *credential) chooseSignature(peer []tls.SignatureScheme,
	version uint16) (tls.SignatureScheme, error) {
	return chooseSignature(c.signer.Public(), c.schemes, peer, version)
}

// serverCredential chooses what a server shows to a client. Callers check whether the client can
// use it. retried says that offer answers a HelloRetryRequest.
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

// clientCredential chooses what a client shows to a server that asked for it,
// nil if there is nothing that the server would take.
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

// A peerCredential is what the peer shows of itself. It proves nothing yet.
type peerCredential struct {
	chain  []*x509.Certificate
	rawKey crypto.PublicKey // instead of a chain
}

// parsePeerCredential reads the chain of the peer, or its raw public key.
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

// key is what the peer's signatures are verified with.
func (p *peerCredential) key() crypto.PublicKey {
	if p.rawKey != nil {
		return p.rawKey
	}
	return p.chain[0].PublicKey
}

// The negotiation of RFC 7250: each side of a certificate type is a list of
// the client, and an answer of the server. No list means X.509.

// offeredServerTypes is what a client can verify.
func (c *Config) offeredServerTypes() []uint8 {
	switch {
	case c.VerifyRawKey == nil:
		return nil
	case c.verifiesServers():
		return []uint8{certTypeRawPublicKey, certTypeX509}
	}
	return []uint8{certTypeRawPublicKey}
}

// offeredClientTypes is what a client can show.
func (c *Config) offeredClientTypes() []uint8 {
	switch {
	case c.RawKey == nil:
		return nil
	case len(c.Certificates) > 0 || c.GetClientCertificate != nil:
		return []uint8{certTypeRawPublicKey, certTypeX509}
	}
	return []uint8{certTypeRawPublicKey}
}

// chooseType is the server's choice, the first of the client's list that it
// can do itself. RFC 7250, Section 4.2.
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

// answeredType is what the server has chosen of our list.
func answeredType(offered, answer []uint8) (rawKey bool, err error) {
	t := certTypeX509
	if len(answer) > 0 {
		t = answer[0]
	}
	if len(answer) > 0 && !slices.Contains(offered, t) {
		return false, illegal("server chose certificate type %d, which was not offered", t)
	}
	if offered != nil && !slices.Contains(offered, t) {
		return false, incompatible(AlertUnsupportedCertificate, "server does not know raw public keys")
	}
	return t == certTypeRawPublicKey, nil
}

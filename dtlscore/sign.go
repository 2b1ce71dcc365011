package dtlscore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"slices"
)

// Sizes of RSA keys in bits. Smaller keys are weak: RFC 9325, Section 4.5. Larger ones take too
// long to verify with.
const (
	minRSABits = 2048
	maxRSABits = 8192
)

// A signatureScheme is a SignatureScheme of RFC 8446, Section 4.2.3.
type signatureScheme struct {
	id    tls.SignatureScheme
	curve elliptic.Curve // of ECDSA; binding in DTLS 1.3 only
	hash  crypto.Hash    // 0 with Ed25519
	pss   bool
}

// signatureSchemes are the implemented schemes, in the order of preference. None uses SHA-1 or MD5.
// PKCS #1 v1.5 is used in DTLS 1.2 and in certificates only.
var signatureSchemes = []signatureScheme{
	{id: tls.ECDSAWithP256AndSHA256, curve: elliptic.P256(), hash: crypto.SHA256},
	{id: tls.ECDSAWithP384AndSHA384, curve: elliptic.P384(), hash: crypto.SHA384},
	{id: tls.ECDSAWithP521AndSHA512, curve: elliptic.P521(), hash: crypto.SHA512},
	{id: tls.Ed25519},
	{id: tls.PSSWithSHA256, hash: crypto.SHA256, pss: true},
	{id: tls.PSSWithSHA384, hash: crypto.SHA384, pss: true},
	{id: tls.PSSWithSHA512, hash: crypto.SHA512, pss: true},
	{id: tls.PKCS1WithSHA256, hash: crypto.SHA256},
	{id: tls.PKCS1WithSHA384, hash: crypto.SHA384},
	{id: tls.PKCS1WithSHA512, hash: crypto.SHA512},
}

// defaultSignatureAlgorithms returns the schemes to offer. PKCS #1 v1.5 is included for
// certificates, and remains forbidden in a CertificateVerify of DTLS 1.3.
func defaultSignatureAlgorithms() []tls.SignatureScheme {
	var ids []tls.SignatureScheme
	for _, s := range signatureSchemes {
		ids = append(ids, s.id)
	}
	return ids
}

// fits reports whether the scheme can be used with a public key.
func (s signatureScheme) fits(public crypto.PublicKey, version uint16) bool {
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		return s.curve != nil && (version == VersionDTLS12 || s.curve == public.Curve)
	case ed25519.PublicKey:
		return s.id == tls.Ed25519
	case *rsa.PublicKey:
		return s.hash != 0 && s.curve == nil && (s.pss || version == VersionDTLS12)
	}
	return false
}

// checkPublicKey rejects keys that are weak, too large, or of an unknown type.
func checkPublicKey(public crypto.PublicKey) error {
	if err := publicKeyFault(public); err != nil {
		return untrusted(AlertUnsupportedCertificate, "%w", err)
	}
	return nil
}

func publicKeyFault(public crypto.PublicKey) error {
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		if groupOf(public.Curve) == 0 {
			return fmt.Errorf("ECDSA key on curve %s", public.Params().Name)
		}
	case ed25519.PublicKey:
	case *rsa.PublicKey:
		if bits := public.N.BitLen(); bits < minRSABits || bits > maxRSABits {
			return fmt.Errorf("RSA key of %d bits, not of %d to %d", bits, minRSABits, maxRSABits)
		}
	default:
		return fmt.Errorf("unknown type of key: %T", public)
	}
	return nil
}

// allowsKey reports whether a certificate with the public key can authenticate a server in the key
// exchange. See RFC 8422, Section 2, and for Ed25519 Section 5.10.
func (kx keyExchange) allowsKey(public crypto.PublicKey) bool {
	switch public.(type) {
	case *ecdsa.PublicKey, ed25519.PublicKey:
		return kx == kxECDHEECDSA || kx == kxNone
	case *rsa.PublicKey:
		return kx == kxECDHERSA || kx == kxNone
	}
	return false
}

// chooseSignature returns the scheme to sign with: the first in our order of preference that the
// peer offers. supported, if not nil, are the schemes that the key can be used with:
// [tls.Certificate.SupportedSignatureAlgorithms].
func chooseSignature(public crypto.PublicKey, supported, peer []tls.SignatureScheme,
	version uint16) (tls.SignatureScheme, error) {
	for _, s := range signatureSchemes {
		if s.fits(public, version) && slices.Contains(peer, s.id) &&
			(supported == nil || slices.Contains(supported, s.id)) {
			return s.id, nil
		}
	}
	return 0, incompatible(AlertHandshakeFailure, "peer accepts no signature scheme of our %T", public)
}

func lookupSignature(id tls.SignatureScheme) (signatureScheme, bool) {
	i := slices.IndexFunc(signatureSchemes, func(s signatureScheme) bool { return s.id == id })
	if i < 0 {
		return signatureScheme{}, false
	}
	return signatureSchemes[i], true
}

// digest returns what the signature algorithm signs: the hash of the message, or the message itself
// with Ed25519.
func (s signatureScheme) digest(message []byte) []byte {
	if s.hash == 0 {
		return message
	}
	h := s.hash.New()
	h.Write(message)
	return h.Sum(nil)
}

func (s signatureScheme) options() crypto.SignerOpts {
	if s.pss {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: s.hash}
	}
	return s.hash
}

// sign signs a message with a scheme from chooseSignature. A [crypto.MessageSigner], such as a key
// in a TPM or a key management service, is passed the message itself; other signers are passed its
// digest.
func sign(key crypto.Signer, id tls.SignatureScheme, message []byte) ([]byte, error) {
	s, ok := lookupSignature(id)
	if !ok {
		return nil, misuse("signature scheme %v is not implemented", id)
	}
	signature, err := crypto.SignMessage(key, rand.Reader, message, s.options())
	if err != nil {
		return nil, misuse("signing with the key of our certificate: %w", err)
	}
	return signature, nil
}

// verifySignature verifies the peer's signature. offered are the schemes that the peer may use.
func verifySignature(public crypto.PublicKey, id tls.SignatureScheme, offered []tls.SignatureScheme,
	version uint16, message, signature []byte) error {
	if err := checkPublicKey(public); err != nil {
		return err
	}
	s, ok := lookupSignature(id)
	if !ok || !slices.Contains(offered, id) {
		return illegal("signature scheme %v was not offered", id)
	}
	if !s.fits(public, version) {
		return illegal("signature scheme %v with a %T", id, public)
	}
	switch public := public.(type) {
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(public, s.digest(message), signature)
	case ed25519.PublicKey:
		ok = len(public) == ed25519.PublicKeySize && ed25519.Verify(public, message, signature)
	case *rsa.PublicKey:
		if s.pss {
			ok = rsa.VerifyPSS(public, s.hash, s.digest(message), signature,
				s.options().(*rsa.PSSOptions)) == nil
		} else {
			ok = rsa.VerifyPKCS1v15(public, s.hash, s.digest(message), signature) == nil
		}
	}
	if !ok {
		return misbehaved(AlertDecryptError, "signature with %v does not verify", id)
	}
	return nil
}

// Context strings of CertificateVerify in DTLS 1.3. See RFC 8446, Section 4.4.3.
const (
	contextServerSignature = "TLS 1.3, server CertificateVerify"
	contextClientSignature = "TLS 1.3, client CertificateVerify"
)

// signed13 returns what the CertificateVerify of DTLS 1.3 signs.
func signed13(context string, transcriptHash []byte) []byte {
	b := slices.Repeat([]byte{' '}, 64)
	b = append(b, context...)
	b = append(b, 0)
	return append(b, transcriptHash...)
}

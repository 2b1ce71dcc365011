package dtlscore

import (
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/mlkem"
	"crypto/rand"
	"crypto/tls"
	"slices"
)

const x25519ShareLen = 32

// defaultGroups are the default groups of DTLS 1.3, in the order of preference. DTLS 1.2 uses those
// that are not hybrid. It needs P-521 mainly for certificates: RFC 8422, Section 5.1.
var defaultGroups = []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384,
	tls.CurveP521}

// groupInVersion reports whether a group is implemented for a version.
func groupInVersion(g tls.CurveID, version uint16) bool {
	return slices.Contains(defaultGroups, g) && (g != tls.X25519MLKEM768 || version == VersionDTLS13)
}

// curveOf returns the elliptic curve of a group, including that of a hybrid group, or nil if the
// group is not implemented.
func curveOf(g tls.CurveID) ecdh.Curve {
	switch g {
	case tls.X25519, tls.X25519MLKEM768:
		return ecdh.X25519()
	case tls.CurveP256:
		return ecdh.P256()
	case tls.CurveP384:
		return ecdh.P384()
	case tls.CurveP521:
		return ecdh.P521()
	}
	return nil
}

// groupOf returns the group of an elliptic curve, or 0.
func groupOf(c elliptic.Curve) tls.CurveID {
	switch c {
	case elliptic.P256():
		return tls.CurveP256
	case elliptic.P384():
		return tls.CurveP384
	case elliptic.P521():
		return tls.CurveP521
	}
	return 0
}

// An ephemeralKey is this side's key for one key exchange. It is never reused.
type ephemeralKey struct {
	group tls.CurveID
	ecdh  *ecdh.PrivateKey
	kem   *mlkem.DecapsulationKey768 // client only, with a hybrid group
}

// generateKey returns a new key for a client, or for either side in DTLS 1.2.
func generateKey(g tls.CurveID) (*ephemeralKey, error) {
	k, err := generateECDH(g)
	if err != nil || g != tls.X25519MLKEM768 {
		return k, err
	}
	k.kem, err = mlkem.GenerateKey768()
	return k, err
}

func generateECDH(g tls.CurveID) (*ephemeralKey, error) {
	curve := curveOf(g)
	if curve == nil {
		return nil, misuse("group %v is not implemented", g)
	}
	key, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		return nil, misuse("group %v: %w", g, err)
	}
	return &ephemeralKey{group: g, ecdh: key}, nil
}

// share returns the key share for the peer.
func (k *ephemeralKey) share() []byte {
	if k.kem != nil {
		return append(k.kem.EncapsulationKey().Bytes(), k.ecdh.PublicKey().Bytes()...)
	}
	return k.ecdh.PublicKey().Bytes()
}

// agree returns the shared secret. It checks that the peer's share is a point on the curve, and
// that the secret is not zero.
func (k *ephemeralKey) agree(peer []byte) ([]byte, error) {
	if k.kem == nil {
		return k.agreeECDH(peer)
	}
	if len(peer) != mlkem.CiphertextSize768+x25519ShareLen {
		return nil, illegal("key share of %d bytes for group %v", len(peer), k.group)
	}
	first, err := k.kem.Decapsulate(peer[:mlkem.CiphertextSize768])
	defer clear(first)
	if err != nil {
		return nil, illegal("key share for group %v: %w", k.group, err)
	}
	second, err := k.agreeECDH(peer[mlkem.CiphertextSize768:])
	if err != nil {
		return nil, err
	}
	defer clear(second)
	return slices.Concat(first, second), nil
}

func (k *ephemeralKey) agreeECDH(peer []byte) ([]byte, error) {
	public, err := k.ecdh.Curve().NewPublicKey(peer)
	if err != nil {
		return nil, illegal("key share for group %v: %w", k.group, err)
	}
	secret, err := k.ecdh.ECDH(public)
	if err != nil {
		return nil, illegal("key share for group %v: %w", k.group, err)
	}
	return secret, nil
}

// respond generates a key for a server of DTLS 1.3, and returns its key share and the shared
// secret. With a hybrid group the share depends on that of the client. Share and secret are the
// ML-KEM part followed by the X25519 part: draft-ietf-tls-ecdhe-mlkem, Section 4.
func respond(g tls.CurveID, client []byte) (share, secret []byte, err error) {
	k, err := generateECDH(g)
	if err != nil {
		return nil, nil, err
	}
	if g != tls.X25519MLKEM768 {
		if secret, err = k.agree(client); err != nil {
			return nil, nil, err
		}
		return k.share(), secret, nil
	}
	if len(client) != mlkem.EncapsulationKeySize768+x25519ShareLen {
		return nil, nil, illegal("key share of %d bytes for group %v", len(client), g)
	}
	kem, err := mlkem.NewEncapsulationKey768(client[:mlkem.EncapsulationKeySize768])
	if err != nil {
		return nil, nil, illegal("key share for group %v: %w", g, err)
	}
	second, err := k.agreeECDH(client[mlkem.EncapsulationKeySize768:])
	if err != nil {
		return nil, nil, err
	}
	first, ciphertext := kem.Encapsulate()
	defer clear(first)
	defer clear(second)
	return append(ciphertext, k.share()...), slices.Concat(first, second), nil
}

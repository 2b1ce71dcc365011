package dtlscore

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"io"
	"math/big"
	"strings"
	"sync"
	"testing"
)

// signingKeys has a key of each allowed type. RSA keys take long to generate.
var signingKeys = sync.OnceValue(func() map[string]crypto.Signer {
	keys := map[string]crypto.Signer{}
	for name, curve := range map[string]elliptic.Curve{"P-256": elliptic.P256(),
		"P-384": elliptic.P384(), "P-521": elliptic.P521()} {
		keys[name], _ = ecdsa.GenerateKey(curve, rand.Reader)
	}
	_, keys["Ed25519"], _ = ed25519.GenerateKey(rand.Reader)
	keys["RSA"], _ = rsa.GenerateKey(rand.Reader, 2048)
	return keys
})

// usable are the schemes for each type of key in DTLS 1.2 and 1.3, in the order of preference.
var usable = map[string][2][]tls.SignatureScheme{
	"P-256": {{tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512},
		{tls.ECDSAWithP256AndSHA256}},
	"P-384": {{tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512},
		{tls.ECDSAWithP384AndSHA384}},
	"P-521": {{tls.ECDSAWithP256AndSHA256, tls.ECDSAWithP384AndSHA384, tls.ECDSAWithP521AndSHA512},
		{tls.ECDSAWithP521AndSHA512}},
	"Ed25519": {{tls.Ed25519}, {tls.Ed25519}},
	"RSA": {{tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512, tls.PKCS1WithSHA256,
		tls.PKCS1WithSHA384, tls.PKCS1WithSHA512},
		{tls.PSSWithSHA256, tls.PSSWithSHA384, tls.PSSWithSHA512}},
}

func TestSignatures(t *testing.T) { // RFC 8446, Section 9.1; RFC 5246, Section 7.4.1.4.1
	all := defaultSignatureAlgorithms()
	message := []byte("what is signed")
	for name, key := range signingKeys() {
		for i, version := range []uint16{VersionDTLS12, VersionDTLS13} {
			for _, scheme := range usable[name][i] {
				got, err := chooseSignature(key.Public(), nil, []tls.SignatureScheme{0x1a1a, scheme}, version)
				if err != nil || got != scheme {
					t.Errorf("%s, %#04x: chose %v, not %v: %v", name, version, got, scheme, err)
				}
				signature, err := sign(key, scheme, message)
				if err != nil {
					t.Fatal(err)
				}
				if err := verifySignature(key.Public(), scheme, all, version, message, signature); err != nil {
					t.Errorf("%s, %v: %v", name, scheme, err)
				}
				err = verifySignature(key.Public(), scheme, all, version, []byte("something else"), signature)
				if alertOf(err) != AlertDecryptError {
					t.Errorf("%s, %v: another message: %v", name, scheme, err)
				}
				// A9: a scheme that was not offered is rejected.
				err = verifySignature(key.Public(), scheme, []tls.SignatureScheme{0x1a1a}, version, message,
					signature)
				if err == nil || alertOf(err) != AlertIllegalParameter {
					t.Errorf("%s, %v: not offered: %v", name, scheme, err)
				}
			}
			if got, err := chooseSignature(key.Public(), nil, all, version); err != nil ||
				got != usable[name][i][0] {
				t.Errorf("%s, %#04x: chose %v, %v", name, version, got, err)
			}
		}
	}
}

// A8, A9: a scheme fits one type of key only.
func TestAttackA8SchemeOfAnotherKey(t *testing.T) {
	all := defaultSignatureAlgorithms()
	for name, key := range signingKeys() {
		for i, version := range []uint16{VersionDTLS12, VersionDTLS13} {
			fitting := map[tls.SignatureScheme]bool{}
			for _, scheme := range usable[name][i] {
				fitting[scheme] = true
			}
			for _, scheme := range append(all, tls.PKCS1WithSHA1, tls.ECDSAWithSHA1, 0x0101, /* MD5 */
				0x1a1a) {
				if fitting[scheme] {
					continue
				}
				err := verifySignature(key.Public(), scheme, append(all, scheme), version, nil, nil)
				if err == nil || alertOf(err) != AlertIllegalParameter {
					t.Errorf("%s, %#04x, %v: %v", name, version, scheme, err)
				}
				if got, err := chooseSignature(key.Public(), nil, []tls.SignatureScheme{scheme},
					version); !errors.Is(err, ErrPeerIncompatible) {
					t.Errorf("%s, %#04x: chose %v, %v", name, version, got, err)
				}
			}
		}
	}
	if _, err := chooseSignature(&struct{}{}, nil, all, VersionDTLS13); !errors.Is(err,
		ErrPeerIncompatible) {
		t.Errorf("key of no kind: %v", err)
	}
	rsaKey := signingKeys()["RSA"].Public()
	if got, err := chooseSignature(rsaKey, []tls.SignatureScheme{tls.PSSWithSHA384}, all,
		VersionDTLS13); err != nil || got != tls.PSSWithSHA384 {
		t.Errorf("key that can do only one scheme: %v, %v", got, err)
	}
}

// B4: neither SHA-1 nor MD5.
func TestAttackB4WeakHashes(t *testing.T) {
	for _, s := range signatureSchemes {
		if s.hash != 0 && s.hash != crypto.SHA256 && s.hash != crypto.SHA384 && s.hash != crypto.SHA512 {
			t.Errorf("%v with %v", s.id, s.hash)
		}
	}
}

// A10: ECDSA signatures in which r or s is zero or the order of the curve. CVE-2022-21449.
func TestAttackA10PsychicSignatures(t *testing.T) {
	public := signingKeys()["P-256"].Public()
	order := elliptic.P256().Params().N
	integer := func(n *big.Int) string { // in DER
		b := append([]byte{0}, n.Bytes()...)
		return "02" + hex.EncodeToString([]byte{byte(len(b))}) + hex.EncodeToString(b)
	}
	zero, one := big.NewInt(0), big.NewInt(1)
	for _, pair := range [][2]*big.Int{{zero, zero}, {zero, one}, {one, zero}, {order, one},
		{one, order}, {order, order}} {
		body := integer(pair[0]) + integer(pair[1])
		signature := unhex(t, "30"+hex.EncodeToString([]byte{byte(len(body) / 2)})+body)
		err := verifySignature(public, tls.ECDSAWithP256AndSHA256, defaultSignatureAlgorithms(),
			VersionDTLS13, nil, signature)
		if alertOf(err) != AlertDecryptError {
			t.Errorf("%v: %v", pair, err)
		}
	}
}

func TestWeakKeys(t *testing.T) { // attacks B4, E11
	rsaOf := func(bits uint) *rsa.PublicKey {
		return &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), int(bits)-1, 1), E: 65537}
	}
	for name, key := range map[string]crypto.PublicKey{
		"RSA, 2047 bits": rsaOf(2047),
		"RSA, 8193 bits": rsaOf(8193),
		"P-224":          &ecdsa.PublicKey{Curve: elliptic.P224()},
		"no kind":        &struct{}{},
	} {
		err := verifySignature(key, tls.PSSWithSHA256, defaultSignatureAlgorithms(), VersionDTLS12, nil,
			nil)
		if alertOf(err) != AlertUnsupportedCertificate || !errors.Is(err, ErrPeerUntrusted) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, key := range signingKeys() {
		if err := checkPublicKey(key.Public()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAttackA8KeyOfAnotherSuite(t *testing.T) {
	for name, key := range signingKeys() {
		want := map[keyExchange]bool{kxNone: true, kxECDHEECDSA: name != "RSA", kxECDHERSA: name == "RSA"}
		for _, kx := range []keyExchange{kxNone, kxECDHEECDSA, kxECDHERSA, kxECDHEPSK, kxPSK} {
			if got := kx.allowsKey(key.Public()); got != want[kx] {
				t.Errorf("%s in key exchange %d: %v", name, kx, got)
			}
		}
	}
	if kxNone.allowsKey(&struct{}{}) {
		t.Error("key of no kind")
	}
}

// brokenSigner is a key in a device that was removed.
type brokenSigner struct{ crypto.Signer }

func (brokenSigner) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	return nil, io.ErrUnexpectedEOF
}

func TestSignFails(t *testing.T) {
	if _, err := sign(brokenSigner{}, tls.Ed25519, nil); !errors.Is(err, io.ErrUnexpectedEOF) ||
		!errors.Is(err, ErrMisuse) {
		t.Error(err)
	}
	if _, err := sign(signingKeys()["Ed25519"], 0x1a1a, nil); !errors.Is(err, ErrMisuse) {
		t.Error(err)
	}
}

func TestSigned13(t *testing.T) {
	got := string(signed13(contextClientSignature, []byte("hash")))
	if want := strings.Repeat(" ", 64) + "TLS 1.3, client CertificateVerify\x00hash"; got != want {
		t.Errorf("%q", got)
	}
}

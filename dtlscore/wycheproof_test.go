package dtlscore

import (
	"bytes"
	"crypto/ecdh"
	"crypto/mlkem"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"testing"
)

// A wycheproofCase is a case of any kind of file in testdata/wycheproof.
type wycheproofCase struct {
	TcID            int
	Comment, Result string

	Key, IV, AAD, Msg, Ct, Tag string // AEAD
	Sig                        string // signatures
	Public, Private, Shared    string // ECDH
	Seed, C, K                 string // ML-KEM
}

type wycheproofGroup struct {
	PublicKeyDER string
	Tests        []wycheproofCase
}

// A wycheproofCheck checks one case.
type wycheproofCheck func(t *testing.T, g wycheproofGroup, c wycheproofCase)

func wycheproof(t *testing.T, name string, run wycheproofCheck) {
	t.Run(name, func(t *testing.T) {
		var file struct{ TestGroups []wycheproofGroup }
		readJSON(t, "wycheproof/"+name+"_test.json", &file)
		count := 0
		for _, g := range file.TestGroups {
			for _, c := range g.Tests {
				run(t, g, c)
				count++
			}
		}
		if count == 0 {
			t.Error("no cases")
		}
	})
}

func TestWycheproofAEAD(t *testing.T) {
	check := func(kindFor func(key []byte) aeadKind) wycheproofCheck {
		return func(t *testing.T, _ wycheproofGroup, c wycheproofCase) {
			key := unhex(t, c.Key)
			aead, err := kindFor(key).new(key)
			if err != nil {
				t.Fatal(err)
			}
			sealed := append(unhex(t, c.Ct), unhex(t, c.Tag)...)
			got, err := aead.Open(nil, unhex(t, c.IV), sealed, unhex(t, c.AAD))
			if valid := c.Result == "valid"; valid != (err == nil) ||
				valid && !bytes.Equal(got, unhex(t, c.Msg)) {
				t.Errorf("%d %s (%s): %x, %v", c.TcID, c.Comment, c.Result, got, err)
			}
			if again := aead.Seal(nil, unhex(t, c.IV), unhex(t, c.Msg),
				unhex(t, c.AAD)); c.Result == "valid" && !bytes.Equal(again, sealed) {
				t.Errorf("%d %s: sealed as %x", c.TcID, c.Comment, again)
			}
		}
	}
	wycheproof(t, "aes_gcm", check(func(key []byte) aeadKind {
		if len(key) == 16 {
			return aeadAES128GCM
		}
		return aeadAES256GCM
	}))
	wycheproof(t, "chacha20_poly1305", check(func([]byte) aeadKind { return aeadChaCha20Poly1305 }))
}

// A10: these include signatures in which r or s is zero or too large.
func TestWycheproofSignatures(t *testing.T) {
	check := func(scheme tls.SignatureScheme, version uint16) wycheproofCheck {
		return func(t *testing.T, g wycheproofGroup, c wycheproofCase) {
			public, err := x509.ParsePKIXPublicKey(unhex(t, g.PublicKeyDER))
			if err != nil {
				t.Fatal(err)
			}
			err = verifySignature(public, scheme, []tls.SignatureScheme{scheme}, version, unhex(t, c.Msg),
				unhex(t, c.Sig))
			if c.Result == "acceptable" {
				return // PKCS #1 without NULL in the parameters, which does no harm
			}
			if valid := c.Result == "valid"; valid != (err == nil) ||
				err != nil && alertOf(err) != AlertDecryptError {
				t.Errorf("%d %s (%s): %v", c.TcID, c.Comment, c.Result, err)
			}
		}
	}
	wycheproof(t, "ecdsa_secp256r1_sha256", check(tls.ECDSAWithP256AndSHA256, VersionDTLS13))
	wycheproof(t, "ecdsa_secp384r1_sha384", check(tls.ECDSAWithP384AndSHA384, VersionDTLS13))
	wycheproof(t, "ed25519", check(tls.Ed25519, VersionDTLS13))
	wycheproof(t, "rsa_pss_2048_sha256_mgf1_32", check(tls.PSSWithSHA256, VersionDTLS13))
	wycheproof(t, "rsa_signature_2048_sha256", check(tls.PKCS1WithSHA256, VersionDTLS12))
}

func TestWycheproofECDH(t *testing.T) { // attack F4
	check := func(group tls.CurveID) wycheproofCheck {
		return func(t *testing.T, _ wycheproofGroup, c wycheproofCase) {
			private, err := curveOf(group).NewPrivateKey(leftPadded(unhex(t, c.Private), 32))
			if err != nil {
				t.Fatal(err)
			}
			public := unhex(t, c.Public)
			got, err := (&ephemeralKey{group: group, ecdh: private}).agree(public)
			want := c.Result != "invalid"
			switch {
			case group == tls.CurveP256 && len(public) != 65:
				want = false // compressed points: RFC 8422, Section 5.1.2
			case group == tls.X25519 && bytes.Equal(unhex(t, c.Shared), make([]byte, 32)):
				want = false // RFC 8422, Section 5.11
			}
			if want != (err == nil) || want && !bytes.Equal(got, unhex(t, c.Shared)) ||
				err != nil && alertOf(err) != AlertIllegalParameter {
				t.Errorf("%d %s (%s): %x, %v", c.TcID, c.Comment, c.Result, got, err)
			}
		}
	}
	wycheproof(t, "ecdh_secp256r1_ecpoint", check(tls.CurveP256))
	wycheproof(t, "x25519", check(tls.X25519))
}

// leftPadded pads a number to n bytes, which the files do not do.
func leftPadded(b []byte, n int) []byte {
	b = bytes.TrimLeft(b, "\x00")
	return append(make([]byte, n-len(b)), b...)
}

func TestWycheproofMLKEM(t *testing.T) { // F4
	x25519, err := ecdh.X25519().NewPrivateKey(testBytes(1, 32))
	if err != nil {
		t.Fatal(err)
	}
	peer, err := generateKey(tls.X25519)
	if err != nil {
		t.Fatal(err)
	}
	second, err := peer.agree(x25519.PublicKey().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	wycheproof(t, "mlkem_768", func(t *testing.T, _ wycheproofGroup, c wycheproofCase) {
		kem, err := mlkem.NewDecapsulationKey768(unhex(t, c.Seed))
		if err != nil {
			t.Fatal(err)
		}
		k := &ephemeralKey{group: tls.X25519MLKEM768, ecdh: x25519, kem: kem}
		got, err := k.agree(append(unhex(t, c.C), peer.share()...))
		want := append(unhex(t, c.K), second...)
		if valid := c.Result == "valid"; valid != (err == nil) || valid && !bytes.Equal(got, want) ||
			err != nil && (alertOf(err) != AlertIllegalParameter || !errors.Is(err, ErrPeerMisbehaved)) {
			t.Errorf("%d %s (%s): %x, %v", c.TcID, c.Comment, c.Result, got, err)
		}
	})
}

package dtlscore

import (
	"crypto"
	_ "crypto/sha256" // the hashes used in the table
	_ "crypto/sha512"
	"crypto/tls"
)

// A keyExchange determines which messages of DTLS 1.2 a cipher suite uses, their format, and how
// the server is authenticated.
type keyExchange uint8

const (
	kxNone       keyExchange = iota // in DTLS 1.3 it is independent of the suite
	kxECDHEECDSA                    // RFC 8422
	kxECDHERSA
	kxECDHEPSK // RFC 5489
	kxPSK      // RFC 4279, Section 2
)

// hasECDHE reports whether the key exchange is ephemeral, which provides forward secrecy.
func (kx keyExchange) hasECDHE() bool { return kx != kxPSK && kx != kxNone }

// hasPSK reports whether a pre-shared key authenticates both sides, without certificates.
func (kx keyExchange) hasPSK() bool { return kx == kxPSK || kx == kxECDHEPSK }

// An aeadKind is the AEAD algorithm that protects records.
type aeadKind uint8

const (
	aeadAES128GCM aeadKind = iota
	aeadAES256GCM
	aeadChaCha20Poly1305
)

// A cipherSuite describes a cipher suite.
type cipherSuite struct {
	id      uint16
	version uint16 // the only version that has it
	kx      keyExchange
	aead    aeadKind
	hash    crypto.Hash // of the PRF or HKDF, and of the transcript
}

// cipherSuites are the implemented suites, in the order of preference. GCM is first, because the
// servers that run signaling have hardware support for AES.
var cipherSuites = []*cipherSuite{
	{TLS_AES_128_GCM_SHA256, VersionDTLS13, kxNone, aeadAES128GCM, crypto.SHA256},
	{TLS_AES_256_GCM_SHA384, VersionDTLS13, kxNone, aeadAES256GCM, crypto.SHA384},
	{TLS_CHACHA20_POLY1305_SHA256, VersionDTLS13, kxNone, aeadChaCha20Poly1305, crypto.SHA256},

	{TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, VersionDTLS12, kxECDHEECDSA, aeadAES128GCM,
		crypto.SHA256},
	{TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, VersionDTLS12, kxECDHERSA, aeadAES128GCM, crypto.SHA256},
	{TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, VersionDTLS12, kxECDHEECDSA, aeadAES256GCM,
		crypto.SHA384},
	{TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, VersionDTLS12, kxECDHERSA, aeadAES256GCM, crypto.SHA384},
	{TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, VersionDTLS12, kxECDHEECDSA, aeadChaCha20Poly1305,
		crypto.SHA256},
	{TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, VersionDTLS12, kxECDHERSA, aeadChaCha20Poly1305,
		crypto.SHA256},

	{TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256, VersionDTLS12, kxECDHEPSK, aeadAES128GCM, crypto.SHA256},
	{TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384, VersionDTLS12, kxECDHEPSK, aeadAES256GCM, crypto.SHA384},
	{TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256, VersionDTLS12, kxECDHEPSK, aeadChaCha20Poly1305,
		crypto.SHA256},
	{TLS_PSK_WITH_AES_128_GCM_SHA256, VersionDTLS12, kxPSK, aeadAES128GCM, crypto.SHA256},
	{TLS_PSK_WITH_AES_256_GCM_SHA384, VersionDTLS12, kxPSK, aeadAES256GCM, crypto.SHA384},
}

// CipherSuites returns the IDs of all implemented suites, in the order of preference.
func CipherSuites() []uint16 {
	var ids []uint16
	for _, s := range cipherSuites {
		ids = append(ids, s.id)
	}
	return ids
}

// CipherSuiteName returns the IANA name of a cipher suite, or "0xNNNN" if neither this package nor
// crypto/tls knows it.
func CipherSuiteName(id uint16) string {
	if name, ok := pskSuiteNames[id]; ok {
		return name
	}
	return tls.CipherSuiteName(id)
}

// pskSuiteNames are the names of suites that crypto/tls does not know.
var pskSuiteNames = map[uint16]string{
	TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256:       "TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256",
	TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384:       "TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384",
	TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256: "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256",
	TLS_PSK_WITH_AES_128_GCM_SHA256:             "TLS_PSK_WITH_AES_128_GCM_SHA256",
	TLS_PSK_WITH_AES_256_GCM_SHA384:             "TLS_PSK_WITH_AES_256_GCM_SHA384",
}

// suiteByID returns a suite, or nil if it is not implemented for the version.
func suiteByID(id, version uint16) *cipherSuite {
	for _, s := range cipherSuites {
		if s.id == id && s.version == version {
			return s
		}
	}
	return nil
}

// defaultCipherSuites are the IDs of all suites with forward secrecy.
var defaultCipherSuites = func() (ids []uint16) {
	for _, s := range cipherSuites {
		if s.kx != kxPSK {
			ids = append(ids, s.id)
		}
	}
	return ids
}()

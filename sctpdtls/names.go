package sctpdtls

import (
	core "github.com/seed-41f70523/dtls-sctp/dtlscore"
)

// DTLS versions, for [Config] and [ConnectionState].
const (
	VersionDTLS12 = core.VersionDTLS12 // RFC 6347
	VersionDTLS13 = core.VersionDTLS13 // RFC 9147
)

// VersionName returns “DTLS 1.2” or “DTLS 1.3”, or “0xNNNN” for a version that is not
// known.
func VersionName(version uint16) string { return core.VersionName(version) }

// CipherSuites returns all cipher suites that are implemented, in the order of preference. A nil
// [Config].CipherSuites stands for those of them that have forward secrecy.
func CipherSuites() []uint16 { return core.CipherSuites() }

// CipherSuiteName returns the name that IANA has for a cipher suite, as [tls.CipherSuiteName] does,
// which does not know those with pre-shared keys. A suite that is not known is “0xNNNN”.
func CipherSuiteName(id uint16) string { return core.CipherSuiteName(id) }

// The cipher suites that are implemented, for [Config].CipherSuites. All have authenticated
// encryption, and all but the last two forward secrecy.
const (
	// Of DTLS 1.3 (RFC 8446).
	TLS_AES_128_GCM_SHA256       = core.TLS_AES_128_GCM_SHA256
	TLS_AES_256_GCM_SHA384       = core.TLS_AES_256_GCM_SHA384
	TLS_CHACHA20_POLY1305_SHA256 = core.TLS_CHACHA20_POLY1305_SHA256

	// Of DTLS 1.2 (RFC 5289, RFC 7905).
	TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256       = core.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
	TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384       = core.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
	TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256         = core.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
	TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384         = core.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384
	TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256   = core.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256
	TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 = core.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256

	// Of DTLS 1.2, with a pre-shared key (RFC 8442, RFC 7905, RFC 5487).
	TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 = core.TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256
	TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256       = core.TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256
	TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384       = core.TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384
	TLS_PSK_WITH_AES_128_GCM_SHA256             = core.TLS_PSK_WITH_AES_128_GCM_SHA256
	TLS_PSK_WITH_AES_256_GCM_SHA384             = core.TLS_PSK_WITH_AES_256_GCM_SHA384
)

// An Alert is the number of an alert, as registered with IANA (RFC 8446, Section 6).
type Alert = core.Alert

// The alerts that an [AlertError] can have.
const (
	AlertCloseNotify                  = core.AlertCloseNotify
	AlertUnexpectedMessage            = core.AlertUnexpectedMessage
	AlertBadRecordMAC                 = core.AlertBadRecordMAC
	AlertRecordOverflow               = core.AlertRecordOverflow
	AlertHandshakeFailure             = core.AlertHandshakeFailure
	AlertBadCertificate               = core.AlertBadCertificate
	AlertUnsupportedCertificate       = core.AlertUnsupportedCertificate
	AlertCertificateRevoked           = core.AlertCertificateRevoked
	AlertCertificateExpired           = core.AlertCertificateExpired
	AlertCertificateUnknown           = core.AlertCertificateUnknown
	AlertIllegalParameter             = core.AlertIllegalParameter
	AlertUnknownCA                    = core.AlertUnknownCA
	AlertAccessDenied                 = core.AlertAccessDenied
	AlertDecodeError                  = core.AlertDecodeError
	AlertDecryptError                 = core.AlertDecryptError
	AlertTooManyCIDsRequested         = core.AlertTooManyCIDsRequested
	AlertProtocolVersion              = core.AlertProtocolVersion
	AlertInsufficientSecurity         = core.AlertInsufficientSecurity
	AlertInternalError                = core.AlertInternalError
	AlertInappropriateFallback        = core.AlertInappropriateFallback
	AlertUserCanceled                 = core.AlertUserCanceled
	AlertNoRenegotiation              = core.AlertNoRenegotiation
	AlertMissingExtension             = core.AlertMissingExtension
	AlertUnsupportedExtension         = core.AlertUnsupportedExtension
	AlertUnrecognizedName             = core.AlertUnrecognizedName
	AlertBadCertificateStatusResponse = core.AlertBadCertificateStatusResponse
	AlertUnknownPSKIdentity           = core.AlertUnknownPSKIdentity
	AlertCertificateRequired          = core.AlertCertificateRequired
	AlertNoApplicationProtocol        = core.AlertNoApplicationProtocol
)

// A KeyUpdateRequest says whether a KeyUpdate requests that the peer updates its keys too (RFC
// 8446, Section 4.6.3).
type KeyUpdateRequest = core.KeyUpdateRequest

// What [Conn.KeyUpdate] can ask for.
const (
	UpdateNotRequested = core.UpdateNotRequested
	UpdateRequested    = core.UpdateRequested
)

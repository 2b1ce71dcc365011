package dtlscore

import (
	"fmt"
	"strconv"
)

// Protocol versions, as encoded on the wire.
const (
	VersionDTLS12 uint16 = 0xfefd // RFC 6347
	VersionDTLS13 uint16 = 0xfefc // RFC 9147

	versionDTLS10 uint16 = 0xfeff // RFC 8996: recognized only to be refused by name
)

// VersionName returns "DTLS 1.2" or "DTLS 1.3", or "0xNNNN" for an unknown version, as
// [tls.VersionName] does for TLS.
func VersionName(version uint16) string {
	switch version {
	case versionDTLS10:
		return "DTLS 1.0"
	case VersionDTLS12:
		return "DTLS 1.2"
	case VersionDTLS13:
		return "DTLS 1.3"
	}
	return fmt.Sprintf("0x%04X", version)
}

// Cipher suites. All provide authenticated encryption, and all but the two of RFC 5487 provide
// forward secrecy.
const (
	TLS_AES_128_GCM_SHA256       uint16 = 0x1301 // RFC 8446, DTLS 1.3
	TLS_AES_256_GCM_SHA384       uint16 = 0x1302
	TLS_CHACHA20_POLY1305_SHA256 uint16 = 0x1303

	TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256       uint16 = 0xc02b // RFC 5289, DTLS 1.2
	TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384       uint16 = 0xc02c
	TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256         uint16 = 0xc02f
	TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384         uint16 = 0xc030
	TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256   uint16 = 0xcca8 // RFC 7905
	TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256 uint16 = 0xcca9

	TLS_PSK_WITH_AES_128_GCM_SHA256             uint16 = 0x00a8 // RFC 5487, no forward secrecy
	TLS_PSK_WITH_AES_256_GCM_SHA384             uint16 = 0x00a9
	TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256 uint16 = 0xccac // RFC 7905
	TLS_ECDHE_PSK_WITH_AES_128_GCM_SHA256       uint16 = 0xd001 // RFC 8442
	TLS_ECDHE_PSK_WITH_AES_256_GCM_SHA384       uint16 = 0xd002

	scsvRenegotiationInfo uint16 = 0x00ff // RFC 5746, Section 3.3
	scsvFallback          uint16 = 0x5600 // RFC 7507
)

// A contentType is the content type of a record. See RFC 9147, Section 4.
type contentType uint8

const (
	contentChangeCipherSpec contentType = 20
	contentAlert            contentType = 21
	contentHandshake        contentType = 22
	contentApplicationData  contentType = 23
	contentACK              contentType = 26 // DTLS 1.3
)

func (t contentType) String() string {
	switch t {
	case contentChangeCipherSpec:
		return "change_cipher_spec"
	case contentAlert:
		return "alert"
	case contentHandshake:
		return "handshake"
	case contentApplicationData:
		return "application_data"
	case contentACK:
		return "ack"
	}
	return "content type " + strconv.Itoa(int(t))
}

// A handshakeType is the type of a handshake message. See RFC 9147, Section 5.2.
type handshakeType uint8

const (
	typeHelloRequest        handshakeType = 0
	typeClientHello         handshakeType = 1
	typeServerHello         handshakeType = 2 // also HelloRetryRequest
	typeHelloVerifyRequest  handshakeType = 3
	typeNewSessionTicket    handshakeType = 4
	typeEncryptedExtensions handshakeType = 8
	typeCertificate         handshakeType = 11
	typeServerKeyExchange   handshakeType = 12
	typeCertificateRequest  handshakeType = 13
	typeServerHelloDone     handshakeType = 14
	typeCertificateVerify   handshakeType = 15
	typeClientKeyExchange   handshakeType = 16
	typeFinished            handshakeType = 20
	typeCertificateStatus   handshakeType = 22
	typeKeyUpdate           handshakeType = 24
	typeMessageHash         handshakeType = 254 // RFC 8446, Section 4.4.1; never on the wire
)

var handshakeTypeNames = map[handshakeType]string{
	typeHelloRequest:        "HelloRequest",
	typeClientHello:         "ClientHello",
	typeServerHello:         "ServerHello",
	typeHelloVerifyRequest:  "HelloVerifyRequest",
	typeNewSessionTicket:    "NewSessionTicket",
	typeEncryptedExtensions: "EncryptedExtensions",
	typeCertificate:         "Certificate",
	typeServerKeyExchange:   "ServerKeyExchange",
	typeCertificateRequest:  "CertificateRequest",
	typeServerHelloDone:     "ServerHelloDone",
	typeCertificateVerify:   "CertificateVerify",
	typeClientKeyExchange:   "ClientKeyExchange",
	typeFinished:            "Finished",
	typeCertificateStatus:   "CertificateStatus",
	typeKeyUpdate:           "KeyUpdate",
	typeMessageHash:         "message_hash",
}

func (t handshakeType) String() string {
	if name, ok := handshakeTypeNames[t]; ok {
		return name
	}
	return "handshake message of type " + strconv.Itoa(int(t))
}

// An extensionType is the type of an extension; exttable.go has their codecs.
type extensionType uint16

const (
	extServerName              extensionType = 0      // RFC 6066, Section 3
	extMaxFragmentLength       extensionType = 1      // RFC 6066, Section 4; never offered
	extStatusRequest           extensionType = 5      // RFC 6066, Section 8
	extSupportedGroups         extensionType = 10     // RFC 8446, Section 4.2.7
	extPointFormats            extensionType = 11     // RFC 8422, Section 5.1.2
	extSignatureAlgorithms     extensionType = 13     // RFC 8446, Section 4.2.3
	extALPN                    extensionType = 16     // RFC 7301
	extClientCertificateType   extensionType = 19     // RFC 7250
	extServerCertificateType   extensionType = 20     // RFC 7250
	extPadding                 extensionType = 21     // RFC 7685; ignored
	extExtendedMasterSecret    extensionType = 23     // RFC 7627
	extRecordSizeLimit         extensionType = 28     // RFC 8449; never offered
	extSessionTicket           extensionType = 35     // RFC 5077
	extPreSharedKey            extensionType = 41     // RFC 8446, Section 4.2.11
	extEarlyData               extensionType = 42     // RFC 8446, Section 4.2.10
	extSupportedVersions       extensionType = 43     // RFC 8446, Section 4.2.1
	extCookie                  extensionType = 44     // RFC 8446, Section 4.2.2
	extPSKKeyExchangeModes     extensionType = 45     // RFC 8446, Section 4.2.9
	extCertificateAuthorities  extensionType = 47     // RFC 8446, Section 4.2.4
	extSignatureAlgorithmsCert extensionType = 50     // RFC 8446, Section 4.2.3
	extKeyShare                extensionType = 51     // RFC 8446, Section 4.2.8
	extEncryptedClientHello    extensionType = 0xfe0d // RFC 9849; ignored
	extRenegotiationInfo       extensionType = 0xff01 // RFC 5746

	// draft-ietf-tls-super-jumbo-record-limit-03. IANA has not assigned a number yet. This one is
	// reserved for private use (RFC 8446, Section 11) and will change when there is an RFC.
	extLargeRecordSizeLimit extensionType = 0xff4c
)

// Certificate types. See RFC 7250.
const (
	certTypeX509         uint8 = 0
	certTypeRawPublicKey uint8 = 2
)

// Values of psk_key_exchange_modes. See RFC 8446, Section 4.2.9.
const (
	pskModeKE    uint8 = 0 // no forward secrecy
	pskModeDHEKE uint8 = 1
)

const (
	pointFormatUncompressed uint8 = 0
	compressionNull         uint8 = 0
	statusTypeOCSP          uint8 = 1
	nameTypeHost            uint8 = 0
	curveTypeNamed          uint8 = 3 // RFC 8422, Section 5.4

	certRequestRSASign   uint8 = 1  // ClientCertificateType, RFC 5246, Section 7.4.4
	certRequestECDSASign uint8 = 64 // RFC 8422, Section 5.5
)

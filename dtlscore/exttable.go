package dtlscore

import (
	"strings"

	"golang.org/x/crypto/cryptobyte"
)

// inServerAnswer are the places of the server's answers to the ClientHello: the ServerHello in DTLS
// 1.2, EncryptedExtensions in DTLS 1.3.
const inServerAnswer = inServerHello12 | inEncryptedExtensions

// extensionTable lists all implemented extensions, in the order in which they are sent.
var extensionTable = []extension{
	{extServerName, "server_name", inClientHello | inServerAnswer,
		func(e *extensions, in place) bool {
			if in == inClientHello {
				return e.serverName != ""
			}
			return e.serverNameUsed
		}, addServerName, parseServerName},

	{extStatusRequest, "status_request",
		inClientHello | inServerHello12 | inCertificate | inCertificateRequest,
		func(e *extensions, in place) bool {
			if in == inCertificate {
				return len(e.ocspResponse) > 0
			}
			return e.statusRequest
		}, addStatusRequest, parseStatusRequest},

	{extSupportedGroups, "supported_groups", inClientHello | inEncryptedExtensions,
		func(e *extensions, _ place) bool { return len(e.supportedGroups) > 0 },
		func(e *extensions, _ place, b *cryptobyte.Builder) { addVectorUint16s(b, e.supportedGroups) },
		func(e *extensions, _ place, s *cryptobyte.String) error {
			return wellFormed(readUint16s(s, &e.supportedGroups), extSupportedGroups)
		}},

	{extPointFormats, "ec_point_formats", inClientHello | inServerHello12,
		func(e *extensions, _ place) bool { return len(e.pointFormats) > 0 },
		func(e *extensions, _ place, b *cryptobyte.Builder) { addVector8(b, e.pointFormats) },
		parsePointFormats},

	{extSignatureAlgorithms, "signature_algorithms", inClientHello | inCertificateRequest,
		func(e *extensions, _ place) bool { return len(e.signatureAlgorithms) > 0 },
		func(e *extensions, _ place, b *cryptobyte.Builder) {
			addVectorUint16s(b,
				e.signatureAlgorithms)
		},
		func(e *extensions, _ place, s *cryptobyte.String) error {
			return wellFormed(readUint16s(s, &e.signatureAlgorithms), extSignatureAlgorithms)
		}},

	{extSignatureAlgorithmsCert, "signature_algorithms_cert", inClientHello | inCertificateRequest,
		func(e *extensions, _ place) bool { return len(e.signatureAlgorithmsCert) > 0 },
		func(e *extensions, _ place, b *cryptobyte.Builder) {
			addVectorUint16s(b,
				e.signatureAlgorithmsCert)
		},
		func(e *extensions, _ place, s *cryptobyte.String) error {
			return wellFormed(readUint16s(s, &e.signatureAlgorithmsCert), extSignatureAlgorithmsCert)
		}},

	{extALPN, "application_layer_protocol_negotiation", inClientHello | inServerAnswer,
		func(e *extensions, _ place) bool { return len(e.alpn) > 0 },
		addALPN, parseALPN},

	{extClientCertificateType, "client_certificate_type", inClientHello | inServerAnswer,
		func(e *extensions, _ place) bool { return len(e.clientCertificateTypes) > 0 },
		func(e *extensions, in place, b *cryptobyte.Builder) {
			addCertificateTypes(e.clientCertificateTypes, in, b)
		},
		func(e *extensions, in place, s *cryptobyte.String) error {
			return wellFormed(readCertificateTypes(&e.clientCertificateTypes, in, s),
				extClientCertificateType)
		}},

	{extServerCertificateType, "server_certificate_type", inClientHello | inServerAnswer,
		func(e *extensions, _ place) bool { return len(e.serverCertificateTypes) > 0 },
		func(e *extensions, in place, b *cryptobyte.Builder) {
			addCertificateTypes(e.serverCertificateTypes, in, b)
		},
		func(e *extensions, in place, s *cryptobyte.String) error {
			return wellFormed(readCertificateTypes(&e.serverCertificateTypes, in, s),
				extServerCertificateType)
		}},

	{extExtendedMasterSecret, "extended_master_secret", inClientHello | inServerHello12,
		func(e *extensions, _ place) bool { return e.extendedMasterSecret },
		func(*extensions, place, *cryptobyte.Builder) {},
		func(e *extensions, _ place,
			_ *cryptobyte.String) error {
			e.extendedMasterSecret = true
			return nil
		}},

	{extSessionTicket, "session_ticket", inClientHello | inServerHello12,
		func(e *extensions, _ place) bool { return e.sessionTicket != nil },
		func(e *extensions, _ place, b *cryptobyte.Builder) { b.AddBytes(e.sessionTicket) },
		func(e *extensions, in place, s *cryptobyte.String) error {
			if in == inServerHello12 && !s.Empty() {
				return malformed("%v in ServerHello is not empty", extSessionTicket)
			}
			e.sessionTicket = []byte{}
			return wellFormed(s.ReadBytes(&e.sessionTicket, len(*s)), extSessionTicket)
		}},

	{extRenegotiationInfo, "renegotiation_info", inClientHello | inServerHello12,
		func(e *extensions, _ place) bool { return e.renegotiationInfo != nil },
		func(e *extensions, _ place, b *cryptobyte.Builder) { addVector8(b, e.renegotiationInfo) },
		func(e *extensions, _ place, s *cryptobyte.String) error {
			return wellFormed(readVector8(s, &e.renegotiationInfo), extRenegotiationInfo)
		}},

	{extSupportedVersions, "supported_versions", inClientHello | inServerHello13 | inHelloRetryRequest,
		func(e *extensions, _ place) bool { return len(e.supportedVersions) > 0 },
		addSupportedVersions, parseSupportedVersions},

	{extCookie, "cookie", inClientHello | inHelloRetryRequest,
		func(e *extensions, _ place) bool { return len(e.cookie13) > 0 },
		func(e *extensions, _ place, b *cryptobyte.Builder) { addVector16(b, e.cookie13) },
		func(e *extensions, _ place, s *cryptobyte.String) error {
			return wellFormed(readVector16(s, &e.cookie13) && len(e.cookie13) > 0, extCookie)
		}},

	{extCertificateAuthorities, "certificate_authorities", inClientHello | inCertificateRequest,
		func(e *extensions, _ place) bool { return len(e.certificateAuthorities) > 0 },
		func(e *extensions, _ place, b *cryptobyte.Builder) {
			addAuthorities(b,
				e.certificateAuthorities)
		},
		func(e *extensions, _ place, s *cryptobyte.String) error {
			ok := readAuthorities(s, &e.certificateAuthorities) && len(e.certificateAuthorities) > 0
			return wellFormed(ok, extCertificateAuthorities)
		}},

	{extEarlyData, "early_data", inClientHello | inEncryptedExtensions | inNewSessionTicket,
		func(e *extensions, _ place) bool { return e.earlyData },
		func(e *extensions, in place, b *cryptobyte.Builder) {
			if in == inNewSessionTicket {
				b.AddUint32(e.maxEarlyData)
			}
		},
		func(e *extensions, in place, s *cryptobyte.String) error {
			e.earlyData = true
			return wellFormed(in != inNewSessionTicket || s.ReadUint32(&e.maxEarlyData), extEarlyData)
		}},

	{extLargeRecordSizeLimit, "large_record_size_limit", inClientHello | inEncryptedExtensions,
		func(e *extensions, _ place) bool { return e.largeRecordSizeLimit != nil },
		func(e *extensions, _ place, b *cryptobyte.Builder) { b.AddBytes(e.largeRecordSizeLimit) },
		func(e *extensions, _ place, s *cryptobyte.String) error {
			e.largeRecordSizeLimit = []byte{}
			return wellFormed(s.ReadBytes(&e.largeRecordSizeLimit, len(*s)), extLargeRecordSizeLimit)
		}},

	{extKeyShare, "key_share", inClientHello | inServerHello13 | inHelloRetryRequest,
		func(e *extensions, _ place) bool { return e.keyShares != nil },
		addKeyShares, parseKeyShares},

	{extPSKKeyExchangeModes, "psk_key_exchange_modes", inClientHello,
		func(e *extensions, _ place) bool { return len(e.pskModes) > 0 },
		func(e *extensions, _ place, b *cryptobyte.Builder) { addVector8(b, e.pskModes) },
		func(e *extensions, _ place, s *cryptobyte.String) error {
			return wellFormed(readVector8(s, &e.pskModes) && len(e.pskModes) > 0, extPSKKeyExchangeModes)
		}},

	// Must be last: RFC 8446, Section 4.2.11.
	{extPreSharedKey, "pre_shared_key", inClientHello | inServerHello13,
		func(e *extensions, in place) bool {
			return in == inClientHello && len(e.identities) > 0 || in != inClientHello && e.pskSelected
		}, addPreSharedKey, parsePreSharedKey},
}

// wellFormed returns the error for an extension that cannot be parsed, or nil if ok.
func wellFormed(ok bool, t extensionType) error {
	if !ok {
		return malformed("%v", t)
	}
	return nil
}

func addVectorUint16s[T ~uint16](b *cryptobyte.Builder, list []T) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) { addUint16s(b, list) })
}

func addServerName(e *extensions, in place, b *cryptobyte.Builder) {
	if in != inClientHello {
		return // the answer has an empty body
	}
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint8(nameTypeHost)
		addVector16(b, []byte(e.serverName))
	})
}

func parseServerName(e *extensions, in place, s *cryptobyte.String) error {
	if in != inClientHello {
		e.serverNameUsed = true
		return nil
	}
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) || list.Empty() {
		return malformed("server_name")
	}
	for !list.Empty() {
		var nameType uint8
		var name []byte
		if !list.ReadUint8(&nameType) || !readVector16(&list, &name) || len(name) == 0 {
			return malformed("server_name")
		}
		if nameType != nameTypeHost {
			continue
		}
		if e.serverName != "" {
			return illegal("server_name has two host names")
		}
		// "without a trailing dot", RFC 6066, Section 3.
		if e.serverName = string(name); strings.HasSuffix(e.serverName, ".") {
			return illegal("server_name ends with a dot")
		}
	}
	return nil
}

func addStatusRequest(e *extensions, in place, b *cryptobyte.Builder) {
	switch in {
	// empty: RFC 6066, Section 8; RFC 8446, Section 4.4.2.1
	case inServerHello12, inCertificateRequest:
	case inCertificate:
		b.AddUint8(statusTypeOCSP)
		addVector24(b, e.ocspResponse)
	default:
		b.AddUint8(statusTypeOCSP)
		addVector16(b, nil) // responder_id_list
		addVector16(b, nil) // request_extensions
	}
}

func parseStatusRequest(e *extensions, in place, s *cryptobyte.String) error {
	var statusType uint8
	switch in {
	case inServerHello12, inCertificateRequest:
		e.statusRequest = true
		return nil
	case inCertificate:
		ok := s.ReadUint8(&statusType) && statusType == statusTypeOCSP &&
			readVector24(s, &e.ocspResponse) && len(e.ocspResponse) > 0
		return wellFormed(ok, extStatusRequest)
	}
	if !s.ReadUint8(&statusType) {
		return malformed("status_request")
	}
	if statusType != statusTypeOCSP {
		s.Skip(len(*s)) // an unknown status type, whose format is unknown
		return nil
	}
	var responders, requestExtensions []byte
	e.statusRequest = true
	return wellFormed(readVector16(s, &responders) && readVector16(s, &requestExtensions),
		extStatusRequest)
}

func parsePointFormats(e *extensions, _ place, s *cryptobyte.String) error {
	if !readVector8(s, &e.pointFormats) || len(e.pointFormats) == 0 {
		return malformed("ec_point_formats")
	}
	// RFC 8422, Section 5.1.2.
	if !containsByte(e.pointFormats, pointFormatUncompressed) {
		return illegal("ec_point_formats without the uncompressed format")
	}
	return nil
}

func addALPN(e *extensions, _ place, b *cryptobyte.Builder) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, name := range e.alpn {
			addVector8(b, []byte(name))
		}
	})
}

func parseALPN(e *extensions, in place, s *cryptobyte.String) error {
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) || list.Empty() {
		return malformed("list of ALPN names")
	}
	for !list.Empty() {
		var name []byte
		if !readVector8(&list, &name) || len(name) == 0 {
			return malformed("list of ALPN names")
		}
		e.alpn = append(e.alpn, string(name))
	}
	// "MUST contain exactly one", RFC 7301, Section 3.1.
	if in != inClientHello && len(e.alpn) != 1 {
		return illegal("server chose %d ALPN names", len(e.alpn))
	}
	return nil
}

func addCertificateTypes(types []uint8, in place, b *cryptobyte.Builder) {
	if in == inClientHello {
		addVector8(b, types)
	} else {
		b.AddUint8(types[0])
	}
}

func readCertificateTypes(types *[]uint8, in place, s *cryptobyte.String) bool {
	if in == inClientHello {
		return readVector8(s, types) && len(*types) > 0
	}
	return s.ReadBytes(types, 1)
}

func addSupportedVersions(e *extensions, in place, b *cryptobyte.Builder) {
	if in == inClientHello {
		b.AddUint8LengthPrefixed(func(b *cryptobyte.Builder) { addUint16s(b, e.supportedVersions) })
	} else {
		b.AddUint16(e.supportedVersions[0])
	}
}

func parseSupportedVersions(e *extensions, in place, s *cryptobyte.String) error {
	if in != inClientHello {
		var v uint16
		ok := s.ReadUint16(&v)
		e.supportedVersions = []uint16{v}
		return wellFormed(ok, extSupportedVersions)
	}
	var list cryptobyte.String
	ok := s.ReadUint8LengthPrefixed(&list) && !list.Empty() &&
		readAllUint16s(list, &e.supportedVersions)
	return wellFormed(ok, extSupportedVersions)
}

func addAuthorities(b *cryptobyte.Builder, names [][]byte) {
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, name := range names {
			addVector16(b, name)
		}
	})
}

func readAuthorities(s *cryptobyte.String, names *[][]byte) bool {
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) {
		return false
	}
	for !list.Empty() {
		var name []byte
		if !readVector16(&list, &name) || len(name) == 0 {
			return false
		}
		*names = append(*names, name)
	}
	return true
}

func addKeyShares(e *extensions, in place, b *cryptobyte.Builder) {
	add := func(b *cryptobyte.Builder, share keyShare) {
		b.AddUint16(uint16(share.group))
		addVector16(b, share.data)
	}
	switch in {
	case inHelloRetryRequest:
		b.AddUint16(uint16(e.keyShares[0].group))
	case inServerHello13:
		add(b, e.keyShares[0])
	default:
		b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
			for _, share := range e.keyShares {
				add(b, share)
			}
		})
	}
}

func parseKeyShares(e *extensions, in place, s *cryptobyte.String) error {
	read := func(s *cryptobyte.String) (share keyShare, ok bool) {
		ok = s.ReadUint16((*uint16)(&share.group)) && readVector16(s, &share.data) && len(share.data) > 0
		return share, ok
	}
	switch in {
	case inHelloRetryRequest:
		e.keyShares = make([]keyShare, 1)
		return wellFormed(s.ReadUint16((*uint16)(&e.keyShares[0].group)), extKeyShare)
	case inServerHello13:
		share, ok := read(s)
		e.keyShares = []keyShare{share}
		return wellFormed(ok, extKeyShare)
	}
	var list cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&list) {
		return malformed("key_share")
	}
	e.keyShares = []keyShare{} // an empty list requests a HelloRetryRequest
	seen := make(map[uint16]bool)
	for !list.Empty() {
		share, ok := read(&list)
		if !ok {
			return malformed("key_share")
		}
		if seen[uint16(share.group)] {
			return illegal("two key shares for group %v", share.group)
		}
		seen[uint16(share.group)] = true
		e.keyShares = append(e.keyShares, share)
	}
	return nil
}

// minBinderLen is the length of the shortest binder, that of SHA-256.
const minBinderLen = 32

func addPreSharedKey(e *extensions, in place, b *cryptobyte.Builder) {
	if in != inClientHello {
		b.AddUint16(e.selectedIdentity)
		return
	}
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, id := range e.identities {
			addVector16(b, id.identity)
			b.AddUint32(id.obfuscatedTicketAge)
		}
	})
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		for _, binder := range e.binders {
			addVector8(b, binder)
		}
	})
}

func parsePreSharedKey(e *extensions, in place, s *cryptobyte.String) error {
	if in != inClientHello {
		e.pskSelected = true
		return wellFormed(s.ReadUint16(&e.selectedIdentity), extPreSharedKey)
	}
	var identities, binders cryptobyte.String
	if !s.ReadUint16LengthPrefixed(&identities) || identities.Empty() ||
		!s.ReadUint16LengthPrefixed(&binders) || binders.Empty() {
		return malformed("pre_shared_key")
	}
	for !identities.Empty() {
		var id pskIdentity
		if !readVector16(&identities, &id.identity) || len(id.identity) == 0 ||
			!identities.ReadUint32(&id.obfuscatedTicketAge) {
			return malformed("identities of pre_shared_key")
		}
		e.identities = append(e.identities, id)
	}
	for !binders.Empty() {
		var binder []byte
		if !readVector8(&binders, &binder) || len(binder) < minBinderLen {
			return malformed("binders of pre_shared_key")
		}
		e.binders = append(e.binders, binder)
	}
	if len(e.identities) != len(e.binders) {
		return illegal("%d identities with %d binders", len(e.identities), len(e.binders))
	}
	return nil
}

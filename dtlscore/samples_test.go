package dtlscore

import (
	"crypto/tls"
	"encoding/hex"
	"iter"
	"strings"
)

// A vector is a field with a length prefix, whose contents are vectors or strings of hexadecimal
// digits. Tests build messages as such trees, independently of the code of the package, and insert
// an error at each level.
type vector struct {
	width  int  // of the length, in bytes; 0 if there is none
	opaque bool // of any length
	parts  []any
}

func vec(width int, parts ...any) *vector     { return &vector{width, false, parts} }
func opaque(width int, digits string) *vector { return &vector{width, true, []any{digits}} }
func ext(typ string, parts ...any) *vector    { return vec(0, typ, vec(2, parts...)) }
func extOpaque(typ string, v string) *vector  { return vec(0, typ, opaque(2, v)) }
func digits(s string, count int) string       { return strings.Repeat(s, count) }
func bytesOf(s string, count int) (b []byte) {
	b,
		_ = hex.DecodeString(digits(s, count))
	return b
}
func (v *vector) bytes() []byte { return v.encode(nil, nil, nil, -1) }

// encode encodes the tree with two errors: an extra byte at the end of longer, and the length of
// wrong replaced by a number.
func (v *vector) encode(b []byte, longer, wrong *vector, length int) []byte {
	start := len(b)
	b = append(b, make([]byte, v.width)...)
	for _, p := range v.parts {
		switch p := p.(type) {
		case *vector:
			b = p.encode(b, longer, wrong, length)
		case string:
			d, err := hex.DecodeString(p)
			if err != nil {
				panic(err)
			}
			b = append(b, d...)
		}
	}
	if v == longer {
		b = append(b, 0)
	}
	n := len(b) - start - v.width
	if v == wrong {
		n = length
	}
	for i := v.width; i > 0; i-- {
		b[start+i-1] = byte(n)
		n >>= 8
	}
	return b
}

func (v *vector) all(yield func(*vector) bool) bool {
	if !yield(v) {
		return false
	}
	for _, p := range v.parts {
		if p, ok := p.(*vector); ok && !p.all(yield) {
			return false
		}
	}
	return true
}

// broken generates the errors that attack I1 lists, except truncation.
func (v *vector) broken() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		good := string(v.bytes())
		v.all(func(at *vector) bool {
			if at.width == 0 && at != v {
				return true
			}
			where := hex.EncodeToString(at.bytes())
			if !at.opaque && !yield("byte appended to "+where, v.encode(nil, at, nil, -1)) {
				return false
			}
			for _, n := range []int{0, 1, 1<<(8*at.width) - 1} {
				b := v.encode(nil, nil, at, n)
				if string(b) != good && !yield("wrong length of "+where, b) {
					return false
				}
			}
			return true
		})
	}
}

// A sample is a message and its encoded body.
type sample struct {
	name string
	form messageForm
	m    message
	body *vector
}

var (
	form12  = messageForm{version: VersionDTLS12, kx: kxECDHEECDSA}
	form13  = messageForm{version: VersionDTLS13}
	formPSK = messageForm{version: VersionDTLS12, kx: kxPSK}
	formEPK = messageForm{version: VersionDTLS12, kx: kxECDHEPSK}
	formRPK = messageForm{version: VersionDTLS12, kx: kxECDHEECDSA, rawPublicKeys: true}
)

func random(first byte) (r [randomLen]byte) {
	for i := range r {
		r[i] = first + byte(i)
	}
	return r
}

func randomDigits(first byte) string {
	r := random(first)
	return hex.EncodeToString(r[:])
}

// samples returns a sample of each message, with each extension that it may have.
func samples() []sample {
	der := []byte("\x30\x03\x02\x01\x07")
	return []sample{
		{"HelloRequest", form12, &helloRequest{}, vec(0)},
		{"ClientHello without extensions", messageForm{}, &clientHello{
			version: VersionDTLS12, random: random(1),
			sessionID: bytesOf("5e", 32), cookie: bytesOf("c0", 255),
			suites: []uint16{0xc02b, 0x00ff}, compressionMethods: []byte{1, 0},
		}, vec(0, "fefd", randomDigits(1), opaque(1, digits("5e", 32)), opaque(1, digits("c0", 255)),
			vec(2, "c02b", "00ff"), opaque(1, "0100"))},
		{"ClientHello", messageForm{}, &clientHello{
			version: VersionDTLS12, random: random(1), sessionID: []byte{}, cookie: []byte{},
			suites: []uint16{0x1301}, compressionMethods: []byte{0},
			extensions: extensions{
				seen: []extensionType{
					0, 5, 10, 11, 13, 50, 16, 19, 20, 23, 35, 0xff01, 43, 44, 47, 42, 0xff4c, 51, 45, 41,
				},

				serverName:              "amf.example",
				statusRequest:           true,
				supportedGroups:         []tls.CurveID{tls.X25519, 0x2a2a},
				pointFormats:            []uint8{1, 0},
				signatureAlgorithms:     []tls.SignatureScheme{tls.Ed25519, 0x1a1a},
				signatureAlgorithmsCert: []tls.SignatureScheme{tls.PKCS1WithSHA256},
				alpn:                    []string{"ngap", "x"},
				clientCertificateTypes:  []uint8{certTypeRawPublicKey, certTypeX509},
				serverCertificateTypes:  []uint8{certTypeX509},
				extendedMasterSecret:    true,
				sessionTicket:           []byte{7, 7},
				renegotiationInfo:       []byte{},
				supportedVersions:       []uint16{VersionDTLS13, 0x3a3a},
				cookie13:                []byte{0xc0},
				certificateAuthorities:  [][]byte{der},
				earlyData:               true,
				largeRecordSizeLimit:    []byte{0, 0x80, 0, 1},
				keyShares:               []keyShare{{tls.X25519, []byte{1, 2}}, {tls.CurveP256, []byte{3}}},
				pskModes:                []uint8{1},
				identities:              []pskIdentity{{[]byte("id"), 9}, {[]byte{1}, 0}},
				binders:                 [][]byte{bytesOf("b1", 32), bytesOf("b2", 48)},
			},
		}, vec(0, "fefd", randomDigits(1), opaque(1, ""), opaque(1, ""), vec(2, "1301"), opaque(1, "00"),
			vec(2,
				ext("0000", vec(2, "00", opaque(2, hex.EncodeToString([]byte("amf.example"))))),
				ext("0005", "01", opaque(2, ""), opaque(2, "")),
				ext("000a", vec(2, "001d", "2a2a")),
				ext("000b", opaque(1, "0100")),
				ext("000d", vec(2, "0807", "1a1a")),
				ext("0032", vec(2, "0401")),
				ext("0010", vec(2, opaque(1, "6e676170"), opaque(1, "78"))),
				ext("0013", opaque(1, "0200")),
				ext("0014", opaque(1, "00")),
				ext("0017"),
				extOpaque("0023", "0707"),
				ext("ff01", opaque(1, "")),
				ext("002b", vec(1, "fefc", "3a3a")),
				ext("002c", opaque(2, "c0")),
				ext("002f", vec(2, opaque(2, "3003020107"))),
				ext("002a"),
				extOpaque("ff4c", "00800001"),
				ext("0033", vec(2, "001d", opaque(2, "0102"), "0017", opaque(2, "03"))),
				ext("002d", opaque(1, "01")),
				ext("0029", vec(2, opaque(2, "6964"), "00000009", opaque(2, "01"), "00000000"),
					vec(2, opaque(1, digits("b1", 32)), opaque(1, digits("b2", 48)))),
			))},
		{"ServerHello of 1.2", messageForm{}, &serverHello{
			version: VersionDTLS12, random: random(2), sessionID: []byte{1}, suite: 0xc02b,
			extensions: extensions{
				seen: []extensionType{0, 5, 11, 16, 19, 20, 23, 35, 0xff01},

				serverNameUsed:         true,
				statusRequest:          true,
				pointFormats:           []uint8{0},
				alpn:                   []string{"ngap"},
				clientCertificateTypes: []uint8{2},
				serverCertificateTypes: []uint8{2},
				extendedMasterSecret:   true,
				sessionTicket:          []byte{},
				renegotiationInfo:      bytesOf("f1", 24),
			},
		}, vec(0, "fefd", randomDigits(2), opaque(1, "01"), "c02b", "00", vec(2,
			ext("0000"), ext("0005"), ext("000b", opaque(1, "00")),
			ext("0010", vec(2, opaque(1, "6e676170"))),
			ext("0013", "02"), ext("0014", "02"), ext("0017"), ext("0023"),
			ext("ff01", opaque(1, digits("f1", 24)))))},
		{"ServerHello without extensions", messageForm{}, &serverHello{
			version: VersionDTLS12, random: random(2), sessionID: []byte{}, suite: 0xc02b,
		}, vec(0, "fefd", randomDigits(2), opaque(1, ""), "c02b", "00")},
		{"ServerHello of 1.3", messageForm{}, &serverHello{
			version: VersionDTLS12, random: random(2), sessionID: []byte{}, suite: 0x1301,
			extensions: extensions{
				seen:              []extensionType{43, 51, 41},
				supportedVersions: []uint16{VersionDTLS13},
				keyShares:         []keyShare{{tls.X25519, []byte{1, 2}}},
				pskSelected:       true, selectedIdentity: 3,
			},
		}, vec(0, "fefd", randomDigits(2), opaque(1, ""), "1301", "00", vec(2,
			ext("002b", "fefc"), ext("0033", "001d", opaque(2, "0102")), ext("0029", "0003")))},
		{"HelloRetryRequest", messageForm{}, &serverHello{
			version: VersionDTLS12, random: helloRetryRandom, sessionID: []byte{}, suite: 0x1301,
			extensions: extensions{
				seen:              []extensionType{43, 44, 51},
				supportedVersions: []uint16{VersionDTLS13},
				cookie13:          []byte{0xc0, 0xc1},
				keyShares:         []keyShare{{group: tls.CurveP384}},
			},
		}, vec(0, "fefd", hex.EncodeToString(helloRetryRandom[:]), opaque(1, ""), "1301", "00", vec(2,
			ext("002b", "fefc"), ext("002c", opaque(2, "c0c1")), ext("0033", "0018")))},
		{"HelloVerifyRequest", messageForm{}, &helloVerifyRequest{version: versionDTLS10,
			cookie: bytesOf("c0", 255)},
			vec(0, "feff", opaque(1, digits("c0", 255)))},
		{"EncryptedExtensions", form13, &encryptedExtensions{extensions{
			seen: []extensionType{0, 10, 16, 19, 20, 42, 0xff4c},

			serverNameUsed:         true,
			supportedGroups:        []tls.CurveID{tls.X25519},
			alpn:                   []string{"x"},
			clientCertificateTypes: []uint8{2},
			serverCertificateTypes: []uint8{0},
			earlyData:              true,
			largeRecordSizeLimit:   []byte{0, 1, 0, 1},
		}}, vec(0, vec(2, ext("0000"), ext("000a", vec(2, "001d")), ext("0010", vec(2, opaque(1, "78"))),
			ext("0013", "02"), ext("0014", "00"), ext("002a"), extOpaque("ff4c", "00010001")))},
		{"Certificate of 1.2", form12, &certificate12{chain: [][]byte{der, {1}}},
			vec(0, vec(3, opaque(3, "3003020107"), opaque(3, "01")))},
		{"Certificate of 1.2, empty", form12, &certificate12{}, vec(0, vec(3))},
		{"Certificate of 1.2, raw public key", formRPK,
			&certificate12{rawPublicKey: true, chain: [][]byte{der}},
			vec(0, opaque(3, "3003020107"))},
		{"Certificate of 1.2, no raw public key", formRPK, &certificate12{rawPublicKey: true},
			vec(0, "000000")},
		{"Certificate of 1.3", form13, &certificate13{context: []byte{9}, entries: []certificateEntry{
			{der, extensions{seen: []extensionType{5}, ocspResponse: []byte{4, 2}}}, {data: []byte{1}},
		}}, vec(0, opaque(1, "09"), vec(3,
			opaque(3, "3003020107"), vec(2, ext("0005", "01", opaque(3, "0402"))), opaque(3, "01"),
			vec(2)))},
		{"CertificateStatus", form12, &certificateStatus{[]byte{4, 2}}, vec(0, "01", opaque(3, "0402"))},
		{"ServerKeyExchange, ECDHE", form12, &serverKeyExchange{kx: kxECDHEECDSA, group: tls.X25519,
			public: []byte{1, 2, 3}, scheme: tls.ECDSAWithP256AndSHA256, signature: []byte{5, 6}},
			vec(0, "03", "001d", opaque(1, "010203"), "0403", opaque(2, "0506"))},
		{"ServerKeyExchange, PSK", formPSK, &serverKeyExchange{kx: kxPSK, hint: []byte("hint")},
			vec(0, opaque(2, "68696e74"))},
		{"ServerKeyExchange, ECDHE and PSK", formEPK, &serverKeyExchange{kx: kxECDHEPSK, hint: []byte{},
			group: tls.CurveP256, public: []byte{1}}, vec(0, opaque(2, ""), "03", "0017", opaque(1, "01"))},
		{"CertificateRequest of 1.2", form12, &certificateRequest12{types: []uint8{1, 64},
			schemes: []tls.SignatureScheme{tls.Ed25519}, authorities: [][]byte{der}},
			vec(0, opaque(1, "0140"), vec(2, "0807"), vec(2, opaque(2, "3003020107")))},
		{"CertificateRequest of 1.3", form13, &certificateRequest13{context: []byte{9},
			extensions: extensions{
				seen:                    []extensionType{5, 13, 50, 47},
				statusRequest:           true,
				signatureAlgorithms:     []tls.SignatureScheme{tls.Ed25519},
				signatureAlgorithmsCert: []tls.SignatureScheme{tls.PKCS1WithSHA256},
				certificateAuthorities:  [][]byte{der},
			}}, vec(0, opaque(1, "09"), vec(2, ext("0005"),
			ext("000d", vec(2, "0807")), ext("0032", vec(2, "0401")),
			ext("002f", vec(2, opaque(2, "3003020107")))))},
		{"CertificateVerify", form13, &certificateVerify{tls.Ed25519, []byte{1, 2}},
			vec(0, "0807", opaque(2, "0102"))},
		{"ServerHelloDone", form12, &serverHelloDone{}, vec(0)},
		{"ClientKeyExchange, ECDHE", form12, &clientKeyExchange{kx: kxECDHEECDSA,
			public: []byte{1, 2, 3}},
			vec(0, opaque(1, "010203"))},
		{"ClientKeyExchange, PSK", formPSK, &clientKeyExchange{kx: kxPSK, identity: []byte("id")},
			vec(0, opaque(2, "6964"))},
		{"ClientKeyExchange, ECDHE and PSK", formEPK,
			&clientKeyExchange{kx: kxECDHEPSK, identity: []byte("id"), public: []byte{1}},
			vec(0, opaque(2, "6964"), opaque(1, "01"))},
		{"Finished", form12, &finished{bytesOf("f1", 12)}, &vector{0, true, []any{digits("f1", 12)}}},
		{"NewSessionTicket of 1.2", form12, &newSessionTicket12{7200, []byte{1}},
			vec(0, "00001c20", opaque(2, "01"))},
		{"NewSessionTicket of 1.3", form13, &newSessionTicket13{7200, 1, []byte{0}, []byte{1, 2},
			extensions{
				seen: []extensionType{42}, earlyData: true, maxEarlyData: 255,
			}}, vec(0, "00001c20", "00000001", opaque(1, "00"), opaque(2, "0102"), vec(2,
			ext("002a", "000000ff")))},
		{"KeyUpdate", form13, &keyUpdate{false}, vec(0, "00")},
		{"KeyUpdate, requested", form13, &keyUpdate{true}, vec(0, "01")},
	}
}

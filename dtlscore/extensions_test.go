package dtlscore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
)

// wellFormedIn returns a well-formed body of an extension in a message.
func wellFormedIn(x *extension, in place) []byte {
	for _, s := range samples() {
		for _, e := range extensionsIn(s.m, in) {
			if e.sends(x.typ, in) {
				b := cryptobyte.NewBuilder([]byte{}) // not nil, even if nothing is added
				x.add(e, in, b)
				return b.BytesOrPanic()
			}
		}
	}
	return nil
}

// extensionsIn returns the extensions of a message if it is of the given place.
func extensionsIn(m message, in place) []*extensions {
	switch m := m.(type) {
	case *clientHello:
		if in == inClientHello {
			return []*extensions{&m.extensions}
		}
	case *serverHello:
		if in == m.place(len(m.supportedVersions) > 0) {
			return []*extensions{&m.extensions}
		}
	case *encryptedExtensions:
		if in == inEncryptedExtensions {
			return []*extensions{&m.extensions}
		}
	case *certificate13:
		if in == inCertificate && len(m.entries) > 0 {
			return []*extensions{&m.entries[0].extensions}
		}
	case *certificateRequest13:
		if in == inCertificateRequest {
			return []*extensions{&m.extensions}
		}
	case *newSessionTicket13:
		if in == inNewSessionTicket {
			return []*extensions{&m.extensions}
		}
	}
	return nil
}

// allowed is the table of RFC 8446, Section 4.2, and for the ServerHello of DTLS 1.2 that of the
// extensions' RFCs, independently of the code. The messages are CH, SH of 1.2, SH of 1.3, HRR, EE,
// CT, CR and NST.
var allowed = map[extensionType]string{
	extServerName:              "CH SH2 EE",
	extStatusRequest:           "CH SH2 CT CR",
	extSupportedGroups:         "CH EE",
	extPointFormats:            "CH SH2",
	extSignatureAlgorithms:     "CH CR",
	extALPN:                    "CH SH2 EE",
	extClientCertificateType:   "CH SH2 EE",
	extServerCertificateType:   "CH SH2 EE",
	extExtendedMasterSecret:    "CH SH2",
	extSessionTicket:           "CH SH2",
	extPreSharedKey:            "CH SH3",
	extEarlyData:               "CH EE NST",
	extSupportedVersions:       "CH SH3 HRR",
	extCookie:                  "CH HRR",
	extPSKKeyExchangeModes:     "CH",
	extCertificateAuthorities:  "CH CR",
	extSignatureAlgorithmsCert: "CH CR",
	extKeyShare:                "CH SH3 HRR",
	extLargeRecordSizeLimit:    "CH EE",
	extRenegotiationInfo:       "CH SH2",
}

var placeNames = map[place]string{
	inClientHello: "CH", inServerHello12: "SH2", inServerHello13: "SH3", inHelloRetryRequest: "HRR",
	inEncryptedExtensions: "EE", inCertificate: "CT", inCertificateRequest: "CR",
	inNewSessionTicket: "NST",
}

func TestAttackI4ExtensionInTheWrongMessage(t *testing.T) {
	if len(allowed) != len(extensionTable) {
		t.Errorf("%d extensions in the table of the code, %d in that of the test", len(extensionTable),
			len(allowed))
	}
	for i := range extensionTable {
		x := &extensionTable[i]
		for in, name := range placeNames {
			want := slices.Contains(strings.Fields(allowed[x.typ]), name)
			data := wellFormedIn(x, in)
			if want && data == nil {
				t.Errorf("no sample of %v in %s", x.typ, name)
			}
			var e extensions
			err := e.parse(extensionField(uint16(x.typ), data), in)
			if want && err != nil {
				t.Errorf("%v in %s: %v", x.typ, name, err)
			}
			if !want && alertOf(err) != AlertIllegalParameter {
				t.Errorf("%v in %s: %v", x.typ, name, err)
			}
		}
	}
}

// extensionField returns an extensions field with one extension.
func extensionField(typ uint16, data []byte) *cryptobyte.String {
	b := cryptobyte.NewBuilder(nil)
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddUint16(typ)
		addVector16(b, data)
	})
	s := cryptobyte.String(b.BytesOrPanic())
	return &s
}

func TestAttackI4Unsolicited(t *testing.T) {
	request := &extensions{serverName: "a", supportedVersions: []uint16{VersionDTLS13}}
	for _, tt := range []struct {
		answer []extensionType
		except []extensionType
		want   bool
	}{
		{nil, nil, true},
		{[]extensionType{extServerName, extSupportedVersions}, nil, true},
		{[]extensionType{extServerName, extALPN}, nil, false},
		{[]extensionType{0x9999}, nil, false},
		{[]extensionType{extCookie}, nil, false},
		{[]extensionType{extCookie}, []extensionType{extCookie}, true},
	} {
		err := (&extensions{seen: tt.answer}).unsolicited(request, inClientHello, tt.except...)
		if (err == nil) != tt.want || err != nil && alertOf(err) != AlertUnsupportedExtension {
			t.Errorf("%v except %v: %v", tt.answer, tt.except, err)
		}
	}
}

func TestAttackI5GREASE(t *testing.T) { // RFC 8701
	grease := []string{"0a0a", "1a1a", "2a2a", "3a3a", "4a4a", "5a5a", "6a6a", "7a7a",
		"8a8a", "9a9a", "aaaa", "baba", "caca", "dada", "eaea", "fafa"}
	for i, g := range grease {
		body := vec(0, "fefd", randomDigits(1), "00", "00", vec(2, g, "1301"), vec(1, "00"), vec(2,
			ext(g, "00"), ext("002b", vec(1, g, "fefc")), ext("000a", vec(2, g, "001d")),
			ext("000d", vec(2, g, "0403")), ext("0010", vec(2, vec(1, g), vec(1, "6e676170"))),
			ext("0033", vec(2, g, vec(2, "00"), "001d", vec(2, "01"))), ext("002d", vec(1, "0b01")),
			ext(grease[(i+1)%len(grease)]))).bytes()
		m, err := parseMessage(typeClientHello, body, messageForm{})
		if err != nil {
			t.Fatalf("%s: %v", g, err)
		}
		hello := m.(*clientHello)
		if suiteByID(hello.suites[0], VersionDTLS13) != nil ||
			suiteByID(hello.suites[1], VersionDTLS13) == nil ||
			groupInVersion(hello.supportedGroups[0], VersionDTLS13) ||
			!groupInVersion(hello.supportedGroups[1], VersionDTLS13) ||
			!slices.Contains(hello.supportedVersions, VersionDTLS13) ||
			!slices.Contains(hello.pskModes, pskModeDHEKE) {
			t.Errorf("%s: %+v", g, hello)
		}
		for _, m := range []struct {
			typ  handshakeType
			body *vector
		}{
			{typeCertificateRequest, vec(0, "00", vec(2, ext(g, "01"), ext("000d", vec(2, g, "0403"))))},
			{typeNewSessionTicket, vec(0, "00000001", "00000001", "00", vec(2, "01"), vec(2, ext(g)))},
		} {
			if _, err := parseMessage(m.typ, m.body.bytes(), form13); err != nil {
				t.Errorf("%v with %s: %v", m.typ, g, err)
			}
		}
	}
}

// The status type and the name type may be later ones.
func TestUnknownKinds(t *testing.T) {
	var e extensions
	if err := e.parse(extensionField(5, []byte{9, 1, 2, 3}), inClientHello); err != nil ||
		e.statusRequest {
		t.Errorf("status_request of another type: %v, %v", e.statusRequest, err)
	}
	if err := e.parse(extensionField(0, vec(0,
		vec(2, "07", vec(2, "616263"), "00", vec(2,
			"61"))).bytes()), inClientHello); err != nil || e.serverName != "a" {
		t.Errorf("server_name of another type: %q, %v", e.serverName, err)
	}
}

// E9: the cost of a ClientHello is proportional to its size.
func TestAttackE9LargeHello(t *testing.T) {
	many := func(first, n int, item func(i int) string) *vector {
		v := vec(2)
		for i := range n {
			v.parts = append(v.parts, item(first+i))
		}
		return v
	}
	hex16 := func(i int) string { return fmt.Sprintf("%04x", i) }
	suites := many(1, 32767, hex16)
	for name, list := range map[string]*vector{
		"groups": vec(2, ext("000a", many(1, 32000, hex16))),
		"shares": vec(2, ext("0033", many(1, 13000,
			func(i int) string { return hex16(i) + "000101" }))),
		"extensions": many(100, 16000, func(i int) string { return hex16(i) + "0000" }),
		"names":      vec(2, ext("0010", many(0, 32000, func(int) string { return "0161" }))),
		"binders": vec(2, ext("0029", many(0, 1900, func(int) string { return "00010100000000" }),
			many(0, 1500, func(int) string { return "20" + digits("b1", 32) }))),
	} {
		t.Run(name, func(t *testing.T) {
			body := vec(0, "fefd", randomDigits(1), vec(1, digits("5e", 32)), "00", suites, vec(1, "00"),
				list).bytes()
			m, err := parseMessage(typeClientHello, body, messageForm{})
			if name == "binders" {
				if alertOf(err) != AlertIllegalParameter {
					t.Error(err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if n := len(m.(*clientHello).suites); n != 32767 {
				t.Errorf("%d suites", n)
			}
			if allocated := testing.AllocsPerRun(1,
				func() { parseMessage(typeClientHello, body, messageForm{}) }); allocated > 40_000 {
				t.Errorf("%v allocations for %d bytes", allocated, len(body))
			}
		})
	}
}

func TestExtensionNames(t *testing.T) {
	if s := extKeyShare.String(); s != "key_share" {
		t.Error(s)
	}
	if s := extensionType(0x9999).String(); s != "extension 39321" {
		t.Error(s)
	}
}

// The error names the extension.
func TestUnsolicitedError(t *testing.T) {
	err := (&extensions{seen: []extensionType{extALPN}}).unsolicited(&extensions{}, inClientHello)
	if !errors.Is(err, ErrPeerMisbehaved) ||
		err.Error() != "peer broke the protocol: "+
			"application_layer_protocol_negotiation was not requested" {
		t.Error(err)
	}
}

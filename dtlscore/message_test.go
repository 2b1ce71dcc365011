package dtlscore

import (
	"bytes"
	"errors"
	"reflect"
	"slices"
	"testing"
)

// I3: each message marshals to its sample, and parses to the same value.
func TestMessages(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			body := s.body.bytes()
			b, err := appendMessage([]byte("before"), 0x0102, s.m)
			if err != nil {
				t.Fatal(err)
			}
			header := handshakeHeader{s.m.typ(), len(body), 0x0102, 0, len(body)}.append([]byte("before"))
			if want := append(header, body...); !bytes.Equal(b, want) {
				t.Errorf("written as\n%x, not\n%x", b, want)
			}
			got, err := parseMessage(s.m.typ(), body, s.form)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, s.m) {
				t.Errorf("read as\n%+v, not\n%+v", got, s.m)
			}
		})
	}
}

// shorter are the samples that are also valid if they end early, and where.
var shorter = map[string]int{
	"ClientHello":        2 + randomLen + 1 + 1 + 4 + 2,
	"ServerHello of 1.2": 2 + randomLen + 2 + 3,
	"ServerHello of 1.3": 2 + randomLen + 1 + 3,
	"HelloRetryRequest":  2 + randomLen + 1 + 3,
}

func TestAttackI1Truncation(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			body := s.body.bytes()
			for n := range body {
				_, err := parseMessage(s.m.typ(), body[:n:n], s.form)
				if s.body.opaque && n > 0 || n == shorter[s.name] && n > 0 {
					if err != nil {
						t.Errorf("%d bytes: %v", n, err)
					}
				} else if alertOf(err) != AlertDecodeError || !errors.Is(err, ErrInvalidMessage) {
					t.Errorf("%d bytes of %x: %v", n, body, err)
				}
			}
		})
	}
}

func TestAttackI1Lengths(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			for how, body := range s.body.broken() {
				m, err := parseMessage(s.m.typ(), body, s.form)
				// A wrong length can cause a wrong value before the end of the message is found.
				if a := alertOf(err); err == nil || a != AlertDecodeError && a != AlertIllegalParameter {
					t.Errorf("%s:\n%x\nread as %+v, %v", how, body, m, err)
				}
			}
		})
	}
}

func TestHandshakeHeader(t *testing.T) {
	b := handshakeHeader{typeFinished, 0x010203, 0x0405, 0x000102, 3}.append(nil)
	if want := unhex(t, "140102030405000102000003"); !bytes.Equal(b, want) {
		t.Fatalf("written as %x", b)
	}
	h, fragment, rest, err := parseFragment(append(b, 1, 2, 3, 4))
	if err != nil || h != (handshakeHeader{typeFinished, 0x010203, 0x0405, 0x000102, 3}) ||
		!bytes.Equal(fragment, []byte{1, 2, 3}) || !bytes.Equal(rest, []byte{4}) {
		t.Errorf("%+v %x %x %v", h, fragment, rest, err)
	}
	for n := range len(b) + 3 {
		if _, _, _, err := parseFragment(append(b, 1, 2, 3)[:n]); alertOf(err) != AlertDecodeError {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestAttackE2FragmentOutsideMessage(t *testing.T) {
	for _, h := range []handshakeHeader{
		{typeFinished, 12, 0, 10, 3},
		{typeFinished, 12, 0, 13, 0},
		{typeFinished, 0, 0, 0, 3},
		{typeFinished, 2, 0, 1<<24 - 1, 3},
	} {
		if _, _, _, err := parseFragment(append(h.append(nil), 1, 2,
			3)); alertOf(err) != AlertDecodeError {
			t.Errorf("%+v: %v", h, err)
		}
	}
}

// D4, D1: messages that the negotiated version does not have are rejected.
func TestMessagesOfOtherVersions(t *testing.T) {
	hellos := []handshakeType{typeHelloRequest, typeClientHello, typeServerHello,
		typeHelloVerifyRequest}
	for _, tt := range []struct {
		form messageForm
		want []handshakeType
	}{
		{messageForm{}, hellos},
		{form12, append([]handshakeType{typeNewSessionTicket, typeCertificate, typeServerKeyExchange,
			typeCertificateRequest, typeServerHelloDone, typeCertificateVerify, typeClientKeyExchange,
			typeFinished, typeCertificateStatus}, hellos...)},
		{form13, []handshakeType{typeClientHello, typeServerHello, typeEncryptedExtensions,
			typeCertificateRequest, typeCertificate, typeCertificateVerify, typeFinished,
			typeNewSessionTicket, typeKeyUpdate}},
	} {
		for i := range 256 {
			typ := handshakeType(i)
			m := newMessage(typ, tt.form)
			if exists := m != nil; exists != slices.Contains(tt.want, typ) {
				t.Errorf("version %#04x: %v: %v", tt.form.version, typ, exists)
			}
			if m != nil && m.typ() != typ {
				t.Errorf("%v is a %v", typ, m.typ())
			}
			if m == nil {
				if _, err := parseMessage(typ, nil, tt.form); alertOf(err) != AlertUnexpectedMessage {
					t.Errorf("%v: %v", typ, err)
				}
			}
		}
	}
}

// A message that cannot be marshaled is an error in our configuration, and does not panic.
func TestMessageTooLong(t *testing.T) {
	for _, m := range []message{
		&clientHello{cookie: make([]byte, 256)},
		&certificateVerify{signature: make([]byte, 1<<16)},
		&clientHello{extensions: extensions{alpn: []string{string(make([]byte, 256))}}},
		&finished{make([]byte, 1<<24)},
	} {
		if b, err := appendMessage(nil, 0, m); !errors.Is(err, ErrMisuse) || b != nil {
			t.Errorf("%v: %v", m.typ(), err)
		}
	}
}

func TestValuesThatAreForbidden(t *testing.T) {
	hello := func(compression string, extensions ...any) []byte {
		return vec(0, "fefd", randomDigits(1), "00", "00", vec(2, "1301"), vec(1, compression),
			vec(2, extensions...)).bytes()
	}
	psk := ext("0029", vec(2, opaque(2, "01"), "00000000"), vec(2, opaque(1, digits("b1", 32))))
	for _, tt := range []struct {
		name string // including the identifier of the attack, if any
		typ  handshakeType
		form messageForm
		body []byte
		want Alert
	}{
		{"I6 session_id of 33 bytes", typeClientHello, form12,
			vec(0, "fefd", randomDigits(1), vec(1, digits("5e", 33)), "00", vec(2, "1301"),
				vec(1, "00")).bytes(), AlertDecodeError},
		{"I6 session_id of 33 bytes in ServerHello", typeServerHello, form12,
			vec(0, "fefd", randomDigits(1), vec(1, digits("5e", 33)), "1301", "00").bytes(),
			AlertDecodeError},
		{"I6 no null compression", typeClientHello, form12, hello("01"), AlertIllegalParameter},
		{"E13 compression chosen", typeServerHello, form12,
			vec(0, "fefd", randomDigits(1), "00", "c02b", "01").bytes(), AlertIllegalParameter},
		{"I6 no uncompressed points", typeClientHello, form12, hello("00", ext("000b", vec(1, "0102"))),
			AlertIllegalParameter},
		{"E9 no suites", typeClientHello, form12,
			vec(0, "fefd", randomDigits(1), "00", "00", vec(2), vec(1, "00")).bytes(), AlertDecodeError},
		{"E9 key share twice", typeClientHello, form12,
			hello("00", ext("0033", vec(2, "001d", vec(2, "01"), "001d", vec(2, "02")))),
			AlertIllegalParameter},
		{"E9 extension twice", typeClientHello, form12, hello("00", ext("0017"), ext("0017")),
			AlertIllegalParameter},
		{"I4 unknown extension twice", typeClientHello, form12, hello("00", ext("9999"), ext("9999")),
			AlertIllegalParameter},
		{"G5 pre_shared_key not last", typeClientHello, form12, hello("00", psk, ext("0017")),
			AlertIllegalParameter},
		{"G5 more identities than binders", typeClientHello, form12, hello("00",
			ext("0029", vec(2, vec(2, "01"), "00000000", vec(2, "02"), "00000000"),
				vec(2, vec(1, digits("b1", 32))))), AlertIllegalParameter},
		{"4.38 short binder", typeClientHello, form12, hello("00",
			ext("0029", vec(2, vec(2, "01"), "00000000"),
				vec(2, vec(1, digits("b1", 31))))), AlertDecodeError},
		{"4.31 two names", typeClientHello, form12,
			hello("00", ext("0000", vec(2, "00", vec(2, "61"), "00", vec(2, "62")))), AlertIllegalParameter},
		{"4.31 name with a dot", typeClientHello, form12,
			hello("00", ext("0000", vec(2, "00", vec(2, "612e")))), AlertIllegalParameter},
		{"4.32 two ALPN names chosen", typeEncryptedExtensions, form13,
			vec(0, vec(2, ext("0010", vec(2, vec(1, "61"), vec(1, "62"))))).bytes(), AlertIllegalParameter},
		{"4.34 ticket in ServerHello", typeServerHello, form12,
			vec(0, "fefd", randomDigits(1), "00", "c02b", "00", vec(2, ext("0023", "01"))).bytes(),
			AlertDecodeError},
		{"A8 explicit curve", typeServerKeyExchange, form12,
			vec(0, "01", "001d", vec(1, "01"), "0403", vec(2, "01")).bytes(), AlertIllegalParameter},
		{"G6 KeyUpdate with another value", typeKeyUpdate, form13, []byte{2}, AlertIllegalParameter},
		{"CertificateRequest without signature_algorithms", typeCertificateRequest, form13,
			vec(0, "00", vec(2)).bytes(), AlertMissingExtension},
		{"two raw public keys", typeCertificate, formRPK, vec(0, vec(3, "01"), vec(3, "02")).bytes(),
			AlertDecodeError},
		{"status of another kind", typeCertificateStatus, form12, vec(0, "02", vec(3, "01")).bytes(),
			AlertDecodeError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m, err := parseMessage(tt.typ, tt.body, tt.form)
			if err == nil || alertOf(err) != tt.want {
				t.Errorf("read as %+v, %v", m, err)
			}
		})
	}
}

func TestACK(t *testing.T) { // RFC 9147, Section 7
	records := []recordNumber{{2, 0}, {3, 1 << 40}}
	b, err := appendACK(nil, records)
	if want := unhex(t, "0020"+"00000000000000020000000000000000"+
		"00000000000000030000010000000000"); err != nil || !bytes.Equal(b, want) {
		t.Errorf("%x, %v", b, err)
	}
	if got, err := parseACK(b); err != nil || !slices.Equal(got, records) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := parseACK([]byte{0, 0}); err != nil || len(got) != 0 {
		t.Errorf("empty: %v, %v", got, err)
	}
	if _, err := appendACK(nil, make([]recordNumber, 1<<12)); err == nil {
		t.Error("an ACK was too long and was written")
	}
}

func TestAttackG7ACKLength(t *testing.T) {
	whole := append([]byte{0, 32}, make([]byte, 32)...)
	for n := range whole {
		if _, err := parseACK(whole[:n]); alertOf(err) != AlertDecodeError {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, b := range [][]byte{append(whole, 0), append([]byte{0, 15}, make([]byte, 15)...)} {
		if _, err := parseACK(b); alertOf(err) != AlertDecodeError {
			t.Errorf("%x: %v", b, err)
		}
	}
}

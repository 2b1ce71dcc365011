package wire

import (
	"bytes"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"testing"
)

func TestPRF12(t *testing.T) {
	got := prf12(sha256.New, unhex(t, "9bbe436ba940f017b17652849a71db35"), "test label",
		unhex(t, "a0ba9f936cda311827a6f796ffd5198c"), 100)
	want := "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a" +
		"6b301791e90d35c9c9a46b4e14baf9af0fa022f7" +
		"077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff70187347b66"
	if hex.EncodeToString(got) != want {
		t.Errorf("PRF = %x, want %s", got, want)
	}
}

func TestExport12(t *testing.T) { // RFC 6083, Section 4.8
	run := func(from byte, n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = from + byte(i)
		}
		return b
	}
	master, client, server := run(0, 48), [32]byte(run(0x40, 32)), [32]byte(run(0x80, 32))
	for _, tt := range []struct {
		name, label string
		suite       suite
		want        string
	}{
		{"SHA-256", DefaultLabel, suite{hash: sha256.New},
			"f301cea25d8bdadb22012460dbaa6d18cf3979cf74123fc9484408e6edafda3d" +
				"f7a798950c371017f8eec86302af4c907da2b1de460bfea2d2ab229a3cb272c0"},
		{"SHA-256, old label", DefaultLabel + "\x00", suite{hash: sha256.New},
			"94618116df02581720ff57951412b31f68da6cb4743f2ca09100fa775eb0220d" +
				"395f49f67abca7fb88e9f26157d250daf868373510496f717308db2ccee8a3dc"},
		{"SHA-384", DefaultLabel, suite{hash: sha512.New384},
			"6abbd260ac85aad0ba198e218996e8d056bff70b4d523835dc5c2a668503e3e6" +
				"987613179dc9f677df55bcb83c16d489a529db1dd0ad10f6181780b858876de5"},
		{"SHA-384, old label", DefaultLabel + "\x00", suite{hash: sha512.New384},
			"e4aad7fea6842f47818d72f0a7102a522854848ee03f429a65afa2667462dff9" +
				"50af0e0f49423dc3f7cadb333dfe3c86904d7286c5ddd1f1e4d128e05f0e4d38"},
	} {
		got := export12(tt.suite, master, tt.label, client, server, exportedLen)
		if hex.EncodeToString(got) != tt.want {
			t.Errorf("%s: %x, want %s", tt.name, got, tt.want)
		}
	}
}

func TestExport13(t *testing.T) { // RFC 6083, Section 5
	secret := unhex(t, "6c9c3ccd6f1c17356c5369de372df4ccf63a9bd32aad23529302535fc84cee32")
	for label, want := range map[string]string{
		DefaultLabel: "" +
			"a073457f4f2a47e6ab6ee1d6b590aa28c73f2d92e8b6d9bb1759012a0af9f85b" +
			"d05d73c896f52174aff473f5db8721fb1214168ad25fc97534ce92ace27c25f4",
		"EXPORTER_DTLS13_OVER_SCTP": "" +
			"d3362b22423a73350f580ff804a18e1a8061800da99b92227b150fa4890d5142" +
			"2c22218169f8acf37127b7f0bd11d4d4e964523327285be88091e3990e635263",
	} {
		if got := export13(aes128, secret, label, exportedLen); hex.EncodeToString(got) != want {
			t.Errorf("%s: %x, want %s", label, got, want)
		}
	}
}

// TestExporterSecretLine takes the endpoint pair shared key of DTLS 1.3 from
// the key log, as a client that writes EXPORTER_SECRET makes possible.
func TestExporterSecretLine(t *testing.T) {
	r := recordingNamed(t, "1.3 TLS_AES_128_GCM_SHA256")
	exporter := bytes.Repeat([]byte{0x5a}, 32)
	r.Exporters = []string{hex.EncodeToString(export13(aes128, exporter, DefaultLabel, exportedLen))}
	log := r.keyLog(t)
	log = append(log, "# a comment\n\nEXPORTER_SECRET "+string(bytes.Fields(log)[1])+" "+
		hex.EncodeToString(exporter)+"\n"...)
	a := checkOne(t, r.capture(t, r.plan(t)).frames, Options{KeyLog: log})
	if len(a.Defects) != 0 {
		t.Errorf("defects: %v", a.Defects)
	}
}

func TestClosest(t *testing.T) { // RFC 9147, Section 4.2.2
	for _, tt := range []struct {
		want, low uint64
		bits      int
		seq       uint64
	}{
		{0, 0, 16, 0},
		{0, 0xffff, 16, 0xffff}, // there is none below 0
		{0x10000, 0xfffe, 16, 0xfffe},
		{0xffff, 0x0001, 16, 0x10001},
		{0x12345, 0x2340, 16, 0x12340},
		{0x1ff, 0x01, 8, 0x201},
		{0x200, 0xf0, 8, 0x1f0},
	} {
		if got := closest(tt.want, tt.low, tt.bits); got != tt.seq {
			t.Errorf("closest(%#x, %#x, %d) = %#x, want %#x", tt.want, tt.low, tt.bits, got, tt.seq)
		}
	}
}

func TestKeyIDWrap(t *testing.T) { // RFC 6083, Section 4.8
	for n, want := range map[int]uint16{0: 0, 1: 1, 65535: 65535, 65536: 1, 65537: 2} {
		if got := keyIDOf(n); got != want {
			t.Errorf("keyIDOf(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestKeyLogErrors(t *testing.T) {
	random := hex.EncodeToString(make([]byte, 32))
	for _, text := range []string{
		"CLIENT_RANDOM " + random,
		"CLIENT_RANDOM " + random[2:] + " 00",
		"CLIENT_RANDOM " + random + " 0",
		"CLIENT_RANDOM " + random + " xx",
	} {
		if _, err := Check(nil, Options{KeyLog: []byte(text)}); err == nil {
			t.Errorf("key log %q is taken", text)
		}
	}
}

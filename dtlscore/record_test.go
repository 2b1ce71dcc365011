package dtlscore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
)

func TestRecordHeader(t *testing.T) {
	h := recordHeader{contentHandshake, VersionDTLS12, 0x0102, 0x030405060708, 3}
	b := append(h.append(nil), 1, 2, 3)
	if want := unhex(t, "16fefd01020304050607080003010203"); !bytes.Equal(b, want) {
		t.Fatalf("written as %x", b)
	}
	got, fragment, err := parseRecord(b)
	if err != nil || got != h || !bytes.Equal(fragment, []byte{1, 2, 3}) {
		t.Errorf("%+v, %x, %v", got, fragment, err)
	}
	plain := noProtection{}.seal([]byte{9}, contentAlert, 5, []byte{2, 40})
	want := unhex(t, "0915fefd000000000000000500020228")
	if !bytes.Equal(plain, want) || len(plain) != 1+2+recordHeaderLen {
		t.Errorf("%x", plain)
	}
}

// A message of the transport is exactly one record. RFC 6083, Section 4.1.
func TestAttackH7NotOneRecord(t *testing.T) {
	whole := noProtection{}.seal(nil, contentHandshake, 0, make([]byte, 20))
	for n := range whole {
		if _, _, err := parseRecord(whole[:n]); alertOf(err) != AlertDecodeError ||
			!errors.Is(err, ErrInvalidMessage) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, b := range [][]byte{append(whole, 0), append(whole, whole...)} {
		if _, _, err := parseRecord(b); alertOf(err) != AlertDecodeError {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

func TestRecordRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    recordHeader
		want Alert
	}{
		{"4.9 unknown type", recordHeader{typ: 24, version: VersionDTLS12}, AlertUnexpectedMessage},
		{"B10 not DTLS", recordHeader{typ: 'G', version: 'E'<<8 | 'T'}, AlertUnexpectedMessage},
		{"I7 version of TLS", recordHeader{typ: contentHandshake, version: 0x0303}, AlertProtocolVersion},
		{"F8 plaintext", recordHeader{typ: contentHandshake, version: VersionDTLS12,
			length: maxPlaintext + 1}, AlertRecordOverflow},
		{"4.14 ciphertext", recordHeader{typ: contentHandshake, version: VersionDTLS12, epoch: 1,
			length: maxCiphertext12 + 1}, AlertRecordOverflow},
	} {
		b := append(tt.h.append(nil), make([]byte, tt.h.length)...)
		if _, _, err := parseRecord(b); alertOf(err) != tt.want || err == nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for _, h := range []recordHeader{
		{contentHandshake, versionDTLS10, 0, maxSequence, maxPlaintext},
		{contentACK, 0xfe00, maxEpoch12, 0, maxCiphertext12},
		{contentChangeCipherSpec, VersionDTLS12, 0, 0, 0},
	} {
		if got, _, err := parseRecord(append(h.append(nil), make([]byte, h.length)...)); err != nil ||
			got != h {
			t.Errorf("%+v: %+v, %v", h, got, err)
		}
	}
}

func TestUnifiedHeader(t *testing.T) { // attack F7
	body := make([]byte, 16)
	for _, tt := range []struct {
		start string
		want  unifiedHeader
	}{
		{"20 01", unifiedHeader{0, 1, 2}},
		{"29 0102", unifiedHeader{1, 2, 3}},
		{"26 01 0010", unifiedHeader{2, 1, 4}},
		{"2f 0102 0010", unifiedHeader{3, 2, 5}},
	} {
		b := append(unhex(t, string(bytes.ReplaceAll([]byte(tt.start), []byte(" "), nil))), body...)
		if got, err := parseUnified(b, usualForm); err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v", tt.start, got, err)
		}
		for n := range b {
			// Without a length field, a record may end anywhere.
			if _, err := parseUnified(b[:n], usualForm); alertOf(err) != AlertDecodeError {
				t.Errorf("%x: %v", b[:n], err)
			}
		}
		if _, err := parseUnified(append(b, 0), usualForm); (err == nil) != (b[0]&unifiedLength == 0) {
			t.Errorf("%x: %v", append(b, 0), err)
		}
	}
	for _, tt := range []struct {
		name  string
		start string
		size  int
		want  Alert
	}{
		{"3.27 connection identifier", "30 01", 16, AlertIllegalParameter},
		{"connection identifier and all", "3f 0102 0010", 16, AlertIllegalParameter},
		{"4.48 plaintext", "16 fefd", 16, AlertDecodeError},
		{"F7 15 bytes", "2f 0102 000f", 15, AlertDecodeError},
		{"F8 too long", "28 0102", maxCiphertext13 + 1, AlertRecordOverflow},
		{"F8 too long, with length", "2f 0102 4101", maxCiphertext13 + 1, AlertRecordOverflow},
		{"H7 two records", "2f 0102 0010", 16 + 5 + 16, AlertDecodeError},
	} {
		b := append(unhex(t, string(bytes.ReplaceAll([]byte(tt.start), []byte(" "), nil))),
			make([]byte, tt.size)...)
		if _, err := parseUnified(b, usualForm); err == nil || alertOf(err) != tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	for first := range 256 {
		if isUnified(byte(first)) != (first >= 32 && first <= 63) {
			t.Errorf("first byte %d", first)
		}
	}
}

func TestReconstruct(t *testing.T) { // RFC 9147, Section 4.2.2
	for _, tt := range []struct {
		expected uint64
		low      uint64
		bits     uint
		want     uint64
	}{
		{0, 0, 8, 0},
		{0, 255, 8, 255}, // no number is below 0
		{1, 0, 8, 0},
		{256, 255, 8, 255},
		{255, 0, 8, 256},
		{300, 44, 8, 300},
		{0x1ffff, 0, 16, 0x20000},
		{0x20000, 0xffff, 16, 0x1ffff},
		{0x18000, 0x0001, 16, 0x10001},
		{0x18000, 0xffff, 16, 0x1ffff},
		{1 << 47, 1, 16, 1<<47 + 1},
	} {
		if got := reconstruct(tt.expected, tt.low, tt.bits); got != tt.want {
			t.Errorf("%#x with %#x of %d bits: %#x, not %#x", tt.expected, tt.low, tt.bits, got, tt.want)
		}
	}
	// Every number within half a window is found.
	const expected = 100_000
	for n := uint64(expected - 1<<15 + 1); n < expected+1<<15; n++ {
		if got := reconstruct(expected, n&0xffff, 16); got != n {
			t.Fatalf("%d is taken for %d", n, got)
		}
	}
}

// append writes headers of all kinds, including those that putHeader does not write.
func (h recordHeader) append(b []byte) []byte {
	b = append(b, byte(h.typ))
	b = binary.BigEndian.AppendUint16(b, h.version)
	b = binary.BigEndian.AppendUint64(b, h.number())
	return binary.BigEndian.AppendUint16(b, uint16(h.length))
}

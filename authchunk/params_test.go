package authchunk

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/fuzzcount"
)

// initParams is the tail of an INIT chunk as Linux sends it: supported address
// types, ECN, forward TSN and supported extensions around the three of SCTP-AUTH.
const initParams = "000c000600050000" + "80000004" + "c0000004" + "80080006c0c00000" +
	"80020024000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" +
	"8004000800030001" + "8003000600c00000"

func TestParseParams(t *testing.T) {
	p, err := ParseParams(unhex(t, initParams))
	if err != nil {
		t.Fatal(err)
	}
	want := Params{
		Random: unhex(t, vectorA)[4:36],
		Chunks: []byte{0x00, 0xc0},
		HMACs:  []HMACID{HMACSHA256, HMACSHA1},
	}
	if !reflect.DeepEqual(p, want) {
		t.Errorf("ParseParams = %+v, want %+v", p, want)
	}
	// In the order of RFC 4895, Section 6.1, whatever the order in the chunk.
	if got := p.KeyVector(); !bytes.Equal(got, unhex(t, vectorA)) {
		t.Errorf("KeyVector = %x, want %s", got, vectorA)
	}
	again, err := ParseParams(p.Append(nil))
	if err != nil || !reflect.DeepEqual(again, want) {
		t.Errorf("parsed again: %+v, %v", again, err)
	}
}

func TestKeyVectorWithoutChunks(t *testing.T) { // what was not sent is left out
	p, err := ParseParams(unhex(t, vectorA[:72]+vectorA[84:]))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.KeyVector(), unhex(t, vectorA[:72]+vectorA[84:]); !bytes.Equal(got, want) {
		t.Errorf("KeyVector = %x, want %x", got, want)
	}
	if p.Demands(0) {
		t.Error("without a CHUNKS parameter DATA is demanded")
	}
}

func TestParamsDemands(t *testing.T) {
	p := Params{Chunks: []byte{0, 1, 2, 14, 15, 0xc0}}
	for typ := range 256 {
		want := typ == 0 || typ == 0xc0 // 1, 2, 14 and 15 must be ignored
		if got := p.Demands(byte(typ)); got != want {
			t.Errorf("Demands(%d) = %t", typ, got)
		}
	}
}

func TestParseParamsErrors(t *testing.T) {
	random, chunks, hmacs := vectorA[:72], "8003000600c00000", vectorA[84:]
	for _, tt := range []struct {
		name, in string
		noAuth   bool
	}{
		{"nothing", "", true},
		{"other parameters only", "c0000004", true},
		{"no RANDOM", chunks + hmacs, true},
		{"no HMAC-ALGO", random + chunks, true},
		{"RANDOM of 31 bytes", "80020023" + strings.Repeat("aa", 31) + "00" + hmacs, false},
		{"RANDOM of 33 bytes", "80020025" + strings.Repeat("aa", 33) + "000000" + hmacs, false},
		{"CHUNKS of 257 types", random + "80030105" + strings.Repeat("aa", 257) + "000000" + hmacs,
			false},
		{"HMAC-ALGO of odd length", random + "8004000500000000", false},
		{"empty HMAC-ALGO", random + "80040004", false},
		{"RANDOM twice", random + random + hmacs, false},
		{"empty CHUNKS twice", random + "80030004" + "80030004" + hmacs, false},
		{"HMAC-ALGO twice", random + hmacs + hmacs, false},
		{"length below the header", random + "80040003", false},
		{"length above the chunk", random + "8004000a00030001", false},
		{"truncated header", random + hmacs + "8003", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseParams(unhex(t, tt.in))
			var bad *ParamError
			if errors.Is(err, ErrNoAuth) != tt.noAuth || errors.As(err, &bad) == tt.noAuth {
				t.Errorf("ParseParams: %v", err)
			}
		})
	}
}

func FuzzParseParams(f *testing.F) {
	f.Add(unhex(f, initParams))
	f.Add(unhex(f, vectorA))
	f.Add(unhex(f, vectorA[:72]+"80030004"+vectorA[84:]))
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzcount.Input(len(b))
		p, err := ParseParams(b)
		if err != nil {
			return
		}
		again, err := ParseParams(p.Append(nil))
		if err != nil || !reflect.DeepEqual(p, again) {
			t.Fatalf("%+v parsed again: %+v, %v", p, again, err)
		}
		if n := len(p.KeyVector()); n > len(b) {
			t.Fatalf("key vector of %d bytes out of %d", n, len(b))
		}
	})
}

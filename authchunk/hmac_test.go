package authchunk

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"github.com/seed-41f70523/dtls-sctp/internal/fuzzcount"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Vectors: two endpoints that list DATA and FORWARD-TSN, SHA-256 and SHA-1. The secret is one of an
// exporter.
const (
	vectorA = "80020024000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" +
		"8003000600c08004000800030001"
	vectorB = "80020024202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f" +
		"8003000600c08004000800030001"
	dataChunk = "0003001400000001000000000000000070696e67"
	secretOne = "f301cea25d8bdadb22012460dbaa6d18cf3979cf74123fc9484408e6edafda3d" +
		"f7a798950c371017f8eec86302af4c907da2b1de460bfea2d2ab229a3cb272c0"
)

func TestAuthVectors(t *testing.T) {
	a, b, data := unhex(t, vectorA), unhex(t, vectorB), unhex(t, dataChunk)
	for _, tt := range []struct {
		name   string
		keyID  uint16
		secret string
		id     HMACID
		want   string
	}{
		{"key 0, SHA-256", 0, "", HMACSHA256,
			"4e93c573f8620446ed81e97ab9a5361555a4ee40f87c1692c17ed90618c55450"},
		{"key 0, SHA-1", 0, "", HMACSHA1, "22b50bfb86a648b63e3ae3f059fbcdc0a3552a14"},
		{"key 1, SHA-256", 1, secretOne, HMACSHA256,
			"d00ada6b37c0cfe5283a364ac7bb83ed584aa14afc7c69639bfd4dc68b8e51c3"},
		{"key 1, SHA-1", 1, secretOne, HMACSHA1, "e68380f7a0ecb814d4b3e6428b9a6b4f3750223e"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key := AssociationKey(unhex(t, tt.secret), b, a) // B is the larger
			if other := AssociationKey(unhex(t, tt.secret), a, b); !bytes.Equal(key, other) {
				t.Error("the two ends have different association keys")
			}
			auth := AppendAuth(nil, tt.id, tt.keyID, key, data)
			got, err := ParseAuth(auth)
			if err != nil {
				t.Fatal(err)
			}
			if got.KeyID != tt.keyID || got.HMAC != tt.id || hex.EncodeToString(got.MAC) != tt.want {
				t.Errorf("AUTH chunk = %d, %v, %x; want %d, %v, %s", got.KeyID, got.HMAC, got.MAC, tt.keyID,
					tt.id, tt.want)
			}

			packet := append(auth, data...)
			if err := VerifyAuth(packet, key); err != nil {
				t.Errorf("VerifyAuth: %v", err)
			}
			for i := range packet {
				packet[i] ^= 0x40
				if VerifyAuth(packet, key) == nil {
					t.Errorf("VerifyAuth takes a packet with byte %d changed", i)
				}
				packet[i] ^= 0x40
			}
			if err := VerifyAuth(packet, key[1:]); !errors.Is(err, ErrMAC) {
				t.Errorf("VerifyAuth with another key: %v, want ErrMAC", err)
			}
		})
	}
}

// TestAuthBinding pins what the model binds a chunk to: a chunk that is
// authenticated under one key or in one association is not under another,
// so that key identifier 0 proves nothing about key identifier 1.
func TestAuthBinding(t *testing.T) {
	a, b, data := unhex(t, vectorA), unhex(t, vectorB), unhex(t, dataChunk)
	null := AssociationKey(nil, a, b)
	one := AssociationKey(unhex(t, secretOne), a, b)
	b[10]++
	elsewhere := AssociationKey(unhex(t, secretOne), a, b)

	packet := append(AppendAuth(nil, HMACSHA256, 1, one, data), data...)
	for name, key := range map[string][]byte{"empty secret": null, "another association": elsewhere} {
		if err := VerifyAuth(packet, key); !errors.Is(err, ErrMAC) {
			t.Errorf("%s: %v, want ErrMAC", name, err)
		}
	}
}

func TestCompareVectors(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"8001", "8002", -1},
		{"8002", "8001", 1},
		{"8001", "8001", 0},
		{"ff", "8001", -1},    // as numbers, not as strings
		{"0001", "02", -1},    // leading zeros count for nothing ...
		{"0000ff", "01", 1},   //
		{"000100", "00ff", 1}, //
		{"0002", "02", 1},     // ... unless the numbers are equal
		{"", "00", -1},        //
	} {
		got := compareVectors(unhex(t, tt.a), unhex(t, tt.b))
		if (got < 0) != (tt.want < 0) || (got > 0) != (tt.want > 0) {
			t.Errorf("compareVectors(%s, %s) = %d, want sign of %d", tt.a, tt.b, got, tt.want)
		}
	}
}

func TestAttackB9HMACChoice(t *testing.T) {
	both := []HMACID{HMACSHA256, HMACSHA1}
	for _, tt := range []struct {
		name             string
		offered, allowed []HMACID
		want             HMACID // 0: refused
	}{
		{"peer prefers SHA-256", []HMACID{3, 1}, both, HMACSHA256},
		{"the peer's order counts, not ours", []HMACID{1, 3}, both, HMACSHA1},
		{"reserved and unknown identifiers are passed over", []HMACID{0, 2, 4, 3}, both, HMACSHA256},
		{"only reserved ones", []HMACID{0, 2}, both, 0},
		{"unknown one, although allowed", []HMACID{4}, []HMACID{4}, 0},
		{"SHA-1 only where allowed", []HMACID{1}, []HMACID{HMACSHA256}, 0},
		{"SHA-1 passed over where not allowed", []HMACID{1, 3}, []HMACID{HMACSHA256}, HMACSHA256},
		{"nothing offered", nil, both, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ChooseHMAC(tt.offered, tt.allowed)
			if got != tt.want || errors.Is(err, ErrHMACID) != (tt.want == 0) {
				t.Errorf("ChooseHMAC(%v, %v) = %v, %v; want %v", tt.offered, tt.allowed, got, err, tt.want)
			}
		})
	}
	// The longest HMAC-ALGO parameter.
	if _, err := ChooseHMAC(slices.Repeat([]HMACID{0xffff}, 1<<15), both); len(err.Error()) > 512 {
		t.Errorf("error of %d bytes", len(err.Error()))
	}
}

func TestParseAuthErrors(t *testing.T) {
	for _, tt := range []struct{ name, chunk string }{
		{"empty", ""},
		{"not an AUTH chunk", dataChunk},
		{"truncated header", "0f00001c000000"},
		{"length below the header", "0f00000700000001"},
		{"length above the packet", "0f00001c0000000100"},
		{"HMAC too short", "0f00000900000001aa000000"},
		{"HMAC too long",
			"0f0000280000000100000000000000000000000000000000000000000000000000000000000000000"[:80]},
		{"HMAC identifier 2", "0f00000800000002"},
	} {
		if a, err := ParseAuth(unhex(t, tt.chunk)); err == nil {
			t.Errorf("%s: parsed as %+v", tt.name, a)
		}
	}
	if _, err := ParseAuth(unhex(t, "0f00000800000002")); !errors.Is(err, ErrHMACID) {
		t.Errorf("HMAC identifier 2: %v, want ErrHMACID", err)
	}
}

func FuzzParseAuth(f *testing.F) {
	key := AssociationKey(nil, unhex(f, vectorA), unhex(f, vectorB))
	data := unhex(f, dataChunk)
	f.Add(append(AppendAuth(nil, HMACSHA256, 0, key, data), data...))
	f.Add(append(AppendAuth(nil, HMACSHA1, 65535, key, data), data...))
	f.Fuzz(func(t *testing.T, chunks []byte) {
		fuzzcount.Input(len(chunks))
		a, err := ParseAuth(chunks)
		if err != nil {
			return
		}
		if VerifyAuth(chunks, append(key, 0)) == nil {
			t.Fatalf("AUTH chunk % x is good under another key", chunks)
		}
		rest := chunks[authHeaderLen+len(a.MAC):]
		made := AppendAuth(nil, a.HMAC, a.KeyID, key, rest)
		if len(made) != authHeaderLen+len(a.MAC) ||
			!bytes.Equal(made[2:authHeaderLen], chunks[2:authHeaderLen]) {
			t.Fatalf("AUTH chunk % x made again is % x", chunks[:len(made)], made)
		}
		if err := VerifyAuth(append(made, rest...), key); err != nil {
			t.Fatalf("own AUTH chunk: %v", err)
		}
	})
}

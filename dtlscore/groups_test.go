package dtlscore

import (
	"bytes"
	"crypto/mlkem"
	"crypto/tls"
	"errors"
	"testing"
)

func TestGroups(t *testing.T) { // RFC 8446, Section 9.1; RFC 9325, Section 7.4
	for _, g := range defaultGroups {
		t.Run(g.String(), func(t *testing.T) {
			client, err := generateKey(g)
			if err != nil {
				t.Fatal(err)
			}
			share, serverSecret, err := respond(g, client.share())
			if err != nil {
				t.Fatal(err)
			}
			clientSecret, err := client.agree(share)
			if err != nil || !bytes.Equal(clientSecret, serverSecret) || len(clientSecret) == 0 {
				t.Errorf("%x and %x, %v", clientSecret, serverSecret, err)
			}
			if other, err := generateKey(g); err != nil || bytes.Equal(other.share(), client.share()) {
				t.Error("the same key twice") // F3
			}
			if !groupInVersion(g, VersionDTLS13) ||
				groupInVersion(g, VersionDTLS12) != (g != tls.X25519MLKEM768) {
				t.Error("in the wrong version")
			}
		})
	}
}

// In DTLS 1.2 both sides do the same.
func TestGroups12(t *testing.T) {
	for _, g := range []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384} {
		a, errA := generateKey(g)
		b, errB := generateKey(g)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		one, errA := a.agree(b.share())
		other, errB := b.agree(a.share())
		if errA != nil || errB != nil || !bytes.Equal(one, other) {
			t.Errorf("%v: %x, %v and %x, %v", g, one, errA, other, errB)
		}
	}
}

func TestAttackF4BadKeyShares(t *testing.T) {
	for _, g := range defaultGroups {
		good, err := generateKey(g)
		if err != nil {
			t.Fatal(err)
		}
		answer, _, err := respond(g, good.share())
		if err != nil {
			t.Fatal(err)
		}
		bad := func(share []byte) map[string][]byte {
			changed := map[string][]byte{
				"empty":    {},
				"short":    share[:len(share)-1],
				"long":     append(bytes.Clone(share), 0),
				"zeros":    make([]byte, len(share)),
				"infinity": {0},
			}
			if g == tls.CurveP256 || g == tls.CurveP384 {
				flipped := bytes.Clone(share)
				flipped[len(share)-1] ^= 1
				changed["not on the curve"] = flipped
				changed["compressed"] = append([]byte{2 + share[len(share)-1]&1}, share[1:1+len(share)/2]...)
				hybrid := bytes.Clone(share)
				hybrid[0] = 6 + share[len(share)-1]&1
				changed["hybrid form"] = hybrid
			}
			if g == tls.X25519MLKEM768 {
				low := bytes.Clone(share)
				clear(low[len(low)-x25519ShareLen:])
				changed["X25519 part zero"] = low
			}
			return changed
		}
		for name, share := range bad(answer) {
			if secret, err := good.agree(share); alertOf(err) != AlertIllegalParameter ||
				!errors.Is(err, ErrPeerMisbehaved) || secret != nil {
				t.Errorf("%v, client, %s: %x, %v", g, name, secret, err)
			}
		}
		forServer := bad(good.share())
		if g == tls.X25519MLKEM768 {
			overflow := good.share()
			copy(overflow, "\xff\xff\xff") // coefficients that are not below the modulus
			forServer["ML-KEM part not reduced"] = overflow
		}
		for name, share := range forServer {
			if answer, secret, err := respond(g, share); alertOf(err) != AlertIllegalParameter ||
				!errors.Is(err, ErrPeerMisbehaved) || secret != nil || answer != nil {
				t.Errorf("%v, server, %s: %x, %v", g, name, secret, err)
			}
		}
	}
	if mlkem.EncapsulationKeySize768+x25519ShareLen != 1216 ||
		mlkem.CiphertextSize768+x25519ShareLen != 1120 {
		t.Error("sizes are not those of the draft")
	}
}

func TestUnknownGroup(t *testing.T) {
	for _, g := range []tls.CurveID{0, 30 /* x448 */, 0x2a2a, 256 /* ffdhe2048 */} {
		if groupInVersion(g, VersionDTLS12) || groupInVersion(g, VersionDTLS13) { // B4, F3
			t.Errorf("%v is implemented", g)
		}
		if _, err := generateKey(g); !errors.Is(err, ErrMisuse) {
			t.Errorf("%v: %v", g, err)
		}
		if _, _, err := respond(g, nil); !errors.Is(err, ErrMisuse) {
			t.Errorf("%v: %v", g, err)
		}
	}
}

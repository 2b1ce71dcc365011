package dtlscore

import (
	"crypto"
	"crypto/tls"
	"strings"
	"testing"
)

// B4, F1, F2: every cipher suite has authenticated encryption, and none is one that the standard
// library calls insecure.
func TestSuites(t *testing.T) {
	for _, s := range tls.InsecureCipherSuites() {
		if suiteByID(s.ID, VersionDTLS12) != nil {
			t.Errorf("%s is implemented", s.Name)
		}
	}
	seen := map[uint16]bool{}
	for _, s := range cipherSuites {
		if seen[s.id] {
			t.Errorf("%#04x is there twice", s.id)
		}
		seen[s.id] = true
		other := VersionDTLS12 ^ VersionDTLS13 ^ s.version
		if suiteByID(s.id, s.version) != s || suiteByID(s.id, other) != nil { // attack D5
			t.Errorf("%#04x is not of one version", s.id)
		}
		name := CipherSuiteName(s.id) // every suite has a name, even if crypto/tls does not know it
		if !strings.HasPrefix(name, "TLS_") ||
			strings.Contains(name, "CBC") ||
			strings.HasSuffix(name, "SHA384") != (s.hash == crypto.SHA384) ||
			strings.Contains(name, "AES_128") != (s.aead == aeadAES128GCM) ||
			strings.Contains(name, "CHACHA20") != (s.aead == aeadChaCha20Poly1305) ||
			strings.Contains(name, "ECDHE_ECDSA") != (s.kx == kxECDHEECDSA) ||
			strings.Contains(name, "ECDHE_RSA") != (s.kx == kxECDHERSA) ||
			strings.Contains(name, "ECDHE_PSK") != (s.kx == kxECDHEPSK) ||
			strings.HasPrefix(name, "TLS_PSK") != (s.kx == kxPSK) {
			t.Errorf("%s is %+v", name, s)
		}
	}
	for _, id := range []uint16{0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0xd001, 0xd002, 0xccac,
		0x00a8, 0x00a9} {
		if suiteByID(id, VersionDTLS12) == nil {
			t.Errorf("%#04x is missing", id)
		}
	}
	for _, id := range []uint16{0x1301, 0x1302, 0x1303} {
		if suiteByID(id, VersionDTLS13) == nil {
			t.Errorf("%#04x is missing", id)
		}
	}
	for _, id := range []uint16{0x1304, 0x1305, 0xc0ac, 0xc0ae, scsvFallback, scsvRenegotiationInfo} {
		if suiteByID(id, VersionDTLS12) != nil || suiteByID(id, VersionDTLS13) != nil {
			t.Errorf("%#04x is implemented", id)
		}
	}
}

func TestLimits(t *testing.T) { // attack E7
	for _, s := range cipherSuites {
		l := limitsFor(s)
		want := usageLimits{records: 1<<48 - 1, failures: 1 << 36}
		if s.aead != aeadChaCha20Poly1305 {
			want.records = 23_726_566
			// 2^24.5 is the square root of 2^49.
			if n := want.records; n*n > 1<<49 || (n+1)*(n+1) <= 1<<49 {
				t.Errorf("%d is not 2^24.5", n)
			}
			if s.version == VersionDTLS12 {
				want.failures = 1 << 28
			}
		}
		if l != want || l.rekeyAt() >= l.records || l.rekeyAt() < l.records/2 {
			t.Errorf("%#04x: %+v, rekey at %d", s.id, l, l.rekeyAt())
		}
		// Large records have as many blocks as that number of full ones.
		if want.records != maxSequence {
			want.blocks = want.records * 1024
		}
		l = l.inBlocks()
		if at := l.rekeyAtBlock(); l != want || l.blocks > 0 && (at >= l.blocks || at < l.blocks/2) {
			t.Errorf("%#04x with large records: %+v, rekey at block %d", s.id, l, l.rekeyAtBlock())
		}
	}
	// A test may lower them.
	if low := (usageLimits{records: 4}); low.rekeyAt() != 3 {
		t.Errorf("rekey at %d of 4", low.rekeyAt())
	}
}

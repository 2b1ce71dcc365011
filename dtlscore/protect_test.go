package dtlscore

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

var aeadKinds = map[string]aeadKind{
	"AES-128-GCM":       aeadAES128GCM,
	"AES-256-GCM":       aeadAES256GCM,
	"ChaCha20-Poly1305": aeadChaCha20Poly1305,
}

// testBytes returns bytes for keys and contents whose values do not matter.
func testBytes(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

func testProtection12(t testing.TB, kind aeadKind, epoch uint16) *protection12 {
	t.Helper()
	p, err := newProtection12(kind, epoch, testBytes(1, kind.keyLen()),
		testBytes(2, kind.fixedIVLen()))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func testProtection13(t testing.TB, kind aeadKind, epoch uint64) *protection13 {
	t.Helper()
	keys := trafficKeys{testBytes(1, kind.keyLen()), testBytes(2, 12), testBytes(3, kind.keyLen())}
	p, err := newProtection13(kind, epoch, keys, usualForm)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// opener opens one record of either version.
type opener func(record []byte) (contentType, []byte, error)

func (p *protection12) opener() opener {
	return func(record []byte) (contentType, []byte, error) {
		h, fragment, err := parseRecord(record)
		if err != nil {
			return 0, nil, err
		}
		content, err := p.open(h, fragment)
		return h.typ, content, err
	}
}

func (p *protection13) opener() opener {
	return func(record []byte) (contentType, []byte, error) {
		h, err := parseUnified(record, p.form)
		if err != nil {
			return 0, nil, err
		}
		typ, _, content, err := p.open(h, record)
		return typ, content, err
	}
}

// eachProtection runs a test with every algorithm in both versions, with a sealer and a function
// that opens its records.
func eachProtection(t *testing.T, run func(t *testing.T, s sealer, open opener)) {
	for name, kind := range aeadKinds {
		t.Run("1.2 "+name, func(t *testing.T) {
			p := testProtection12(t, kind, 7)
			run(t, p, p.opener())
		})
		t.Run("1.3 "+name, func(t *testing.T) {
			p := testProtection13(t, kind, 7)
			run(t, p, p.opener())
		})
	}
}

func TestProtection(t *testing.T) { // RFC 6083, Sections 4.1 and 4.8
	eachProtection(t, func(t *testing.T, s sealer, open opener) {
		for sequence, n := range []int{0, 1, 15, 16, 17, 1000, maxPlaintext} {
			content := testBytes(byte(n), n)
			record := s.seal([]byte("before"), contentApplicationData, uint64(sequence), content)
			if !bytes.Equal(content, testBytes(byte(n), n)) {
				t.Error("content was changed")
			}
			record, ok := bytes.CutPrefix(record, []byte("before"))
			overhead := unifiedHeaderLen + 1 + aeadTagLen
			if s, ok := s.(*protection12); ok {
				overhead = s.overhead()
			}
			if !ok || len(record) != n+overhead {
				t.Errorf("%d bytes became %d, with an overhead of %d", n, len(record), overhead)
			}
			typ, got, err := open(record)
			if err != nil || typ != contentApplicationData || !bytes.Equal(got, content) {
				t.Errorf("%d bytes: %v, %d bytes, %v", n, typ, len(got), err)
			}
			if len(got) > 0 && !bytes.Contains(record[:cap(record)], got) {
				t.Error("not in place")
			}
		}
	})
}

// F6: a record with any bit changed does not open.
func TestAttackF6ChangedRecord(t *testing.T) {
	eachProtection(t, func(t *testing.T, s sealer, open opener) {
		record := s.seal(nil, contentApplicationData, 3, []byte("content"))
		for i := range record {
			for bit := range 8 {
				changed := slices.Clone(record)
				changed[i] ^= 1 << bit
				_, content, err := open(changed)
				if err == nil || content != nil {
					t.Errorf("bit %d of byte %d: %x, %v", bit, i, content, err)
				}
			}
		}
		for n := range record {
			if _, content, err := open(slices.Clone(record[:n])); err == nil || content != nil {
				t.Errorf("%d bytes: %x, %v", n, content, err)
			}
		}
		if _, _, err := open(slices.Clone(record)); err != nil {
			t.Errorf("unchanged: %v", err)
		}
	})
}

func TestAttackF6OtherEpoch(t *testing.T) {
	for name, kind := range aeadKinds {
		record := testProtection12(t, kind, 1).seal(nil, contentApplicationData, 3, []byte("content"))
		binary.BigEndian.PutUint16(record[3:], 2)
		if _, _, err := testProtection12(t, kind, 2).opener()(record); alertOf(err) != AlertBadRecordMAC {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// H8: records open in any order, with gaps.
func TestRecordsInAnyOrder(t *testing.T) {
	eachProtection(t, func(t *testing.T, s sealer, open opener) {
		var records [][]byte
		for sequence := range uint64(1000) {
			records = append(records, s.seal(nil, contentApplicationData, 16*sequence,
				binary.BigEndian.AppendUint64(nil, sequence)))
		}
		for i := range records {
			n := i * 617 % len(records) // each once, far apart
			_, content, err := open(records[n])
			if err != nil || binary.BigEndian.Uint64(content) != uint64(n) {
				t.Fatalf("record %d: %x, %v", n, content, err)
			}
		}
	})
}

// increasingNonces is an AEAD that requires increasing nonces, so that none repeats.
type increasingNonces struct {
	cipher.AEAD
	t     *testing.T
	iv    [aeadNonceLen]byte
	count uint64
	last  uint64
}

func (a *increasingNonces) Seal(dst, nonce, plaintext, additional []byte) []byte {
	for i := range nonce {
		nonce[i] ^= a.iv[i]
	}
	n := binary.BigEndian.Uint64(nonce[4:])
	if binary.BigEndian.Uint32(nonce) != 0 || a.count > 0 && n <= a.last {
		a.t.Fatalf("nonce %x after %x", nonce, a.last)
	}
	a.count, a.last = a.count+1, n
	return dst[:len(dst)+len(plaintext)+aeadTagLen] // of any content
}

func TestAttackF5Nonces(t *testing.T) {
	const kind = aeadAES128GCM
	gcm, chacha := testProtection12(t, kind, 3), testProtection12(t, aeadChaCha20Poly1305, 3)
	later := testProtection13(t, kind, 3)
	gcm.aead = &increasingNonces{AEAD: gcm.aead, t: t, iv: gcm.fixedIV}
	chacha.aead = &increasingNonces{AEAD: chacha.aead, t: t, iv: chacha.fixedIV}
	later.aead = &increasingNonces{AEAD: later.aead, t: t, iv: later.iv}
	for s, records := range map[sealer]uint64{gcm: 1 << 20, chacha: 1 << 16, later: 1 << 17} {
		buf := make([]byte, 0, 100)
		for sequence := range records {
			s.seal(buf, contentApplicationData, sequence, nil)
		}
	}
	record := gcm.seal(nil, contentApplicationData, 0x0102030405ff, []byte("x"))
	if explicit := record[recordHeaderLen:][:8]; !bytes.Equal(explicit, unhex(t, "00030102030405ff")) {
		t.Errorf("explicit nonce %x", explicit)
	}
}

// F7: the mask depends on the first 16 bytes of the ciphertext: the same key and the same sample
// give the same mask.
func TestAttackF7RecordNumberMask13(t *testing.T) {
	// A record with an 8-bit sequence number and without a length, as other implementations send.
	for name, kind := range aeadKinds {
		t.Run(name, func(t *testing.T) {
			p := testProtection13(t, kind, 3)
			for _, first := range []byte{unifiedFixed | 3, unifiedFixed | unifiedLength | 3,
				unifiedFixed | unifiedSequence | 3} {
				header := []byte{first, 9}
				if first&unifiedSequence != 0 {
					header = []byte{first, 0, 9}
				}
				numberEnd := len(header)
				if first&unifiedLength != 0 {
					header = append(header, 0, 4+aeadTagLen)
				}
				record := p.aead.Seal(header, p.nonce(make([]byte, 16), 9),
					[]byte{'a', 'b', byte(contentApplicationData), 0}, header)
				mask := p.mask(make([]byte, 16), record[len(header):])
				for i := 1; i < numberEnd; i++ {
					record[i] ^= mask[i-1]
				}
				typ, content, err := p.opener()(record)
				if err != nil || typ != contentApplicationData || string(content) != "ab" {
					t.Errorf("%#x: %v, %q, %v", first, typ, content, err)
				}
			}
		})
	}
}

// seal13 seals content that seal would not.
func seal13(p *protection13, sequence uint64, inner []byte) []byte {
	header := []byte{unifiedFixed | unifiedSequence | unifiedLength | byte(p.epoch)&3,
		byte(sequence >> 8), byte(sequence)}
	header = binary.BigEndian.AppendUint16(header, uint16(len(inner)+aeadTagLen))
	record := p.aead.Seal(header, p.nonce(make([]byte, 16), sequence), inner, header)
	mask := p.mask(make([]byte, 16), record[len(header):])
	record[1] ^= mask[0]
	record[2] ^= mask[1]
	return record
}

func TestAttackF8InnerPlaintext13(t *testing.T) { // RFC 8446, Section 5.4
	p := testProtection13(t, aeadAES128GCM, 3)
	padded := append([]byte("content\x17"), make([]byte, 50)...)
	if typ, content, err := p.opener()(seal13(p, 0, padded)); err != nil ||
		typ != contentApplicationData || string(content) != "content" {
		t.Errorf("padded: %v, %q, %v", typ, content, err)
	}
	full := append(make([]byte, maxPlaintext), byte(contentApplicationData))
	if _, content, err := p.opener()(seal13(p, 1, full)); err != nil || len(content) != maxPlaintext {
		t.Errorf("full: %v", err)
	}
	for _, tt := range []struct {
		name  string
		inner []byte
		want  Alert
	}{
		{"only zeros", make([]byte, 20), AlertUnexpectedMessage},
		{"one zero", make([]byte, 1), AlertUnexpectedMessage},
		{"nothing", nil, AlertUnexpectedMessage},
		{"one byte too many", append(make([]byte, maxPlaintext+1), byte(contentApplicationData)),
			AlertRecordOverflow},
		{"padding too long", append([]byte{byte(contentApplicationData)},
			make([]byte, maxPlaintext+1)...), AlertRecordOverflow},
	} {
		if _, content, err := p.opener()(seal13(p, 2, tt.inner)); err == nil || alertOf(err) != tt.want ||
			content != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestAttackF8Plaintext(t *testing.T) { // RFC 5246, Section 6.2
	p := testProtection12(t, aeadChaCha20Poly1305, 1)
	record := p.seal(nil, contentApplicationData, 0, make([]byte, maxPlaintext+1))
	if _, _, err := p.opener()(record); alertOf(err) != AlertRecordOverflow {
		t.Error(err)
	}
}

// Concurrent writers seal, and every record opens. Run with -race.
func TestSealConcurrently(t *testing.T) {
	eachProtection(t, func(t *testing.T, s sealer, open opener) {
		const writers, each = 4, 200
		var next atomic.Uint64
		var records [writers][each][]byte
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for i := range each {
					sequence := next.Add(1) - 1
					records[w][i] = s.seal(nil, contentApplicationData, sequence, fmt.Append(nil, w, i))
				}
			})
		}
		wg.Wait()
		for w := range writers {
			for i := range each {
				if _, content, err := open(records[w][i]); err != nil || string(content) != fmt.Sprint(w, i) {
					t.Fatalf("%q, %v", content, err)
				}
			}
		}
	})
}

// H6: a record opens only in its own direction and epoch.
func TestAttackH6Reflection(t *testing.T) {
	suite := suiteByID(TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, VersionDTLS12)
	cr, sr := random(1), random(2)
	block := newKeyBlock(suite, newPRF12(suite.hash, testBytes(1, masterSecretLen)), &cr, &sr)
	client, _ := newProtection12(suite.aead, 1, block.clientKey, block.clientIV)
	server, _ := newProtection12(suite.aead, 1, block.serverKey, block.serverIV)
	record := client.seal(nil, contentApplicationData, 0, []byte("x"))
	if _, _, err := server.opener()(record); alertOf(err) != AlertBadRecordMAC {
		t.Error(err)
	}
}

func TestProtectionRefusesKeys(t *testing.T) {
	for name, kind := range aeadKinds {
		short := make([]byte, kind.keyLen()-1)
		if _, err := newProtection12(kind, 1, short, nil); err == nil {
			t.Error("1.2", name)
		}
		if _, err := newProtection13(kind, 1, trafficKeys{key: short}, usualForm); err == nil {
			t.Error("1.3", name)
		}
		keys := trafficKeys{key: make([]byte, kind.keyLen()), sn: short}
		_, err := newProtection13(kind, 1, keys, usualForm)
		if err == nil && kind != aeadChaCha20Poly1305 {
			t.Error("1.3", name, "key for record numbers")
		}
	}
}

// Sealing and opening does not allocate if the buffer has enough capacity.
func TestProtectionDoesNotAllocate(t *testing.T) {
	eachProtection(t, func(t *testing.T, s sealer, open opener) {
		content := make([]byte, 1000)
		buf := make([]byte, 0, len(content)+maxOverhead)
		sequence := uint64(0)
		allocs := testing.AllocsPerRun(100, func() {
			record := s.seal(buf, contentApplicationData, sequence, content)
			sequence++
			if _, _, err := open(record); err != nil {
				t.Fatal(err)
			}
		})
		if allocs != 0 {
			t.Errorf("%v allocations", allocs)
		}
	})
}

var benchmarkSizes = []int{64, 256, 1024, 4096, 16384}

func benchmarkSeal(b *testing.B, make12or13 func(kind aeadKind) sealer) {
	for _, name := range []string{"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"} {
		for _, n := range benchmarkSizes {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				s := make12or13(aeadKinds[name])
				content := make([]byte, n)
				buf := make([]byte, 0, n+maxOverhead)
				b.SetBytes(int64(n))
				b.ReportAllocs()
				sequence := uint64(0)
				for b.Loop() {
					s.seal(buf, contentApplicationData, sequence, content)
					sequence++
				}
			})
		}
	}
}

func benchmarkOpen(b *testing.B, make12or13 func(kind aeadKind) (sealer, opener)) {
	for _, name := range []string{"AES-128-GCM", "AES-256-GCM", "ChaCha20-Poly1305"} {
		for _, n := range benchmarkSizes {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				s, open := make12or13(aeadKinds[name])
				sealed := s.seal(nil, contentApplicationData, 0, make([]byte, n))
				record := make([]byte, len(sealed))
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for b.Loop() {
					copy(record, sealed) // because it is opened in place
					if _, _, err := open(record); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkSeal12(b *testing.B) {
	benchmarkSeal(b, func(kind aeadKind) sealer { return testProtection12(b, kind, 1) })
}

func BenchmarkSeal13(b *testing.B) {
	benchmarkSeal(b, func(kind aeadKind) sealer { return testProtection13(b, kind, 3) })
}

func BenchmarkOpen12(b *testing.B) {
	benchmarkOpen(b, func(kind aeadKind) (sealer, opener) {
		p := testProtection12(b, kind, 1)
		return p, p.opener()
	})
}

func BenchmarkOpen13(b *testing.B) {
	benchmarkOpen(b, func(kind aeadKind) (sealer, opener) {
		p := testProtection13(b, kind, 3)
		return p, p.opener()
	})
}

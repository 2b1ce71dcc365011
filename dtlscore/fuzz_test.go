package dtlscore

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"

	"github.com/seed-41f70523/dtls-sctp/internal/fuzzcount"
)

// The corpora in testdata/fuzz contain messages and records of recorded connections; the samples
// are added to them.

// I2: every parser and the state machine have a fuzz target, with recorded messages in its corpus
// or with the samples of this package as seeds.
func TestAttackI2FuzzTargets(t *testing.T) {
	source := ""
	for _, name := range []string{"fuzz_test.go", "fuzz_conn_test.go", "fuzz_session_test.go",
		"fuzz_tls_test.go"} {
		source += string(must(os.ReadFile(name)))
	}
	for name, seeds := range map[string]string{
		"FuzzRecord": "", "FuzzUnifiedHeader": "", "FuzzOpen": "", "FuzzAlert": "", "FuzzACK": "",
		"FuzzFragment":    "",
		"FuzzClientHello": "", "FuzzServerHello": "", "FuzzMessage12": "", "FuzzMessage13": "",
		"FuzzReassembly": "f.Add",
		"FuzzSession":    "f.Add", "FuzzTicket": "f.Add", "FuzzCachedSession": "f.Add",
		"FuzzTLSClientHello": "f.Add", "FuzzTLSMessage12": "fuzzTLSMessage(", "FuzzTLSMessage13": "",
		"FuzzClient12": "", "FuzzServer12": "", "FuzzClient13": "", "FuzzServer13": "",
	} {
		_, body, ok := strings.Cut(source, "\nfunc "+name+"(f *testing.F)")
		if !ok {
			t.Errorf("there is no %s", name)
			continue
		}
		body, _, _ = strings.Cut(body, "\n}\n")
		if entries, err := os.ReadDir("testdata/fuzz/" + name); (err != nil || len(entries) == 0) &&
			(seeds == "" || !strings.Contains(body, seeds)) {
			t.Errorf("%s begins with nothing: %v", name, err)
		}
	}
}

// Each kind of input has a seed of about the largest size, which shows excessive time and memory.
var (
	largestRecord = slices.Concat(recordHeader{typ: contentHandshake, version: VersionDTLS12,
		length: maxPlaintext}.append(nil), make([]byte, maxPlaintext))
	largestHello = func() []byte {
		b := cryptobyte.NewBuilder(nil)
		m := &clientHello{version: VersionDTLS12, compressionMethods: []byte{compressionNull}}
		for i := range 10000 {
			m.suites = append(m.suites, uint16(i))
			m.alpn = append(m.alpn, strconv.Itoa(i))
		}
		m.marshal(b)
		return b.BytesOrPanic()
	}()
	largestChain = func() (certs [][]byte) {
		for i := range 10 {
			certs = append(certs, testBytes(byte(i), 3000))
		}
		return certs
	}()
)

func FuzzRecord(f *testing.F) {
	f.Add(largestRecord)
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzcount.Input(len(b))
		h, fragment, err := parseRecord(b)
		if err != nil {
			return
		}
		if again := append(h.append(nil), fragment...); !bytes.Equal(again, b) {
			t.Errorf("%x written as %x", b, again)
		}
		// The format in RFC 6347, Section 4.1.
		if byte(h.typ) != b[0] || h.version != uint16(b[1])<<8|uint16(b[2]) ||
			h.epoch != uint16(b[3])<<8|uint16(b[4]) ||
			h.sequence != binary.BigEndian.Uint64(append([]byte{0, 0}, b[5:11]...)) ||
			13+h.length != len(b) || len(fragment) != h.length {
			t.Errorf("%x read as %+v", b, h)
		}
	})
}

func FuzzUnifiedHeader(f *testing.F) {
	for _, size := range []int{17, 47, 48, 1000, 16383, 16384, 40000} {
		p := testProtection13(f, aeadAES128GCM, 3)
		p.form = recordForm{large: true, limit: 50000}
		f.Add(p.seal(nil, contentApplicationData, 0, make([]byte, size-17)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzcount.Input(len(b))
		for _, form := range []recordForm{
			usualForm, {large: true, limit: minLargeLimit}, {large: true, limit: 50000},
		} {
			h, err := parseUnified(b, form)
			if err != nil {
				continue
			}
			// The format in RFC 9147, Section 4: 001CSLEE, the sequence number, and the length. In
			// the draft on large records the length is encoded as in RFC 9420, Section 2.1.2.
			header, length := 1+int(b[0]>>3&1)+1, len(b)
			if b[0]>>2&1 == 1 && !form.large {
				header += 2
				length = header + int(binary.BigEndian.Uint16(b[header-2:]))
			} else if b[0]>>2&1 == 1 {
				switch n := len(b) - header; {
				case b[header]>>6 == 0:
					length = int(b[header])
					header++
				case b[header]>>6 == 1 && n > 64:
					length = int(binary.BigEndian.Uint16(b[header:])) - 1<<14
					header += 2
				case b[header]>>6 == 2 && n > 16384:
					length = int(binary.BigEndian.Uint32(b[header:]) &^ (1 << 31))
					header += 4
				default:
					t.Fatalf("%x read as %+v", b, h)
				}
				length += header
			}
			if b[0]>>4 != 2 || h.epoch != b[0]&3 || h.headerLen != header || length != len(b) ||
				h.sequenceLen != 1+int(b[0]>>3&1) ||
				len(b)-header < recordNumberSample || len(b)-header > form.maxCiphertext() {
				t.Errorf("%x read as %+v with %+v", b, h, form)
			}
		}
	})
}

// No record opens that was not sealed with the key.
func FuzzOpen(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzcount.Input(len(b))
		for name, kind := range aeadKinds {
			large := testProtection13(t, kind, 3)
			large.form = recordForm{large: true, limit: 50000}
			for _, open := range []opener{
				testProtection12(t, kind, 1).opener(), testProtection13(t, kind, 3).opener(), large.opener(),
			} {
				if _, content, err := open(bytes.Clone(b)); err == nil || content != nil {
					t.Errorf("%s opened %x", name, b)
				}
			}
		}
	})
}

func FuzzAlert(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzcount.Input(len(b))
		level, a, err := parseAlert(b)
		if (err == nil) != (len(b) == 2) || err == nil &&
			(byte(a) != b[1] || level != levelWarning && level != levelFatal) {
			t.Errorf("%x read as %v %v, %v", b, level, a, err)
		}
	})
}

func FuzzACK(f *testing.F) {
	f.Add(must(appendACK(nil, make([]recordNumber, maxACKed))))
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzcount.Input(len(b))
		records, err := parseACK(b)
		if err != nil {
			return
		}
		if again, err := appendACK(nil, records); err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x written as %x, %v", b, again, err)
		}
	})
}

func FuzzFragment(f *testing.F) {
	var many []byte
	for i := range 1000 {
		many = append(handshakeHeader{typ: typeCertificate, length: 4000, fragmentOffset: 4 * i,
			fragmentLength: 4}.append(many), 1, 2, 3, 4)
	}
	f.Add(many)
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzcount.Input(len(b))
		for len(b) > 0 {
			h, fragment, rest, err := parseFragment(b)
			if err != nil {
				return
			}
			again := append(append(h.append(nil), fragment...), rest...)
			if !bytes.Equal(again, b) || h.fragmentOffset+len(fragment) > h.length {
				t.Fatalf("%x written as %x", b, again)
			}
			b = rest
		}
	})
}

// fuzzMessage parses a message, and marshals and parses again what it could parse.
func fuzzMessage(t *testing.T, typ handshakeType, body []byte, form messageForm) {
	m, err := parseMessage(typ, body, form)
	if err == nil {
		checkRoundTrip(t, m, body, form)
	} else if a := alertOf(err); a == AlertInternalError {
		t.Errorf("%v: %v", typ, err)
	}
}

func FuzzClientHello(f *testing.F) { fuzzHello(f, typeClientHello) }
func FuzzServerHello(f *testing.F) { fuzzHello(f, typeServerHello) }

func fuzzHello(f *testing.F, typ handshakeType) {
	if typ == typeClientHello {
		f.Add(largestHello)
	}
	for _, s := range samples() {
		if s.m.typ() == typ {
			f.Add(s.body.bytes())
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fuzzcount.Input(len(body))
		fuzzMessage(t, typ, body, messageForm{})
	})
}

func FuzzMessage12(f *testing.F) {
	chain := must(appendMessage(nil, 0, &certificate12{chain: largestChain}))
	f.Add(byte(typeCertificate), byte(kxECDHEECDSA), false, chain[handshakeHeaderLen:])
	for _, s := range samples() {
		if s.form.version == VersionDTLS12 {
			f.Add(byte(s.m.typ()), byte(s.form.kx), s.form.rawPublicKeys, s.body.bytes())
		}
	}
	f.Fuzz(func(t *testing.T, typ, kx byte, rawPublicKeys bool, body []byte) {
		fuzzcount.Input(3 + len(body))
		fuzzMessage(t, handshakeType(typ), body,
			messageForm{VersionDTLS12, keyExchange(kx) % (kxPSK + 1), rawPublicKeys})
	})
}

func FuzzMessage13(f *testing.F) {
	m := new(certificate13)
	for _, cert := range largestChain {
		m.entries = append(m.entries, certificateEntry{data: cert})
	}
	f.Add(byte(typeCertificate), must(appendMessage(nil, 0, m))[handshakeHeaderLen:])
	for _, s := range samples() {
		if s.form.version == VersionDTLS13 {
			f.Add(byte(s.m.typ()), s.body.bytes())
		}
	}
	f.Fuzz(func(t *testing.T, typ byte, body []byte) {
		fuzzcount.Input(1 + len(body))
		fuzzMessage(t, handshakeType(typ), body, form13)
	})
}

// FuzzReassembly adds fragments of three messages as the input says, and compares with a model that
// has a flag for each byte.
func FuzzReassembly(f *testing.F) {
	f.Add([]byte{0, 0, 255, 1, 0, 255, 2, 0, 255})
	f.Add([]byte{2, 100, 255, 2, 0, 100, 1, 0, 255, 0, 5, 10, 0, 0, 6, 0, 14, 255})
	f.Fuzz(func(t *testing.T, script []byte) {
		fuzzcount.Input(len(script))
		bodies := [][]byte{testBytes(0, 50), testBytes(1, 200), testBytes(2, blockLen+50)}
		var have [3][blockLen + 50]bool
		missing := []int{50, 200, blockLen + 50}
		next := 0
		var r reassembler
		for ; len(script) >= 3; script = script[3:] {
			seq := int(script[0]) % 3
			body := bodies[seq]
			from := int(script[1]) * len(body) / 256
			to := min(from+int(script[2])*len(body)/250+1, len(body))
			h, fragment := fragmentOf(typeCertificate, uint16(seq), body, from, to)
			if err := r.add(0, h, fragment); err != nil {
				t.Fatal(err)
			}
			for i := from; i < to; i++ {
				if !have[seq][i] {
					have[seq][i] = true
					missing[seq]--
				}
			}
			for m, ok := r.take(); ok; m, ok = r.take() {
				if int(m.seq) != next || missing[next] != 0 || !bytes.Equal(m.body(), bodies[next]) {
					t.Fatalf("message_seq %d instead of %d, of which %d bytes are missing", m.seq, next,
						missing[next])
				}
				next++
			}
			if next < 3 && missing[next] == 0 {
				t.Fatalf("message_seq %d is held back", next)
			}
		}
	})
}

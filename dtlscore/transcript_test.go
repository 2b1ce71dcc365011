package dtlscore

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/sha512"
	"testing"
)

// header12 and header13 return what is hashed before a body.
func header12(typ byte, seq byte, n int) []byte {
	return []byte{typ, 0, byte(n >> 8), byte(n), 0, seq, 0, 0, 0, 0, byte(n >> 8), byte(n)}
}

func header13(typ byte, n int) []byte { return []byte{typ, 0, byte(n >> 8), byte(n)} }

func TestTranscript(t *testing.T) { // attack F11
	first, second := []byte("first message"), bytes.Repeat([]byte("second"), 100)
	for _, alg := range []crypto.Hash{crypto.SHA256, crypto.SHA384} {
		transcript12, transcript13 := newTranscript(), newTranscript()
		for _, tr := range []*transcript{transcript12, transcript13} {
			tr.add(typeClientHello, 0, first)
		}
		transcript12.choose(VersionDTLS12, alg)
		transcript13.choose(VersionDTLS13, alg)
		for _, tr := range []*transcript{transcript12, transcript13} {
			tr.add(typeServerHello, 1, second)
		}
		all12 := bytes.Join([][]byte{header12(1, 0, len(first)), first, header12(2, 1, len(second)),
			second}, nil)
		all13 := bytes.Join([][]byte{header13(1, len(first)), first, header13(2, len(second)), second},
			nil)
		sum := func(b []byte) []byte {
			h := alg.New()
			h.Write(b)
			return h.Sum(nil)
		}
		if !bytes.Equal(transcript12.sum(), sum(all12)) || !bytes.Equal(transcript13.sum(), sum(all13)) {
			t.Errorf("%v: %x, %x", alg, transcript12.sum(), transcript13.sum())
		}
		if !bytes.Equal(transcript12.messages(), all12) || len(transcript13.messages()) > 0 {
			t.Errorf("%x, %x are kept", transcript12.messages(), transcript13.messages())
		}
		transcript12.release()
		transcript12.add(typeFinished, 2, []byte("end"))
		if len(transcript12.messages()) > 0 {
			t.Error("messages are kept after release")
		}
		if want := sum(append(append(all12, header12(20, 2, 3)...),
			"end"...)); !bytes.Equal(transcript12.sum(), want) {
			t.Errorf("%v: %x after release", alg, transcript12.sum())
		}
	}
}

// E8: the first ClientHello and the HelloVerifyRequest are not hashed. RFC 6347, Section 4.2.1.
func TestTranscriptRestart(t *testing.T) {
	a, b := newTranscript(), newTranscript()
	a.add(typeClientHello, 0, []byte("first"))
	a.restart()
	for _, tr := range []*transcript{a, b} {
		tr.add(typeClientHello, 1, []byte("second"))
		tr.choose(VersionDTLS12, crypto.SHA256)
	}
	if !bytes.Equal(a.sum(), b.sum()) {
		t.Error("restart left something behind")
	}
}

func TestTranscriptRetry(t *testing.T) {
	tr := newTranscript()
	hello := []byte("hello")
	tr.add(typeClientHello, 0, hello)
	tr.choose(VersionDTLS13, crypto.SHA384)
	tr.retry()
	tr.add(typeServerHello, 0, []byte("retry"))

	first := sha512.Sum384(append(header13(1, len(hello)), hello...))
	whole := append([]byte{254, 0, 0, 48}, first[:]...)
	whole = append(append(whole, header13(2, 5)...), "retry"...)
	if want := sha512.Sum384(whole); !bytes.Equal(tr.sum(), want[:]) {
		t.Errorf("%x, not %x", tr.sum(), want)
	}

	// The binder of the second ClientHello covers both, and does not change the transcript.
	m := append(header12(1, 1, 10), "0123456789"...)
	want := sha512.Sum384(append(append(whole, header13(1, 10)...), "0123456"...))
	before := tr.sum()
	if got := tr.sumTruncated(crypto.SHA384, m, 3); !bytes.Equal(got, want[:]) ||
		!bytes.Equal(tr.sum(), before) {
		t.Errorf("%x, not %x", got, want)
	}
}

// The binder of a first ClientHello is computed before a hash is chosen.
func TestTranscriptFirstBinder(t *testing.T) { // RFC 8446, Section 4.2.11
	m := append(header12(1, 0, 10), "0123456789"...)
	want := sha256.Sum256(append(header13(1, 10), "0123456"...))
	if got := newTranscript().sumTruncated(crypto.SHA256, m, 3); !bytes.Equal(got, want[:]) {
		t.Errorf("%x, not %x", got, want)
	}
}

// restart starts again: the first ClientHello and a HelloVerifyRequest are not hashed. RFC 6347,
// Section 4.2.6.
func (t *transcript) restart() { *t = *newTranscript() }

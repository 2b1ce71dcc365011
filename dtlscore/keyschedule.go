package dtlscore

import (
	"crypto"
	"crypto/hkdf"
	"crypto/hmac"
	"hash"
)

// labelPrefix precedes every label, without a space: RFC 9147, Section 5.9.
const labelPrefix = "dtls13"

// A keySchedule implements RFC 8446, Section 7.1, with one hash function. Each stage's secret has a
// type of its own, so that it cannot be used for another purpose.
type keySchedule struct {
	hash   crypto.Hash
	prefix string // labelPrefix, except in tests with TLS vectors
}

func newKeySchedule(hash crypto.Hash) keySchedule { return keySchedule{hash, labelPrefix} }

// extract is HKDF-Extract. A nil secret or salt is a string of zeros.
func (k keySchedule) extract(salt, secret []byte) []byte {
	if secret == nil {
		secret = make([]byte, k.hash.Size())
	}
	prk, err := hkdf.Extract(k.hash.New, secret, salt)
	if err != nil {
		panic("dtlscore: " + err.Error()) // only for keys below 112 bits where FIPS 140 is enforced
	}
	return prk
}

// An expander derives secrets from one secret with HKDF-Expand. It is created once for each secret,
// because setting the key takes as long as using it. It is not safe for concurrent use.
type expander struct {
	keySchedule
	secret []byte
	mac    hash.Hash // HMAC keyed with the secret
	used   bool
}

// keyed returns an expander that will be used several times.
func (k keySchedule) keyed(secret []byte) *expander {
	x := k.keyedOnce(secret)
	x.mac.Reset() // keeps the state with the key for each use, but would have to compute it after one
	return x
}

// keyedOnce returns an expander that will be used once.
func (k keySchedule) keyedOnce(secret []byte) *expander {
	return &expander{keySchedule: k, secret: secret, mac: hmac.New(k.hash.New, secret)}
}

// forget implements [forgetter].
func (x *expander) forget() {
	if x != nil {
		clear(x.secret)
		x.mac = nil
	}
}

// expandLabel is HKDF-Expand-Label.
func (x *expander) expandLabel(label string, context []byte, n int) []byte {
	info := make([]byte, 0, 5+len(x.prefix)+len(label)+len(context))
	info = append(info, byte(n>>8), byte(n))
	info = append(info, byte(len(x.prefix)+len(label)))
	info = append(append(info, x.prefix...), label...)
	info = append(append(info, byte(len(context))), context...)
	return x.expand(info, n)
}

// expand implements RFC 5869, Section 2.3, for up to 255 blocks.
func (x *expander) expand(info []byte, n int) []byte {
	size := x.hash.Size()
	out := make([]byte, 0, (n+size-1)/size*size)
	info = append(info, 0)
	for block := []byte(nil); len(out) < n; block = out[len(out)-size:] {
		if x.used {
			x.mac.Reset()
		}
		x.used = true
		info[len(info)-1]++ // the number of the block
		x.mac.Write(block)
		x.mac.Write(info)
		out = x.mac.Sum(out)
	}
	return out[:n:n]
}

// deriveSecret is Derive-Secret, with a transcript hash instead of messages.
func (x *expander) deriveSecret(label string, transcriptHash []byte) []byte {
	return x.expandLabel(label, transcriptHash, x.hash.Size())
}

// emptyHashes are the hashes of the empty string, by the hashes of cipher suites.
var emptyHashes = map[crypto.Hash][]byte{
	crypto.SHA256: crypto.SHA256.New().Sum(nil),
	crypto.SHA384: crypto.SHA384.New().Sum(nil),
}

// emptyHash returns the hash of the empty string, which must not be modified.
func (k keySchedule) emptyHash() []byte { return emptyHashes[k.hash] }

// An earlySecret is derived from the pre-shared key.
type earlySecret struct{ *expander }

// A handshakeSecret is derived from the earlySecret and the shared secret of the key exchange.
type handshakeSecret struct{ *expander }

// A masterSecret is derived from the handshakeSecret.
type masterSecret struct{ *expander }

// early begins the schedule. psk is nil if there is no pre-shared key.
func (k keySchedule) early(psk []byte) earlySecret {
	return earlySecret{k.keyed(k.extract(nil, psk))}
}

// binderKey returns the base key of the pre-shared key's binder.
func (s earlySecret) binderKey(external bool) []byte {
	label := "res binder"
	if external {
		label = "ext binder"
	}
	return s.deriveSecret(label, s.emptyHash())
}

// handshake returns the next stage. shared is the result of the key exchange, nil if there was
// none.
func (s earlySecret) handshake(shared []byte) handshakeSecret {
	salt := s.deriveSecret("derived", s.emptyHash())
	defer clear(salt)
	return handshakeSecret{s.keyed(s.extract(salt, shared))}
}

// The transcripts of the next two functions end with the ServerHello.

func (s handshakeSecret) clientTraffic(transcriptHash []byte) []byte {
	return s.deriveSecret("c hs traffic", transcriptHash)
}

func (s handshakeSecret) serverTraffic(transcriptHash []byte) []byte {
	return s.deriveSecret("s hs traffic", transcriptHash)
}

// master returns the last stage.
func (s handshakeSecret) master() masterSecret {
	salt := s.deriveSecret("derived", s.emptyHash())
	defer clear(salt)
	return masterSecret{s.keyed(s.extract(salt, nil))}
}

// The transcripts of the next three functions end with the server's Finished.

func (s masterSecret) clientTraffic(transcriptHash []byte) []byte {
	return s.deriveSecret("c ap traffic", transcriptHash)
}

func (s masterSecret) serverTraffic(transcriptHash []byte) []byte {
	return s.deriveSecret("s ap traffic", transcriptHash)
}

func (s masterSecret) exporter(transcriptHash []byte) []byte {
	return s.deriveSecret("exp master", transcriptHash)
}

// resumption returns the resumption master secret. The transcript ends with the client's Finished.
func (s masterSecret) resumption(transcriptHash []byte) []byte {
	return s.deriveSecret("res master", transcriptHash)
}

// resumptionPSK returns the pre-shared key of a ticket. See RFC 8446, Section 4.6.1.
func (k keySchedule) resumptionPSK(resumption, nonce []byte) []byte {
	return k.keyedOnce(resumption).expandLabel("resumption", nonce, k.hash.Size())
}

// nextTraffic returns the traffic secret after a KeyUpdate. See RFC 8446, Section 7.2.
func (k keySchedule) nextTraffic(traffic []byte) []byte {
	return k.keyedOnce(traffic).expandLabel("traffic upd", nil, k.hash.Size())
}

// trafficKeys protect the records of one direction in one epoch.
type trafficKeys struct{ key, iv, sn []byte }

func (k *trafficKeys) forget() {
	clear(k.key)
	clear(k.iv)
	clear(k.sn)
}

// trafficKeys derives keys from a traffic secret. See RFC 8446, Section 7.3, and RFC 9147, Section
// 4.2.3.
func (k keySchedule) trafficKeys(kind aeadKind, traffic []byte) trafficKeys {
	return k.keyed(traffic).trafficKeys(kind)
}

func (x *expander) trafficKeys(kind aeadKind) trafficKeys {
	return trafficKeys{
		key: x.expandLabel("key", nil, kind.keyLen()),
		iv:  x.expandLabel("iv", nil, aeadNonceLen),
		sn:  x.expandLabel("sn", nil, kind.keyLen()),
	}
}

// finished13 returns the verify_data of a Finished message, or a binder. baseKey is the sender's
// handshake traffic secret, or a binder key. See RFC 8446, Section 4.4.4.
func (k keySchedule) finished13(baseKey, transcriptHash []byte) []byte {
	return k.keyedOnce(baseKey).finished(transcriptHash)
}

func (x *expander) finished(transcriptHash []byte) []byte {
	key := x.expandLabel("finished", nil, x.hash.Size())
	defer clear(key)
	mac := hmac.New(x.hash.New, key)
	mac.Write(transcriptHash)
	return mac.Sum(nil)
}

// export13 is the exporter of RFC 8446, Section 7.5. A nil context is the same as an empty one.
func (k keySchedule) export13(exporter []byte, label string, context []byte, n int) ([]byte,
	error) {
	if len(k.prefix)+len(label) > 255 {
		return nil, misuse("label of %d bytes is too long for an exporter", len(label))
	}
	if n < 0 || n > 255*k.hash.Size() {
		return nil, misuse("%d bytes cannot be exported", n)
	}
	h := k.hash.New()
	h.Write(context)
	secret := k.keyedOnce(exporter).deriveSecret(label, k.emptyHash())
	defer clear(secret)
	return k.keyedOnce(secret).expandLabel("exporter", h.Sum(nil), n), nil
}

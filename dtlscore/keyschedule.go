package dtlscore

import (
	"crypto"
	"crypto/hkdf"
	"crypto/hmac"
)

// labelPrefix stands before every label, without a space: RFC 9147, Section 5.9.
const labelPrefix = "dtls13"

// A keySchedule is the functions of RFC 8446, Section 7.1, with one hash. The
// secrets that come of it are typed, so that each is used for what it is for.
type keySchedule struct {
	hash   crypto.Hash
	prefix string // labelPrefix, but for vectors of TLS
}

func newKeySchedule(hash crypto.Hash) keySchedule { return keySchedule{hash, labelPrefix} }

// extract is HKDF-Extract. A secret or salt that is missing is a string of zeros.
func (k keySchedule) extract(salt, secret []byte) []byte {
	if secret == nil {
		secret = make([]byte, k.hash.Size())
	}
	prk, err := hkdf.Extract(k.hash.New, secret, salt)
	if err != nil {
		panic("dtlscore: " + err.Error()) // only for keys below 112 bits, where FIPS 140 is enforced
	}
	return prk
}

// expandLabel is HKDF-Expand-Label.
func (k keySchedule) expandLabel(secret []byte, label string, context []byte, n int) []byte {
	info := make([]byte, 0, 4+len(k.prefix)+len(label)+len(context))
	info = append(info, byte(n>>8), byte(n))
	info = append(info, byte(len(k.prefix)+len(label)))
	info = append(append(info, k.prefix...), label...)
	info = append(append(info, byte(len(context))), context...)
	out, err := hkdf.Expand(k.hash.New, secret, string(info), n)
	if err != nil {
		// Labels, contexts and lengths are ours, or were checked where they came in.
		panic("dtlscore: " + err.Error())
	}
	return out
}

// deriveSecret is Derive-Secret, of a hash instead of the messages.
func (k keySchedule) deriveSecret(secret []byte, label string, transcriptHash []byte) []byte {
	return k.expandLabel(secret, label, transcriptHash, k.hash.Size())
}

// emptyHash is the hash of nothing.
func (k keySchedule) emptyHash() []byte { return k.hash.New().Sum(nil) }

// An earlySecret comes of the pre-shared key.
type earlySecret struct {
	keySchedule
	secret []byte
}

// A handshakeSecret comes of the earlySecret and the key agreement.
type handshakeSecret struct {
	keySchedule
	secret []byte
}

// A masterSecret comes of the handshakeSecret.
type masterSecret struct {
	keySchedule
	secret []byte
}

// early starts the schedule, with nil if there is no pre-shared key.
func (k keySchedule) early(psk []byte) earlySecret {
	return earlySecret{k, k.extract(nil, psk)}
}

// binderKey is the base key of the binder for the pre-shared key.
func (s earlySecret) binderKey(external bool) []byte {
	label := "res binder"
	if external {
		label = "ext binder"
	}
	return s.deriveSecret(s.secret, label, s.emptyHash())
}

// handshake goes on with the result of the key agreement, nil if there was none.
func (s earlySecret) handshake(shared []byte) handshakeSecret {
	salt := s.deriveSecret(s.secret, "derived", s.emptyHash())
	return handshakeSecret{s.keySchedule, s.extract(salt, shared)}
}

// The transcripts of the following two end with the ServerHello.

func (s handshakeSecret) clientTraffic(transcriptHash []byte) []byte {
	return s.deriveSecret(s.secret, "c hs traffic", transcriptHash)
}

func (s handshakeSecret) serverTraffic(transcriptHash []byte) []byte {
	return s.deriveSecret(s.secret, "s hs traffic", transcriptHash)
}

// master goes on to the last stage.
func (s handshakeSecret) master() masterSecret {
	salt := s.deriveSecret(s.secret, "derived", s.emptyHash())
	return masterSecret{s.keySchedule, s.extract(salt, nil)}
}

// The transcripts of the following three end with the server's Finished.

func (s masterSecret) clientTraffic(transcriptHash []byte) []byte {
	return s.deriveSecret(s.secret, "c ap traffic", transcriptHash)
}

func (s masterSecret) serverTraffic(transcriptHash []byte) []byte {
	return s.deriveSecret(s.secret, "s ap traffic", transcriptHash)
}

func (s masterSecret) exporter(transcriptHash []byte) []byte {
	return s.deriveSecret(s.secret, "exp master", transcriptHash)
}

// resumption has a transcript that ends with the client's Finished.
func (s masterSecret) resumption(transcriptHash []byte) []byte {
	return s.deriveSecret(s.secret, "res master", transcriptHash)
}

// resumptionPSK is the key of a ticket. RFC 8446, Section 4.6.1.
func (k keySchedule) resumptionPSK(resumption, nonce []byte) []byte {
	return k.expandLabel(resumption, "resumption", nonce, k.hash.Size())
}

// nextTraffic is the traffic secret after a KeyUpdate. RFC 8446, Section 7.2.
func (k keySchedule) nextTraffic(traffic []byte) []byte {
	return k.expandLabel(traffic, "traffic upd", nil, k.hash.Size())
}

// trafficKeys protect the records of one direction in one epoch.
type trafficKeys struct{ key, iv, sn []byte }

// trafficKeys is RFC 8446, Section 7.3, and RFC 9147, Section 4.2.3.
func (k keySchedule) trafficKeys(kind aeadKind, traffic []byte) trafficKeys {
	return trafficKeys{
		key: k.expandLabel(traffic, "key", nil, kind.keyLen()),
		iv:  k.expandLabel(traffic, "iv", nil, aeadNonceLen),
		sn:  k.expandLabel(traffic, "sn", nil, kind.keyLen()),
	}
}

// finished13 is the content of Finished, or a binder. baseKey is the traffic
// secret of the sender in the handshake, or a binderKey. RFC 8446, Section 4.4.4.
func (k keySchedule) finished13(baseKey, transcriptHash []byte) []byte {
	mac := hmac.New(k.hash.New, k.expandLabel(baseKey, "finished", nil, k.hash.Size()))
	mac.Write(transcriptHash)
	return mac.Sum(nil)
}

// export13 is RFC 8446, Section 7.5. No context is the same as an empty one.
func (k keySchedule) export13(exporter []byte, label string, context []byte, n int) ([]byte, error) {
	if len(k.prefix)+len(label) > 255 {
		return nil, misuse("label of %d bytes is too long for an exporter", len(label))
	}
	if n < 0 || n > 255*k.hash.Size() {
		return nil, misuse("%d bytes cannot be exported", n)
	}
	h := k.hash.New()
	h.Write(context)
	secret := k.deriveSecret(exporter, label, k.emptyHash())
	return k.expandLabel(secret, "exporter", h.Sum(nil), n), nil
}

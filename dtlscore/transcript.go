package dtlscore

import (
	"bytes"
	"crypto"
	"encoding/binary"
	"hash"
)

// A transcript is the running hash of the messages of a handshake.
//
// In DTLS 1.2 it covers the 12-byte message header, as if the message had not been fragmented; in
// DTLS 1.3 only the four bytes that TLS has too. See RFC 6347, Section 4.2.6, and RFC 9147, Section
// 5.2. Messages are kept until the version and the hash are negotiated. In DTLS 1.2 they are kept
// longer for CertificateVerify, which may use any hash.
type transcript struct {
	version uint16
	hash    hash.Hash // nil before choose
	kept    [][]byte  // messages with 12-byte headers
	keeping bool
}

func newTranscript() *transcript { return &transcript{keeping: true} }

// add adds a message, given its body.
func (t *transcript) add(typ handshakeType, seq uint16, body []byte) {
	m := make([]byte, 0, handshakeHeaderLen+len(body))
	m = handshakeHeader{typ, len(body), seq, 0, len(body)}.append(m)
	t.addMessages(append(m, body...))
}

// addMessages adds one or more messages in the encoding of [appendMessage]. They must not be
// modified afterwards.
func (t *transcript) addMessages(b []byte) {
	for len(b) > 0 {
		var m []byte
		m, b = cutMessage(b)
		if t.keeping {
			t.kept = append(t.kept, m)
		}
		if t.hash != nil {
			t.write(m)
		}
	}
}

// received adds a message from the peer.
func (t *transcript) received(raw handshakeMessage) { t.addMessages(raw.whole) }

// send queues a message and adds it.
func (t *transcript) send(c *Conn, m message) error {
	raw, err := c.send(m)
	if err != nil {
		return err
	}
	t.addMessages(raw)
	return nil
}

// cutMessage splits an unfragmented message, with its header, off the front of b.
func cutMessage(b []byte) (m, rest []byte) {
	n := handshakeHeaderLen + int(binary.BigEndian.Uint32(b)&0xffffff)
	return b[:n:n], b[n:]
}

// write hashes a message, or the beginning of one, with its header.
func (t *transcript) write(m []byte) {
	if t.version == VersionDTLS13 {
		t.hash.Write(m[:4])
		m = m[handshakeHeaderLen:]
	}
	t.hash.Write(m)
}

// choose sets the version and the hash, once they are negotiated, and hashes the messages kept so
// far.
func (t *transcript) choose(version uint16, alg crypto.Hash) {
	t.version, t.hash = version, alg.New()
	for _, m := range t.kept {
		t.write(m)
	}
	if version == VersionDTLS13 {
		t.release()
	}
}

// retry replaces the first ClientHello by its hash. It is called when a HelloRetryRequest is sent
// or received, before that is added. See RFC 8446, Section 4.4.1.
func (t *transcript) retry() {
	sum := t.sum()
	t.hash.Reset()
	t.hash.Write([]byte{byte(typeMessageHash), 0, 0, byte(len(sum))})
	t.hash.Write(sum)
}

// sum returns the hash of the messages so far.
func (t *transcript) sum() []byte { return t.hash.Sum(nil) }

// sumTruncated returns the hash of the messages so far and of m, without its last dropped bytes.
// The length in the header of m is the full one. If no hash has been chosen yet, it uses alg, the
// hash of the binder's key. See RFC 8446, Section 4.2.11.2.
func (t *transcript) sumTruncated(alg crypto.Hash, m []byte, dropped int) []byte {
	fork := transcript{version: VersionDTLS13, kept: t.kept}
	if t.hash == nil {
		fork.choose(VersionDTLS13, alg)
	} else {
		fork.hash = t.clone()
	}
	fork.write(m[:len(m)-dropped])
	return fork.sum()
}

func (t *transcript) clone() hash.Hash {
	c, err := t.hash.(hash.Cloner).Clone()
	if err != nil {
		panic("dtlscore: " + err.Error()) // hashes of the standard library can be cloned
	}
	return c
}

// messages returns all messages so far, for the CertificateVerify of DTLS 1.2.
func (t *transcript) messages() []byte { return bytes.Join(t.kept, nil) }

// release drops the messages, once no CertificateVerify can need them.
func (t *transcript) release() { t.kept, t.keeping = nil, false }

package dtlscore

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"slices"
	"time"
)

// maxOfferedPSKs is the number of a client's identities that a server looks up.
const maxOfferedPSKs = 5

// An offeredPSK is a pre-shared key that is offered in a ClientHello of DTLS 1.3: an external one,
// or that of a ticket. See RFC 8446, Section 4.2.11.
type offeredPSK struct {
	key      []byte
	hash     crypto.Hash
	identity []byte
	position uint16   // in the ClientHello
	session  *session // of the ticket; nil for an external key
}

// secret returns the key, or nil if there is none.
func (p *offeredPSK) secret() []byte {
	if p == nil {
		return nil
	}
	return p.key
}

// forget overwrites the key of a ticket. An external key belongs to the caller.
func (p *offeredPSK) forget() {
	if p != nil && p.session != nil {
		p.session.forget()
	}
}

// binder returns the binder, which proves that the client knows the key. transcriptHash covers
// everything before the list of binders.
func (p *offeredPSK) binder(transcriptHash []byte) []byte {
	k := newKeySchedule(p.hash)
	early := k.early(p.key)
	key := early.binderKey(p.session == nil)
	defer early.forget()
	defer clear(key)
	return k.finished13(key, transcriptHash)
}

// use copies what the key says about the peer into the state of the connection.
func (hs *handshake13) use(p *offeredPSK) error {
	hs.psk = p
	if p.session == nil {
		hs.state.PSKIdentity = p.identity
		return nil
	}
	hs.state.DidResume = true
	return p.session.restore(&hs.state)
}

// The following is the client's side.

// offerPSKs adds the previous session and the external key to the ClientHello.
func (s *clientWaitServerHello) offerPSKs(c *Conn) error {
	if n := s.session; n != nil && n.version == VersionDTLS13 {
		s.psks = append(s.psks, &offeredPSK{
			key: n.secret, hash: suiteByID(n.suite, VersionDTLS13).hash, identity: n.ticket, session: n,
		})
	}
	if c.config.GetPSK != nil {
		psk, err := c.config.GetPSK(nil)
		if err != nil {
			return misuse("Config.GetPSK: %w", err)
		}
		if psk != nil {
			if err := psk.check(); err != nil {
				return err
			}
			s.psks = append(s.psks, &offeredPSK{key: psk.Key, hash: psk.hash(), identity: psk.Identity})
		}
	}
	// Unlike in DTLS 1.2, an identity must not be empty.
	s.psks = slices.DeleteFunc(s.psks, func(p *offeredPSK) bool { return len(p.identity) == 0 })
	if len(s.psks) > 0 || c.sessionKey() != "" {
		s.hello.pskModes = []uint8{pskModeDHEKE}
	}
	return c.bindPSKs(s.hello, s.psks, newTranscript())
}

// bindPSKs adds identities and binders to a ClientHello. t is the transcript before it.
func (c *Conn) bindPSKs(hello *clientHello, psks []*offeredPSK, t *transcript) error {
	hello.identities, hello.binders = nil, nil
	for i, p := range psks {
		p.position = uint16(i)
		id := pskIdentity{identity: p.identity}
		if p.session != nil {
			id.obfuscatedTicketAge = p.session.obfuscatedAge(c.config.time())
		}
		hello.identities = append(hello.identities, id)
		hello.binders = append(hello.binders, make([]byte, p.hash.Size()))
	}
	if len(psks) == 0 {
		return nil
	}
	raw, err := appendMessage(nil, c.nextSendSeq, hello)
	if err != nil {
		return err
	}
	for i, p := range psks {
		hello.binders[i] = p.binder(t.sumTruncated(p.hash, raw, hello.bindersLen()))
	}
	return nil
}

// rebind offers the keys again in a second ClientHello, except those that do not fit the cipher
// suite, with new binders. See RFC 8446, Section 4.1.2.
func (s *clientHandshake13) rebind(c *Conn) error {
	s.offered = slices.DeleteFunc(s.offered,
		func(p *offeredPSK) bool { return p.hash != s.suite.hash })
	return c.bindPSKs(s.offer, s.offered, s.transcript)
}

// acceptPSK handles the server's choice.
func (s *clientHandshake13) acceptPSK(m *serverHello) error {
	defer func() {
		for _, p := range s.offered {
			if p != s.psk {
				p.forget()
			}
		}
	}()
	if !m.pskSelected {
		return nil
	}
	if int(m.selectedIdentity) >= len(s.offered) {
		return illegal("server chose pre-shared key %d of %d", m.selectedIdentity, len(s.offered))
	}
	p := s.offered[m.selectedIdentity]
	if p.hash != s.suite.hash {
		return illegal("server chose a pre-shared key that does not match the cipher suite")
	}
	if err := s.use(p); err != nil {
		return misuse("session of Config.SessionCache: %w", err)
	}
	return nil
}

// The following is the server's side.

// choosePSK looks for one of the client's pre-shared keys that can be used with one of the hashes,
// and stores it in s.psk. A wrong binder ends the handshake; unknown identities are ignored.
// choosePSK must be called before the ClientHello is added to the transcript.
func (s *serverHandshake13) choosePSK(c *Conn, raw handshakeMessage, hashes ...crypto.Hash) error {
	if !slices.Contains(s.offer.pskModes, pskModeDHEKE) {
		return nil
	}
	var chosen *offeredPSK
	for i, id := range s.offer.identities[:min(len(s.offer.identities), maxOfferedPSKs)] {
		p, err := s.lookupPSK(c, id.identity)
		if err != nil {
			return err
		}
		if p != nil && slices.Contains(hashes, p.hash) {
			chosen = p
			chosen.position = uint16(i)
			break
		}
		p.forget()
	}
	if chosen == nil && len(s.offer.identities) > 0 && !c.config.hasCertificates() &&
		c.config.RawKey == nil {
		// The client can authenticate with a pre-shared key only. It must not be able to tell an
		// unknown identity from a wrong key: RFC 8446, Appendix E.6.
		chosen = &offeredPSK{key: make([]byte, hashes[0].Size()), hash: hashes[0]}
		rand.Read(chosen.key)
	}
	if chosen == nil {
		return nil
	}
	sum := s.transcript.sumTruncated(chosen.hash, raw.whole, s.offer.bindersLen())
	if !hmac.Equal(s.offer.binders[chosen.position], chosen.binder(sum)) {
		return untrusted(AlertDecryptError, "client does not know the pre-shared key that it names")
	}
	if err := s.use(chosen); err != nil {
		return misuse("session: %w", err)
	}
	return nil
}

// lookupPSK returns the key of an identity, or nil if there is none.
func (s *serverHandshake13) lookupPSK(c *Conn, identity []byte) (*offeredPSK, error) {
	if n := s.sessionOf(c, identity); n != nil {
		return &offeredPSK{key: n.secret, hash: suiteByID(n.suite, VersionDTLS13).hash, session: n}, nil
	}
	if c.config.LookupPSK == nil {
		return nil, nil
	}
	psk, err := c.config.lookupPSK(identity)
	if psk == nil || err != nil {
		return nil, err
	}
	return &offeredPSK{key: psk.Key, hash: psk.hash(), identity: identity}, nil
}

// sessionOf returns the session of a ticket, or nil if it cannot be resumed.
func (s *serverHandshake13) sessionOf(c *Conn, ticket []byte) *session {
	if c.config.TicketKeys == nil {
		return nil
	}
	now := c.config.time()
	n, _ := c.config.TicketKeys.open(ticket, now)
	var state ConnectionState
	if n == nil || n.version != VersionDTLS13 || suiteByID(n.suite, VersionDTLS13) == nil ||
		n.expired(now) ||
		n.serverName != s.offer.serverName || n.protocol != s.state.NegotiatedProtocol ||
		n.restore(&state) != nil || !c.config.trustsClientOf(n, &state) {
		n.forget()
		return nil
	}
	return n
}

// obfuscatedAge returns obfuscated_ticket_age. See RFC 8446, Section 4.2.11.1.
func (n *session) obfuscatedAge(now time.Time) uint32 {
	return uint32(now.UnixMilli()-n.received) + n.ageAdd
}

package sctpcore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// authState is the state of SCTP-AUTH. See RFC 4895.
type authState struct {
	keys   map[uint16]*sharedKey
	active *sharedKey

	agreed      bool
	hmac        authchunk.HMACID // the peer's most preferred HMAC that we support
	localVector []byte           // RFC 4895, Section 6.1
	peerVector  []byte
	peerHMACs   []authchunk.HMACID
	peerChunks  []byte
	demanded    chunkSet // chunk types that the peer requires to be authenticated
	demands     chunkSet // chunk types that we require to be authenticated

	repeated    bool // under repeatedKey, accept only DATA up to repeatedTSN
	repeatedKey uint16
	repeatedTSN uint32
}

// A chunkSet is a set of chunk types.
type chunkSet [4]uint64

func (s *chunkSet) has(typ byte) bool { return s[typ>>6]&(1<<(typ&63)) != 0 }

// setOf omits the four chunk types that are never authenticated. See RFC 4895, Section 3.2.
func setOf(p authchunk.Params) (s chunkSet) {
	for _, typ := range p.Chunks {
		if p.Demands(typ) {
			s[typ>>6] |= 1 << (typ & 63)
		}
	}
	return s
}

// A sharedKey is an endpoint pair shared key. As in Linux, a message refers to its key from when it
// is passed to Send until it is acknowledged, even if the key is deleted meanwhile.
type sharedKey struct {
	id          uint16
	secret      []byte
	deactivated bool
	deleted     bool
	refs        int               // DATA chunks to be sent, or retransmitted, with it
	macs        [2]*authchunk.MAC // for SHA-1 and SHA-256, created on first use
}

// free overwrites a key that is no longer needed.
func (k *sharedKey) free() {
	clear(k.secret)
	k.secret, k.macs = nil, [2]*authchunk.MAC{}
}

// agreeAuth handles the peer's SCTP-AUTH parameters. A restart keeps the shared keys but not the
// keys derived from them.
func (a *Assoc) agreeAuth(peer *initChunk) {
	s := &a.auth
	s.agreed, s.demanded, s.demands = false, chunkSet{}, chunkSet{}
	for _, k := range s.keys {
		k.macs = [2]*authchunk.MAC{}
	}
	if !a.config.Auth || !peer.hasAuth {
		return
	}
	id, err := authchunk.ChooseHMAC(peer.auth.HMACs, a.config.HMACs)
	if err != nil {
		return // impossible: both sides list SHA-1
	}
	local := a.config.authParams(a.random[:])
	s.agreed, s.hmac = true, id
	s.localVector, s.peerVector = local.KeyVector(), peer.auth.KeyVector()
	s.peerHMACs, s.peerChunks = peer.auth.HMACs, bytes.Clone(peer.auth.Chunks)
	s.demanded, s.demands = setOf(peer.auth), setOf(local)
}

// demands reports whether this side requires chunks of the type to be authenticated, and
// peerDemands whether the peer does. The lists of the two sides are independent: RFC 4895, Section
// 3.2.
func (a *Assoc) demands(typ byte) bool     { return a.auth.agreed && a.auth.demands.has(typ) }
func (a *Assoc) peerDemands(typ byte) bool { return a.auth.agreed && a.auth.demanded.has(typ) }

// authLen returns the length of our AUTH chunks.
func (a *Assoc) authLen() int { return 8 + padded(a.auth.hmac.Size()) }

// mac returns the MAC that signs and verifies with a key.
func (a *Assoc) mac(k *sharedKey, id authchunk.HMACID) *authchunk.MAC {
	slot := &k.macs[0]
	if id == authchunk.HMACSHA256 {
		slot = &k.macs[1]
	}
	if *slot == nil {
		*slot = authchunk.NewMAC(id, authchunk.AssociationKey(k.secret, a.auth.localVector,
			a.auth.peerVector))
	}
	return *slot
}

// signer returns the MAC that signs with a key, or nil without SCTP-AUTH.
func (a *Assoc) signer(k *sharedKey) *authchunk.MAC {
	if !a.auth.agreed || k == nil {
		return nil
	}
	return a.mac(k, a.auth.hmac)
}

// verify verifies the AUTH chunk at the beginning of chunks, which extend to the end of the packet.
// It returns the key, or nil if the MAC is wrong or the key unknown: then AUTH and everything after
// it must be discarded. See RFC 4895, Section 6.3.
func (a *Assoc) verify(chunks []byte) *sharedKey {
	c, err := authchunk.ParseAuth(chunks)
	k := a.auth.keys[c.KeyID]
	switch {
	case !a.auth.agreed:
		err = ErrNoAuth
	case errors.Is(err, authchunk.ErrHMACID) || err == nil && !slices.Contains(a.config.HMACs, c.HMAC):
		a.reportError(CauseUnsupportedHMAC, binary.BigEndian.AppendUint16(nil, uint16(c.HMAC)))
		err = authchunk.ErrHMACID
	case err == nil && (k == nil || k.deactivated):
		err = ErrKey
	case err == nil && !a.mac(k, c.HMAC).Verify(chunks, c):
		err = authchunk.ErrMAC
	}
	if err != nil {
		a.stats.AuthFailures++
		return nil
	}
	if c.KeyID != a.auth.active.id { // as in Linux, the event precedes the messages under the key
		a.event(Event{Kind: EventNewKey, Key: c.KeyID})
	}
	return k
}

// taken reports whether a chunk that was authenticated with k is accepted despite TakeRepeated.
func (a *Assoc) taken(k *sharedKey, c chunk) bool {
	s := &a.auth
	return !s.repeated || k.id != s.repeatedKey || c.typ == chunkData && len(c.value) >= 4 &&
		!before(s.repeatedTSN, binary.BigEndian.Uint32(c.value))
}

// TakeRepeated makes the association drop what arrives under key id, except DATA chunks with a TSN
// up to last. These have arrived before, but the peer may retransmit them until they are
// acknowledged. It applies until [Assoc.TakeAll].
func (a *Assoc) TakeRepeated(id uint16, last uint32) {
	a.auth.repeated, a.auth.repeatedKey, a.auth.repeatedTSN = true, id, last
}

// TakeAll ends the effect of TakeRepeated.
func (a *Assoc) TakeAll() { a.auth.repeated = false }

// AuthInfo describes what both sides negotiated about SCTP-AUTH. See RFC 4895, Section 3.
type AuthInfo struct {
	// Agreed is false if one side does not offer SCTP-AUTH. Then nothing is authenticated.
	Agreed     bool
	HMAC       authchunk.HMACID   // that this side signs with
	PeerHMACs  []authchunk.HMACID // that the peer supports
	PeerChunks []byte             // chunk types that the peer requires to be authenticated
	Chunks     []byte             // chunk types that this side requires to be authenticated
	ActiveKey  uint16
}

// Auth returns what was negotiated. The caller must not modify the slices.
func (a *Assoc) Auth() AuthInfo {
	s := &a.auth
	if !s.agreed {
		return AuthInfo{}
	}
	return AuthInfo{true, s.hmac, s.peerHMACs, s.peerChunks, a.config.AuthChunks, s.active.id}
}

// SetAuthKey adds a shared key for sending and receiving. It immediately replaces a key with the
// same identifier, also for messages that are not acknowledged yet. SetAuthKey does not retain
// secret. See RFC 6458, Section 8.3.3.
func (a *Assoc) SetAuthKey(id uint16, secret []byte) error {
	if !a.config.Auth {
		return ErrNoAuth
	}
	k := a.auth.keys[id]
	if k == nil {
		k = &sharedKey{id: id}
		a.auth.keys[id] = k
	}
	k.free()
	k.secret, k.deactivated = bytes.Clone(secret), false
	return nil
}

// SetActiveAuthKey selects the key that authenticates messages which are passed to Send from now
// on. A deactivated key cannot become active again. See RFC 6458, Section 8.1.18.
func (a *Assoc) SetActiveAuthKey(id uint16) error {
	k := a.auth.keys[id]
	if k == nil || k.deactivated {
		return ErrKey
	}
	a.auth.active = k
	return nil
}

// DeactivateAuthKey ends the use of key id for new messages in both directions. The key must not be
// the active one. [EventFreeKey] follows when no unacknowledged message needs it. See RFC 6458,
// Section 8.3.4.
func (a *Assoc) DeactivateAuthKey(id uint16) error {
	k := a.auth.keys[id]
	if k == nil || k == a.auth.active {
		return ErrKey
	}
	if !k.deactivated {
		k.deactivated = true
		if k.refs == 0 {
			a.event(Event{Kind: EventFreeKey, Key: id})
		}
	}
	return nil
}

// DeleteAuthKey deletes key id, which must not be the active one. Messages that were passed to Send
// under it are still sent with it. See RFC 6458, Section 8.3.5.
func (a *Assoc) DeleteAuthKey(id uint16) error {
	k := a.auth.keys[id]
	if k == nil || k == a.auth.active {
		return ErrKey
	}
	delete(a.auth.keys, id)
	if k.deleted = true; k.refs == 0 {
		k.free()
	}
	return nil
}

// unrefKey is called when a DATA chunk no longer needs its key.
func (a *Assoc) unrefKey(k *sharedKey) {
	if k == nil {
		return
	}
	if k.refs--; k.refs > 0 {
		return
	}
	switch {
	case k.deleted:
		k.free()
	case k.deactivated:
		a.event(Event{Kind: EventFreeKey, Key: k.id})
	}
}

// cloneKeys copies the shared keys without the keys derived from them.
func cloneKeys(keys map[uint16]*sharedKey) map[uint16]*sharedKey {
	c := map[uint16]*sharedKey{}
	for id, k := range keys {
		c[id] = &sharedKey{id: id, secret: k.secret, deactivated: k.deactivated}
	}
	return c
}

package sctpcore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// authState is SCTP-AUTH on one association. RFC 4895.
type authState struct {
	keys   map[uint16]*sharedKey
	active *sharedKey

	agreed      bool
	hmac        authchunk.HMACID // what the peer likes best of what we know
	localVector []byte           // RFC 4895, Section 6.1
	peerVector  []byte
	peerHMACs   []authchunk.HMACID
	peerChunks  []byte
	demanded    chunkSet // chunks that the peer wants authenticated
	demands     chunkSet // chunks that we want authenticated

	repeated    bool // of what comes under repeatedKey, only DATA up to repeatedTSN is taken
	repeatedKey uint16
	repeatedTSN uint32
}

// A chunkSet is a set of types of chunks.
type chunkSet [4]uint64

func (s *chunkSet) has(typ byte) bool { return s[typ>>6]&(1<<(typ&63)) != 0 }

// setOf leaves out the four types that are never authenticated. RFC 4895, Section 3.2.
func setOf(p authchunk.Params) (s chunkSet) {
	for _, typ := range p.Chunks {
		if p.Demands(typ) {
			s[typ>>6] |= 1 << (typ & 63)
		}
	}
	return s
}

// A sharedKey is an endpoint pair shared key. Messages refer to it from when they are handed over
// until they are acknowledged, as in Linux: also when it has been deleted since.
type sharedKey struct {
	id          uint16
	secret      []byte
	deactivated bool
	deleted     bool
	refs        int               // DATA chunks that are to be sent with it, or again
	macs        [2]*authchunk.MAC // for SHA-1 and SHA-256, once needed
}

// free wipes a key that nothing needs any more.
func (k *sharedKey) free() {
	clear(k.secret)
	k.secret, k.macs = nil, [2]*authchunk.MAC{}
}

// agreeAuth takes in what the peer says of SCTP-AUTH. Keys stay through a restart, but what is
// derived from them does not.
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
		return // not possible: both list SHA-1
	}
	local := a.config.authParams(a.random[:])
	s.agreed, s.hmac = true, id
	s.localVector, s.peerVector = local.KeyVector(), peer.auth.KeyVector()
	s.peerHMACs, s.peerChunks = peer.auth.HMACs, bytes.Clone(peer.auth.Chunks)
	s.demanded, s.demands = setOf(peer.auth), setOf(local)
}

// demands reports whether chunks of this type must come authenticated, peerDemands whether the peer
// wants them so. The lists of both ends are independent. RFC 4895, Section 3.2.
func (a *Assoc) demands(typ byte) bool     { return a.auth.agreed && a.auth.demands.has(typ) }
func (a *Assoc) peerDemands(typ byte) bool { return a.auth.agreed && a.auth.demanded.has(typ) }

// authLen is the length of our AUTH chunks.
func (a *Assoc) authLen() int { return 8 + padded(a.auth.hmac.Size()) }

// mac returns what signs and verifies with a key.
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

// signer returns what signs with a key, nil without SCTP-AUTH.
func (a *Assoc) signer(k *sharedKey) *authchunk.MAC {
	if !a.auth.agreed || k == nil {
		return nil
	}
	return a.mac(k, a.auth.hmac)
}

// verify checks the AUTH chunk at the beginning of chunks, which go on to the end of the packet,
// and returns its key. That is nil if it is wrong, or its key not known: then it and all behind it
// are discarded. RFC 4895, Section 6.3.
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
	if c.KeyID != a.auth.active.id { // as Linux does: who reads a message knows its key
		a.event(Event{Kind: EventNewKey, Key: c.KeyID})
	}
	return k
}

// taken reports whether a chunk that was authenticated with k is one that TakeRepeated leaves.
func (a *Assoc) taken(k *sharedKey, c chunk) bool {
	s := &a.auth
	return !s.repeated || k.id != s.repeatedKey || c.typ == chunkData && len(c.value) >= 4 &&
		!before(s.repeatedTSN, binary.BigEndian.Uint32(c.value))
}

// TakeRepeated drops what comes under key id, but for DATA chunks with a TSN up to last, which have
// come before: the peer may send them again, and wait for their acknowledgement. It lasts until
// [Assoc.TakeAll].
func (a *Assoc) TakeRepeated(id uint16, last uint32) {
	a.auth.repeated, a.auth.repeatedKey, a.auth.repeatedTSN = true, id, last
}

// TakeAll ends TakeRepeated.
func (a *Assoc) TakeAll() { a.auth.repeated = false }

// AuthInfo is what both ends have agreed on about SCTP-AUTH. RFC 4895, Section 3.
type AuthInfo struct {
	// Agreed is not set if one end does not offer SCTP-AUTH. Then nothing is authenticated.
	Agreed     bool
	HMAC       authchunk.HMACID   // what this side signs with
	PeerHMACs  []authchunk.HMACID // what the peer supports
	PeerChunks []byte             // the types of chunks that the peer wants authenticated
	Chunks     []byte             // those that this side wants authenticated
	ActiveKey  uint16
}

// Auth returns what was agreed on. The slices must not be changed.
func (a *Assoc) Auth() AuthInfo {
	s := &a.auth
	if !s.agreed {
		return AuthInfo{}
	}
	return AuthInfo{true, s.hmac, s.peerHMACs, s.peerChunks, a.config.AuthChunks, s.active.id}
}

// SetAuthKey makes a shared key known, for sending and receiving. Under an identifier in use it
// takes the place of the other at once, also for messages that are not acknowledged yet. The
// callee keeps no reference to secret. RFC 6458, Section 8.3.3.
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

// SetActiveAuthKey authenticates everything that is handed over from now on with key id. A
// deactivated key cannot be made active again. RFC 6458, Section 8.1.18.
func (a *Assoc) SetActiveAuthKey(id uint16) error {
	k := a.auth.keys[id]
	if k == nil || k.deactivated {
		return ErrKey
	}
	a.auth.active = k
	return nil
}

// DeactivateAuthKey ends the use of key id for what is new, to send and to receive; it must not be
// the active one. [EventFreeKey] follows when nothing unacknowledged needs it. RFC 6458, Section
// 8.3.4.
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

// DeleteAuthKey forgets key id, which must not be the active one. Messages that were handed over
// under it are still sent with it. RFC 6458, Section 8.3.5.
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

// cloneKeys copies the keys without what is derived from them.
func cloneKeys(keys map[uint16]*sharedKey) map[uint16]*sharedKey {
	c := map[uint16]*sharedKey{}
	for id, k := range keys {
		c[id] = &sharedKey{id: id, secret: k.secret, deactivated: k.deactivated}
	}
	return c
}

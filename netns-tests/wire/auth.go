package wire

import (
	"errors"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// An authState is the AUTH chunk of a packet.
type authState struct {
	index int // of the AUTH chunk among the packet's chunks; -1 if there is none
	authchunk.Auth
}

func authStateOf(p *Packet, found *defects) authState {
	s := authState{index: -1}
	for i, c := range p.Chunks {
		if c.Type != ChunkAuth {
			continue
		}
		if s.index >= 0 {
			found.add(Malformed, p.Number, "two AUTH chunks in one packet")
			break
		}
		auth, err := authchunk.ParseAuth(p.body[c.offset:])
		if err != nil {
			found.add(Malformed, p.Number, "%v", err)
			break
		}
		s = authState{i, auth}
	}
	return s
}

// keyOf returns the key identifier that chunk i comes under, or [Unsigned]:
// what stands before the AUTH chunk is not protected. RFC 4895, Section 4.1.
func (s authState) keyOf(i int) int {
	if s.index < 0 || i <= s.index {
		return Unsigned
	}
	return int(s.KeyID)
}

// checkAuth verifies every AUTH chunk and finds chunks that lack one.
// secrets are the endpoint pair shared keys by their identifiers.
func (a *Association) checkAuth(secrets map[uint16][]byte) {
	var vector [2][]byte
	for i := range vector {
		vector[i] = a.Auth[i].KeyVector()
	}
	keys := make(map[uint16][]byte)
	for id, secret := range secrets {
		keys[id] = authchunk.AssociationKey(secret, vector[0], vector[1])
	}
	for _, p := range a.Packets {
		a.checkCovered(p)
		if p.auth.index >= 0 {
			a.checkHMAC(p, keys)
		}
	}
}

func (a *Association) checkHMAC(p *Packet, keys map[uint16][]byte) {
	want, err := authchunk.ChooseHMAC(a.Auth[p.From.peer()].HMACs,
		[]authchunk.HMACID{authchunk.HMACSHA256, authchunk.HMACSHA1})
	if err != nil || p.auth.HMAC != want {
		a.found.add(WrongAlgorithm, p.Number, "%s uses %v, its peer prefers %v", p.From, p.auth.HMAC,
			a.Auth[p.From.peer()].HMACs)
	}
	key, ok := keys[p.auth.KeyID]
	if !ok {
		a.found.add(UnknownKey, p.Number, "%s uses key %d, which no handshake in the key log has made",
			p.From, p.auth.KeyID)
		return
	}
	switch err := authchunk.VerifyAuth(p.body[p.Chunks[p.auth.index].offset:], key); {
	case errors.Is(err, authchunk.ErrMAC):
		a.found.add(WrongHMAC, p.Number, "%s", p)
	case err != nil:
		a.found.add(Malformed, p.Number, "%v", err)
	}
}

// checkCovered finds chunks that should come under an AUTH chunk and do not:
// user data (RFC 6083, Section 4.5), and what the receiver asked for.
func (a *Association) checkCovered(p *Packet) {
	for i, c := range p.Chunks {
		must := c.Type == ChunkData || c.Type == ChunkForwardTSN || c.Type == ChunkIData
		if (must || a.Auth[p.From.peer()].Demands(c.Type)) && p.auth.keyOf(i) == Unsigned {
			a.found.add(Unauthenticated, p.Number, "%s from the %s", c, p.From)
		}
	}
}

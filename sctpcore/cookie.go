package sctpcore

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"net/netip"
	"sync"
	"time"
)

// A stateCookie contains all state of a new association. The peer stores it, signed, until it
// returns it in COOKIE ECHO, so that an INIT uses no memory here. See RFC 9260, Section 5.1.3.
type stateCookie struct {
	created   time.Duration
	life      time.Duration
	localTag  uint32
	localTSN  uint32
	tie       tieTags // of an existing association, or zero
	localPort uint16
	peerPort  uint16
	from      netip.AddrPort // source address of INIT
	random    [32]byte       // value of our RANDOM parameter
	peer      initChunk      // the peer's INIT
}

// tieTags identify an association in a cookie that may restart it. They are random numbers, not
// the verification tags: the peer can read the cookie, and may be a host that has got the address
// of the peer of that association. See RFC 9260, Section 5.2.2, and RFC 5062, Section 3.3.
type tieTags struct{ local, peer uint32 }

// tie returns the tie-tags of the association. They are zero if there are no random numbers.
func (a *Assoc) tie() tieTags {
	if a.tieTags == (tieTags{}) {
		local, err := random32(a.rand)
		peer, err2 := random32(a.rand)
		if err == nil && err2 == nil {
			a.tieTags = tieTags{local, peer}
		}
	}
	return a.tieTags
}

const (
	macLen         = 16 // HMAC-SHA256-128, so that INIT ACK is not much longer than INIT
	cookieFixedLen = macLen + 8 + 8 + 4*4 + 2*2 + 18 + 32
)

// cookieKeyLife is how long a key signs new cookies. It is much longer than the life of a cookie.
const cookieKeyLife = time.Hour

// cookieKeys sign and verify the cookies of an [Endpoint] and its associations, which may use them
// concurrently. A key is replaced after cookieKeyLife, and then accepted for the same time again.
// See RFC 9260, Section 5.1.3.
type cookieKeys struct {
	rand io.Reader

	mu                sync.Mutex // guards the following
	current, previous cookieKey
	since             time.Duration // when current was created
}

// begin creates the first key.
func (k *cookieKeys) begin(rand io.Reader) error {
	k.rand = rand
	err := fill(rand, k.current[:])
	k.previous = k.current
	return err
}

// seal returns a signed cookie for INIT ACK.
func (k *cookieKeys) seal(c *stateCookie) []byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c.created-k.since >= cookieKeyLife {
		// If there are no random numbers, keep using the old key.
		if fresh := (cookieKey{}); fill(k.rand, fresh[:]) == nil {
			k.previous, k.current, k.since = k.current, fresh, c.created
		}
	}
	return k.current.seal(c)
}

// open verifies and parses a cookie from seal.
func (k *cookieKeys) open(b []byte) (c stateCookie, ok bool) {
	k.mu.Lock()
	current, previous := k.current, k.previous
	k.mu.Unlock()
	if c, ok = current.open(b); !ok && previous != current {
		c, ok = previous.open(b)
	}
	return c, ok
}

// A cookieKey signs cookies.
type cookieKey [32]byte

func (k *cookieKey) sign(b []byte) []byte {
	m := hmac.New(sha256.New, k[:])
	m.Write(b)
	return m.Sum(nil)[:macLen]
}

func (k *cookieKey) seal(c *stateCookie) []byte {
	b := make([]byte, macLen, cookieFixedLen+256)
	b = binary.BigEndian.AppendUint64(b, uint64(c.created))
	b = binary.BigEndian.AppendUint64(b, uint64(c.life))
	b = binary.BigEndian.AppendUint32(b, c.localTag)
	b = binary.BigEndian.AppendUint32(b, c.localTSN)
	b = binary.BigEndian.AppendUint32(b, c.tie.local)
	b = binary.BigEndian.AppendUint32(b, c.tie.peer)
	b = binary.BigEndian.AppendUint16(b, c.localPort)
	b = binary.BigEndian.AppendUint16(b, c.peerPort)
	addr := c.from.Addr().As16()
	b = append(b, addr[:]...)
	b = binary.BigEndian.AppendUint16(b, c.from.Port())
	b = append(b, c.random[:]...)
	b = c.peer.appendTo(b)
	copy(b, k.sign(b[macLen:]))
	return b
}

// open verifies and parses a cookie that was signed with this key.
func (k *cookieKey) open(b []byte) (c stateCookie, ok bool) {
	if len(b) < cookieFixedLen || !hmac.Equal(b[:macLen], k.sign(b[macLen:])) {
		return c, false
	}
	b = b[macLen:]
	c.created = time.Duration(binary.BigEndian.Uint64(b))
	c.life = time.Duration(binary.BigEndian.Uint64(b[8:]))
	c.localTag = binary.BigEndian.Uint32(b[16:])
	c.localTSN = binary.BigEndian.Uint32(b[20:])
	c.tie = tieTags{binary.BigEndian.Uint32(b[24:]), binary.BigEndian.Uint32(b[28:])}
	c.localPort = binary.BigEndian.Uint16(b[32:])
	c.peerPort = binary.BigEndian.Uint16(b[34:])
	c.from = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[36:52])).Unmap(),
		binary.BigEndian.Uint16(b[52:]))
	c.random = [32]byte(b[54:86])
	peer, f := parseInit(b[86:])
	c.peer = peer
	return c, f == nil
}

// origin returns the address that sent INIT and received INIT ACK, which COOKIE ECHO, received from
// the address from, confirms. See RFC 9260, Section 5.4, rule 2.
func (c *stateCookie) origin(from netip.AddrPort) netip.AddrPort {
	if from.Addr().WithZone("") == c.from.Addr() {
		return from
	}
	return netip.AddrPortFrom(inZone(c.from.Addr(), from.Addr()), c.from.Port())
}

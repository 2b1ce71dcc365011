//go:build kernel

package netns

import (
	"encoding/binary"
	"slices"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
	"github.com/seed-41f70523/dtls-sctp/netns-tests/wire"
)

// A forgery returns what an attacker without keys inserts before p, a packet with a DATA chunk that
// is about to be forwarded. before is an earlier packet of the same sender. Addresses, ports,
// verification tag, checksum and TSN are correct.
type forgery struct {
	name string
	make func(a *Attacker, p, before *wire.Packet) *wire.Packet
}

// forgeries are those that SCTP-AUTH or the TSN must stop in all states of the connection. Those
// with a message repeat an earlier one, whose record would be valid again because RFC 6083, Section
// 3.3, forbids replay detection.
var forgeries = []forgery{
	{"DATA without AUTH", func(a *Attacker, p, before *wire.Packet) *wire.Packet {
		return a.Forge(p.From, again(p, before))
	}},
	{"a wrong HMAC", func(a *Attacker, p, before *wire.Packet) *wire.Packet {
		return a.Forge(p.From, authChunk(keyOf(p), authchunk.HMACSHA256, 32), again(p, before))
	}},
	{"an HMAC identifier that nobody has listed",
		func(a *Attacker, p, before *wire.Packet) *wire.Packet {
			const reserved = 2
			return a.Forge(p.From, authChunk(keyOf(p), reserved, 16), again(p, before))
		}},
	{"a key that does not exist", func(a *Attacker, p, before *wire.Packet) *wire.Packet {
		return a.Sign(p.From, 7777, nil, again(p, before))
	}},
	{"AUTH behind DATA", func(a *Attacker, p, before *wire.Packet) *wire.Packet {
		signed := a.Sign(p.From, 0, nil).Chunks[0]
		return a.Forge(p.From, again(p, before), signed)
	}},
	{"another message", func(a *Attacker, p, _ *wire.Packet) *wire.Packet {
		return a.changed(p, func(v []byte) { v[len(v)-1] ^= 1 })
	}},
	{"another stream", func(a *Attacker, p, _ *wire.Packet) *wire.Packet {
		return a.changed(p, func(v []byte) { v[5] ^= 1 })
	}},
	{"sent again", func(a *Attacker, _, before *wire.Packet) *wire.Packet { return before }},
	{"sent again with the next TSN", func(a *Attacker, p, before *wire.Packet) *wire.Packet {
		c, _ := p.Find(wire.ChunkData)
		return a.changed(before, func(v []byte) { binary.BigEndian.PutUint32(v, TSN(c)) })
	}},
	{"reflected", func(a *Attacker, p, _ *wire.Packet) *wire.Packet {
		return a.Forge(1-p.From, p.Chunks...)
	}},
	{"reflected with the next TSN", func(a *Attacker, p, _ *wire.Packet) *wire.Packet {
		return a.Forge(1-p.From, a.changed(p, func(v []byte) {
			binary.BigEndian.PutUint32(v, a.End(1-p.From).Next)
		}).Chunks...)
	}},
	{"FORWARD-TSN", func(a *Attacker, p, _ *wire.Packet) *wire.Packet {
		c, _ := p.Find(wire.ChunkData)
		return a.Forge(p.From, forwardTSN(TSN(c)))
	}},
	{"I-DATA", func(a *Attacker, p, before *wire.Packet) *wire.Packet {
		c := again(p, before)
		v := slices.Concat(c.Value[:6], make([]byte, 10), c.Value[12:]) // RFC 8260, Section 2.1
		return a.Forge(p.From, wire.Chunk{Type: wire.ChunkIData, Flags: c.Flags, Value: v})
	}},
	// RFC 6525, Section 4.1: resets all outgoing streams of the sender.
	{"RE-CONFIG", func(a *Attacker, p, _ *wire.Packet) *wire.Packet {
		next := a.End(p.From).Next
		v := append([]byte{0, 13, 0, 16}, make([]byte, 12)...)
		binary.BigEndian.PutUint32(v[4:], a.End(p.From).First)
		binary.BigEndian.PutUint32(v[12:], next)
		return a.Forge(p.From, wire.Chunk{Type: authchunk.ChunkReConfig, Value: v})
	}},
	{"INIT", func(a *Attacker, p, _ *wire.Packet) *wire.Packet { return forgedInit(a, p.From) }},
	{"ASCONF", func(a *Attacker, p, _ *wire.Packet) *wire.Packet {
		return a.Forge(p.From, asconf(a, p.From))
	}},
}

// again returns the message of the earlier packet in a DATA chunk with the TSN of the one in p.
func again(p, before *wire.Packet) wire.Chunk {
	c, _ := p.Find(wire.ChunkData)
	old, _ := before.Find(wire.ChunkData)
	return DataChunk(TSN(c), Stream(old), old.Value[12:])
}

// changed returns a copy of p with another value in its DATA chunk, and its AUTH chunk unchanged.
func (a *Attacker) changed(p *wire.Packet, change func(value []byte)) *wire.Packet {
	chunks := slices.Clone(p.Chunks)
	i := slices.IndexFunc(chunks, func(c wire.Chunk) bool { return c.Type == wire.ChunkData })
	chunks[i].Value = slices.Clone(chunks[i].Value)
	change(chunks[i].Value)
	return a.Forge(p.From, chunks...)
}

// authChunk returns an AUTH chunk with an HMAC of zeros.
func authChunk(key uint16, hmac authchunk.HMACID, size int) wire.Chunk {
	v := binary.BigEndian.AppendUint16(nil, key)
	v = binary.BigEndian.AppendUint16(v, uint16(hmac))
	return wire.Chunk{Type: wire.ChunkAuth, Value: append(v, make([]byte, size)...)}
}

// keyOf returns the shared key identifier of the packet, or 0 if it has none.
func keyOf(p *wire.Packet) uint16 {
	c, ok := p.Find(wire.ChunkAuth)
	if !ok {
		return 0
	}
	return binary.BigEndian.Uint16(c.Value)
}

// The attacker's parameters when it sets up an association on behalf of an endpoint.
const (
	forgedTag = 0xfeedface
	forgedTSN = 1000
)

// forgedInit returns an INIT for a new association without SCTP-AUTH (RFC 9260, Section 3.3.2). The
// answer has forgedTag.
func forgedInit(a *Attacker, from wire.Side) *wire.Packet {
	const window, streams = 100_000, 10
	v := binary.BigEndian.AppendUint32(nil, forgedTag)
	v = binary.BigEndian.AppendUint32(v, window)
	v = append(v, 0, streams, 0, streams)
	v = binary.BigEndian.AppendUint32(v, forgedTSN)
	p := a.Forge(from, wire.Chunk{Type: wire.ChunkInit, Value: v})
	p.Tag = 0
	return p
}

// forwardTSN returns a chunk that skips all messages up to this TSN (RFC 3758, Section 3.2).
func forwardTSN(tsn uint32) wire.Chunk {
	return wire.Chunk{Type: wire.ChunkForwardTSN, Value: binary.BigEndian.AppendUint32(nil, tsn)}
}

// asconf returns a chunk that adds the address 10.0.0.99 to those of an endpoint (RFC 5061, Section
// 4.1.1). The first serial number is the initial TSN.
func asconf(a *Attacker, from wire.Side) wire.Chunk {
	me := a.End(from)
	address := func(ip [4]byte) []byte { return append([]byte{0, 5, 0, 8}, ip[:]...) }
	v := binary.BigEndian.AppendUint32(nil, me.First)
	v = append(v, address(me.Addr.Addr().As4())...)
	v = append(v, 0xc0, 0x01, 0, 16, 0, 0, 0, 1) // Add IP Address
	return wire.Chunk{Type: authchunk.ChunkAsconf, Value: append(v, address([4]byte{10, 0, 0, 99})...)}
}

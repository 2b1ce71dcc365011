package assoctest

import (
	"cmp"
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"slices"
	"sync"
)

// A thief is an attacker on the path who removes messages of an endpoint and acknowledges them on
// behalf of the peer: RFC 4895 authenticates DATA chunks, and SACK chunks only if the peer asks for
// that.
type thief struct {
	mu      sync.Mutex // guards the following fields
	seen    bool       // whether the endpoint has sent a DATA chunk
	highest uint32     // the highest TSN of those chunks
	next    int        // number of messages to remove
	stolen  []uint32
}

// Chunk types of RFC 9260, Section 3.2.
const (
	chunkData = 0
	chunkSack = 3
)

// tap is the function for [simnet.Network.Tap].
func (n *network) tap(from, to netip.AddrPort, packet []byte) []byte {
	for end, h := range n.hosts {
		t := &n.thieves[end]
		t.mu.Lock()
		defer t.mu.Unlock()
		switch addr := h.Addrs()[0]; {
		case addr == from.Addr() && t.removes(packet):
			return nil
		case addr == to.Addr() && len(t.stolen) > 0:
			packet = t.forge(packet)
		}
	}
	return packet
}

func (t *thief) steal(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.next = n
}

// removes reports whether the thief removes a packet, which then contains nothing but messages to
// remove. Earlier messages may be retransmitted.
func (t *thief) removes(packet []byte) bool {
	remove := false
	eachChunk(packet, func(chunk []byte) {
		if chunk[0] != chunkData {
			return
		}
		tsn := binary.BigEndian.Uint32(chunk[4:])
		isNew := !t.seen || int32(tsn-t.highest) > 0
		if isNew {
			t.seen, t.highest = true, tsn
		}
		if isNew && t.next > 0 {
			t.next--
			t.stolen = append(t.stolen, tsn)
		}
		remove = remove || slices.Contains(t.stolen, tsn)
	})
	return remove
}

// forge changes the SACK chunk in a packet to acknowledge the removed messages too. RFC 9260,
// Section 3.3.4.
func (t *thief) forge(packet []byte) []byte {
	out := slices.Clone(packet[:12])
	eachChunk(packet, func(chunk []byte) {
		if chunk[0] == chunkSack {
			chunk = t.forgeSack(chunk)
		}
		out = append(out, chunk...)
	})
	clear(out[8:12])
	sum := crc32.Checksum(out, crc32.MakeTable(crc32.Castagnoli))
	binary.LittleEndian.PutUint32(out[8:], sum)
	return out
}

func (t *thief) forgeSack(chunk []byte) []byte {
	cumulative := binary.BigEndian.Uint32(chunk[4:])
	type block struct{ start, end uint32 } // offsets from cumulative
	var blocks []block
	for i := range int(binary.BigEndian.Uint16(chunk[12:])) {
		b := chunk[16+4*i:]
		start, end := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		blocks = append(blocks, block{uint32(start), uint32(end)})
	}
	for _, tsn := range t.stolen {
		if n := tsn - cumulative; int32(n) > 0 && int32(tsn-t.highest) <= 0 {
			blocks = append(blocks, block{n, n})
		}
	}
	slices.SortFunc(blocks, func(a, b block) int { return cmp.Compare(a.start, b.start) })
	advance := uint32(0)
	out := slices.Clone(chunk[:16])
	gaps := 0
	for _, b := range blocks {
		if b.start == advance+1 {
			advance = b.end
			continue
		}
		gaps++
		out = binary.BigEndian.AppendUint16(out, uint16(b.start-advance))
		out = binary.BigEndian.AppendUint16(out, uint16(b.end-advance))
	}
	binary.BigEndian.PutUint16(out[2:], uint16(len(out)))
	binary.BigEndian.PutUint32(out[4:], cumulative+advance)
	binary.BigEndian.PutUint16(out[12:], uint16(gaps))
	binary.BigEndian.PutUint16(out[14:], 0) // number of duplicate TSNs
	return out
}

// eachChunk calls f for each chunk of a packet, including its padding.
func eachChunk(packet []byte, f func(chunk []byte)) {
	for rest := packet[12:]; len(rest) >= 4; {
		n := min(len(rest), int(binary.BigEndian.Uint16(rest[2:])+3)&^3)
		f(rest[:n])
		rest = rest[n:]
	}
}

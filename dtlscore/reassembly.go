package dtlscore

import "math"

// A handshakeMessage is a message of which all fragments have arrived. It owns its bytes.
type handshakeMessage struct {
	typ   handshakeType
	seq   uint16
	epoch uint64 // of the records with its fragments
	whole []byte // including a header as if it had not been fragmented
}

func (m handshakeMessage) body() []byte { return m.whole[handshakeHeaderLen:] }

// futureMessages is the number of messages that may arrive before an earlier one is complete. The
// transport keeps their order, so one would be enough for most peers.
const futureMessages = 8

// maxMessageLen is the largest size of each type of message. A type that is not in the map is
// invalid.
var maxMessageLen = map[handshakeType]int{
	typeHelloRequest:        0,
	typeClientHello:         1 << 17, // cipher suites and extensions have up to 2^16 bytes each
	typeServerHello:         1 << 16,
	typeHelloVerifyRequest:  3 + math.MaxUint8,
	typeNewSessionTicket:    1 << 17,
	typeEncryptedExtensions: 1 << 16,
	typeCertificate:         1 << 18,
	typeServerKeyExchange:   1<<16 + 1<<10, // a hint and a key share
	typeCertificateRequest:  1 << 17,
	typeServerHelloDone:     0,
	typeCertificateVerify:   1 << 12,      // an 8192-bit RSA signature has 1024 bytes
	typeClientKeyExchange:   1<<16 + 1<<9, // an identity and a key share
	typeFinished:            64,
	typeCertificateStatus:   1 << 16,
	typeKeyUpdate:           1,
}

// A reassembler assembles messages from fragments, which may arrive in any order and repeatedly,
// and returns them in the order of message_seq. See RFC 9147, Section 5.5.
//
// Memory is allocated in blocks as fragments arrive, up to futureMessages times the size of the
// largest message.
type reassembler struct {
	next    uint32          // message_seq of the next message to return; 2^16 at the end
	before  uint32          // next at the end of the previous handshake; 0 in the first one
	pending *partialMessage // the first one, before the others in their order; nil if there is none
}

// add adds a fragment. It drops a fragment of a message that was returned already. Such a fragment
// needs no answer: the transport is reliable, so the peer is not waiting for a retransmission.
func (r *reassembler) add(epoch uint64, h handshakeHeader, fragment []byte) error {
	if r.next > math.MaxUint16 {
		return unexpected("%v after the last message_seq", h.typ)
	}
	if seq := uint32(h.seq); seq < r.next || r.next == 0 && 0 < seq && seq < r.before {
		return nil // whatever it contains: attack D12
	}
	limit, known := maxMessageLen[h.typ]
	if !known {
		return unexpected("%v", h.typ)
	}
	if h.length > limit {
		return malformed("%v of %d bytes", h.typ, h.length)
	}
	// A renegotiation begins with message_seq 0. A fragment of a later message belongs to no
	// handshake, and is not kept.
	if r.next == 0 && r.before > 0 && h.seq > 0 {
		return unexpected("%v with message_seq %d between handshakes", h.typ, h.seq)
	}
	if uint32(h.seq)-r.next >= futureMessages {
		return unexpected("%v with message_seq %d instead of %d", h.typ, h.seq, r.next)
	}
	// RFC 5246, Section 6.2.1.
	if len(fragment) == 0 && h.length > 0 {
		return unexpected("empty fragment of %v", h.typ)
	}
	at := &r.pending
	for *at != nil && (*at).seq < h.seq {
		at = &(*at).next
	}
	p := *at
	if p == nil || p.seq != h.seq {
		p = &partialMessage{typ: h.typ, seq: h.seq, length: h.length, epoch: epoch, next: p}
		*at = p
	}
	if p.typ != h.typ || p.length != h.length {
		return illegal("fragments of message_seq %d are of %v with %d bytes and %v with %d",
			h.seq, p.typ, p.length, h.typ, h.length)
	}
	// A handshake message must not span a key change. RFC 8446, Section 5.1.
	if p.epoch != epoch {
		return unexpected("fragments of %v in epochs %d and %d", h.typ, p.epoch, epoch)
	}
	p.add(h.fragmentOffset, fragment)
	return nil
}

// take returns the next message if it is complete.
func (r *reassembler) take() (handshakeMessage, bool) {
	p := r.pending
	if p == nil || uint32(p.seq) > r.next || p.arrived < p.length {
		return handshakeMessage{}, false
	}
	r.next++
	r.pending = p.next
	return handshakeMessage{p.typ, p.seq, p.epoch, p.message()}, true
}

// repeats reports whether a handshake record contains only fragments of messages that were returned
// already. A peer with overlapping fragments may send the rest of them after it has changed its
// keys.
func (r *reassembler) repeats(content []byte) bool {
	for {
		h, _, rest, err := parseFragment(content)
		if err != nil || uint32(h.seq) >= r.next {
			return false
		}
		if content = rest; len(content) == 0 {
			return true
		}
	}
}

// empty reports whether there are no incomplete messages. Keys may change only then.
func (r *reassembler) empty() bool { return r.pending == nil }

// restart prepares for a renegotiation, in which message_seq begins with 0 again.
func (r *reassembler) restart() { *r = reassembler{before: max(r.before, r.next)} }

const blockLen = 1 << 10

// A block is a part of a message, with a bit for each byte that has arrived.
type block struct {
	data [blockLen]byte
	have [blockLen / 64]uint64
}

// A partialMessage is a message of which only some bytes have arrived.
type partialMessage struct {
	typ     handshakeType
	seq     uint16
	length  int
	epoch   uint64
	arrived int      // bytes, without duplicates
	whole   []byte   // the whole message after space for a header, if it came in one fragment
	blocks  []*block // otherwise; nil where nothing has arrived
	next    *partialMessage
}

// add adds a fragment. Where fragments overlap, the bytes that arrived first are kept.
func (p *partialMessage) add(offset int, fragment []byte) {
	if p.arrived == p.length {
		return
	}
	if len(fragment) == p.length {
		p.whole, p.arrived, p.blocks = p.room(), p.length, nil
		p.whole = append(p.whole, fragment...)
		return
	}
	if p.blocks == nil {
		p.blocks = make([]*block, (p.length+blockLen-1)/blockLen)
	}
	for i, v := range fragment {
		at := offset + i
		b := p.blocks[at/blockLen]
		if b == nil {
			b = new(block)
			p.blocks[at/blockLen] = b
		}
		at %= blockLen
		if bit := uint64(1) << (at % 64); b.have[at/64]&bit == 0 {
			b.have[at/64] |= bit
			b.data[at] = v
			p.arrived++
		}
	}
}

// room returns space for the message, including a header that is not set yet.
func (p *partialMessage) room() []byte {
	return make([]byte, handshakeHeaderLen, handshakeHeaderLen+p.length)
}

// message returns the complete message.
func (p *partialMessage) message() []byte {
	m := p.whole
	if m == nil {
		m = p.room()
		for _, b := range p.blocks {
			m = append(m, b.data[:min(blockLen, cap(m)-len(m))]...)
		}
	}
	handshakeHeader{p.typ, p.length, p.seq, 0, p.length}.append(m[:0])
	return m
}

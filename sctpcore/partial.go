package sctpcore

import "encoding/binary"

// This file implements partial reliability: messages are abandoned (RFC 3758) after a time or after
// a number of transmissions (RFC 7496, Section 3.1).

// giveUpLate abandons the message of a chunk that would otherwise be retransmitted, if it is due.
func (a *Assoc) giveUpLate(c *outChunk) bool {
	if c.expires > a.now && (c.limit == 0 || c.sent < c.limit) || c.sent == 0 {
		return false
	}
	a.abandon(c)
	return true
}

// giveUpUnsent abandons the message of an unsent chunk, if its time has passed.
func (a *Assoc) giveUpUnsent(c *outChunk) bool {
	if c.expires > a.now {
		return false
	}
	a.abandon(c)
	return true
}

// abandon abandons all fragments of a message. See RFC 3758, Section 3.5, rule A3.
func (a *Assoc) abandon(c *outChunk) {
	o, id := &a.out, c.message
	a.event(Event{Kind: EventAbandoned, Stream: c.stream, PPID: c.ppid})
	for tsn := o.acked + 1; before(tsn, o.next); tsn++ {
		d := o.outstanding.get(tsn)
		if d == nil || d.message != id || d.abandoned {
			continue
		}
		a.ground(d)
		if d.again {
			d.again = false
			o.agains--
		}
		d.abandoned = true
		d.path.repeated(d.tsn) // for an acknowledgement of FORWARD TSN measures nothing
		o.buffered -= len(d.data)
	}
	// The unsent fragments are at the head of the queue, or the whole message is in the queue. If
	// the peer has received some fragments, a later TSN is needed to make it discard them.
	if d := o.queue; d != nil && d.message == id && d.flags&flagBegin == 0 {
		o.pop()
		d.tsn, d.path, d.abandoned = o.next, a.sendPath(), true
		o.next++
		if d.flags&flagUnordered == 0 {
			d.ssn = o.ssn(d.stream, false)
		}
		o.buffered -= len(d.data)
		o.outstanding.put(d.tsn, d)
	}
	for o.queue != nil && o.queue.message == id {
		d := o.pop()
		o.buffered -= len(d.data)
		a.unrefKey(d.key)
		d.key = nil
		outChunks.put(d, cap(d.data))
	}
	a.advance()
	a.checkDry()
	a.shutdownProgress(a.now)
}

// advance moves the Advanced.Peer.Ack.Point over abandoned chunks. See RFC 3758, Section 3.5, rules
// C1 to C3.
func (a *Assoc) advance() {
	o := &a.out
	for {
		c := o.outstanding.get(o.advanced + 1)
		if c == nil || !c.abandoned {
			break
		}
		o.advanced++
	}
	if before(o.acked, o.advanced) {
		o.sendForward = true
	}
}

// appendForwardTSN appends a FORWARD TSN chunk of at most limit bytes. If it cannot list all
// streams, it advances the peer less far. See RFC 3758, Sections 3.2 and 3.5.
func (a *Assoc) appendForwardTSN(b []byte, limit int, p *path) []byte {
	o := &a.out
	o.sendForward = false
	if p.t3 == never {
		p.t3 = a.now + p.rto
	}
	at := len(b)
	b = appendChunkHeader(b, chunkForwardTSN, 0, 0)
	b = binary.BigEndian.AppendUint32(b, 0)
	cum := o.acked
	for ; cum != o.advanced; cum++ {
		c := o.outstanding.get(cum + 1)
		if c == nil || c.flags&flagUnordered != 0 {
			continue
		}
		pair := at + 8
		for pair < len(b) && binary.BigEndian.Uint16(b[pair:]) != c.stream {
			pair += 4
		}
		if pair == len(b) {
			if pair+4-at > limit {
				break
			}
			b = binary.BigEndian.AppendUint16(b, c.stream)
			b = append(b, 0, 0)
		}
		binary.BigEndian.PutUint16(b[pair+2:], c.ssn)
	}
	binary.BigEndian.PutUint16(b[at+2:], uint16(len(b)-at))
	binary.BigEndian.PutUint32(b[at+4:], cum)
	return b
}

// receiveForwardTSN skips the chunks that the peer abandoned. See RFC 3758, Section 3.6.
func (a *Assoc) receiveForwardTSN(c chunk) *fault {
	if len(c.value) < 4 || len(c.value)%4 != 0 {
		return violation("a FORWARD TSN of %d bytes", len(c.whole))
	}
	in, cum := &a.in, binary.BigEndian.Uint32(c.value)
	in.sackNow = true
	if in.sackTo == nil {
		in.sackTo = a.sendPath()
	}
	if !before(in.cum, cum) {
		return nil
	}
	if cum-in.cum > tsnWindow-64 {
		return violation("a FORWARD TSN to %d, which is %d TSNs further", cum, cum-in.cum)
	}
	for in.cum != cum {
		in.cum++
		if in.bits != nil {
			*in.word(in.cum) &^= 1 << (in.cum % 64)
		}
	}
	if before(in.highest, cum) {
		in.highest = cum
	}
	in.dropUpTo(cum)
	if in.open != nil && !before(cum, in.open.next) {
		a.abortOpen()
	}
	in.advance()
	for v := c.value[4:]; len(v) > 0; v = v[4:] {
		id, ssn := binary.BigEndian.Uint16(v), binary.BigEndian.Uint16(v[2:])
		if id >= a.inStreams {
			continue
		}
		if s := in.stream(id); !ssnBefore(ssn, s.next) {
			s.next = ssn + 1
			in.takeTurns(s)
		}
	}
	return nil
}

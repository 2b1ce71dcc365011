package wire

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/seed-41f70523/dtls-sctp/authchunk"
)

// A Side is one end of an association.
type Side int

const (
	Initiator Side = iota // sent the INIT chunk
	Responder
)

func (s Side) peer() Side { return 1 - s }

func (s Side) String() string { return [...]string{"initiator", "responder"}[s] }

// An Association is what a capture shows of one SCTP association.
type Association struct {
	Addr [2]netip.AddrPort   // of each [Side], those of its first packet
	Auth [2]authchunk.Params // what each side said of SCTP-AUTH

	Packets  []*Packet  // in the order of the capture
	Messages []*Message // in the order in which they could be delivered

	// Retransmitted counts DATA chunks that a side sent again; Late those that
	// were seen for the first time after one with a higher TSN.
	Retransmitted, Late [2]int

	DTLS    *Connection // nil if there were no hellos
	Timers  []Timer
	Defects []Defect

	tag         [2]uint32
	initialTSN  [2]uint32
	established bool
	flow        [2]flow
	found       defects

	lastFinished, lastData int // packet numbers that end the phases
}

// A Message is one user message, put together from its DATA chunks.
type Message struct {
	From            Side
	Stream, SSN     uint16
	PPID            uint32
	Unordered       bool
	SackImmediately bool // asked for with the last chunk

	TSN         uint32    // of the first chunk
	Chunks      int       // how many DATA chunks
	First, Last time.Time // when its chunks were seen, retransmissions aside
	Packet      int       // number of the packet with which it could be delivered
	KeyID       int       // that its chunks were authenticated with, or [Unsigned]

	Data   []byte
	Record *Record // nil if Data is not exactly one record
	Stage  Stage   // of its sender
}

// Unsigned is the KeyID of what was not authenticated.
const Unsigned = -1

func (m *Message) String() string {
	return fmt.Sprintf("%s's message on stream %d (TSN %d, %d bytes)", m.From, m.Stream, m.TSN,
		len(m.Data))
}

// A flow is one direction of an association.
type flow struct {
	seen   map[uint32]sighting // by TSN
	next   uint32              // the first TSN that is not yet part of a message
	top    uint32              // the highest TSN seen
	part   *Message            // the message that is being put together
	latest int                 // packet number that made next what it is
}

// A sighting is the first appearance of a DATA chunk.
type sighting struct {
	dataChunk
	packet *Packet
	keyID  int
}

// newAssociation begins with the packet that holds an INIT chunk.
func newAssociation(p *Packet, c Chunk) (*Association, error) {
	a := &Association{Addr: [2]netip.AddrPort{p.Src, p.Dst}}
	return a, a.setInit(Initiator, c)
}

// setInit takes what an INIT or INIT-ACK chunk says of its sender.
func (a *Association) setInit(from Side, c Chunk) error {
	init, err := c.asInit()
	if err != nil {
		return err
	}
	a.tag[from], a.initialTSN[from] = init.tag, init.initialTSN
	a.flow[from] = flow{seen: make(map[uint32]sighting), next: init.initialTSN,
		top: init.initialTSN - 1}
	params := init.params
	if a.Auth[from], err = authchunk.ParseParams(params); err != nil {
		return fmt.Errorf("%s from the %s: %w", c, from, err)
	}
	return nil
}

// sender returns who sent p, if it belongs to the association.
func (a *Association) sender(p *Packet) (Side, bool) {
	var from Side
	switch {
	case p.Src.Port() == a.Addr[Initiator].Port() && p.Dst.Port() == a.Addr[Responder].Port():
		from = Initiator
	case p.Src.Port() == a.Addr[Responder].Port() && p.Dst.Port() == a.Addr[Initiator].Port():
		from = Responder
	default:
		return 0, false
	}
	switch first := p.Chunks[0]; first.Type {
	case ChunkInit:
		init, err := first.asInit()
		return from, err == nil && from == Initiator && init.tag == a.tag[Initiator]
	case ChunkAbort, ChunkShutdownComplete:
		if first.Flags&1 != 0 { // the T bit: the tag is reflected
			return from, p.Tag == a.tag[from]
		}
	}
	if from == Initiator && !a.established {
		return from, p.Tag == a.tag[Responder] || a.acceptInitAck(p.Tag)
	}
	return from, p.Tag == a.tag[from.peer()]
}

// acceptInitAck looks among the INIT-ACK chunks so far for the one with this
// tag: a responder keeps no state, so it answers each INIT with new values.
func (a *Association) acceptInitAck(tag uint32) bool {
	for _, p := range a.Packets {
		if p.Chunks[0].Type != ChunkInitAck {
			continue
		}
		if init, err := p.Chunks[0].asInit(); err == nil && init.tag == tag {
			return a.setInit(Responder, p.Chunks[0]) == nil
		}
	}
	return false
}

// take adds a packet of the association.
func (a *Association) take(from Side, p *Packet) {
	p.From = from
	a.Packets = append(a.Packets, p)
	p.auth = authStateOf(p, &a.found)
	if p.wrongSum {
		a.found.add(WrongChecksum, p.Number, "CRC32c of a packet inside UDP")
	}
	for i, c := range p.Chunks {
		switch c.Type {
		case ChunkInitAck:
			if !a.established {
				if err := a.setInit(Responder, c); err != nil {
					a.found.add(Malformed, p.Number, "%v", err)
				}
			}
		case ChunkCookieEcho:
			a.established = true
		case ChunkData:
			d, err := c.asData()
			if err != nil {
				a.found.add(Malformed, p.Number, "%v", err)
				continue
			}
			a.takeData(p, d, p.auth.keyOf(i))
		case ChunkForwardTSN:
			if tsn, ok := c.cumulativeTSN(); ok {
				a.abandon(from, tsn, p)
			}
		case ChunkIData:
			a.found.add(Malformed, p.Number, "I-DATA chunk: message interleaving is not followed here")
		}
	}
}

// takeData keeps the first sighting of a DATA chunk and puts together what is
// now complete. Messages come in the order of their TSNs, which is the order
// in which they were sent.
func (a *Association) takeData(p *Packet, d dataChunk, keyID int) {
	f := &a.flow[p.From]
	if f.seen == nil {
		a.found.add(Malformed, p.Number, "%v from the %s before its INIT or INIT-ACK", d, p.From)
		return
	}
	if first, again := f.seen[d.tsn]; again {
		a.Retransmitted[p.From]++
		if first.keyID != keyID || !bytes.Equal(first.payload, d.payload) {
			a.found.add(Malformed, p.Number, "TSN %d is sent again with other content or another key", d.tsn)
		}
		return
	}
	f.seen[d.tsn] = sighting{d, p, keyID}
	if before(d.tsn, f.top) {
		a.Late[p.From]++
	} else {
		f.top = d.tsn
	}
	a.assemble(p)
}

func (a *Association) assemble(p *Packet) {
	f := &a.flow[p.From]
	for {
		s, ok := f.seen[f.next]
		if !ok {
			return
		}
		f.next++
		f.latest = max(f.latest, s.packet.Number)
		if s.begin != (f.part == nil) {
			a.found.add(Malformed, s.packet.Number, "TSN %d: first and last fragment do not alternate",
				s.tsn)
			f.part = nil
			if !s.begin {
				continue
			}
		}
		if s.begin {
			f.part = &Message{
				From: p.From, Stream: s.stream, SSN: s.ssn, PPID: s.ppid, Unordered: s.unordered,
				TSN: s.tsn, First: s.packet.Time, Last: s.packet.Time, KeyID: s.keyID,
			}
		}
		m := f.part
		if m.KeyID != s.keyID {
			a.found.add(WrongKey, s.packet.Number, "%s: fragments under the keys %d and %d", m, m.KeyID,
				s.keyID)
		}
		m.Data = append(m.Data, s.payload...)
		m.Chunks++
		if s.packet.Time.After(m.Last) {
			m.Last = s.packet.Time
		}
		if s.end {
			m.SackImmediately = s.sackImmediately
			m.Packet = f.latest
			a.Messages = append(a.Messages, m)
			f.part = nil
		}
	}
}

// abandon gives up what a FORWARD-TSN chunk skips (RFC 3758).
func (a *Association) abandon(from Side, tsn uint32, p *Packet) {
	f := &a.flow[from]
	if before(tsn, f.next) {
		return
	}
	f.next, f.part = tsn+1, nil
	a.assemble(p)
}

// finish looks for what is missing when the capture has ended.
func (a *Association) finish() {
	for from := range a.flow {
		f := &a.flow[from]
		if f.seen != nil && !before(f.top, f.next) {
			a.found.add(Hole, 0, "%s: TSN %d was never captured", Side(from), f.next)
		} else if f.part != nil {
			a.found.add(Hole, 0, "%s: the end of the message with TSN %d was never captured", Side(from),
				f.part.TSN)
		}
	}
	slices.SortStableFunc(a.Messages, func(x, y *Message) int { return x.Packet - y.Packet })
}

package wire

import "slices"

// A Stage is where a side of a DTLS connection stands when it sends a message.
type Stage int

const (
	Before    Stage = iota // of its first handshake's key switch
	Switching              // its ChangeCipherSpec and Finished
	After                  // its first Finished
)

func (s Stage) String() string {
	return [...]string{"before the key switch", "ChangeCipherSpec and Finished",
		"after the Finished"}[s]
}

// checkRules compares the order of the records, the key identifiers that they
// come under and their streams with RFC 6083.
func (a *Association) checkRules(o Options) {
	for _, from := range []Side{Initiator, Responder} {
		progress := progress12{a: a, loose: o.FinishedUnderOldKey}
		for _, m := range a.Messages {
			if m.From != from || m.Record == nil {
				continue
			}
			a.checkStream(m)
			if a.DTLS != nil && a.DTLS.Version == versionDTLS13 {
				a.checkKey13(m)
			} else {
				progress.check(m)
			}
		}
	}
}

// checkStream: everything but application data goes on stream 0, in order
// (RFC 6083, Section 4.4), with PPID 0, as nothing else is registered.
func (a *Association) checkStream(m *Message) {
	r := m.Record
	if r.Type == ApplicationData || r.Type == Sealed {
		return
	}
	if m.Stream != 0 || m.Unordered {
		a.found.add(WrongStream, m.Packet, "%v on stream %d, unordered: %t", r, m.Stream, m.Unordered)
	}
	if m.PPID != 0 {
		a.found.add(WrongStream, m.Packet, "%v with PPID %d", r, m.PPID)
	}
}

// progress12 follows the handshakes of one side of DTLS 1.2.
type progress12 struct {
	a        *Association
	loose    bool // Finished may come under the old key
	finished int  // handshakes whose Finished was sent; the epoch for sending
	switched bool // ChangeCipherSpec was sent, Finished not yet
}

func (p *progress12) check(m *Message) {
	r, old, new := m.Record, int(keyIDOf(p.finished)), int(keyIDOf(p.finished+1))
	m.Stage = p.stage(r)
	keys := []int{old}
	switch {
	case r.Type == ChangeCipherSpec:
		// RFC 6083, Section 4.8, does not say which.
		keys = []int{old, new}
		if p.switched {
			p.a.found.add(OutOfTurn, m.Packet, "second ChangeCipherSpec")
		}
	case p.switched && r.Type == Handshake: // what comes next is the Finished
		keys = []int{new}
		if p.loose {
			keys = []int{old, new}
		}
	case p.switched && r.Type == Alert:
		keys = []int{old, new}
	case p.switched:
		keys = []int{old, new}
		p.a.found.add(OutOfTurn, m.Packet, "%v between ChangeCipherSpec and Finished", r)
	case r.Type == ApplicationData && p.finished == 0:
		p.a.found.add(OutOfTurn, m.Packet, "%v before the first handshake has completed", r)
	}
	if r.Type == ApplicationData && r.Epoch == 0 {
		p.a.found.add(Plaintext, m.Packet, "%v", r)
	}
	if epoch := uint64(p.finished); r.Epoch != epoch && !(p.switched && r.Epoch == epoch+1) {
		p.a.found.add(OutOfTurn, m.Packet, "%v while the %s sends in epoch %d", r, m.From, epoch)
	}
	p.a.checkKey(m, keys...)

	switch {
	case r.Type == ChangeCipherSpec:
		p.switched = true
	case p.switched && r.Type == Handshake:
		if r.Payload != nil && r.Handshake != Finished {
			p.a.found.add(OutOfTurn, m.Packet, "%v after ChangeCipherSpec", r)
		}
		p.finished++
		p.switched = false
	}
}

func (p *progress12) stage(r *Record) Stage {
	switch {
	case p.finished > 0:
		return After
	case p.switched || r.Type == ChangeCipherSpec:
		return Switching
	}
	return Before
}

// checkKey13: everything up to the server's Finished under key 0, all of the client's answer under
// key 1, and everything after (RFC 6083, Section 4.8).
func (a *Association) checkKey13(m *Message) {
	r := m.Record
	switch {
	case r.Type == ApplicationData && r.Epoch < 3:
		a.found.add(Plaintext, m.Packet, "%v", r)
	case !r.unified && r.Epoch > 0:
		a.found.add(OutOfTurn, m.Packet, "%v in a DTLS 1.3 connection", r)
	}
	switch {
	case r.Type == Alert && r.Epoch < 3: // of a handshake that fails: either
		a.checkKey(m, 0, 1)
	case r.Epoch >= 3:
		m.Stage = After
		a.checkKey(m, 1)
	case r.Epoch == 2 && m.From == a.DTLS.Client:
		m.Stage = Switching
		a.checkKey(m, 1)
	default:
		a.checkKey(m, 0)
	}
}

func (a *Association) checkKey(m *Message, keys ...int) {
	if m.KeyID == Unsigned || slices.Contains(keys, m.KeyID) { // the first is reported for the packet
		return
	}
	a.found.add(WrongKey, m.Packet, "%v from the %s under key %d, not %v", m.Record, m.From, m.KeyID,
		keys)
}

package dtlscore

import "slices"

// The epochs of version 1.3. RFC 9147, Section 6.1.
const (
	epochEarlyData   = 1 // never used here
	epochHandshake   = 2
	epochApplication = 3 // and one more with each KeyUpdate
)

// maxIdleACKs is how many ACKs that tell nothing a peer may send in a row.
const maxIdleACKs = 256

// inbound13 is what the direction from the peer has besides in version 1.3.
type inbound13 struct {
	// epochs are those in which the peer may write, oldest first. Handshake
	// messages are taken in the last alone, other records in all: what was
	// sent before the keys changed may arrive after it, on another stream.
	epochs []*protection13

	opened    bool // a protected record has come
	progress  bool // application data has come since the last message
	earlyData bool // the client has announced some, which is dropped
	idleACKs  uint16
	dropped   uint16         // records of early data
	unacked   []recordNumber // of handshake records since the last ACK
}

// epoch returns that with the two low bits of a header. No more than three in
// a row are ever live, so that there is only one.
func (in *inbound13) epoch(low uint8) *protection13 {
	for _, p := range in.epochs {
		if uint8(p.epoch)&unifiedEpoch == low {
			return p
		}
	}
	return nil
}

// newest is the epoch of handshake messages, nil for epoch 0.
func (in *inbound13) newest() *protection13 {
	if len(in.epochs) == 0 {
		return nil
	}
	return in.epochs[len(in.epochs)-1]
}

// receive13 takes a protected record, perhaps again.
func (c *Conn) receive13(record []byte, control, again bool) ([]byte, error) {
	in := &c.in.v13
	p, form := in.epoch(record[0]&unifiedEpoch), usualForm
	// Other streams may be faster than Finished.
	early := c.handshaking && record[0]&unifiedEpoch == epochApplication && !control
	if p != nil {
		form = p.form
	} else if early {
		return nil, c.hold(record, again) // what it must look like is known when its keys are
	}
	h, err := parseUnified(record, form)
	if err != nil {
		return nil, err
	}
	switch {
	case early:
		return nil, c.hold(record, again)
	case p == nil && c.handshaking && h.epoch == epochEarlyData && in.earlyData:
		return nil, c.dropEarlyData()
	case p == nil:
		return nil, unexpected("record of an epoch that ends with bits %02b", h.epoch)
	}
	typ, sequence, content, err := p.open(h, record)
	if err != nil {
		return nil, err
	}
	in.opened = true
	if s, ok := c.state.(*open13); ok && p.epoch >= epochApplication && typ != contentAlert &&
		typ != contentACK {
		s.confirm(c)
	}
	if p.epoch == epochApplication && in.epochs[0].epoch == epochHandshake {
		in.epochs = []*protection13{p} // the keys before are for the handshake only
	}
	if typ == contentApplicationData {
		if p.epoch < epochApplication {
			return nil, unexpected("application data in epoch %d", p.epoch)
		}
		c.countData()
		return content, nil
	}
	if !control {
		return nil, unexpected("%v on another stream than 0, or unordered", typ)
	}
	if c.in.drain == drainCloseNotify {
		return nil, nil // control records come in order: this one was sent after close_notify
	}
	switch typ {
	case contentHandshake:
		if p != in.newest() && c.in.messages.repeats(content) {
			return nil, nil
		} else if p != in.newest() {
			return nil, unexpected("handshake message in epoch %d, after those keys were replaced", p.epoch)
		}
		if len(in.unacked) < maxACKed {
			in.unacked = append(in.unacked, recordNumber{p.epoch, sequence})
		}
		return nil, c.receiveHandshake(p.epoch, content)
	case contentAlert:
		return nil, c.receiveAlert13(content)
	case contentACK:
		return nil, c.receiveACK(content)
	}
	return nil, unexpected("protected record of %v", typ)
}

// receivePlain13 takes a record without protection when the version is known.
func (c *Conn) receivePlain13(h recordHeader, content []byte) error {
	in := &c.in.v13
	// A client that cannot use our ServerHello has no keys to say so with.
	waitsForProtection := !c.isClient && !in.opened
	switch {
	case h.epoch != 0:
		return unexpected("record of %v with a header of version 1.2", h.typ)
	case h.typ == contentHandshake && len(in.epochs) == 0:
		return c.receiveHandshake(0, content)
	case h.typ == contentHandshake && c.in.messages.repeats(content):
		return nil
	case h.typ == contentAlert && (len(in.epochs) == 0 || waitsForProtection):
		return c.receiveAlert13(content)
	case h.typ == contentACK && (len(in.epochs) == 0 || waitsForProtection):
		return c.receiveACK(content)
	}
	return unexpected("record of %v without protection", h.typ)
}

// dropEarlyData drops what the client was not told to be accepted, so
// that it sends it again. RFC 8446, Section 4.2.10.
func (c *Conn) dropEarlyData() error {
	if c.in.v13.dropped++; c.in.v13.dropped > maxHeldRecords {
		return unexpected("too much early data")
	}
	return nil
}

// receiveAlert13 handles an alert of version 1.3, where levels mean nothing.
// RFC 8446, Section 6.
func (c *Conn) receiveAlert13(content []byte) error {
	_, alert, err := parseAlert(content)
	switch {
	case err != nil:
		return err
	case alert == AlertCloseNotify && c.agreed.HandshakeComplete:
		c.in.drain = drainCloseNotify
		c.push(EventReadPending)
		return nil
	case alert == AlertUserCanceled && c.agreed.HandshakeComplete:
		return c.countWarning(alert.String())
	}
	return &AlertError{Alert: alert}
}

// receiveACK handles an ACK. Nothing is ever sent again, so that only those of
// a client's Finished and of a KeyUpdate matter. RFC 9147, Section 7.
func (c *Conn) receiveACK(content []byte) error {
	records, err := parseACK(content)
	if err != nil {
		return err
	}
	if s, ok := c.state.(*open13); ok {
		if s.unconfirmed && slices.Contains(records, s.finishedIn) {
			s.confirm(c)
			return nil
		}
		if matters, err := s.acknowledged(c, records); matters || err != nil {
			return err
		}
	}
	if c.in.v13.idleACKs++; c.in.v13.idleACKs > maxIdleACKs {
		return unexpected("%d ACKs without need", c.in.v13.idleACKs)
	}
	return nil
}

// maxACKed is how many record numbers fit in an ACK of usual size.
const maxACKed = (maxPlaintext - 2) / ackedLen

const ackedLen = 16 // of a record number

// sendACK acknowledges the handshake records of the peer since the last ACK.
// RFC 9147, Section 7.1: the client's last flight, and what comes after the
// handshake. All else is acknowledged by the flight that answers it.
func (c *Conn) sendACK() error {
	if len(c.in.v13.unacked) == 0 {
		return nil // the ACK for a message before was for this one too
	}
	for records := range slices.Chunk(c.in.v13.unacked, (c.maxControl()-2)/ackedLen) {
		content, err := appendACK(nil, records)
		if err != nil {
			return misuse("ACK: %w", err)
		}
		c.pushRecord(contentACK, content)
	}
	c.in.v13.unacked = nil
	return nil
}

// writeIn makes e the epoch of everything that is queued from here on.
func (c *Conn) writeIn(e *writeEpoch) {
	c.written = e
	c.pushStep(func() error { c.sent = e; return nil })
}

package dtlscore

import "slices"

// Epochs of DTLS 1.3. See RFC 9147, Section 6.1.
const (
	epochEarlyData   = 1 // not supported
	epochHandshake   = 2
	epochApplication = 3 // each KeyUpdate adds one
)

// maxIdleACKs is the number of ACKs in succession that may acknowledge nothing new.
const maxIdleACKs = 256

// inbound13 is the part of the inbound state that only DTLS 1.3 has.
type inbound13 struct {
	// epochs are the epochs in which the peer may send, oldest first. Handshake messages are
	// accepted in the last one only, other records in all of them: records on another stream that
	// were sent before the keys changed may arrive after it.
	epochs []*protection13

	opened    bool // a protected record has arrived
	progress  bool // application data has arrived since the last message
	earlyData bool // the client announced early data, which is dropped
	idleACKs  uint16
	dropped   uint16         // records of early data
	unacked   []recordNumber // handshake records since the last ACK
}

// epoch returns the epoch with the two low bits in a header. At most three successive epochs are in
// use, so the bits are unambiguous.
func (in *inbound13) epoch(low uint8) *protection13 {
	for _, p := range in.epochs {
		if uint8(p.epoch)&unifiedEpoch == low {
			return p
		}
	}
	return nil
}

// newest returns the epoch of handshake messages, or nil for epoch 0.
func (in *inbound13) newest() *protection13 {
	if len(in.epochs) == 0 {
		return nil
	}
	return in.epochs[len(in.epochs)-1]
}

// receive13 processes a protected record. again reports whether it was held.
func (c *Conn) receive13(record []byte, control, again bool) ([]byte, error) {
	in := &c.in.v13
	p, form := in.epoch(record[0]&unifiedEpoch), usualForm
	// Application data on other streams may overtake Finished.
	early := c.handshaking && record[0]&unifiedEpoch == epochApplication && !control
	if p != nil {
		form = p.form
	} else if early {
		return nil, c.hold(record, again) // its format is known when its keys are
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
		return nil, nil // control records arrive in order, so the peer sent this one after close_notify
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

// receivePlain13 processes an unprotected record after the version has been negotiated.
func (c *Conn) receivePlain13(h recordHeader, content []byte) error {
	in := &c.in.v13
	// A client that cannot use our ServerHello has no keys to protect its alert with.
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
	return unexpected("unprotected record of type %v", h.typ)
}

// dropEarlyData drops a record of early data, which this side did not accept, so the client sends
// it again. See RFC 8446, Section 4.2.10.
func (c *Conn) dropEarlyData() error {
	if c.in.v13.dropped++; c.in.v13.dropped > maxHeldRecords {
		return unexpected("too much early data")
	}
	return nil
}

// receiveAlert13 handles an alert in DTLS 1.3, which ignores alert levels. See RFC 8446, Section 6.
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

// receiveACK handles an ACK. Since nothing is retransmitted, only ACKs for a client's Finished and
// for a KeyUpdate matter. See RFC 9147, Section 7.
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
		return unexpected("%d unnecessary ACKs", c.in.v13.idleACKs)
	}
	return nil
}

// maxACKed is the number of record numbers that fit into an ACK record of 2^14 bytes.
const maxACKed = (maxPlaintext - 2) / ackedLen

const ackedLen = 16 // size of a record number

// sendACK acknowledges the handshake records that have arrived since the last ACK. RFC 9147,
// Section 7.1, requires ACKs for the client's last flight and for messages after the handshake. The
// flight that answers other messages acknowledges them.
func (c *Conn) sendACK() error {
	if len(c.in.v13.unacked) == 0 {
		return nil // the previous ACK included this message
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

// writeIn makes e the epoch of everything that is queued from now on.
func (c *Conn) writeIn(e *writeEpoch) {
	c.written = e
	c.pushStep(func() error { c.sent = e; return nil })
}

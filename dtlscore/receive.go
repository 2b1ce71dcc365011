package dtlscore

import "slices"

// Bounds for what a peer may make us keep, or look at without progress.
const (
	maxHeldRecords = 4096    // of the next epoch, attack E4
	maxHeldBytes   = 1 << 20 // about a large receive window
	maxWarnings    = 4       // until application data comes, attack E10
)

// inbound is the direction from the peer to us.
type inbound struct {
	epoch       uint16
	drain       drainReason
	unconfirmed bool // from ChangeCipherSpec to Finished
	warnings    uint8

	read     *protection12 // of this epoch; nil if it is 0
	next     *protection12 // of the epoch after ChangeCipherSpec; nil until its keys are known
	previous *protection12 // of the epoch before; nil once the handshake is complete

	messages reassembler

	tag       Tag          // of the record that is received
	held      []heldRecord // in order of arrival
	heldBytes int

	checkpoints int // see [Conn.Checkpoints]

	maxRecord int // see [Conn.MaxRecord]

	v13 inbound13
}

// A heldRecord is a whole record that has to wait.
type heldRecord struct {
	record []byte
	tag    Tag
}

// A Tag is what a driver knows of a message beside its bytes. It is handed out with the events that
// come of the message ([Event].Tag), and not looked into.
type Tag [2]uint64

// A drainReason is why the driver was told to read all that has arrived.
type drainReason uint8

const (
	drainNone drainReason = iota
	drainChangeCipherSpec
	drainCloseNotify
)

// Receive takes one message of the transport, which is one record. It returns
// application data, which is decrypted in place and so aliases record, or nil
// if there is none. An empty record of application data gives an empty slice
// that is not nil. Nothing of record is used after Receive has returned.
//
// control says that the message came on the ordered control channel, stream 0.
// Nothing but application data may come elsewhere. RFC 6083, Section 4.4.
//
// Application data of an epoch that is not confirmed yet is kept, up to a
// limit, and comes out as [EventData] with tag.
//
// An error is final, and all later calls return the same one.
func (c *Conn) Receive(record []byte, control bool, tag Tag) ([]byte, error) {
	switch {
	case c.err != nil:
		return nil, c.err
	case !c.started:
		return nil, c.fail(misuse("Receive was called before Start"))
	case c.peerClosed:
		return nil, nil
	}
	c.in.tag = tag
	data, err := c.receive(record, control, false)
	if err != nil {
		return nil, c.fail(err)
	}
	return data, nil
}

// Checkpoints returns how many records Receive has taken before which the peer had everything
// acknowledged that it had sent: ChangeCipherSpec of a renegotiation, and KeyUpdate. A driver that
// sees one of them come knows that nothing sent before it may be missing; if something is, it calls
// [Conn.Fail]. So it does at [EventPeerClosed], when nothing at all may be missing. RFC 6083,
// Sections 4.7 and 4.9.
func (c *Conn) Checkpoints() int { return c.in.checkpoints }

// receive takes a record that just came, or again one that was held.
func (c *Conn) receive(record []byte, control, again bool) ([]byte, error) {
	if c.form.version == VersionDTLS13 && len(record) > 0 && isUnified(record[0]) {
		return c.receive13(record, control && !again, again)
	}
	h, fragment, err := parseRecord(record)
	if err != nil {
		return nil, err
	}
	if c.form.version != 0 && h.version != VersionDTLS12 {
		return nil, misbehaved(AlertProtocolVersion, "record of version %#04x", h.version)
	}
	isData := h.typ == contentApplicationData
	if !isData && !control {
		return nil, unexpected("%v on another stream than 0, or unordered", h.typ)
	}
	if c.form.version == VersionDTLS13 {
		return nil, c.receivePlain13(h, fragment)
	}
	changing := c.in.drain == drainChangeCipherSpec
	switch {
	case h.epoch == c.in.epoch && c.in.unconfirmed && (isData || c.peerIsDone()):
		return nil, c.hold(record, again)
	case h.epoch == c.in.epoch && (isData || !changing):
		return c.open(c.in.read, h, fragment)
	case h.epoch == c.in.epoch+1 && c.in.next != nil && (isData || changing):
		// Other streams may be faster than ChangeCipherSpec, and the driver
		// may find anything while it reads what was sent before.
		return nil, c.hold(record, again)
	case h.epoch+1 == c.in.epoch && isData && c.in.previous != nil:
		return c.open(c.in.previous, h, fragment)
	}
	return nil, unexpected("%v of epoch %d in epoch %d", h.typ, h.epoch, c.in.epoch)
}

// peerIsDone reports whether the peer's Finished is verified while the rest of
// our part has not been handed out. Whatever the peer sends from there on comes
// after the handshake, such as a close_notify that is found while draining.
func (c *Conn) peerIsDone() bool {
	_, open := c.state.(*open12)
	return open && c.handshaking
}

// open opens a record and acts on it.
func (c *Conn) open(p *protection12, h recordHeader, content []byte) (data []byte, err error) {
	if p != nil {
		if content, err = p.open(h, content); err != nil {
			if c.in.unconfirmed && c.form.kx.hasPSK() {
				// RFC 4279, Section 2. It tells nothing about the identity: A12.
				return nil, untrusted(AlertDecryptError, "peer does not have the same pre-shared key")
			}
			return nil, err
		}
	}
	if h.typ == contentApplicationData {
		if p == nil {
			return nil, unexpected("application data without protection")
		}
		c.countData()
		return content, nil
	}
	if c.in.drain == drainCloseNotify {
		return nil, nil // control records come in order: this one was sent after close_notify
	}
	switch h.typ {
	case contentHandshake:
		return nil, c.receiveHandshake(uint64(c.in.epoch), content)
	case contentAlert:
		return nil, c.receiveAlert(content)
	case contentChangeCipherSpec:
		return nil, c.receiveChangeCipherSpec(content)
	}
	return nil, unexpected("%v in version 1.2", h.typ)
}

// countData is called for each record of application data. An empty one is progress too: it is a
// message like others, which the peer's application has sent and ours is given (RFC 5246, Section
// 6.2.1; RFC 8446, Section 5.4).
func (c *Conn) countData() {
	c.in.warnings = 0
	c.in.v13.idleACKs, c.in.v13.progress = 0, true
}

// receiveChangeCipherSpec has everything read that was sent before. The keys
// change in PendingRead. RFC 6083, Section 4.7.
func (c *Conn) receiveChangeCipherSpec(content []byte) error {
	s, ok := c.state.(keyChangeState)
	if !ok || c.in.next == nil {
		return unexpected("ChangeCipherSpec where none was awaited")
	}
	if len(content) != 1 || content[0] != 1 {
		return unexpected("ChangeCipherSpec is not one byte of value 1")
	}
	if !c.in.messages.empty() {
		return unexpected("ChangeCipherSpec inside a handshake message")
	}
	if c.agreed.HandshakeComplete {
		c.in.checkpoints++
	}
	c.state = s.handleChangeCipherSpec(c)
	c.in.drain = drainChangeCipherSpec
	c.push(EventReadPending)
	return nil
}

// receiveAlert handles an alert of version 1.2. RFC 5246, Section 7.2.
func (c *Conn) receiveAlert(content []byte) error {
	level, alert, err := parseAlert(content)
	if err != nil {
		return err
	}
	switch {
	case alert == AlertCloseNotify && c.agreed.HandshakeComplete:
		c.in.drain = drainCloseNotify
		c.push(EventReadPending)
		return nil
	case level == levelFatal || alert == AlertCloseNotify:
		return &AlertError{Alert: alert}
	case alert == AlertNoRenegotiation && c.renegotiationRefused():
		return nil
	}
	return c.countWarning(alert.String())
}

// countWarning is for what changes nothing. A few in a row are harmless.
func (c *Conn) countWarning(what string) error {
	if c.in.warnings++; c.in.warnings > maxWarnings {
		return unexpected("%d warnings without progress, the last: %s", c.in.warnings, what)
	}
	return nil
}

// PendingRead tells that Receive was given everything that the transport had when
// [EventReadPending] was taken.
func (c *Conn) PendingRead() error {
	if c.err != nil {
		return c.err
	}
	reason := c.in.drain
	c.in.drain = drainNone
	switch reason {
	case drainChangeCipherSpec:
		if err := c.changeReadKeys(); err != nil {
			return c.fail(err)
		}
	case drainCloseNotify:
		c.peerCloses()
	}
	return nil
}

// peerCloses ends the peer's direction. Ours goes on until [Conn.Close], as RFC 8446, Section 6.1,
// has it. RFC 5246, Section 7.2.1, wants an answer at once, "discarding any pending writes". But
// whoever has sent close_notify because it has asked all that it wanted would take the end that
// follows for a clean one, and miss our answer. So version 1.2 is as 1.3 here, and as it is in
// crypto/tls.
func (c *Conn) peerCloses() {
	c.peerClosed = true
	c.push(EventPeerClosed)
	if e := c.app.Load(); e != nil {
		e.updating.Store(true) // no KeyUpdate: the peer cannot acknowledge one any more
	}
	if !c.renegotiationRefused() && c.handshaking {
		c.Close() // a renegotiation that has changed keys, perhaps, and cannot be completed
	}
}

// changeReadKeys starts the epoch whose keys were agreed, and goes through
// what was held for it: the handshake goes on, application data is held again
// until it is complete.
func (c *Conn) changeReadKeys() error {
	c.in.previous = c.in.read
	c.in.read, c.in.next = c.in.next, nil
	c.in.epoch++
	c.in.unconfirmed = true
	return c.receiveHeld()
}

// completeHandshake lets application data through, in both directions.
func (c *Conn) completeHandshake() error {
	c.handshaking = false
	c.nextSendSeq = 0
	c.in.messages.restart()
	c.in.previous = nil
	c.in.unconfirmed = false
	c.in.warnings = 0
	c.pushComplete()
	return c.receiveHeld()
}

// receiveHeld goes through what was held. Application data comes out before anything that control
// records among it ask for: the driver may read while it does that, and what it reads is newer.
func (c *Conn) receiveHeld() error {
	held := c.in.held
	c.in.held, c.in.heldBytes = nil, 0
	at := len(c.queue)
	for _, h := range held {
		c.in.tag = h.tag
		data, err := c.receive(h.record, true, true)
		if err != nil {
			return err
		}
		if data != nil {
			c.queue = slices.Insert(c.queue, at, action{kind: EventData, data: data, tag: h.tag})
			at++
		}
	}
	return nil
}

// hold keeps a record, perhaps again, until its epoch is begun and confirmed.
func (c *Conn) hold(record []byte, again bool) error {
	// A peer that is authenticated may have more under way on other streams while its
	// Finished is sent again.
	room := 1
	if c.agreed.HandshakeComplete {
		room = 16
	}
	if len(c.in.held) >= room*maxHeldRecords || c.in.heldBytes+len(record) > room*maxHeldBytes {
		return unexpected("too many records before the Finished message")
	}
	if !again {
		record = slices.Clone(record)
	}
	c.in.held = append(c.in.held, heldRecord{record, c.in.tag})
	c.in.heldBytes += len(record)
	return nil
}

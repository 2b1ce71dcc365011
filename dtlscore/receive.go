package dtlscore

import "slices"

// Limits for what a peer can make this side buffer, or process without making progress.
const (
	maxHeldRecords = 4096    // of the next epoch; attack E4
	maxHeldBytes   = 1 << 20 // about the size of a large receive window
	maxWarnings    = 4       // without application data between them; attack E10
)

// inbound is the state of the direction from the peer.
type inbound struct {
	epoch       uint16
	drain       drainReason
	unconfirmed bool // between ChangeCipherSpec and Finished
	warnings    uint8

	read     *protection12 // the present epoch; nil for epoch 0
	next     *protection12 // the epoch after ChangeCipherSpec; nil until its keys are derived
	previous *protection12 // the previous epoch; nil once the handshake is complete

	messages reassembler

	tag       Tag          // of the record that is being received
	held      []heldRecord // in order of arrival
	heldBytes int

	checkpoints int // see [Conn.Checkpoints]

	maxRecord int // see [Conn.MaxRecord]

	v13 inbound13
}

// A heldRecord is a record that is processed later.
type heldRecord struct {
	record []byte
	tag    Tag
}

// A Tag is a value that a driver associates with a message. The events that result from the message
// return it in [Event].Tag; this package does not interpret it.
type Tag [2]uint64

// A drainReason is why the driver was asked to read everything that has arrived.
type drainReason uint8

const (
	drainNone drainReason = iota
	drainChangeCipherSpec
	drainCloseNotify
)

// Receive processes one message of the transport, which is one record. It returns application data,
// which is decrypted in place and therefore aliases record, or nil if the record contains none. For
// an empty record of application data it returns an empty slice that is not nil. Receive does not
// retain record.
//
// control reports whether the message arrived in order on stream 0. Only application data may
// arrive otherwise. See RFC 6083, Section 4.4.
//
// Application data of an epoch that is not confirmed yet is buffered, up to a limit, and later
// returned as [EventData] with tag.
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

// Checkpoints returns the number of records received so far before which the peer must have waited
// until everything that it had sent was acknowledged: the ChangeCipherSpec of a renegotiation, and
// KeyUpdate. When the number increases, everything that the peer sent before must have arrived. If
// the driver finds that something is missing, it must call [Conn.Fail]. The same applies at
// [EventPeerClosed]. See RFC 6083, Sections 4.7 and 4.9.
func (c *Conn) Checkpoints() int { return c.in.checkpoints }

// receive processes a record that has just arrived, or one that was held.
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
		// Application data on other streams may overtake ChangeCipherSpec, and the driver may
		// receive it while it reads what was sent before.
		return nil, c.hold(record, again)
	case h.epoch+1 == c.in.epoch && isData && c.in.previous != nil:
		return c.open(c.in.previous, h, fragment)
	}
	return nil, unexpected("%v of epoch %d in epoch %d", h.typ, h.epoch, c.in.epoch)
}

// peerIsDone reports whether the peer's Finished is verified while some of our own flight has not
// been handed out yet. What the peer sends from then on comes after the handshake, such as a
// close_notify that the driver reads meanwhile.
func (c *Conn) peerIsDone() bool {
	_, open := c.state.(*open12)
	return open && c.handshaking
}

// open decrypts and processes a record.
func (c *Conn) open(p *protection12, h recordHeader, content []byte) (data []byte, err error) {
	if p != nil {
		if content, err = p.open(h, content); err != nil {
			if c.in.unconfirmed && c.form.kx.hasPSK() {
				// RFC 4279, Section 2. The alert does not reveal whether the identity is known:
				// attack A12.
				return nil, untrusted(AlertDecryptError, "peer does not have the same pre-shared key")
			}
			return nil, err
		}
	}
	if h.typ == contentApplicationData {
		if p == nil {
			return nil, unexpected("unprotected application data")
		}
		c.countData()
		return content, nil
	}
	if c.in.drain == drainCloseNotify {
		return nil, nil // control records arrive in order, so the peer sent this one after close_notify
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

// countData is called for each record of application data. An empty record is progress too, because
// it is a message like any other: the peer's application sent it, and ours receives it (RFC 5246,
// Section 6.2.1; RFC 8446, Section 5.4).
func (c *Conn) countData() {
	c.in.warnings = 0
	c.in.v13.idleACKs, c.in.v13.progress = 0, true
}

// receiveChangeCipherSpec asks the driver to read everything that was sent before. PendingRead then
// changes the keys. See RFC 6083, Section 4.7.
func (c *Conn) receiveChangeCipherSpec(content []byte) error {
	s, ok := c.state.(keyChangeState)
	if !ok || c.in.next == nil {
		return unexpected("unexpected ChangeCipherSpec")
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

// receiveAlert handles an alert in DTLS 1.2. See RFC 5246, Section 7.2.
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

// countWarning counts a message that has no effect. A few of them in succession are harmless.
func (c *Conn) countWarning(what string) error {
	if c.in.warnings++; c.in.warnings > maxWarnings {
		return unexpected("%d warnings without progress, the last: %s", c.in.warnings, what)
	}
	return nil
}

// PendingRead tells the Conn that Receive has been passed everything that the transport had
// received when NextEvent returned [EventReadPending].
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

// peerCloses ends the peer's direction. Ours stays open until [Conn.Close], as in RFC 8446, Section
// 6.1. RFC 5246, Section 7.2.1, requires an immediate answer, "discarding any pending writes". But
// a peer that sends close_notify after its last request would then miss our response, and take the
// end of the connection for a clean one. So DTLS 1.2 behaves like DTLS 1.3 here, and as in
// crypto/tls.
func (c *Conn) peerCloses() {
	c.peerClosed = true
	c.push(EventPeerClosed)
	if e := c.app.Load(); e != nil {
		e.updating.Store(true) // no KeyUpdate: the peer cannot acknowledge one any more
	}
	if !c.renegotiationRefused() && c.handshaking {
		c.Close() // a renegotiation that may have changed keys can no longer be completed
	}
}

// changeReadKeys begins the next epoch, and processes the records that were held for it. That
// continues the handshake. Application data is held again until the handshake is complete.
func (c *Conn) changeReadKeys() error {
	c.in.previous = c.in.read
	c.in.read, c.in.next = c.in.next, nil
	c.in.epoch++
	c.in.unconfirmed = true
	return c.receiveHeld()
}

// completeHandshake allows application data in both directions.
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

// receiveHeld processes the held records. It queues their application data before the events of
// control records among them: while the driver executes these it may read newer data.
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

// hold keeps a record, possibly again, until its epoch has begun and is confirmed.
func (c *Conn) hold(record []byte, again bool) error {
	// An authenticated peer may have more data in flight on other streams while its Finished is
	// retransmitted.
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

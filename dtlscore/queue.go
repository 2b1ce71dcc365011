package dtlscore

// An action is an event that the driver has not taken yet, or deferred work.
type action struct {
	kind EventKind
	data []byte
	tag  Tag // for EventData and EventPeerFinished

	// A record is protected when it is handed out, not when it is queued. So if a failure drops
	// queued records, the alert still uses keys that the peer has. For EventHandshakeComplete,
	// epoch is the one that Seal uses from then on.
	content contentType
	epoch   *writeEpoch
	number  *recordNumber // if not nil, is set to the record's number

	// then, if not nil, is deferred work, which may queue more actions.
	then func() error
	step bool // the work is in the middle of a flight
}

func (c *Conn) push(kind EventKind) { c.queue = append(c.queue, action{kind: kind}) }

func (c *Conn) pushData(kind EventKind, data []byte) {
	c.queue = append(c.queue, action{kind: kind, data: data})
}

// pushPeerFinished queues EventPeerFinished with the tag of the record that is being received.
func (c *Conn) pushPeerFinished() {
	c.queue = append(c.queue, action{kind: EventPeerFinished, tag: c.in.tag})
}

// pushComplete queues EventHandshakeComplete, for the newest epoch.
func (c *Conn) pushComplete() {
	c.queue = append(c.queue, action{kind: EventHandshakeComplete, epoch: c.written})
}

// pushRecord queues a record in the newest epoch.
func (c *Conn) pushRecord(t contentType, content []byte) { c.pushNumbered(t, content, nil) }

// pushNumbered is like pushRecord, but also stores the record's number in number, if it is not nil,
// when the record is handed out.
func (c *Conn) pushNumbered(t contentType, content []byte, number *recordNumber) {
	c.queue = append(c.queue,
		action{kind: EventSend, data: content, content: t, epoch: c.written, number: number})
}

// pushThen defers work until the events before it have been handed out, so that the peer need not
// wait for it. What f queues goes to the end of the queue, not to the place of f. If something must
// follow f directly, f has to queue it itself.
func (c *Conn) pushThen(f func() error) { c.queue = append(c.queue, action{then: f}) }

// pushStep defers work in the middle of a flight, which is sent as a whole: to wake the peer for a
// part of it would cost more than what the peer could do meanwhile.
func (c *Conn) pushStep(f func() error) { c.queue = append(c.queue, action{then: f, step: true}) }

// Quiet reports whether NextEvent would return [EventNone] now.
func (c *Conn) Quiet() bool { return len(c.queue) == 0 }

// NextEvent returns the next event for the driver, or one of kind [EventNone] if there is none.
func (c *Conn) NextEvent() Event {
	for {
		c.work()
		if len(c.queue) == 0 {
			return Event{}
		}
		a := c.popAction()
		switch a.kind {
		case EventSend:
			n, err := a.epoch.take(a.content, len(a.data))
			if err != nil {
				c.fail(err)
				continue
			}
			a.epoch.controls++
			record := a.epoch.sealer.seal(nil, a.content, n, a.data)
			if a.number != nil {
				*a.number = recordNumber{a.epoch.number, n}
			}
			if c.sent = a.epoch; a.content == contentChangeCipherSpec {
				c.sent = c.written // the peer accepts no other epoch after this record
			}
			return Event{Kind: EventSend, Data: record, More: c.inFlight()}
		case EventHandshakeComplete:
			if !c.closing {
				c.app.Store(a.epoch)
			}
		}
		return Event{Kind: a.kind, Data: a.data, Tag: a.tag}
	}
}

// inFlight reports whether the next action in the queue belongs to the same flight as the last
// record.
func (c *Conn) inFlight() bool {
	rest := c.queue
	if len(rest) > 0 && rest[0].kind == EventInstallKey {
		rest = rest[1:]
	}
	return len(rest) > 0 && (rest[0].step || rest[0].kind == EventSend)
}

// work runs the deferred work at the head of the queue.
func (c *Conn) work() {
	for len(c.queue) > 0 && c.queue[0].then != nil {
		if err := c.popAction().then(); err != nil {
			c.fail(err)
		}
	}
}

func (c *Conn) popAction() action {
	a := c.queue[0]
	c.queue[0] = action{}
	if c.queue = c.queue[1:]; len(c.queue) == 0 {
		c.queue = nil // so that an idle connection needs no memory for it
	}
	return a
}

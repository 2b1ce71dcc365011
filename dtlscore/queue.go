package dtlscore

// An action is an event that the driver has not taken yet, or work that is
// done once it has taken all events before.
type action struct {
	kind EventKind
	data []byte
	tag  Tag // of EventData and EventPeerFinished

	// A record is protected when it is handed out, not when it is queued: what
	// is dropped because of a failure leaves no gap between the keys in which
	// the peer listens and those in which it gets the alert. With
	// EventHandshakeComplete, epoch is what Seal uses from there on.
	content contentType
	epoch   *writeEpoch
	number  *recordNumber // if not nil, gets the number of the record

	// then, if not nil, is done in place of an event. It may queue more.
	then func() error
	step bool // then is in the middle of a flight
}

func (c *Conn) push(kind EventKind) { c.queue = append(c.queue, action{kind: kind}) }

func (c *Conn) pushData(kind EventKind, data []byte) {
	c.queue = append(c.queue, action{kind: kind, data: data})
}

// pushPeerFinished is called when the record that is received completes the peer's Finished.
func (c *Conn) pushPeerFinished() {
	c.queue = append(c.queue, action{kind: EventPeerFinished, tag: c.in.tag})
}

// pushComplete lets application data out, in the newest epoch.
func (c *Conn) pushComplete() {
	c.queue = append(c.queue, action{kind: EventHandshakeComplete, epoch: c.written})
}

// pushRecord queues a record in the newest epoch.
func (c *Conn) pushRecord(t contentType, content []byte) { c.pushNumbered(t, content, nil) }

// pushNumbered is pushRecord for a record whose number is stored in number when it is handed out,
// unless that is nil.
func (c *Conn) pushNumbered(t contentType, content []byte, number *recordNumber) {
	c.queue = append(c.queue,
		action{kind: EventSend, data: content, content: t, epoch: c.written, number: number})
}

// pushThen queues work that can wait until the events before it are handed
// out, so that the peer need not wait for it. What the work queues comes at the end of the queue,
// not in its place: work after which something has to follow at once queues that itself.
func (c *Conn) pushThen(f func() error) { c.queue = append(c.queue, action{then: f}) }

// pushStep queues work in the middle of a flight, which goes out as a whole: waking the peer for
// a part of it costs more than the peer could do meanwhile.
func (c *Conn) pushStep(f func() error) { c.queue = append(c.queue, action{then: f, step: true}) }

// Quiet reports whether NextEvent would return nothing now.
func (c *Conn) Quiet() bool { return len(c.queue) == 0 }

// NextEvent returns the next instruction to the driver, of kind [EventNone] if
// there is none for now.
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
				c.sent = c.written // the peer takes nothing else after it
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

// inFlight reports whether what is queued next belongs to the flight of the record before.
func (c *Conn) inFlight() bool {
	rest := c.queue
	if len(rest) > 0 && rest[0].kind == EventInstallKey {
		rest = rest[1:]
	}
	return len(rest) > 0 && (rest[0].step || rest[0].kind == EventSend)
}

// work does what was left until the events before it were handed out.
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
		c.queue = nil // an idle connection keeps nothing
	}
	return a
}

package sctpdtls

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/seed-41f70523/dtls-sctp/dtlscore"
	"github.com/seed-41f70523/dtls-sctp/internal/errtype"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// This file is the one place that knows RFC 6083 whole: what the DTLS core
// wants, in its order, done with an SCTP association. All of it runs with
// Conn.owner held.

// controlInfo is how handshake, alert and ChangeCipherSpec records travel: stream 0, ordered,
// reliable (RFC 6083, Section 4.4). There is no PPID for them (Section 4.3).
// The last record of a flight asks for its acknowledgement at once, because a flush waits for that.
var (
	controlInfo     = stream.Info{Stream: 0, PPID: 0}
	lastControlInfo = stream.Info{Stream: 0, PPID: 0, SackImmediately: true}
)

// errPending says that messages have to be taken before it can go on.
var errPending = errors.New("sctpdtls: messages are waiting")

// obey does what the core wants. When it fails with a timeout or errPending it can be called
// again to go on where it was.
func (c *Conn) obey() error {
	if c.quiet() {
		return c.obeyed() // as after each message of the peer's application
	}
	for {
		if c.current.Kind == dtlscore.EventNone {
			c.current = c.next()
		}
		if c.current.Kind != dtlscore.EventInstallKey { // which need not wait for what is sent before it
			if err := c.sendFlight(); err != nil {
				return err
			}
		}
		if c.current.Kind == dtlscore.EventNone {
			return c.obeyed()
		}
		if err := c.do(c.current); err != nil {
			return err
		}
		c.current = dtlscore.Event{}
	}
}

// quiet reports whether the core wants nothing.
func (c *Conn) quiet() bool {
	return c.current.Kind == dtlscore.EventNone && len(c.flight) == 0 && c.core.Quiet()
}

// obeyed is called when all is done that the core wanted.
func (c *Conn) obeyed() error {
	if epoch := c.core.Epoch(); epoch != c.epoch {
		c.epoch = epoch
		c.counted.newKeys()
		c.tellKeys(epoch)
	}
	if c.closeWrite.Load() != nil {
		c.finished(closeWriteTask, c.core.Err())
	}
	return c.core.Err()
}

// next takes the event that is to be obeyed next. Records that may be sent together it collects.
func (c *Conn) next() dtlscore.Event {
	for {
		ev := c.core.NextEvent()
		if ev.Kind == dtlscore.EventSend {
			c.flight = append(c.flight, ev.Data)
			if ev.More && len(c.flight) < stream.MaxBatch {
				continue
			}
		}
		return ev
	}
}

func (c *Conn) do(ev dtlscore.Event) error {
	switch ev.Kind {
	case dtlscore.EventSend:
		return nil // sendFlight has sent it
	case dtlscore.EventAwaitDry:
		return c.awaitDry()
	case dtlscore.EventReadPending:
		if err := c.readPending(); err != nil {
			return err
		}
		return c.core.PendingRead()
	case dtlscore.EventInstallKey:
		err := c.keys.install(ev.Data)
		c.pace.installed()
		if err == nil && c.state.Load() != nil { // a renegotiation
			err = c.tuner.Handshaking(true)
		}
		return c.gone(err)
	case dtlscore.EventActivateKey:
		if !c.keys.peerHasKey() {
			c.tuner.Pause(c.pace.untilPeerKey())
		}
		if err := c.tuner.Handshaking(false); err != nil {
			return c.gone(err)
		}
		c.switched = true
		c.counted.newAuthKey()
		return c.gone(c.keys.activate())
	case dtlscore.EventPeerFinished:
		if n := c.core.MaxRecord(); n > stream.MaxMessageSize {
			c.messages.Allow(n, c.core.RecordSize) // before, nobody is given memory for more
		}
		_, tsn := untag(ev.Tag)
		c.keys.peerFinished(tsn)
		return nil
	case dtlscore.EventHandshakeComplete:
		if c.core.IsClient() && c.core.ConnectionState().Version == VersionDTLS13 {
			c.keys.peerSwitched() // it has answered our Finished
		}
		return c.handshakeComplete()
	case dtlscore.EventResume:
		c.openGate()
		c.finished(keyUpdateTask, nil)
		return nil
	case dtlscore.EventRenegotiationRefused:
		if c.gateShut {
			c.openGate()
		}
		c.requests.finishAll(renegotiateTask, ErrRenegotiationRefused)
		return nil
	case dtlscore.EventData:
		info, _ := untag(ev.Tag)
		c.counted.received(len(ev.Data))
		c.queue(ev.Data, info)
		return nil
	case dtlscore.EventPeerClosed:
		if err := c.peerCloses(); err != nil {
			return err
		}
		if r := c.closeWrite.Load(); c.core.Epoch() == 0 && !c.closing.Load() && (r == nil || !r.begun) {
			c.endWrites(ErrPeerClosed) // in the middle of a renegotiation: the core ends this direction too
		}
		return nil
	}
	return fmt.Errorf("sctpdtls: unknown event %d of the DTLS core", ev.Kind)
}

// peerCloses is called when the peer's close_notify has come, and all that was received before is
// read.
func (c *Conn) peerCloses() error {
	if err := c.nothingMissing(); err != nil {
		return err
	}
	c.peerClosed = true
	c.end(io.EOF)
	return nil
}

// nothingMissing finds out, when the peer's close_notify has come, whether all before it has.
func (c *Conn) nothingMissing() error {
	if c.closing.Load() {
		return nil // nobody asks for messages any more
	}
	missing, err := missingAtEnd(c.assoc, c.partial, c.tuner.Pause)
	switch {
	case err != nil && c.config.RequireComplete:
		return c.truncated(0)
	case err != nil || missing == 0:
		return nil
	}
	return c.truncated(missing)
}

// truncated ends the connection. There is no alert for it; it stands in the place of a message that
// is not what it should be.
func (c *Conn) truncated(missing int) error {
	c.core.Fail(dtlscore.AlertUnexpectedMessage, &TruncationError{missing})
	return c.core.Err()
}

// sendFlight sends the records that were collected. When there is no space for them, the peer may
// be waiting for space just as well, so it goes on reading until there is. Writers wait until then,
// also when this is interrupted: they would take the space.
func (c *Conn) sendFlight() error {
	if len(c.flight) == 0 {
		return nil
	}
	c.pace.answers()
	err := c.trySendFlight()
	for errors.Is(err, stream.ErrWouldBlock) {
		c.reopen = c.reopen || !c.gateShut
		waited := c.awaitDry()
		c.dryAsked = false // if it was interrupted, the next wait asks for itself
		if waited != nil {
			return waited
		}
		err = c.trySendFlight()
	}
	c.flight = nil // an idle connection keeps nothing
	if c.reopen {
		c.reopen = false
		c.openGate()
	}
	c.pace.sent()
	return c.gone(err)
}

// trySendFlight sends as many records as there is space for.
func (c *Conn) trySendFlight() (err error) {
	var infos [stream.MaxBatch]stream.Info
	for i := range c.flight {
		infos[i] = controlInfo
	}
	infos[len(c.flight)-1] = lastControlInfo
	n := 0
	if sender, ok := c.assoc.(stream.BatchSender); ok && len(c.flight) > 1 {
		n, err = sender.TrySendAll(c.flight, infos[:len(c.flight)])
	} else {
		for n < len(c.flight) && err == nil {
			if err = c.assoc.TrySend(c.flight[n], infos[n]); err == nil {
				n++
			}
		}
	}
	c.flight = c.flight[n:]
	return err
}

// gone says what err means, of a call that fails only when the association is over.
// What the peer said before it went tells more than that it has gone.
func (c *Conn) gone(err error) error {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if err := c.readPending(); err != nil {
		return err
	}
	return c.over(err)
}

// mustPause reports whether there is no room for more messages. After the peer's close_notify none
// come.
func (c *Conn) mustPause() bool { return c.mux.Full() && c.ended == nil }

// shutGate keeps writers out. One that waits for buffer space is sent away to try again
// later, for it could wait as long as the peer does not read, and the peer for us.
func (c *Conn) shutGate() {
	c.writeDeadline.take(past)
	c.gate.shut()
	c.writeDeadline.take(time.Time{})
	c.gateShut = true
}

func (c *Conn) openGate() {
	c.gateShut = false
	c.writeDeadline.giveBack()
	c.gate.open()
}

// awaitDry waits until SCTP has nothing left to send or to be acknowledged:
// RFC 6083, Sections 4.7 and 4.9. The peer may be waiting for the same, so it goes on reading.
func (c *Conn) awaitDry() error {
	if !c.gateShut {
		c.shutGate()
	}
	if !c.dryAsked {
		// A dry event of the past must not be mistaken for the one asked for.
		if err := c.readPending(); err != nil {
			return err
		}
		if err := c.assoc.AskDry(); err != nil {
			return c.gone(err)
		}
		c.dryAsked = true
	}
	for {
		if c.mustPause() {
			return errPending
		}
		m, ev, err := c.messages.Next(true)
		if err != nil {
			return c.over(err)
		}
		if _, ok := ev.(stream.Dry); ok {
			c.dryAsked = false
			return nil
		}
		if err := c.take(m, ev); err != nil {
			return err
		}
	}
}

// readPending reads everything that SCTP has received when it begins, a message that has begun to
// its end: RFC 6083, Sections 4.7 and 4.9. A peer that sends as fast as this reads does not keep it
// busy forever: more than a receive buffer holds was not there at the beginning.
func (c *Conn) readPending() error {
	for c.drained < c.config.maxDrained() || c.messages.Partial() {
		if c.mux.Full() {
			return errPending
		}
		m, ev, err := c.messages.Next(c.messages.Partial())
		if errors.Is(err, stream.ErrWouldBlock) {
			break
		}
		if err != nil {
			if err = c.over(err); c.down != nil {
				return nil // all there was is read; whatever comes next finds out
			}
			return err
		}
		c.drained += messageOverhead + len(m.Data)
		if err := c.take(m, ev); err != nil {
			return err
		}
	}
	c.drained = 0
	return nil
}

// maxDrained is more than the receive buffer of a socket holds, where each message takes
// messageOverhead bytes more than it has.
func (c *Config) maxDrained() int {
	return max(8<<20, 4*c.SCTP.ReadBuffer, 4*c.largeRecord())
}

const messageOverhead = 512

// take processes what was read, and keeps application data for later.
func (c *Conn) take(m stream.Message, ev stream.Event) error {
	if ev != nil {
		return c.event(ev)
	}
	data, err := c.receive(&m)
	if err != nil || data == nil {
		return err
	}
	c.queue(data, m.Info)
	return nil
}

// receive gives a message, which must be one record, to the core.
func (c *Conn) receive(m *stream.Message) (data []byte, err error) {
	checkpoints := c.core.Checkpoints()
	control := m.Info.Stream == 0 && !m.Info.Unordered
	data, err = c.core.Receive(m.Data, control, tag(m))
	if data != nil {
		c.counted.received(len(data))
	}
	if err != nil {
		return nil, err
	}
	if c.core.Checkpoints() > checkpoints && !c.partial {
		c.check.begin(m.TSN)
	}
	if c.check.open {
		c.check.count(m.TSN)
		if n := c.check.missing(c.assoc); n > 0 {
			if data != nil {
				c.queue(data, m.Info)
			}
			return nil, c.truncated(n)
		}
	}
	return data, nil
}

// tag is what the events that come of m need besides its bytes.
func tag(m *stream.Message) dtlscore.Tag {
	on := uint64(m.Info.Stream)
	if m.Info.Unordered {
		on |= 1 << 16
	}
	return dtlscore.Tag{uint64(m.TSN)<<32 | uint64(m.Info.PPID), on}
}

func untag(t dtlscore.Tag) (info stream.Info, tsn uint32) {
	info = stream.Info{Stream: uint16(t[1]), PPID: uint32(t[0]), Unordered: t[1]>>16 != 0}
	return info, uint32(t[0] >> 32)
}

// queue keeps an application message for its reader.
func (c *Conn) queue(data []byte, info stream.Info) {
	if c.closing.Load() {
		return // nobody will ask for it
	}
	c.mux.Take(c.messages, data, info)
}

// event processes a notification of the association.
func (c *Conn) event(ev stream.Event) error {
	if ev, ok := ev.(stream.NewKey); ok {
		c.keys.uses(ev.ID) // Trace is informed what this changes
		return nil
	}
	c.tellEvent(ev)
	switch ev := ev.(type) {
	case stream.AssocChange:
		switch ev.State {
		case stream.AssocRestarted:
			// Nothing of the new association belongs to this connection, and
			// SCTP-AUTH may be off in it: RFC 6083, Section 4.2.
			c.down = &AssociationError{State: AssocRestarted}
			return c.down
		case stream.AssocAborted, stream.AssocLost:
			c.cause = ev.Cause // Recv tells next how it ended
		}
	case stream.PeerShutdown:
		c.peerShut = true
	}
	// A part of a message that was given up (PartialDeliveryAborted) belongs to a message with a
	// Lifetime, or to an association that Recv will say has ended.
	return nil
}

// over says what err of the association means for the connection. Timeouts stay what they are.
func (c *Conn) over(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if _, ok := errtype.As[*stream.MessageSizeError](err); ok {
		c.core.Fail(dtlscore.AlertRecordOverflow, err)
		return c.core.Err()
	}
	// Once the peer has sent SHUTDOWN nothing can be sent, whether the association is over or not.
	// RFC 9260, Section 9.2.
	shut := errors.Is(err, io.EOF) ||
		c.peerShut && (errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ESHUTDOWN))
	if c.down == nil && shut && !c.peerClosed && c.core.PeerClosed() {
		c.down = c.peerCloses() // EventPeerClosed is behind what cannot be sent any more
	}
	switch {
	case c.down != nil: // the first error tells most
	case errors.Is(err, net.ErrClosed):
		c.down = err
	case shut && c.peerClosed:
		c.down = ErrPeerClosed
	case shut:
		c.down = &AssociationError{State: AssocShutdown}
	case errors.Is(err, syscall.ECONNRESET):
		c.down = &AssociationError{State: AssocAborted, Cause: c.cause, Err: err}
	default:
		c.down = &AssociationError{State: AssocLost, Err: err}
	}
	return c.down
}

// handshakeComplete publishes the new state and lets the writers go on.
func (c *Conn) handshakeComplete() error {
	out, in := c.assoc.Streams()
	s := &ConnectionState{
		ConnectionState: c.core.ConnectionState(),
		OutStreams:      out,
		InStreams:       in,
		AuthKeyID:       c.keys.activeID(),
	}
	if l, ok := c.assoc.(stream.MessageLimiter); ok {
		n, err := l.MaxMessage()
		if err != nil {
			return c.gone(err)
		}
		s.MaxWrite = min(s.MaxWrite, n-dtlscore.MaxOverhead)
	}
	c.state.Store(s)
	c.keys.handshakeComplete()
	c.openGate()
	c.requests.finishAll(renegotiateTask, nil)
	return c.gone(c.tuner.Settled())
}

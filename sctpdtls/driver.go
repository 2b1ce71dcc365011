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
// wants, in its order, done with an SCTP association.

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
func (o *owner) obey() error {
	if o.quiet() {
		return o.obeyed() // as after each message of the peer's application
	}
	for {
		if o.current.Kind == dtlscore.EventNone {
			o.current = o.next()
		}
		if o.current.Kind != dtlscore.EventInstallKey { // which need not wait for what is sent before it
			if err := o.sendFlight(); err != nil {
				return err
			}
		}
		if o.current.Kind == dtlscore.EventNone {
			return o.obeyed()
		}
		if err := o.do(o.current); err != nil {
			return err
		}
		o.current = dtlscore.Event{}
	}
}

// quiet reports whether the core wants nothing.
func (o *owner) quiet() bool {
	return o.current.Kind == dtlscore.EventNone && len(o.flight) == 0 && o.core.Quiet()
}

// obeyed is called when all is done that the core wanted.
func (o *owner) obeyed() error {
	if epoch := o.core.Epoch(); epoch != o.epoch {
		o.epoch = epoch
		o.counted.newKeys()
		o.tellKeys(epoch)
	}
	if o.closeWrite.Load() != nil {
		o.finished(closeWriteTask, o.core.Err())
	}
	return o.core.Err()
}

// next takes the event that is to be obeyed next. Records that may be sent together it collects.
func (o *owner) next() dtlscore.Event {
	for {
		ev := o.core.NextEvent()
		if ev.Kind == dtlscore.EventSend {
			o.flight = append(o.flight, ev.Data)
			if ev.More && len(o.flight) < stream.MaxBatch {
				continue
			}
		}
		return ev
	}
}

func (o *owner) do(ev dtlscore.Event) error {
	switch ev.Kind {
	case dtlscore.EventSend:
		return nil // sendFlight has sent it
	case dtlscore.EventAwaitDry:
		return o.awaitDry()
	case dtlscore.EventReadPending:
		if err := o.readPending(); err != nil {
			return err
		}
		return o.core.PendingRead()
	case dtlscore.EventInstallKey:
		err := o.keys.install(ev.Data)
		o.pace.installed()
		if err == nil && o.state.Load() != nil { // a renegotiation
			err = o.tuner().Handshaking(true)
		}
		return o.gone(err)
	case dtlscore.EventActivateKey:
		if !o.keys.peerHasKey() {
			o.tuner().Pause(o.pace.untilPeerKey())
		}
		if err := o.tuner().Handshaking(false); err != nil {
			return o.gone(err)
		}
		o.switched = true
		o.counted.newAuthKey()
		return o.gone(o.keys.activate())
	case dtlscore.EventPeerFinished:
		if n := o.core.MaxRecord(); n > stream.MaxMessageSize {
			o.messages.Allow(n, o.core.RecordSize) // before, nobody is given memory for more
		}
		_, tsn := untag(ev.Tag)
		o.keys.peerFinished(tsn)
		return nil
	case dtlscore.EventHandshakeComplete:
		if o.core.IsClient() && o.core.ConnectionState().Version == VersionDTLS13 {
			o.keys.peerSwitched() // it has answered our Finished
		}
		return o.handshakeComplete()
	case dtlscore.EventResume:
		o.openGate()
		o.finished(keyUpdateTask, nil)
		return nil
	case dtlscore.EventRenegotiationRefused:
		if o.gateShut {
			o.openGate()
		}
		o.requests.finishAll(renegotiateTask, ErrRenegotiationRefused)
		return nil
	case dtlscore.EventData:
		info, _ := untag(ev.Tag)
		o.counted.received(len(ev.Data))
		o.queue(ev.Data, info)
		return nil
	case dtlscore.EventPeerClosed:
		if err := o.peerCloses(); err != nil {
			return err
		}
		if r := o.closeWrite.Load(); o.core.Epoch() == 0 && !o.closing.Load() && (r == nil || !r.begun) {
			o.endWrites(ErrPeerClosed) // in the middle of a renegotiation: the core ends this direction too
		}
		return nil
	}
	return fmt.Errorf("sctpdtls: unknown event %d of the DTLS core", ev.Kind)
}

// peerCloses is called when the peer's close_notify has come, and all that was received before is
// read.
func (o *owner) peerCloses() error {
	if err := o.nothingMissing(); err != nil {
		return err
	}
	o.peerClosed = true
	o.end(io.EOF)
	return nil
}

// nothingMissing finds out, when the peer's close_notify has come, whether all before it has.
func (o *owner) nothingMissing() error {
	if o.closing.Load() {
		return nil // nobody asks for messages any more
	}
	missing, err := missingAtEnd(o.assoc, o.partial, o.tuner().Pause)
	switch {
	case err != nil && o.config.RequireComplete:
		return o.truncated(0)
	case err != nil || missing == 0:
		return nil
	}
	return o.truncated(missing)
}

// truncated ends the connection. There is no alert for it; it stands in the place of a message that
// is not what it should be.
func (o *owner) truncated(missing int) error {
	o.core.Fail(dtlscore.AlertUnexpectedMessage, &TruncationError{missing})
	return o.core.Err()
}

// sendFlight sends the records that were collected. When there is no space for them, the peer may
// be waiting for space just as well, so it goes on reading until there is. Writers wait until then,
// also when this is interrupted: they would take the space.
func (o *owner) sendFlight() error {
	if len(o.flight) == 0 {
		return nil
	}
	err := o.trySendFlight()
	for errors.Is(err, stream.ErrWouldBlock) {
		o.reopen = o.reopen || !o.gateShut
		waited := o.awaitDry()
		o.dryAsked = false // if it was interrupted, the next wait asks for itself
		if waited != nil {
			return waited
		}
		err = o.trySendFlight()
	}
	o.flight = nil // an idle connection keeps nothing
	if o.reopen {
		o.reopen = false
		o.openGate()
	}
	o.pace.sent()
	return o.gone(err)
}

// trySendFlight sends as many records as there is space for.
func (o *owner) trySendFlight() (err error) {
	var infos [stream.MaxBatch]stream.Info
	for i := range o.flight {
		infos[i] = controlInfo
	}
	infos[len(o.flight)-1] = lastControlInfo
	n := 0
	if sender, ok := o.assoc.(stream.BatchSender); ok && len(o.flight) > 1 {
		n, err = sender.TrySendAll(o.flight, infos[:len(o.flight)])
	} else {
		for n < len(o.flight) && err == nil {
			if err = o.assoc.TrySend(o.flight[n], infos[n]); err == nil {
				n++
			}
		}
	}
	o.flight = o.flight[n:]
	return err
}

// gone says what err means, of a call that fails only when the association is over.
// What the peer said before it went tells more than that it has gone.
func (o *owner) gone(err error) error {
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if err := o.readPending(); err != nil {
		return err
	}
	return o.over(err)
}

// mustPause reports whether there is no room for more messages. After the peer's close_notify none
// come.
func (o *owner) mustPause() bool { return o.mux.Full() && o.readEnd.Load() == nil }

// shutGate keeps writers out. One that waits for buffer space is sent away to try again
// later, for it could wait as long as the peer does not read, and the peer for us.
func (o *owner) shutGate() {
	o.writeDeadline.take(past)
	o.gate.shut()
	o.writeDeadline.take(time.Time{})
	o.gateShut = true
}

func (o *owner) openGate() {
	o.gateShut = false
	o.writeDeadline.giveBack()
	o.gate.open()
}

// awaitDry waits until SCTP has nothing left to send or to be acknowledged:
// RFC 6083, Sections 4.7 and 4.9. The peer may be waiting for the same, so it goes on reading.
func (o *owner) awaitDry() error {
	if !o.gateShut {
		o.shutGate()
	}
	if !o.dryAsked {
		// A dry event of the past must not be mistaken for the one asked for.
		if err := o.readPending(); err != nil {
			return err
		}
		if err := o.assoc.AskDry(); err != nil {
			return o.gone(err)
		}
		o.dryAsked = true
	}
	for {
		if o.mustPause() {
			return errPending
		}
		m, ev, err := o.messages.Next(true)
		if err != nil {
			return o.over(err)
		}
		if _, ok := ev.(stream.Dry); ok {
			o.dryAsked = false
			return nil
		}
		if err := o.take(m, ev); err != nil {
			return err
		}
	}
}

// readPending reads everything that SCTP has received when it begins, a message that has begun to
// its end: RFC 6083, Sections 4.7 and 4.9. A peer that sends as fast as this reads does not keep it
// busy forever: more than a receive buffer holds was not there at the beginning.
func (o *owner) readPending() error {
	for o.drained < o.config.maxDrained() || o.messages.Partial() {
		if o.mux.Full() {
			return errPending
		}
		m, ev, err := o.messages.Next(o.messages.Partial())
		if errors.Is(err, stream.ErrWouldBlock) {
			break
		}
		if err != nil {
			if err = o.over(err); o.down != nil {
				return nil // all there was is read; whatever comes next finds out
			}
			return err
		}
		o.drained += messageOverhead + len(m.Data)
		if err := o.take(m, ev); err != nil {
			return err
		}
	}
	o.drained = 0
	return nil
}

// maxDrained is more than the receive buffer of a socket holds, where each message takes
// messageOverhead bytes more than it has.
func (c *Config) maxDrained() int {
	return max(8<<20, 4*c.SCTP.ReadBuffer, 4*c.largeRecord())
}

const messageOverhead = 512

// take processes what was read, and keeps application data for later.
func (o *owner) take(m stream.Message, ev stream.Event) error {
	if ev != nil {
		return o.event(ev)
	}
	if o.state.Load() == nil {
		o.pace.received()
		growStack()
	}
	data, err := o.receive(&m)
	if err != nil || data == nil {
		return err
	}
	o.queue(data, m.Info)
	return nil
}

// receive gives a message, which must be one record, to the core.
func (o *owner) receive(m *stream.Message) (data []byte, err error) {
	checkpoints := o.core.Checkpoints()
	control := m.Info.Stream == 0 && !m.Info.Unordered
	data, err = o.core.Receive(m.Data, control, tag(m))
	if data != nil {
		o.counted.received(len(data))
	}
	if err != nil {
		return nil, err
	}
	if m.More != o.another.Load() {
		o.another.Store(m.More)
	}
	if o.core.Checkpoints() > checkpoints && !o.partial {
		o.check.begin(m.TSN)
	}
	if o.check.open {
		o.check.count(m.TSN)
		if n := o.check.missing(o.assoc); n > 0 {
			if data != nil {
				o.queue(data, m.Info)
			}
			return nil, o.truncated(n)
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
func (o *owner) queue(data []byte, info stream.Info) {
	if o.closing.Load() {
		return // nobody will ask for it
	}
	o.countAlone()
	o.mux.Take(o.messages, data, info)
}

// event processes a notification of the association.
func (o *owner) event(ev stream.Event) error {
	if ev, ok := ev.(stream.NewKey); ok {
		o.keys.uses(ev.ID) // Trace is informed what this changes
		return nil
	}
	o.tellEvent(ev)
	switch ev := ev.(type) {
	case stream.AssocChange:
		switch ev.State {
		case stream.AssocRestarted:
			// Nothing of the new association belongs to this connection, and
			// SCTP-AUTH may be off in it: RFC 6083, Section 4.2.
			o.down = &AssociationError{State: AssocRestarted}
			return o.down
		case stream.AssocAborted, stream.AssocLost:
			o.cause = ev.Cause // Recv tells next how it ended
		}
	case stream.PeerShutdown:
		o.peerShut = true
	}
	// A part of a message that was given up (PartialDeliveryAborted) belongs to a message with a
	// Lifetime, or to an association that Recv will say has ended.
	return nil
}

// over says what err of the association means for the connection. Timeouts stay what they are.
func (o *owner) over(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	if _, ok := errtype.As[*stream.MessageSizeError](err); ok {
		o.core.Fail(dtlscore.AlertRecordOverflow, err)
		return o.core.Err()
	}
	// Once the peer has sent SHUTDOWN nothing can be sent, whether the association is over or not.
	// RFC 9260, Section 9.2.
	shut := errors.Is(err, io.EOF) ||
		o.peerShut && (errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ESHUTDOWN))
	if o.down == nil && shut && !o.peerClosed && o.core.PeerClosed() {
		o.down = o.peerCloses() // EventPeerClosed is behind what cannot be sent any more
	}
	switch {
	case o.down != nil: // the first error tells most
	case errors.Is(err, net.ErrClosed):
		o.down = err
	case shut && o.peerClosed:
		o.down = ErrPeerClosed
	case shut:
		o.down = &AssociationError{State: AssocShutdown}
	case errors.Is(err, syscall.ECONNRESET):
		o.down = &AssociationError{State: AssocAborted, Cause: o.cause, Err: err}
	default:
		o.down = &AssociationError{State: AssocLost, Err: err}
	}
	return o.down
}

// handshakeComplete publishes the new state and lets the writers go on.
func (o *owner) handshakeComplete() error {
	out, in := o.assoc.Streams()
	s := &ConnectionState{
		ConnectionState: o.core.ConnectionState(),
		OutStreams:      out,
		InStreams:       in,
		AuthKeyID:       o.keys.activeID(),
	}
	if l, ok := o.assoc.(stream.MessageLimiter); ok {
		n, err := l.MaxMessage()
		if err != nil {
			return o.gone(err)
		}
		s.MaxWrite = min(s.MaxWrite, n-dtlscore.MaxOverhead)
	}
	o.state.Store(s)
	o.keys.handshakeComplete()
	o.openGate()
	o.requests.finishAll(renegotiateTask, nil)
	return o.gone(o.tuner().Settled())
}

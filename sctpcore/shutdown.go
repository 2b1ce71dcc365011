package sctpcore

import (
	"encoding/binary"
	"time"
)

// shutdownState is the state of an orderly shutdown. See RFC 9260, Section 9.2.
type shutdownState struct {
	asked bool          // Shutdown was called
	timer time.Duration // T2-shutdown
	// guard is T5-shutdown-guard. Before SHUTDOWN is sent, it limits the time without a new
	// acknowledgement, so that a peer without a window cannot keep an association that was closed.
	guard time.Duration
}

// Shutdown ends the association in order: it waits until everything that was sent is acknowledged.
// What the peer sends until it shuts down too can still be read.
func (a *Assoc) Shutdown(now time.Duration) {
	a.now = now
	a.round++
	switch a.state {
	case StateCookieWait, StateCookieEchoed:
		a.fail(&AbortError{Local: true, Cause: CauseUserInitiated})
	case StateEstablished:
		a.shutdown.asked = true
		a.state = StateShutdownPending
		a.guardShutdown(now)
		a.shutdownProgress(now)
	case StateShutdownReceived:
		a.shutdown.asked = true
		a.guardShutdown(now)
	}
}

// guardShutdown starts T5-shutdown-guard. RFC 9260, Section 9.2.
func (a *Assoc) guardShutdown(now time.Duration) {
	a.shutdown.guard = now + 5*a.config.RTOMax
}

// shutdownProgress continues a shutdown as soon as everything is acknowledged.
func (a *Assoc) shutdownProgress(now time.Duration) {
	if !a.out.empty() {
		return
	}
	switch a.state {
	case StateShutdownPending:
		a.state = StateShutdownSent
		a.guardShutdown(now)
		a.sendShutdown(now)
	case StateShutdownReceived:
		a.state = StateShutdownAckSent
		a.sendShutdownAck(now)
	}
}

func (a *Assoc) sendShutdown(now time.Duration) {
	a.stopHeartbeats()
	a.control.shutdown = true
	a.shutdown.timer = now + a.sendPath().rto
}

func (a *Assoc) sendShutdownAck(now time.Duration) {
	a.stopHeartbeats()
	a.control.shutdownAck = true
	a.shutdown.timer = now + a.sendPath().rto
}

// shutdownTimeout retransmits SHUTDOWN or SHUTDOWN ACK.
func (a *Assoc) shutdownTimeout(now time.Duration) {
	a.shutdown.timer = never
	p := a.sendPath()
	p.backOff(a.config)
	if !a.strike(p) {
		return
	}
	switch a.state {
	case StateShutdownSent:
		a.sendShutdown(now)
	case StateShutdownAckSent:
		a.sendShutdownAck(now)
	}
}

// shutdownData is called for DATA in SHUTDOWN-SENT. It sends SHUTDOWN again, as an acknowledgement.
func (a *Assoc) shutdownData(now time.Duration) {
	a.in.sackNow = true
	a.sendShutdown(now)
}

// receiveShutdown handles SHUTDOWN, after which the peer sends no more data.
func (a *Assoc) receiveShutdown(now time.Duration, c chunk) *fault {
	if len(c.value) < 4 {
		return violation("a SHUTDOWN of %d bytes", len(c.whole))
	}
	switch a.state {
	case StateEstablished, StateShutdownPending:
		a.state = StateShutdownReceived
		a.event(Event{Kind: EventPeerShutdown})
	case StateShutdownReceived:
	case StateShutdownSent: // both sides are shutting down
		a.state = StateShutdownAckSent
		a.event(Event{Kind: EventPeerShutdown})
		a.control.shutdown = false
		a.sendShutdownAck(now)
		return nil
	case StateShutdownAckSent: // the peer has not received SHUTDOWN ACK
		a.control.shutdownAck = true
		return nil
	default:
		return nil
	}
	if f := a.acknowledged(now, binary.BigEndian.Uint32(c.value), -1, nil); f != nil {
		return f
	}
	a.shutdownProgress(now)
	return nil
}

// receiveShutdownAck ends the association. See RFC 9260, Section 9.2.
func (a *Assoc) receiveShutdownAck(p *path) {
	switch a.state {
	case StateShutdownSent, StateShutdownAckSent:
		a.control.complete, a.control.completeTo = true, p
		a.end(ErrClosed)
	}
}

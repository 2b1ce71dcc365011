package sctpcore

import "net/netip"

// An EventKind says what an [Event] tells. RFC 6458, Section 6.1, has the same notifications.
type EventKind uint8

const (
	// EventUp: the association is established.
	EventUp EventKind = iota + 1
	// EventDown: the association has ended; Err says how: [ErrClosed], [ErrTimeout], an
	// [*AbortError].
	EventDown
	// EventRestart: the peer has restarted the association. What was sent and not acknowledged is
	// lost, and numbering, streams and SCTP-AUTH have been negotiated again. RFC 9260, Section 5.2.
	EventRestart
	// EventPeerShutdown: the peer sends nothing more. RFC 9260, Section 9.2.
	EventPeerShutdown
	// EventDry: everything that was sent before [Assoc.AskDry] is acknowledged and can no longer be
	// revoked.
	EventDry
	// EventPath: the path to Path has changed its state to PathState. RFC 9260, Section 8.2.
	EventPath
	// EventNewKey: what comes next was authenticated with the shared key Key, which is not the
	// active one.
	// RFC 6458, Section 6.1.8.
	EventNewKey
	// EventFreeKey: nothing unacknowledged needs the deactivated key Key any more.
	EventFreeKey
	// EventNoAuth: the peer offers no SCTP-AUTH, which was asked for.
	EventNoAuth
	// EventRemoteError: the peer has sent an ERROR chunk with Cause and Info.
	EventRemoteError
	// EventAbandoned: the message that was sent to Stream with PPID has been given up.
	// RFC 3758, RFC 7496.
	EventAbandoned
	// EventPartialAborted: the rest of the message that is being read in parts will never come.
	EventPartialAborted
)

// An Event is what an association tells its driver beside messages.
type Event struct {
	Kind      EventKind
	Err       error
	Path      netip.AddrPort
	PathState PathState
	Key       uint16
	Cause     Cause
	Info      []byte // owned by the receiver, at most 128 bytes
	Stream    uint16
	PPID      uint32

	after uint64 // how much of what arrived comes before it, in chunks
}

// maxEvents bounds what a peer can make us keep: events that say little are left out beyond it.
const maxEvents = 64

func (a *Assoc) event(e Event) {
	switch e.Kind {
	case EventRemoteError, EventNewKey, EventPath, EventAbandoned:
		if len(a.events) >= maxEvents {
			return
		}
	}
	e.after = a.in.ready.pushed
	if n := len(a.events); n > 0 && e.Kind == EventNewKey {
		last := &a.events[n-1]
		if last.Kind == EventNewKey && last.Key == e.Key && last.after == e.after {
			return // nothing can be read in between
		}
	}
	a.events = append(a.events, e)
}

// HasEvent reports whether [Assoc.NextEvent] has one.
func (a *Assoc) HasEvent() bool {
	return len(a.events) > 0 && a.events[0].after <= a.in.taken
}

// NextEvent returns the next event, ok if there is one. Events and messages keep their order: an
// event waits until all messages that arrived before it have been read.
func (a *Assoc) NextEvent() (e Event, ok bool) {
	if !a.HasEvent() {
		return Event{}, false
	}
	e = a.events[0]
	a.events[0] = Event{}
	if a.events = a.events[1:]; len(a.events) == 0 {
		a.events = nil // an idle association keeps nothing
	}
	return e, true
}

package sctpcore

import "net/netip"

// An EventKind is the kind of an [Event]. The events correspond to the notifications of RFC 6458,
// Section 6.1.
type EventKind uint8

const (
	// EventUp: the association is established.
	EventUp EventKind = iota + 1
	// EventDown: the association has ended. Err is the reason: [ErrClosed], [ErrTimeout] or an
	// [*AbortError].
	EventDown
	// EventRestart: the peer restarted the association. Messages that were not acknowledged are
	// lost, and TSNs, streams and SCTP-AUTH were negotiated again. See RFC 9260, Section 5.2.
	EventRestart
	// EventPeerShutdown: the peer will send no more data. See RFC 9260, Section 9.2.
	EventPeerShutdown
	// EventDry: everything that was sent before [Assoc.AskDry] is acknowledged, and the peer cannot
	// revoke that.
	EventDry
	// EventPath: the path to the address Path changed its state to PathState. See RFC 9260, Section
	// 8.2.
	EventPath
	// EventNewKey: the following messages were authenticated with the shared key Key, which is not
	// the active one. See RFC 6458, Section 6.1.8.
	EventNewKey
	// EventFreeKey: no unacknowledged message needs the deactivated key Key any more.
	EventFreeKey
	// EventNoAuth: the peer does not support SCTP-AUTH, although this side offered it.
	EventNoAuth
	// EventRemoteError: the peer sent an ERROR chunk with Cause and Info.
	EventRemoteError
	// EventAbandoned: a message to Stream with PPID was abandoned. See RFC 3758 and RFC 7496.
	EventAbandoned
	// EventPartialAborted: the rest of the message that is being read in parts will never arrive.
	EventPartialAborted
)

// An Event reports to the driver something other than a message.
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

	after uint64 // number of chunks that arrived before the event
}

// maxEvents limits the events that a peer can make this side store. Beyond it, less important ones
// are dropped.
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
			return // nothing can be read between the two
		}
	}
	a.events = append(a.events, e)
}

// HasEvent reports whether [Assoc.NextEvent] would return an event.
func (a *Assoc) HasEvent() bool {
	return len(a.events) > 0 && a.events[0].after <= a.in.taken
}

// NextEvent returns the next event; ok is false if there is none. An event waits until all messages
// that arrived before it have been read.
func (a *Assoc) NextEvent() (e Event, ok bool) {
	if !a.HasEvent() {
		return Event{}, false
	}
	e = a.events[0]
	a.events[0] = Event{}
	if a.events = a.events[1:]; len(a.events) == 0 {
		a.events = nil // so that an idle association needs no memory for it
	}
	return e, true
}

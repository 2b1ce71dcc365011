package dtlscore

// An EventKind says what the driver of a [Conn] must do next.
type EventKind uint8

const (
	// EventNone: there are no more events.
	EventNone EventKind = iota

	// EventSend: send Event.Data, which is one record, as one message, ordered and reliably on
	// stream 0. See RFC 6083, Section 4.4.
	EventSend

	// EventAwaitDry: block application writes, and wait until the peer has acknowledged everything
	// that was sent. Pass records that arrive meanwhile to [Conn.Receive]. See RFC 6083, Sections
	// 4.7 and 4.9.
	EventAwaitDry

	// EventReadPending: pass every message that the transport has already received to
	// [Conn.Receive], then call [Conn.PendingRead]. See RFC 6083, Sections 4.7 and 4.9.
	EventReadPending

	// EventInstallKey: Event.Data is the next endpoint pair shared secret, 64 bytes long. Install
	// it in the transport at once, for receiving: the peer may use it immediately. See RFC 6083,
	// Section 4.8.
	EventInstallKey

	// EventActivateKey: use the newest endpoint pair shared secret for everything sent from now on.
	// See RFC 6083, Section 4.8.
	EventActivateKey

	// EventPeerFinished: the peer's Finished is verified. The endpoint pair shared secret before
	// the newest can be removed as soon as nothing can need it. Event.Tag is the tag of the record
	// that contained Finished, or of the last one if there were several. See RFC 6083, Section 4.8.
	EventPeerFinished

	// EventHandshakeComplete: application data may be sent, or sent again. Each side has verified
	// the other. A client of DTLS 1.3 knows this once the server has acknowledged the client's last
	// flight, or has sent a message that it sends only after it has verified that flight.
	EventHandshakeComplete

	// EventData: Event.Data is application data that arrived before it could be delivered, in the
	// order of arrival. [Conn.Receive] returns all other application data. Event.Tag is the tag of
	// its record.
	EventData

	// EventPeerClosed: the peer sent close_notify, and everything that it sent before has been
	// returned. No more data will arrive. This side may continue to send until [Conn.Close], unless
	// a renegotiation was in progress: then Seal fails with [ErrNotOpen].
	EventPeerClosed

	// EventRenegotiationRefused: the peer refused a renegotiation. The connection continues as
	// before, including application writes. See [Conn.Renegotiate].
	EventRenegotiationRefused

	// EventResume: the wait that [EventAwaitDry] began is over, and application data may be sent
	// again, with the same keys as before.
	EventResume
)

// An Event is an instruction to the driver, which must execute events in order.
//
// The driver owns Data once [Conn.NextEvent] has returned it.
//
// Tag is set for EventData and EventPeerFinished.
//
// More is set for an EventSend in the middle of a flight. The peer cannot make progress with this
// record alone, so the driver may send it together with the next one, after any EventInstallKey
// between them. More says nothing about the kind of the next event.
type Event struct {
	Kind EventKind
	Data []byte
	Tag  Tag
	More bool
}

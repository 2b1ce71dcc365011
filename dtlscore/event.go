package dtlscore

// An EventKind says what the driver of a [Conn] has to do next.
type EventKind uint8

const (
	// EventNone means that there is nothing left to do.
	EventNone EventKind = iota

	// EventSend: send Event.Data, one record, as one message on the
	// transport's ordered and reliable control channel. RFC 6083, Section 4.4.
	EventSend

	// EventAwaitDry: hold application writes, then wait until the peer has
	// acknowledged everything that was sent, before the next event. Records
	// that arrive meanwhile go to [Conn.Receive]. RFC 6083, Sections 4.7 and 4.9.
	EventAwaitDry

	// EventReadPending: give everything that the transport has already received to
	// [Conn.Receive], then call [Conn.PendingRead]. RFC 6083, Sections 4.7 and 4.9.
	EventReadPending

	// EventInstallKey: Event.Data is the next endpoint pair shared secret, 64
	// bytes; make it known to the transport at once, for receiving. The peer
	// may use it before anything else arrives. RFC 6083, Section 4.8.
	EventInstallKey

	// EventActivateKey: use the newest endpoint pair shared secret for
	// everything sent from here on. RFC 6083, Section 4.8.
	EventActivateKey

	// EventPeerFinished: the Finished message of the peer is verified, so
	// that the endpoint pair shared secret before the newest may go, as soon
	// as nothing can still need it. Event.Tag is what Receive was given with the record in which
	// Finished came, the last one if it had several. RFC 6083, Section 4.8.
	EventPeerFinished

	// EventHandshakeComplete: application data may be sent (again), for each end has verified all
	// that the other had to show. A client of DTLS 1.3 knows that when the server acknowledges its
	// last flight, or sends what it sends only after it has verified that.
	EventHandshakeComplete

	// EventData: Event.Data is application data that arrived before it could
	// be delivered, in the order of arrival. All other application data is
	// returned by [Conn.Receive]. Event.Tag is what Receive was given with it.
	EventData

	// EventPeerClosed: the peer sent close_notify, and all that it sent
	// before was returned. Nothing more will be. This end may go on sending until
	// [Conn.Close], unless a renegotiation was under way: then Seal returns [ErrNotOpen].
	EventPeerClosed

	// EventRenegotiationRefused: the peer does not want another handshake. The
	// connection goes on as it was, application writes too. See [Conn.Renegotiate].
	EventRenegotiationRefused

	// EventResume: the wait that [EventAwaitDry] began is over, and application
	// data may be sent again, in the keys in which it was before.
	EventResume
)

// An Event is an instruction to the driver. Events must be obeyed in order.
//
// Data is owned by the driver from the moment that [Conn.NextEvent] returns it.
//
// Tag is set for EventData and EventPeerFinished.
//
// More is set for EventSend in the middle of a flight: the peer gains nothing by having this
// record before the next, so both can be sent together, after an EventInstallKey that is between
// them. It says nothing of what comes next.
type Event struct {
	Kind EventKind
	Data []byte
	Tag  Tag
	More bool
}

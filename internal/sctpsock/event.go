package sctpsock

import "net/netip"

// An Event is a notification of the kernel (RFC 6458, Section 6.1) about an association.
type Event interface{ event() }

type (
	// Up: the association is established.
	Up struct{ OutStreams, InStreams uint16 }

	// Down: the association has ended, cleanly by a shutdown or otherwise.
	// Cause is the error cause code of an ABORT (RFC 9260, Section 3.3.10), or 0.
	Down struct {
		Clean bool
		Cause uint16
	}

	// Restarted: the peer has started the association anew (RFC 9260,
	// Section 5.2). Nothing more can be sent or received.
	Restarted struct{}

	// PeerShutdown: the peer will send nothing more.
	PeerShutdown struct{}

	// PartialAborted: the rest of the message that is being read will
	// never come.
	PartialAborted struct{}

	// Dry answers [Socket.AskDry]: the peer has acknowledged everything.
	Dry struct{}

	// PeerAddrChange: something has happened to a path to the peer.
	PeerAddrChange struct {
		Addr   netip.AddrPort
		Change PathChange
	}

	// SendFailed: a message could not be delivered. Sent tells whether any
	// of it was transmitted.
	SendFailed struct {
		Info SendInfo
		Sent bool
	}

	// RemoteError: the peer has reported an error that does not end the
	// association; Cause as in Down.
	RemoteError struct{ Cause uint16 }

	// AuthKey: something happened to a shared key of SCTP-AUTH.
	AuthKey struct {
		ID   uint16
		What AuthKeyEvent
	}

	// Other is any other notification.
	Other struct{ Type EventType }
)

func (Up) event()             {}
func (Down) event()           {}
func (Restarted) event()      {}
func (PeerShutdown) event()   {}
func (PartialAborted) event() {}
func (Dry) event()            {}
func (PeerAddrChange) event() {}
func (SendFailed) event()     {}
func (RemoteError) event()    {}
func (AuthKey) event()        {}
func (Other) event()          {}

// An EventType is the kernel's number of a notification, as used by
// [Socket.Subscribe].
type EventType uint16

// The types that every [Socket] is subscribed to are EventAssocChange,
// EventShutdown and EventPartialDelivery. EventSenderDry belongs to
// [Socket.AskDry].
const (
	EventAssocChange     EventType = 0x8001
	EventPeerAddrChange  EventType = 0x8002
	EventRemoteError     EventType = 0x8004
	EventShutdown        EventType = 0x8005
	EventPartialDelivery EventType = 0x8006
	EventAdaptation      EventType = 0x8007
	EventAuthentication  EventType = 0x8008
	EventSenderDry       EventType = 0x8009
	EventStreamReset     EventType = 0x800a
	EventAssocReset      EventType = 0x800b
	EventStreamChange    EventType = 0x800c
	EventSendFailed      EventType = 0x800d // SCTP_SEND_FAILED_EVENT, not the older 0x8003
)

// A PathChange says what has happened to a path (RFC 6458, Section 6.1.2).
type PathChange uint32

const (
	PathAvailable PathChange = iota
	PathUnreachable
	PathRemoved
	PathAdded
	PathMadePrimary
	PathConfirmed
	PathPotentiallyFailed
)

// An AuthKeyEvent says what has happened to a key (RFC 6458, Section 6.1.8).
type AuthKeyEvent uint32

const (
	AuthNewKey  AuthKeyEvent = iota // the peer used another key than our active one
	AuthFreeKey                     // nothing needs a deactivated key any longer
	AuthNoAuth                      // the peer does not support SCTP-AUTH
)

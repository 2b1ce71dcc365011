package sctpsock

// An EventType is the kernel's number of a notification, for [Options].Events.
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
	EventAuthentication  EventType = 0x8008
	EventSenderDry       EventType = 0x8009
	EventSendFailed      EventType = 0x800d // SCTP_SEND_FAILED_EVENT, not the older 0x8003
)

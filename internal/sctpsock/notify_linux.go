package sctpsock

import "encoding/binary"

// maxNotification is as much of a notification as is looked at. The rest is the message
// of a send failure, or the cause of an abort.
const maxNotification = 256

// minLength is how much of a notification is needed to make sense of it.
var minLength = map[EventType]int{
	EventAssocChange:     20,
	EventPeerAddrChange:  148,
	EventRemoteError:     16,
	EventShutdown:        12,
	EventPartialDelivery: 24,
	EventAuthentication:  20,
	EventSenderDry:       12,
	EventSendFailed:      32,
}

// parseNotification reads one notification. It is nil if that is too short to
// be what it says it is.
func parseNotification(b []byte) Event {
	n := notification(b)
	if len(n) < 8 {
		return nil
	}
	kind := EventType(n.u16(0))
	if len(n) < minLength[kind] {
		return nil
	}
	switch kind {
	case EventAssocChange:
		return n.assocChange()
	case EventPeerAddrChange:
		addr, _ := parseSockaddr(n[8:136])
		return PeerAddrChange{Addr: addr, Change: PathChange(n.u32(136))}
	case EventRemoteError:
		return RemoteError{Cause: binary.BigEndian.Uint16(n[8:])}
	case EventShutdown:
		return PeerShutdown{}
	case EventPartialDelivery:
		if n.u32(8) == partialDeliveryAborted {
			return PartialAborted{}
		}
	case EventAuthentication:
		return AuthKey{ID: n.u16(8), What: AuthKeyEvent(n.u32(12))}
	case EventSenderDry:
		return Dry{}
	case EventSendFailed:
		return n.sendFailed()
	}
	return Other{kind}
}

// States of EventAssocChange (enum sctp_sac_state).
const (
	commUp = iota
	commLost
	restart
	shutdownComplete
	cannotStart
)

const partialDeliveryAborted = 0

// A notification is fields in host byte order, but for error causes.
type notification []byte

func (n notification) u16(i int) uint16 { return binary.NativeEndian.Uint16(n[i:]) }
func (n notification) u32(i int) uint32 { return binary.NativeEndian.Uint32(n[i:]) }

func (n notification) assocChange() Event {
	cause := binary.BigEndian.Uint16(n[10:])
	switch n.u16(8) {
	case commUp:
		return Up{OutStreams: n.u16(12), InStreams: n.u16(14)}
	case commLost, cannotStart:
		return Down{Cause: cause}
	case shutdownComplete:
		return Down{Clean: true}
	case restart:
		return Restarted{}
	}
	return Other{EventAssocChange}
}

func (n notification) sendFailed() Event {
	flags := n.u16(14)
	return SendFailed{
		Sent: n.u16(2) != 0,
		Info: SendInfo{
			Stream:          n.u16(12),
			PPID:            binary.BigEndian.Uint32(n[16:]),
			Unordered:       flags&flagUnordered != 0,
			SackImmediately: flags&flagSACKImmediately != 0,
		},
	}
}

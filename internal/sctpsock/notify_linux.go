package sctpsock

import (
	"encoding/binary"

	"github.com/seed-41f70523/dtls-sctp/stream"
)

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
// be what it says it is, or of no interest.
func parseNotification(b []byte) stream.Event {
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
		return stream.PeerAddrChange{Addr: addr.Addr(), Change: stream.AddrChange(n.u32(136))}
	case EventRemoteError:
		return stream.ErrorReceived{Cause: binary.BigEndian.Uint16(n[8:])}
	case EventShutdown:
		return stream.PeerShutdown{}
	case EventPartialDelivery:
		if n.u32(8) == partialDeliveryAborted {
			return stream.PartialDeliveryAborted{}
		}
	case EventAuthentication:
		if n.u32(12) == authNewKey {
			return stream.NewKey{ID: n.u16(8)}
		}
	case EventSenderDry:
		return stream.Dry{}
	case EventSendFailed:
		return n.sendFailed()
	}
	return nil
}

// States of EventAssocChange (enum sctp_sac_state).
const (
	commUp = iota
	commLost
	restart
	shutdownComplete
	cannotStart
)

const (
	partialDeliveryAborted = 0 // SCTP_PARTIAL_DELIVERY_ABORTED
	authNewKey             = 0 // SCTP_AUTH_NEW_KEY
)

// A notification is fields in host byte order, but for error causes.
type notification []byte

func (n notification) u16(i int) uint16 { return binary.NativeEndian.Uint16(n[i:]) }
func (n notification) u32(i int) uint32 { return binary.NativeEndian.Uint32(n[i:]) }

func (n notification) assocChange() stream.Event {
	cause := binary.BigEndian.Uint16(n[10:])
	switch n.u16(8) {
	case commUp:
		return stream.AssocChange{State: stream.AssocUp, OutStreams: n.u16(12), InStreams: n.u16(14)}
	case commLost, cannotStart:
		if cause != 0 {
			return stream.AssocChange{State: stream.AssocAborted, Cause: cause}
		}
		return stream.AssocChange{State: stream.AssocLost}
	case shutdownComplete:
		return stream.AssocChange{State: stream.AssocShutdown}
	case restart:
		return stream.AssocChange{State: stream.AssocRestarted}
	}
	return nil
}

func (n notification) sendFailed() stream.Event {
	return stream.SendFailed{
		Stream:    n.u16(12),
		PPID:      binary.BigEndian.Uint32(n[16:]),
		Unordered: n.u16(14)&flagUnordered != 0,
		Sent:      n.u16(2) != 0,
	}
}

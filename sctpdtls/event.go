package sctpdtls

import (
	"net/netip"

	"github.com/seed-41f70523/dtls-sctp/internal/sctpsock"
	"github.com/seed-41f70523/dtls-sctp/stream"
)

// An Event is a notification of SCTP about the association (RFC 6458, Section 6.1): an
// [AssocChange], [PeerAddrChange], [SendFailed], [RemoteError], [PeerShutdown],
// [PartialDeliveryAborted] or [OtherEvent]. Nobody has authenticated what it says.
type Event interface{ event() }

type (
	// An AssocChange tells of the life of the association. Cause is the error cause code of an ABORT
	// (RFC 9260, Section 3.3.10), or 0; the numbers of streams are set when it has come up.
	AssocChange struct {
		State                 AssocState
		Cause                 uint16
		OutStreams, InStreams uint16
	}

	// A PeerAddrChange tells what has happened to the path to an address of the peer.
	PeerAddrChange struct {
		Addr   netip.Addr
		Change PathChange
	}

	// SendFailed tells of a message that could not be delivered: its Lifetime is over, or the
	// association. Sent says that a part of it was sent.
	SendFailed struct {
		Stream    uint16
		PPID      uint32
		Unordered bool
		Sent      bool
	}

	// A RemoteError is an ERROR chunk of the peer. It does not end the association.
	RemoteError struct{ Cause uint16 }

	// PeerShutdown: the peer will send nothing more.
	PeerShutdown struct{}

	// PartialDeliveryAborted: the rest of a message, of which a part was read, will not come.
	PartialDeliveryAborted struct{}

	// An OtherEvent is any other notification, by its number in RFC 6458.
	OtherEvent struct{ Type uint16 }
)

func (AssocChange) event()            {}
func (PeerAddrChange) event()         {}
func (SendFailed) event()             {}
func (RemoteError) event()            {}
func (PeerShutdown) event()           {}
func (PartialDeliveryAborted) event() {}
func (OtherEvent) event()             {}

// An AssocState is what an association has become.
type AssocState uint8

const (
	AssocUp AssocState = iota
	AssocLost
	AssocRestarted
	AssocShutdown // in the orderly way
)

func (s AssocState) String() string {
	return name([]string{"up", "lost", "restarted", "shut down"}, int(s))
}

// A PathChange is what has happened to a path.
type PathChange uint8

// What happens to paths (RFC 6458, Section 6.1.2).
const (
	PathNowAvailable         = PathChange(sctpsock.PathAvailable)
	PathNowUnreachable       = PathChange(sctpsock.PathUnreachable)
	PathRemoved              = PathChange(sctpsock.PathRemoved) // by the peer
	PathAdded                = PathChange(sctpsock.PathAdded)   // by the peer
	PathNowPrimary           = PathChange(sctpsock.PathMadePrimary)
	PathConfirmed            = PathChange(sctpsock.PathConfirmed)
	PathNowPotentiallyFailed = PathChange(sctpsock.PathPotentiallyFailed)
)

func (p PathChange) String() string {
	return name([]string{"available", "unreachable", "removed", "added", "primary", "confirmed", "potentially failed"}, int(p))
}

// newEvent is ev in the words of this package.
func newEvent(ev stream.Event) Event {
	switch ev := ev.(type) {
	case stream.Down:
		if ev.Clean {
			return AssocChange{State: AssocShutdown}
		}
		return AssocChange{State: AssocLost, Cause: ev.Cause}
	case stream.Restarted:
		return AssocChange{State: AssocRestarted}
	case stream.PeerShutdown:
		return PeerShutdown{}
	case stream.PartialAborted:
		return PartialDeliveryAborted{}
	case stream.Other:
		return newKernelEvent(ev.Event)
	}
	return OtherEvent{}
}

func newKernelEvent(ev any) Event {
	switch ev := ev.(type) {
	case sctpsock.Up:
		return AssocChange{State: AssocUp, OutStreams: ev.OutStreams, InStreams: ev.InStreams}
	case sctpsock.PeerAddrChange:
		return PeerAddrChange{ev.Addr.Addr(), PathChange(ev.Change)}
	case sctpsock.SendFailed:
		return SendFailed{Stream: ev.Info.Stream, PPID: ev.Info.PPID, Unordered: ev.Info.Unordered, Sent: ev.Sent}
	case sctpsock.RemoteError:
		return RemoteError{ev.Cause}
	case sctpsock.Other:
		return OtherEvent{uint16(ev.Type)}
	}
	return OtherEvent{}
}

package stream

import "net/netip"

// An Event is a notification of an association (RFC 6458, Section 6.1): an [AssocChange],
// [PeerAddrChange], [SendFailed], [ErrorReceived], [PeerShutdown], [PartialDeliveryAborted], [Dry]
// or [NewKey]. Events are not authenticated, except Dry and NewKey.
type Event interface{ event() }

type (
	// An AssocChange reports a new state of the association (Section 6.1.1). Cause is the error cause
	// code of an ABORT (RFC 9260, Section 3.3.10), or 0. OutStreams and InStreams are set for
	// AssocUp. The kernel's SCTP cannot distinguish an ABORT without a cause from a lost peer, and
	// reports AssocLost for both.
	AssocChange struct {
		State                 AssocState
		Cause                 uint16
		OutStreams, InStreams uint16
	}

	// A PeerAddrChange reports a change of an address of the peer (Section 6.1.2).
	PeerAddrChange struct {
		Addr   netip.Addr
		Change AddrChange
	}

	// SendFailed reports a message that was not delivered, because its Lifetime or the association
	// ended. Sent is true if a part of it was sent (Section 6.1.11).
	SendFailed struct {
		Stream    uint16
		PPID      uint32
		Unordered bool
		Sent      bool
	}

	// ErrorReceived reports an ERROR chunk of the peer, which does not end the association
	// (Section 6.1.3). Cause is its error cause code (RFC 9260, Section 3.3.10).
	ErrorReceived struct{ Cause uint16 }

	// PeerShutdown means that the peer will not send anything else (Section 6.1.5).
	PeerShutdown struct{}

	// PartialDeliveryAborted means that the rest of a message that was read in part will not arrive
	// (Section 6.1.7).
	PartialDeliveryAborted struct{}

	// Dry: nothing that was sent is unacknowledged (Section 6.1.9).
	Dry struct{}

	// NewKey: something has arrived under a key of SCTP-AUTH that is not the active one
	// (Section 6.1.8). It comes before what came with it.
	NewKey struct{ ID uint16 }
)

func (AssocChange) event()            {}
func (PeerAddrChange) event()         {}
func (SendFailed) event()             {}
func (ErrorReceived) event()          {}
func (PeerShutdown) event()           {}
func (PartialDeliveryAborted) event() {}
func (Dry) event()                    {}
func (NewKey) event()                 {}

// An AssocState is the state of an association.
type AssocState uint8

const (
	AssocUp        AssocState = iota // it is established
	AssocShutdown                    // one of the ends shut it down
	AssocAborted                     // the peer sent an ABORT
	AssocLost                        // the peer does not answer
	AssocRestarted                   // the peer restarted it (RFC 9260, Section 5.2)
)

func (s AssocState) String() string {
	return name([]string{"up", "shut down", "aborted", "lost", "restarted"}, int(s))
}

// An AddrChange is a change of an address of the peer, or of the path to it. The numbers are those
// of RFC 6458, Section 6.1.2.
type AddrChange uint8

const (
	AddrAvailable         AddrChange = iota // the path works again
	AddrUnreachable                         // the path has failed
	AddrRemoved                             // by the peer
	AddrAdded                               // by the peer
	AddrMadePrimary                         // the path became the primary one
	AddrConfirmed                           // the peer answered a heartbeat
	AddrPotentiallyFailed                   // recent losses on the path (RFC 7829)
)

func (c AddrChange) String() string {
	return name([]string{"available", "unreachable", "removed", "added", "primary", "confirmed",
		"potentially failed"}, int(c))
}

// name is the i-th of names.
func name(names []string, i int) string {
	if i >= 0 && i < len(names) {
		return names[i]
	}
	return "unknown"
}

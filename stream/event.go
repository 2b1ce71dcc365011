package stream

import "net/netip"

// An Event is what an association tells beside user messages (RFC 6458, Section 6.1): an
// [AssocChange], [PeerAddrChange], [SendFailed], [ErrorReceived], [PeerShutdown],
// [PartialDeliveryAborted], [Dry] or [NewKey]. Nobody has authenticated what it says, except for
// Dry and NewKey.
type Event interface{ event() }

type (
	// An AssocChange reports the life of the association (Section 6.1.1). Cause is the error cause
	// code of an ABORT (RFC 9260, Section 3.3.10), or 0; the numbers of streams are set when it has
	// come up. SCTP of the kernel does not tell an ABORT without a cause from a peer that is
	// lost, and says AssocLost of both.
	AssocChange struct {
		State                 AssocState
		Cause                 uint16
		OutStreams, InStreams uint16
	}

	// A PeerAddrChange reports what has happened to an address of the peer (Section 6.1.2).
	PeerAddrChange struct {
		Addr   netip.Addr
		Change AddrChange
	}

	// SendFailed reports a message that could not be delivered: its Lifetime is over, or the
	// association. Sent says that a part of it was sent (Section 6.1.11).
	SendFailed struct {
		Stream    uint16
		PPID      uint32
		Unordered bool
		Sent      bool
	}

	// ErrorReceived reports an ERROR chunk of the peer, which does not end the association
	// (Section 6.1.3). Cause is its error cause code (RFC 9260, Section 3.3.10).
	ErrorReceived struct{ Cause uint16 }

	// PeerShutdown: the peer will send nothing more (Section 6.1.5).
	PeerShutdown struct{}

	// PartialDeliveryAborted: the rest of a message, of which a part was read, will not come
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

// An AssocState is what has become of an association.
type AssocState uint8

const (
	AssocUp        AssocState = iota // it is established
	AssocShutdown                    // it was shut down in the orderly way, by whichever end
	AssocAborted                     // an ABORT came
	AssocLost                        // the peer does not answer any more
	AssocRestarted                   // the peer has started over (RFC 9260, Section 5.2)
)

func (s AssocState) String() string {
	return name([]string{"up", "shut down", "aborted", "lost", "restarted"}, int(s))
}

// An AddrChange is what has happened to an address of the peer, and the path to it. The numbers
// are those of RFC 6458, Section 6.1.2.
type AddrChange uint8

const (
	AddrAvailable         AddrChange = iota // the path works again
	AddrUnreachable                         // the path has failed
	AddrRemoved                             // by the peer
	AddrAdded                               // by the peer
	AddrMadePrimary                         // the path is the primary one
	AddrConfirmed                           // the peer has answered there
	AddrPotentiallyFailed                   // something was lost on the path lately (RFC 7829)
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

package sctpdtls

import "github.com/seed-41f70523/dtls-sctp/stream"

// The words of SCTP, which package stream says what they are, for programs that import this one
// alone.
type (
	// SCTPOptions are settings of the association: the number of streams, timers, buffers, partial
	// reliability and so on.
	SCTPOptions = stream.Options
	// A StreamScheduler decides which stream is next if several have messages to send: see
	// [SCTPOptions].Scheduler.
	StreamScheduler = stream.Scheduler

	// A Path leads from this end to one address of the peer. Its state does not affect the DTLS
	// connection.
	Path = stream.Path
	// A PathState says whether a path can be used.
	PathState = stream.PathState

	// An Event is a notification of SCTP about the association, for [Trace].Event: an [AssocChange],
	// [PeerAddrChange], [SendFailed], [ErrorReceived], [PeerShutdown] or [PartialDeliveryAborted].
	// Events are not authenticated.
	Event = stream.Event
	// An AssocChange reports a new state of the association.
	AssocChange = stream.AssocChange
	// A PeerAddrChange reports a change of an address of the peer.
	PeerAddrChange = stream.PeerAddrChange
	// SendFailed reports a message that could not be delivered.
	SendFailed = stream.SendFailed
	// ErrorReceived reports an ERROR chunk of the peer, which does not end the association.
	ErrorReceived = stream.ErrorReceived
	// PeerShutdown means that the peer will not send anything else.
	PeerShutdown = stream.PeerShutdown
	// PartialDeliveryAborted means that the rest of a message that was read in part will not arrive.
	PartialDeliveryAborted = stream.PartialDeliveryAborted

	// An AssocState is the state of an association, in [AssocChange] and [AssociationError].
	AssocState = stream.AssocState
	// An AddrChange is a change of an address of the peer, or of the path to it.
	AddrChange = stream.AddrChange
)

// Schedulers for [SCTPOptions].
const (
	SchedulerFCFS          = stream.SchedulerFCFS          // first come, first served: the zero value
	SchedulerPriority      = stream.SchedulerPriority      // the least [Conn.SetStreamPriority] first
	SchedulerRoundRobin    = stream.SchedulerRoundRobin    // a message from each
	SchedulerFairCapacity  = stream.SchedulerFairCapacity  // as many bytes from each
	SchedulerWeightedQueue = stream.SchedulerWeightedQueue // in proportion to SetStreamPriority
)

// What a [Path] can be.
const (
	PathInactive          = stream.PathInactive          // it has failed
	PathPotentiallyFailed = stream.PathPotentiallyFailed // something was lost on it lately (RFC 7829)
	PathActive            = stream.PathActive
	PathUnconfirmed       = stream.PathUnconfirmed // the peer has not answered there yet
)

// What can become of an association.
const (
	AssocUp        = stream.AssocUp       // it is established
	AssocShutdown  = stream.AssocShutdown // it was shut down in the orderly way
	AssocAborted   = stream.AssocAborted  // an ABORT came
	AssocLost      = stream.AssocLost     // the peer does not answer any more
	AssocRestarted = stream.AssocRestarted
)

// What can happen to an address of the peer (RFC 6458, Section 6.1.2).
const (
	AddrAvailable         = stream.AddrAvailable   // the path works again
	AddrUnreachable       = stream.AddrUnreachable // the path has failed
	AddrRemoved           = stream.AddrRemoved     // by the peer
	AddrAdded             = stream.AddrAdded       // by the peer
	AddrMadePrimary       = stream.AddrMadePrimary
	AddrConfirmed         = stream.AddrConfirmed
	AddrPotentiallyFailed = stream.AddrPotentiallyFailed
)

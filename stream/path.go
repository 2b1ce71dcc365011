package stream

import (
	"net/netip"
	"time"
)

// A Path is the path to one address of the peer (RFC 6458, Section 8.2.2). SCTP uses the primary
// path while it is active; retransmissions may use another one.
type Path struct {
	Addr    netip.Addr // of the peer
	State   PathState
	Primary bool

	// RTT is the smoothed round-trip time. It is 0 before the first measurement, and if it is below
	// a tick of the kernel (1 to 10 ms).
	RTT    time.Duration
	RTO    time.Duration // current retransmission timeout
	Window int           // congestion window, in bytes
	MTU    int           // in bytes
}

// A PathState is the state of a path. The numbers are those of enum sctp_spinfo_state of Linux.
type PathState uint8

const (
	PathInactive          PathState = iota // it has failed
	PathPotentiallyFailed                  // recent losses (RFC 7829)
	PathActive
	PathUnconfirmed // the peer has not answered a heartbeat yet
)

func (s PathState) String() string {
	return name([]string{"inactive", "potentially failed", "active", "unconfirmed"}, int(s))
}

// Stats are statistics of an association since it was set up.
type Stats struct {
	PacketsSent, PacketsReceived uint64
	ChunksSent, ChunksReceived   uint64 // DATA chunks, without retransmissions and duplicates
	Retransmitted                uint64 // chunks
	Duplicates                   uint64 // chunks received more than once
	Unacked                      int    // chunks sent that the peer has not acknowledged
	// chunks missing below the last one received: see [Association.Missing]
	Pending    int
	PeerWindow int  // receive window of the peer, in bytes
	Primary    Path // the primary path
}

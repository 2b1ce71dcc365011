package stream

import (
	"net/netip"
	"time"
)

// A Path leads from this end to one address of the peer (RFC 6458, Section 8.2.2). SCTP uses the
// primary path as long as it is active, and another one for what was lost, and when it has failed.
type Path struct {
	Addr    netip.Addr // of the peer
	State   PathState
	Primary bool

	// RTT is the smoothed round-trip time. It is 0 before the first measurement, and if it is less
	// than a tick of the kernel (1 to 10 ms).
	RTT    time.Duration
	RTO    time.Duration // retransmission timeout now
	Window int           // congestion window, in bytes
	MTU    int           // in bytes
}

// A PathState says whether a path can be used. The numbers are those of enum sctp_spinfo_state of
// Linux.
type PathState uint8

const (
	PathInactive          PathState = iota // it has failed
	PathPotentiallyFailed                  // something was lost on it lately (RFC 7829)
	PathActive
	PathUnconfirmed // the peer has not answered there yet
)

func (s PathState) String() string {
	return name([]string{"inactive", "potentially failed", "active", "unconfirmed"}, int(s))
}

// Stats are what SCTP has counted of an association since it was set up.
type Stats struct {
	PacketsSent, PacketsReceived uint64
	ChunksSent, ChunksReceived   uint64 // DATA chunks, without retransmissions and duplicates
	Retransmitted                uint64 // chunks
	Duplicates                   uint64 // chunks received more than once
	Unacked                      int    // chunks sent that the peer has not acknowledged
	// chunks missing below the last one received: see [Association.Missing]
	Pending    int
	PeerWindow int  // bytes that the peer is ready to receive
	Primary    Path // its RTT and RTO above all
}

package sctpsock

import (
	"net/netip"
	"time"
)

// A Path leads to one address of the peer.
type Path struct {
	Addr    netip.AddrPort
	State   PathState
	Primary bool          // used as long as it is active
	SRTT    time.Duration // smoothed round-trip time; 0 before the first measurement, and below a tick of the kernel
	RTO     time.Duration // retransmission timeout
	Cwnd    int           // congestion window in bytes
	MTU     int           // in bytes
}

// A PathState says whether a path can be used (enum sctp_spinfo_state).
type PathState uint8

const (
	StateInactive          PathState = iota // it has failed
	StatePotentiallyFailed                  // something was lost on it lately (RFC 7829)
	StateActive
	StateUnconfirmed // the peer has not answered there yet
)

// Stats are what the kernel has counted of an association since it was set up.
type Stats struct {
	OutPackets, InPackets uint64
	OutChunks, InChunks   uint64 // DATA chunks, retransmissions apart
	Retransmitted         uint64 // chunks sent again
	InDuplicates          uint64 // chunks received again
	Unacked               int    // DATA chunks that the peer has not acknowledged
	Pending               int    // DATA chunks missing below the highest TSN received (RFC 6458, Section 8.2.1)
	PeerWindow            int    // bytes that the peer is ready to receive
	Primary               Path
}

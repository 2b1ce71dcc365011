package stream

import (
	"cmp"
	"fmt"
	"math"
	"syscall"
	"time"
)

// Options are settings of an association that are made before it exists. A zero field leaves the
// default of the SCTP implementation, unless its comment says otherwise; a negative time disables
// what the time is for. Times are rounded up to milliseconds. Invalid values cause an
// [OptionError]. Defaults are those of Linux; section numbers are those of RFC 6458.
type Options struct {
	OutStreams      uint16        // streams to request; 10 (8.1.3)
	MaxInStreams    uint16        // limit for the peer, 20 bytes each; 256 (8.1.3)
	MaxInitAttempts uint16        // INIT chunks before giving up; 8 (8.1.3)
	InitTimeout     time.Duration // longest wait between them, up to 65.535 s; 60 s (8.1.3)
	Nagle           bool          // collect small messages; delays them by up to 200 ms (8.1.5)

	// RTOInitial, RTOMin and RTOMax are the initial, minimum and maximum retransmission timeout;
	// 3 s, 1 s and 60 s (8.1.1). During a handshake, the minimum is at most 20 ms.
	RTOInitial, RTOMin, RTOMax time.Duration

	Heartbeat       time.Duration // between heartbeats on an idle path; 30 s; negative: none (8.1.12)
	AssocMaxRetrans uint16        // consecutive ones before the peer is lost; 10 (8.1.2)
	PathMaxRetrans  uint16        // consecutive ones before a path fails; 5 (8.1.12)

	// SACKDelay is how long acknowledgements wait for data to travel with or for a second packet, up
	// to 500 ms. Negative means that they do not wait (8.1.19). 0 means that they do not wait during
	// a handshake, because the peer waits for them, and wait 200 ms otherwise. Package sctpdtls
	// requests an immediate acknowledgement (RFC 7053) with each message that may be the last one: not
	// while many messages go in one direction, and not with the answer to a message behind which the
	// next one has arrived.
	SACKDelay time.Duration

	// ReadBuffer and WriteBuffer are the sizes of the socket buffers in bytes, at least 16384; 0
	// means 256 KiB. The kernel doubles them, within the sysctls net.core.rmem_max and wmem_max, and
	// does not report a smaller result. Half of the doubled read buffer is the receive window, and
	// no message can be larger than the doubled write buffer.
	ReadBuffer, WriteBuffer int

	// Scheduler decides which stream is next if several have messages to send (RFC 8260, Section
	// 3). Handshakes and alerts are on stream 0 and wait like other messages.
	Scheduler Scheduler

	// PartialReliability allows a Lifetime or a limit of Retransmissions for messages, if the peer
	// requests it too (RFC 3758). Without it, no message can be abandoned in either direction.
	PartialReliability bool

	// AddressChanges lets both ends change their addresses during the association (RFC 5061), if
	// both request it. SCTP-AUTH protects the changes.
	AddressChanges bool

	// UDPEncapPort is the peer's UDP port for SCTP inside UDP (RFC 6951; 9899 is registered). A
	// client sets it.
	//
	// For the kernel's SCTP, both hosts need the sysctl net.sctp.udp_port in each network namespace,
	// which opens their own port; a server learns the client's port. If the peer's is not open, the
	// association cannot be set up, and the error is syscall.ETIMEDOUT. (The sysctl
	// net.sctp.encap_port is the same as this option, for every socket.)
	//
	// For the network "sctp+udp", 0 means 9899, and a server listens on that port. If the peer uses
	// the SCTP of a Linux kernel, its host needs the sysctl.
	UDPEncapPort uint16

	// RefuseRestart makes the kernel drop INIT chunks for an existing association, which prevents
	// restarts. Restarts are always detected: without this option a restart ends the association,
	// nothing of the new association is delivered, and a peer that has crashed can dial again from
	// the same address and port at once. With this option such a peer gets no answer until this end
	// has detected that the old association is dead, but an attacker on the path cannot end the
	// association with an INIT.
	RefuseRestart bool

	// Control is called with the socket after these settings and before it is bound, as in
	// [net.Dialer].
	Control func(network, address string, c syscall.RawConn) error
}

// DefaultInStreams is the default of [Options].MaxInStreams, more than telecom signaling uses.
// Linux allocates all streams when an association is set up, before the peer is authenticated:
// 65535 would be 1.3 MB for each unauthenticated peer.
const DefaultInStreams = 256

// A Scheduler decides in which order streams send their messages (RFC 8260, Section 3). The numbers
// are those of enum sctp_sched_type of Linux.
type Scheduler uint8

const (
	SchedulerFCFS          Scheduler = iota // first come, first served
	SchedulerPriority                       // lowest value of SetStreamPriority first
	SchedulerRoundRobin                     // one message of each stream
	SchedulerFairCapacity                   // as many bytes of each stream; after Linux 6.1
	SchedulerWeightedQueue                  // in proportion to that value; after Linux 6.1
)

var schedulers = [...]string{"fcfs", "prio", "rr", "fc", "wfq"}

func (s Scheduler) String() string {
	if int(s) < len(schedulers) {
		return schedulers[s]
	}
	return fmt.Sprintf("scheduler %d", uint8(s))
}

// Check returns an [OptionError] for values that are always invalid. The kernel checks the rest.
func (o *Options) Check() error {
	limit := func(option string, d, least, most time.Duration) error {
		if d < least || d > most {
			return &OptionError{option, d, fmt.Sprintf("want %v to %v", least, most)}
		}
		return nil
	}
	size := func(option string, n int) error {
		if n < 0 || n > math.MaxInt32/2 {
			return &OptionError{option, n, "want bytes, 0 for 256 KiB"}
		}
		return nil
	}
	const long = 24 * time.Hour
	return cmp.Or(
		limit("InitTimeout", o.InitTimeout, 0, math.MaxUint16*time.Millisecond),
		limit("RTOInitial", o.RTOInitial, 0, long),
		limit("RTOMin", o.RTOMin, 0, long),
		limit("RTOMax", o.RTOMax, 0, long),
		o.checkRTO(),
		limit("Heartbeat", max(o.Heartbeat, 0), 0, long),
		limit("SACKDelay", max(o.SACKDelay, 0), 0, time.Second/2),
		size("ReadBuffer", o.ReadBuffer),
		size("WriteBuffer", o.WriteBuffer),
	)
}

func (o *Options) checkRTO() error {
	if o.RTOMin > o.RTOMax && o.RTOMax != 0 {
		return &OptionError{"RTOMin and RTOMax", fmt.Sprintf("%v and %v", o.RTOMin, o.RTOMax),
			"the least must not be more than the most"}
	}
	return nil
}

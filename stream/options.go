package stream

import (
	"cmp"
	"fmt"
	"math"
	"syscall"
	"time"
)

// Options are settings of an association, made before it exists. The zero value of a field leaves
// what SCTP has set, unless the field says otherwise; a negative time disables what the time is
// for. Times are rounded up to milliseconds. A value that cannot be is an [OptionError]. Figures
// are those of Linux; sections are those of RFC 6458.
type Options struct {
	OutStreams      uint16        // streams asked for; 10 (8.1.3)
	MaxInStreams    uint16        // streams that the peer may have, of 20 bytes each; 256 (8.1.3)
	MaxInitAttempts uint16        // INIT chunks before giving up; 8 (8.1.3)
	InitTimeout     time.Duration // longest wait between them, up to 65.535 s; 60 s (8.1.3)
	Nagle           bool          // collect small messages; costs up to 200 ms of delay (8.1.5)

	// RTOInitial, RTOMin and RTOMax are the retransmission timer at first, at least and at most;
	// 3 s, 1 s and 60 s (8.1.1). While a handshake is under way the least is 20 ms, if it is not
	// less anyway.
	RTOInitial, RTOMin, RTOMax time.Duration

	Heartbeat       time.Duration // between heartbeats on an idle path; 30 s; negative: none (8.1.12)
	AssocMaxRetrans uint16        // in a row before the peer is lost; 10 (8.1.2)
	PathMaxRetrans  uint16        // in a row before a path has failed; 5 (8.1.12)

	// SACKDelay is how long acknowledgements wait for data to go with or for a second packet, up to
	// 500 ms; negative: they do not wait (8.1.19). 0: they do not during a handshake, when the peer
	// waits for them, and wait 200 ms otherwise. What package sctpdtls sends asks for an
	// acknowledgement at once (RFC 7053) with each message that may be the last, unless it is one
	// of many that go one way.
	SACKDelay time.Duration

	// ReadBuffer and WriteBuffer are those of the socket, in bytes, 16384 at least; 0 is 256 KiB.
	// The kernel takes twice as much, within the sysctls net.core.rmem_max and wmem_max, and says
	// nothing if it takes less. Half of the doubled value is the window that the peer sees, and no
	// message can be larger than the doubled write buffer.
	ReadBuffer, WriteBuffer int

	// Scheduler says whose turn it is when several streams have messages to send (RFC 8260,
	// Section 3). Handshakes and alerts are on stream 0 and wait like others.
	Scheduler Scheduler

	// PartialReliability lets messages have a Lifetime or limit of Retransmissions, if the peer
	// asks for it too (RFC 3758). Without it no message can be given up, in either direction.
	PartialReliability bool

	// AddressChanges lets both ends change their addresses while the association lives (RFC 5061).
	// Both have to ask for it. SCTP-AUTH protects it.
	AddressChanges bool

	// UDPEncapPort is the peer's UDP port for SCTP inside UDP (RFC 6951; 9899 is registered). A
	// client sets it.
	//
	// For the kernel's SCTP, both hosts need the sysctl net.sctp.udp_port, in each network
	// namespace, which opens their own port; a server learns the client's. Without it at the peer
	// the association is not set up, and the error is syscall.ETIMEDOUT. (The sysctl
	// net.sctp.encap_port is this option for every socket.)
	//
	// For the network “sctp+udp” 0 is 9899, and it is the port that a server listens on. If the
	// peer's SCTP is that of a Linux kernel, its host needs the sysctl.
	UDPEncapPort uint16

	// RefuseRestart makes the kernel drop INIT chunks for an association that exists, so that
	// nobody can restart it. Either way a restart never goes unnoticed: without it the association
	// ends, nothing of the new association is delivered, and a peer that has crashed can dial again
	// from the same address and port at once. With it such a peer is not answered until this end
	// has noticed by itself that the old association is dead; in exchange nobody on the path can
	// end it in that way.
	RefuseRestart bool

	// Control is called with the socket after it was set up as above, before it is bound, as in
	// [net.Dialer].
	Control func(network, address string, c syscall.RawConn) error
}

// DefaultInStreams is that of [Options].MaxInStreams: more than telecom signalling uses. Linux
// makes all streams when an association is set up, before anybody is authenticated: 65535 are
// 1.3 MB for each stranger who asks.
const DefaultInStreams = 256

// A Scheduler is one of the orders in which streams that have messages to send take their turns
// (RFC 8260, Section 3). The numbers are those of enum sctp_sched_type of Linux.
type Scheduler uint8

const (
	SchedulerFCFS          Scheduler = iota // first come, first served
	SchedulerPriority                       // the least value of SetStreamPriority first
	SchedulerRoundRobin                     // a message from each
	SchedulerFairCapacity                   // as many bytes from each; newer kernels than Linux 6.1
	SchedulerWeightedQueue                  // in proportion to that value; likewise
)

var schedulers = [...]string{"fcfs", "prio", "rr", "fc", "wfq"}

func (s Scheduler) String() string {
	if int(s) < len(schedulers) {
		return schedulers[s]
	}
	return fmt.Sprintf("scheduler %d", uint8(s))
}

// Check returns an [OptionError] for values that no association can have. What depends on the
// kernel is left to it.
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
